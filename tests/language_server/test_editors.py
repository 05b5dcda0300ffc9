"""The language server under the clients that editors are: what each says it can, as pytest-lsp has recorded it.

pytest-lsp also checks that the server sends nothing that such a client has not announced.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

pytest.importorskip("pygls")
pytest.importorskip("pytest_lsp")

import pytest_lsp
from lsprotocol import types

PROGRAM = """\
import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255.0
name = "😀"; model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="binary_crossentropy")
model.fit(x, x)
"""
AHEAD = PROGRAM.splitlines()[3].partition('"softmax"')[0]
COLUMNS = {"utf-8": len(AHEAD.encode()), "utf-16": len(AHEAD.encode("utf-16-le")) // 2, "utf-32": len(AHEAD)}
"""where the activation begins, as the client and the server agreed to count"""
EDITORS = ("neovim@v0.6.1", "neovim", "emacs", "visual-studio-code")
PATIENCE = 60
SERVER = pytest_lsp.ClientServerConfig(server_command=[sys.executable, "-m", "ae_audit", "server"])


@pytest_lsp.fixture(config=SERVER)
async def client(lsp_client: pytest_lsp.LanguageClient):  # type: ignore[no-untyped-def]
    yield
    await asyncio.wait_for(lsp_client.shutdown_session(), PATIENCE)


@pytest.mark.asyncio
@pytest.mark.parametrize("editor", EDITORS)
async def test_an_editor_sees_the_finding_its_reason_and_its_fix(
    editor: str, client: pytest_lsp.LanguageClient, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ae-audit]\n")
    capabilities = pytest_lsp.client_capabilities(editor)
    agreed = await client.initialize_session(types.InitializeParams(capabilities, root_uri=tmp_path.as_uri()))
    start = COLUMNS[agreed.capabilities.position_encoding or "utf-16"]
    uri = (tmp_path / "train.py").as_uri()
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, PROGRAM)))
    while "AE101" not in [one.code for one in client.diagnostics.get(uri, ())]:
        await asyncio.wait_for(client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS), PATIENCE)
    (found,) = [one for one in client.diagnostics[uri] if one.code == "AE101"]
    assert found.range == types.Range(types.Position(3, start), types.Position(3, start + len('"softmax"')))

    document, place = types.TextDocumentIdentifier(uri), types.Position(3, start + 2)
    hover = await client.text_document_hover_async(types.HoverParams(document, place))
    assert isinstance(hover, types.Hover)
    assert isinstance(hover.contents, types.MarkupContent)
    assert "softmax" in hover.contents.value

    context = types.CodeActionContext([found])
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(document, types.Range(place, place), context)
    )
    assert any(one.title.startswith("AE101") for one in actions or ())
    assert not [one for one in client.log_messages if one.type is types.MessageType.Error]
