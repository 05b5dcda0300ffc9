"""The server: what the editor tells becomes snapshots, and what is found in them goes back if they are still the text.

One thread reads, so that the loop that talks with the editor never waits. Of the versions of a document the latest one
alone is read, once its author has paused; what was found is published only if the document has not changed since.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from ae_audit.base.errors import own_failure
from ae_audit.base.version import __version__
from ae_audit.cli.language_server.diagnostics import SOURCE, code_actions, diagnostics
from ae_audit.cli.language_server.hovering import hover
from ae_audit.cli.language_server.positions import Encoding
from ae_audit.cli.language_server.proofs import ProofError, prove
from ae_audit.cli.language_server.reading import Audit, Reader
from ae_audit.cli.language_server.snapshots import Snapshot, of_document, of_notebook
from ae_audit.schema.findings import Verdict

PAUSE = 0.2
"""seconds without a change after which what was found in a document is shown"""
HEAD_START = 0.1
"""seconds before the pause ends at which a document is read, so that what is found is there when it may be shown"""
PROVE = "ae-audit.prove"
"""the command that runs a document's program; its argument is the document's URI"""
_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(
            notebook="jupyter-notebook", cells=[types.NotebookCellLanguage(language="python")]
        )
    ]
)


class Auditor:
    """The documents that are open, what was last found in each, and what is still to be read."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._reader = Reader()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ae-audit-reader")
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._audits: dict[str, Audit] = {}
        self._proofs: dict[str, Audit] = {}
        self._problems: set[str] = set()

    @property
    def encoding(self) -> Encoding:
        """What columns are counted in."""
        return self._server.workspace.position_encoding or types.PositionEncodingKind.Utf16

    def warm(self) -> None:
        """Make ready to read, while the editor still opens its first document."""
        self._thread.submit(self._reader.warm)

    def changed(self, uri: str, pause: float = PAUSE) -> None:
        """A document was opened or changed: show what is found after a pause, unless it changes again before."""
        self._forget_timer(uri)
        loop = asyncio.get_running_loop()
        due = loop.time() + pause
        self._waiting[uri] = loop.call_at(due - HEAD_START, lambda: loop.create_task(self._read(uri, due)))

    def saved(self) -> None:
        """Something changed on disk: what is open may import it."""
        self._thread.submit(self._reader.forget)
        for uri in self._open():
            self.changed(uri, 0.0)

    def closed(self, uri: str) -> None:
        """A document was closed: show nothing of it any more."""
        self._forget_timer(uri)
        self._proofs.pop(uri, None)
        audit = self._audits.pop(uri, None)
        for document in audit.snapshot.documents if audit is not None else (uri,):
            self._publish(document, [], None)

    def audit_of(self, document: str) -> Audit | None:
        """What was last found in the script or notebook that a document is or is a cell of."""
        audit = self._audits.get(self._owner(document))
        return audit if audit is not None and self._is_current(audit.snapshot) else None

    async def with_fixes(self, document: str) -> Audit | None:
        """:meth:`audit_of`, with the fixes of what was found."""
        audit = self.audit_of(document)
        if audit is None or audit.fixed:
            return audit
        loop = asyncio.get_running_loop()
        fixed = await loop.run_in_executor(self._thread, self._reader.fixed, audit)
        return fixed if self._is_current(audit.snapshot) else None

    async def prove(self, document: str) -> str:
        """Run the program that a document holds, show what that proves, and say it in a sentence."""
        uri = self._owner(document)
        snapshot = self._snapshot(uri)
        if snapshot is None:
            return "Open the document before it is proved."
        cancelled = asyncio.Event()
        async with self._progress(f"Proving {snapshot.path}", cancelled):
            try:
                audit = await prove(snapshot, cancelled)
            except ProofError as error:
                return str(error)
        self._proofs[uri] = audit
        self._show(audit)
        number = len(audit.report.standing)
        return f"{number} finding{'' if number == 1 else 's'}, proved as far as they can be."

    def close(self) -> None:
        """Read nothing more."""
        for uri in list(self._waiting):
            self._forget_timer(uri)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _read(self, uri: str, due: float) -> None:
        """Read a document, and show what is found once it is ``due`` by the loop's clock."""
        self._waiting.pop(uri, None)
        loop = asyncio.get_running_loop()
        snapshot = self._snapshot(uri)
        if snapshot is None:
            return
        proof = self._proofs.get(uri)
        if proof is not None and proof.snapshot.text == snapshot.text:
            audit = Audit(snapshot, proof.report, proof.settings, proof.problem, proved=True)
        else:
            try:
                audit = await loop.run_in_executor(self._thread, self._reader.read, snapshot)
            except Exception as error:  # of ours; the editor goes on
                self._tell(own_failure(error), types.MessageType.Error)
                return
        await asyncio.sleep(due - loop.time())
        if self._is_current(snapshot):
            self._show(audit)

    def _show(self, audit: Audit) -> None:
        before = self._audits.get(audit.snapshot.uri)
        self._audits[audit.snapshot.uri] = audit
        found = diagnostics(audit, self.encoding)
        if not audit.proved:
            self._add_outdated(found, audit)
        for document, ones in found.items():
            self._publish(document, ones, None if audit.snapshot.is_notebook else audit.snapshot.version)
        for document in before.snapshot.documents if before is not None else ():
            if document not in found:
                self._publish(document, [], None)
        if audit.problem is not None and audit.problem not in self._problems:
            self._problems.add(audit.problem)
            self._tell(f"{audit.problem} The default configuration is used.", types.MessageType.Warning)

    def _add_outdated(self, found: dict[str, list[types.Diagnostic]], audit: Audit) -> None:
        """Grey what was proved of an earlier text."""
        proof = self._proofs.get(audit.snapshot.uri)
        if proof is None:
            return
        settled = {one.code for one in proof.report.findings if one.verdict not in {Verdict.STATIC}}
        for ones in found.values():
            for one in [one for one in ones if one.code in settled]:
                ones.append(
                    types.Diagnostic(
                        one.range,
                        "This was proved or refuted for an earlier text; prove it again.",
                        severity=types.DiagnosticSeverity.Hint,
                        source=SOURCE,
                        tags=[types.DiagnosticTag.Unnecessary],
                    )
                )

    def _publish(self, document: str, ones: list[types.Diagnostic], version: int | None) -> None:
        self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document, ones, version))

    def _tell(self, text: str, kind: types.MessageType) -> None:
        self._server.window_show_message(types.ShowMessageParams(kind, text))

    @contextlib.asynccontextmanager
    async def _progress(self, title: str, cancelled: asyncio.Event) -> Any:
        """Show that something goes on, where the editor can show it and let it be cancelled."""
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            yield
            return
        token = f"ae-audit-{id(cancelled)}"
        progress = self._server.work_done_progress
        await progress.create_async(token)
        loop = asyncio.get_running_loop()
        progress.tokens[token].add_done_callback(lambda _: loop.call_soon_threadsafe(cancelled.set))
        progress.begin(token, types.WorkDoneProgressBegin(title=title, cancellable=True))
        try:
            yield
        finally:
            progress.end(token, types.WorkDoneProgressEnd())

    def _owner(self, document: str) -> str:
        notebook = self._server.workspace.get_notebook_document(cell_uri=document)
        return document if notebook is None else notebook.uri

    def _snapshot(self, uri: str) -> Snapshot | None:
        workspace = self._server.workspace
        return of_notebook(workspace, uri) or of_document(workspace, uri)

    def _is_current(self, snapshot: Snapshot) -> bool:
        now = self._snapshot(snapshot.uri)
        return now is not None and (now.version, now.text) == (snapshot.version, snapshot.text)

    def _open(self) -> list[str]:
        workspace = self._server.workspace
        cells = {cell.document for book in workspace.notebook_documents.values() for cell in book.cells}
        notebooks = [book.uri for book in workspace.notebook_documents.values()]
        return [*notebooks, *(uri for uri in workspace.text_documents if uri not in cells)]

    def _forget_timer(self, uri: str) -> None:
        timer = self._waiting.pop(uri, None)
        if timer is not None:
            timer.cancel()


def make_server() -> LanguageServer:
    """A server with its handlers, not started yet."""
    server = LanguageServer("ae-audit", __version__, notebook_document_sync=_NOTEBOOKS)
    auditor = Auditor(server)

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        auditor.warm()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        auditor.changed(params.text_document.uri, 0.0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        auditor.changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        auditor.closed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(_: types.DidSaveTextDocumentParams) -> None:
        auditor.saved()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def changed_on_disk(_: types.DidChangeWatchedFilesParams) -> None:
        auditor.saved()

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def notebook_opened(params: types.DidOpenNotebookDocumentParams) -> None:
        auditor.changed(params.notebook_document.uri, 0.0)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def notebook_changed(params: types.DidChangeNotebookDocumentParams) -> None:
        auditor.changed(params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_SAVE)
    async def notebook_saved(_: types.DidSaveNotebookDocumentParams) -> None:
        auditor.saved()

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def notebook_closed(params: types.DidCloseNotebookDocumentParams) -> None:
        auditor.closed(params.notebook_document.uri)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        audit = auditor.audit_of(params.text_document.uri)
        return None if audit is None else hover(audit, params.text_document.uri, params.position, auditor.encoding)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        uri = params.text_document.uri
        audit = await auditor.with_fixes(uri)
        return None if audit is None else code_actions(audit, uri, params.range, params.context.only, auditor.encoding)

    @server.command(PROVE)
    async def prove_it(uri: str) -> str:
        return await auditor.prove(uri)

    @server.feature(types.SHUTDOWN)
    async def shut_down(_: None) -> None:
        auditor.close()

    return server
