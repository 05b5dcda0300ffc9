"""The language server as an editor meets it: a real process, spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.cli.language_server.reading import Reader
from ae_audit.cli.language_server.snapshots import Snapshot
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import AuditTarget
from ae_audit.report.links import address_of
from ae_audit.settings.options import Settings

PROGRAM = """\
import keras
from settings import scale
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / scale
name = "😀ä"; model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="binary_crossentropy")
model.fit(x, x)
"""
RIGHT = PROGRAM.replace("softmax", "sigmoid")
PATIENCE = 60


class Editor:
    """An editor with one server: what it was told of each document, and the wait for it."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.told: dict[str, list[types.PublishDiagnosticsParams]] = {}
        self.messages: list[str] = []
        self._news = asyncio.Condition()

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: types.PublishDiagnosticsParams) -> None:
            self.told.setdefault(params.uri, []).append(params)
            async with self._news:
                self._news.notify_all()

        @client.feature(types.WINDOW_SHOW_MESSAGE)
        async def shown(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)
            async with self._news:
                self._news.notify_all()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(reached), PATIENCE)

    async def codes(self, uri: str, version: int | None = None) -> list[str]:
        """The codes of the findings at ``uri``, once it was told of that version (or of anything)."""
        await self.until(lambda: uri in self.told and version in (None, self.told[uri][-1].version))
        return [str(one.code) for one in self.told[uri][-1].diagnostics if one.code is not None]

    def open(self, uri: str, text: str, version: int = 1) -> None:
        document = types.TextDocumentItem(uri, "python", version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))

    def change(self, uri: str, version: int, *changes: types.TextDocumentContentChangeEvent) -> None:
        document = types.VersionedTextDocumentIdentifier(version, uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, changes))

    def replace(self, uri: str, version: int, text: str) -> None:
        self.change(uri, version, types.TextDocumentContentChangeWholeDocument(text))


def in_editor(
    scenario: Callable[[Editor], Awaitable[None]], folder: Path, encoding: types.PositionEncodingKind | None = None
) -> None:
    """Start a server for ``folder``, live through a scenario with it, and end it; it must end with 0."""

    async def live() -> None:
        client = LanguageClient("test", "1")
        editor = Editor(client)
        await client.start_io(sys.executable, "-m", "ae_audit", "server", cwd=str(folder))
        general = types.GeneralClientCapabilities(position_encodings=None if encoding is None else [encoding])
        capabilities = types.ClientCapabilities(general=general)
        await client.initialize_async(
            types.InitializeParams(capabilities=capabilities, root_uri=folder.as_uri(), process_id=None)
        )
        client.initialized(types.InitializedParams())
        try:
            await scenario(editor)
        finally:
            await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
            client.exit(None)
            process: Any = client._server
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
            await client.stop()

    asyncio.run(asyncio.wait_for(live(), 5 * PATIENCE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.ae-audit]\n")
    (tmp_path / "settings.py").write_text("scale = 255.0\n")
    (tmp_path / "train.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("encoding", list(types.PositionEncodingKind))
def test_findings_hover_and_fixes_at_their_places(encoding: types.PositionEncodingKind, folder: Path) -> None:
    uri = (folder / "train.py").as_uri()
    before = PROGRAM.splitlines()[4].partition('"softmax"')[0]
    ahead = {"utf-8": len(before.encode()), "utf-16": len(before.encode("utf-16-le")) // 2, "utf-32": len(before)}
    start = ahead[encoding.value]

    async def scenario(editor: Editor) -> None:
        editor.open(uri, PROGRAM)
        assert "AE101" in await editor.codes(uri)
        (found,) = [one for one in editor.told[uri][-1].diagnostics if one.code == "AE101"]
        assert found.code_description is not None
        assert found.code_description.href == address_of("AE101")
        assert found.range == types.Range(types.Position(4, start), types.Position(4, start + len('"softmax"')))
        assert found.severity == types.DiagnosticSeverity.Error
        related = {one.message: one.location.range.start.line for one in found.related_information or ()}
        assert related['the loss: "binary_crossentropy"'] == 5

        document, place = types.TextDocumentIdentifier(uri), types.Position(4, start + 2)
        hover = await editor.client.text_document_hover_async(types.HoverParams(document, place))
        assert isinstance(hover, types.Hover)
        assert isinstance(hover.contents, types.MarkupContent)
        assert "softmax" in hover.contents.value
        data = await editor.client.text_document_hover_async(types.HoverParams(document, types.Position(2, 20)))
        assert isinstance(data, types.Hover)
        assert isinstance(data.contents, types.MarkupContent)
        assert "[0, 1]" in data.contents.value

        asked = types.CodeActionParams(document, types.Range(place, place), types.CodeActionContext([]))
        actions = await editor.client.text_document_code_action_async(asked)
        (fix,) = [one for one in actions or () if isinstance(one, types.CodeAction) and one.title.startswith("AE101")]
        assert fix.edit is not None
        (edit,) = (fix.edit.changes or {})[uri]
        assert edit == types.TextEdit(
            types.Range(types.Position(4, start + 1), types.Position(4, start + 8)), "sigmoid"
        )

        editor.change(uri, 2, types.TextDocumentContentChangePartial(edit.range, edit.new_text))
        assert "AE101" not in await editor.codes(uri, 2)

    in_editor(scenario, folder, encoding)


def test_what_is_shown_is_of_the_last_text(folder: Path) -> None:
    uri = (folder / "train.py").as_uri()
    chance = random.Random(0)

    async def scenario(editor: Editor) -> None:
        editor.open(uri, PROGRAM)
        text = PROGRAM
        for version in range(2, 80):
            lines = text.split("\n")
            line = chance.randrange(len(lines))
            column = chance.randrange(len(lines[line]) + 1) if lines[line].isascii() else 0
            end = min(column + chance.randrange(4), len(lines[line])) if lines[line].isascii() else 0
            new = chance.choice(["", "x", "\n", '"', "(", "# ", "255"])
            place = types.Range(types.Position(line, column), types.Position(line, end))
            lines[line] = lines[line][:column] + new + lines[line][end:]
            text = "\n".join(lines)
            editor.change(uri, version, types.TextDocumentContentChangePartial(place, new))
            if version % 20 == 0:
                await asyncio.sleep(0.3)
                assert (await editor.codes(uri, version)) == reported(text, folder)
        editor.replace(uri, 80, RIGHT)
        assert await editor.codes(uri, 80) == reported(RIGHT, folder)
        versions = [one.version or 0 for one in editor.told[uri]]
        assert versions == sorted(versions)
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
        await editor.until(lambda: not editor.told[uri][-1].diagnostics)

    in_editor(scenario, folder)


def reported(text: str, folder: Path) -> list[str]:
    """The codes that the command finds in ``text``."""
    path = folder / "train.py"
    path.write_text(text)
    report = audit_files([AuditTarget(str(path), named=True)], Settings(static=True), Progress())
    return [finding.code for finding in report.standing]


def test_fixes_are_looked_for_when_they_are_asked_for(folder: Path) -> None:
    path = str(folder / "train.py")
    snapshot = Snapshot("file:///train.py", 1, path, PROGRAM, ("file:///train.py",), (tuple(PROGRAM.splitlines()),))
    reader = Reader()
    found = reader.read(snapshot)
    assert [finding.code for finding in found.report.standing] == reported(PROGRAM, folder)
    assert all(finding.fix is None for finding in found.report.standing)
    fixed = reader.fixed(found)
    assert any(finding.fix is not None and finding.fix.edits for finding in fixed.report.standing)
    assert reader.fixed(found) is fixed, "editors ask again at each move of the cursor"
    right = reader.read(replace(snapshot, text="print(1)\n"))
    assert reader.fixed(right) is right


def test_files_and_configuration_that_change_are_read_again(folder: Path) -> None:
    uri = (folder / "train.py").as_uri()

    async def scenario(editor: Editor) -> None:
        def saved(name: str) -> None:
            place = types.TextDocumentIdentifier((folder / name).as_uri())
            editor.client.text_document_did_save(types.DidSaveTextDocumentParams(place))

        editor.open(uri, PROGRAM)
        assert "AE102" not in await editor.codes(uri)
        (folder / "settings.py").write_text("scale = 1.0\n")
        saved("settings.py")
        await editor.until(lambda: "AE102" in [one.code for one in editor.told[uri][-1].diagnostics])
        (folder / "pyproject.toml").write_text('[tool.ae-audit]\nignore = ["AE1"]\n')
        saved("pyproject.toml")
        await editor.until(lambda: "AE102" not in [one.code for one in editor.told[uri][-1].diagnostics])
        (folder / "pyproject.toml").write_text('[tool.ae-audit]\nignore = ["AE999"]\nnonsense = 1\n')
        saved("pyproject.toml")
        await editor.until(lambda: "AE102" in [one.code for one in editor.told[uri][-1].diagnostics])
        await editor.until(lambda: any("nonsense" in message for message in editor.messages))

    in_editor(scenario, folder)


def test_a_notebook_has_its_findings_in_its_cells(folder: Path) -> None:
    head, _, tail = PROGRAM.partition("name =")
    uri = (folder / "a.ipynb").as_uri()
    cells = [f"{uri.replace('file', 'vscode-notebook-cell')}#{number}" for number in range(4)]
    texts = ["# Title", head, "name =" + tail, "print(1)"]
    kinds = [types.NotebookCellKind.Markup, *([types.NotebookCellKind.Code] * 3)]

    async def scenario(editor: Editor) -> None:
        entries = [types.NotebookCell(kind, cell) for kind, cell in zip(kinds, cells, strict=True)]
        book = types.NotebookDocument(uri, "jupyter-notebook", 1, entries)
        items = [
            types.TextDocumentItem(cell, "python", 1, text)
            for cell, text, kind in zip(cells, texts, kinds, strict=True)
            if kind is types.NotebookCellKind.Code
        ]
        editor.client.notebook_document_did_open(types.DidOpenNotebookDocumentParams(book, items))
        await editor.until(lambda: all(cell in editor.told for cell in cells))
        assert [[one.code for one in editor.told[cell][-1].diagnostics][:1] for cell in cells] == [
            [],
            [],
            ["AE101"],
            [],
        ]
        (found, *_) = editor.told[cells[2]][-1].diagnostics
        assert found.range.start.line == 0

        moved = types.NotebookDocumentChangeEvent(
            cells=types.NotebookDocumentCellChanges(
                structure=types.NotebookDocumentCellChangeStructure(
                    types.NotebookCellArrayChange(3, 1), did_close=[types.TextDocumentIdentifier(cells[3])]
                ),
                text_content=[
                    types.NotebookDocumentCellContentChanges(
                        types.VersionedTextDocumentIdentifier(2, cells[2]),
                        [types.TextDocumentContentChangeWholeDocument("name =" + RIGHT.partition("name =")[2])],
                    )
                ],
            )
        )
        book_now = types.VersionedNotebookDocumentIdentifier(2, uri)
        editor.client.notebook_document_did_change(types.DidChangeNotebookDocumentParams(book_now, moved))
        await editor.until(lambda: "AE101" not in [one.code for one in editor.told[cells[2]][-1].diagnostics])

        unknown = types.TextDocumentIdentifier(f"{uri}#nowhere")
        place = types.Position(0, 0)
        assert await editor.client.text_document_hover_async(types.HoverParams(unknown, place)) is None
        asked = types.CodeActionParams(unknown, types.Range(place, place), types.CodeActionContext([]))
        assert await editor.client.text_document_code_action_async(asked) is None

    in_editor(scenario, folder)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="runs a program")
def test_a_proof_runs_what_is_on_disk(folder: Path) -> None:
    uri = (folder / "proof.py").as_uri()
    program = """\
import torch
x = torch.rand(64, 8) * 255
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Sigmoid())
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(3):
    loss = torch.nn.functional.mse_loss(model(x / 255), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    (folder / "proof.py").write_text(program)

    async def scenario(editor: Editor) -> None:
        asked = types.ExecuteCommandParams("ae-audit.prove", [uri])
        assert "Open the document" in str(await editor.client.workspace_execute_command_async(asked))
        editor.open(uri, program + "# more\n")
        assert "AE102" in await editor.codes(uri)
        assert "Save the file first" in str(await editor.client.workspace_execute_command_async(asked))
        editor.replace(uri, 2, program)
        assert "AE102" in await editor.codes(uri, 2)
        assert "proved as far as" in str(await editor.client.workspace_execute_command_async(asked))
        await editor.until(lambda: any("[proved]" in one.message for one in editor.told[uri][-1].diagnostics))
        editor.replace(uri, 3, program + "\n")
        await editor.codes(uri, 3)
        greyed = [
            one for one in editor.told[uri][-1].diagnostics if types.DiagnosticTag.Unnecessary in (one.tags or ())
        ]
        assert greyed
        assert not any("[proved]" in one.message for one in editor.told[uri][-1].diagnostics)

    in_editor(scenario, folder)
