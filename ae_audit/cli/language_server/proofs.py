"""The proof of a program: the command ``ae-audit`` on the file, in a process of its own with its sandbox."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

from ae_audit.base.errors import UsageError
from ae_audit.cli.language_server.reading import Audit, settings_for
from ae_audit.cli.language_server.snapshots import Snapshot
from ae_audit.engine.shards import merged, read_shards
from ae_audit.source.text import decode


class ProofError(Exception):
    """The program could not be proved; the text says why, and what to do."""


async def prove(snapshot: Snapshot, cancelled: asyncio.Event) -> Audit:
    """Run the program of a snapshot, with all stages.

    Raises:
        ProofError: where the file on disk is not the snapshot, where ae-audit failed, and when ``cancelled`` is set.
    """
    if not _is_on_disk(snapshot):
        raise ProofError("Save the file first: a proof runs what is on disk.")
    # no name that run folders have: the command removes those that nobody holds
    with tempfile.TemporaryDirectory(prefix="proof-of-ae-audit-") as folder:
        report_file = os.path.join(folder, "report.json")
        command = (
            *(sys.executable, "-m", "ae_audit", snapshot.path, "--shard", "1/1"),
            *("--json-output", report_file, "--quiet", "--output-format", "concise", "--color", "never"),
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=os.path.dirname(snapshot.path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        said = await _finished(process, cancelled)
        if not os.path.exists(report_file):
            raise ProofError(said.splitlines()[-1] if said.strip() else "ae-audit ended without a report.")
        try:
            report, _ = merged(read_shards([report_file]))
        except UsageError as error:
            raise ProofError(str(error)) from None
    settings, problem = settings_for(snapshot.path)
    return Audit(snapshot, report, settings, problem, proved=True)


async def _finished(process: asyncio.subprocess.Process, cancelled: asyncio.Event) -> str:
    """Wait for the end of the process, or end it; returns what it said on standard error."""
    talk = asyncio.ensure_future(process.communicate())
    stop = asyncio.ensure_future(cancelled.wait())
    try:
        await asyncio.wait({talk, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not talk.done():
            raise ProofError("The proof was cancelled.")
        return talk.result()[1].decode("utf-8", "replace")
    finally:
        stop.cancel()
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(talk, 10)
            except asyncio.TimeoutError:
                process.kill()


def _is_on_disk(snapshot: Snapshot) -> bool:
    try:
        with open(snapshot.path, "rb") as file:
            text = decode(file.read())
    except (OSError, ValueError):
        return False
    if not snapshot.is_notebook:
        return text == snapshot.text
    from ae_audit.source.notebook_cells import all_cells

    try:
        return [cell.source for cell in all_cells(text)] == [cell.source for cell in all_cells(snapshot.text)]
    except ValueError:
        return False
