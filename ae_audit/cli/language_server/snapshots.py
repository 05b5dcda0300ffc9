"""What is audited: the text of a script or a notebook at one version, as the editor has it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from lsprotocol import types
from pygls import uris
from pygls.workspace import Workspace

from ae_audit.base.records import dataclass
from ae_audit.schema.location import Location
from ae_audit.source.text import split_lines


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a document. ``documents`` are the URIs that its places are in: its own, or those of its cells."""

    uri: str
    version: int
    path: str
    """absolute; of a document that was never saved a name in the working folder"""
    text: str
    """a script's source, or a notebook as JSON"""
    documents: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    """of each of ``documents``"""
    is_notebook: bool = False

    def document_of(self, location: Location) -> int | None:
        """The number among ``documents`` of the one that a place is in; None where it is in another file."""
        if location.path != self.path:
            return None
        number = (location.cell or 0) if self.is_notebook else 0
        return number if number < len(self.documents) else None


def of_document(workspace: Workspace, uri: str) -> Snapshot | None:
    """The script at ``uri`` as it is now; None where it is not open."""
    known = workspace.text_documents.get(uri)
    if known is None:
        return None
    text = known.source
    return Snapshot(uri, known.version or 0, path_of(uri, ".py"), text, (uri,), (tuple(split_lines(text)),))


def of_notebook(workspace: Workspace, uri: str) -> Snapshot | None:
    """The notebook at ``uri`` as it is now; None where it is not open."""
    notebook = workspace.get_notebook_document(notebook_uri=uri)
    if notebook is None:
        return None
    cells = []
    texts = []
    for cell in notebook.cells:
        text = workspace.get_text_document(cell.document).source if _is_open(workspace, cell.document) else ""
        is_code = cell.kind == types.NotebookCellKind.Code
        code: Mapping[str, object] = {"outputs": [], "execution_count": None} if is_code else {}
        cells.append({"cell_type": "code" if is_code else "markdown", "metadata": {}, "source": text, **code})
        texts.append(tuple(split_lines(text)))
    document = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    places = tuple(cell.document for cell in notebook.cells)
    return Snapshot(uri, notebook.version, path_of(uri, ".ipynb"), document, places, tuple(texts), True)


def _is_open(workspace: Workspace, uri: str) -> bool:
    return uri in workspace.text_documents


def path_of(uri: str, suffix: str) -> str:
    """The absolute path that ``uri`` names; one in the working folder for what is in no file yet."""
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    if path:
        return os.path.abspath(path)
    name = "".join(char if char.isalnum() or char in "-_." else "_" for char in uri.rpartition("/")[2]) or "untitled"
    return os.path.abspath(name if name.endswith(suffix) else name + suffix)
