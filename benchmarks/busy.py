"""Whether a busy machine changes what is found: programs audited in quiet, and again while others keep the cores busy.

usage: python benchmarks/busy.py FOLDER... --journal FILE [--part quiet|busy|compare] [--runs 200] [--load 2]

Every ``.py`` and ``.ipynb`` of the folders is audited in full, as ``ae-audit --stand-in --output-format json`` does by
default: once in quiet, then ``--runs`` times in all, in turn, while ``--load`` processes compute without a pause. Two
answers are equal where findings (code, severity, verdict, place), the trainings that were seen, and what failed are.

The journal is a file of JSON lines to which each answer is added as it comes. A run that was broken off goes on where
it ended, and each part can be run at another time: ``quiet`` on a machine that has nothing else to do. ``compare``
reads the journal alone. Exit code 1: an answer differs, or an audit failed or ran out of time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {".py", ".ipynb"}
NOT_PROGRAMS = {"check.py", "__init__.py", "conftest.py"}
MOST_SECONDS = 1200.0
"""after which an audit counts as hung; its own limits end it long before"""
BUSY = "n = 0\nwhile True:\n    n = (n * 48271 + 1) % 2147483647\n"

Answer = dict[str, Any]


def audited(command: Sequence[str], program: Path) -> Answer:
    """What the command finds in one program, in a form that can be compared."""
    began = time.monotonic()
    whole = [*command, "--stand-in", "--output-format", "json", program.name]
    try:
        done = subprocess.run(whole, cwd=program.parent, capture_output=True, text=True, timeout=MOST_SECONDS)
        told = compared(json.loads(done.stdout), done.returncode)
    except subprocess.TimeoutExpired:
        told = {"failed": "no answer"}
    except ValueError:
        told = {"failed": "no report"}
    return {"told": told, "seconds": round(time.monotonic() - began, 1)}


def compared(report: dict[str, Any], code: int) -> Answer:
    """Of a report, what a busy machine must not change; figures of fits are left out of messages."""
    findings = sorted(
        [one["code"], one["severity"], one["verdict"], one["line"], one["cell"] or 0] for one in report["findings"]
    )
    seen = sorted([setup["line"], setup["cell"] or 0, "runtime" in setup["seen_by"]] for setup in report["setups"])
    errors = sorted({re.sub(r"\d+(\.\d+)?", "#", one["message"]) for one in report["errors"]})
    return {"exit": code, "findings": findings, "seen": seen, "errors": errors}


@contextlib.contextmanager
def loaded(count: int) -> Iterator[None]:
    """``count`` processes that compute for as long as the block runs."""
    busy = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def read_journal(journal: Path) -> list[Answer]:
    """What was written so far; a last line that was cut short is dropped."""
    entries = []
    for line in journal.read_text().splitlines() if journal.exists() else ():
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return entries


def add(journal: Path, entry: Answer) -> None:
    """Add an answer to the journal, and show its time."""
    with journal.open("a") as file:
        file.write(json.dumps(entry) + "\n")
    print(f"{entry['part']:5s} {entry['seconds']:7.1f} s  {entry['program']}", flush=True)


def differences(entries: Sequence[Answer]) -> list[str]:
    """A line for each busy answer that is not the quiet one."""
    quiet = {one["program"]: one["told"] for one in entries if one["part"] == "quiet"}
    lines = []
    for one in entries:
        if one["part"] == "quiet" or one["program"] not in quiet:
            continue
        before, now = quiet[one["program"]], one["told"]
        keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        changed = [f"{key}: {before.get(key)} → {now.get(key)}" for key in keys]
        if changed:
            lines.append(f"{one['program']}: {'; '.join(changed)}")
    return lines


def failures(entries: Sequence[Answer]) -> list[str]:
    """A line for each audit that gave no answer."""
    return [f"{one['program']}: {one['told']['failed']} ({one['part']})" for one in entries if "failed" in one["told"]]


def main() -> int:
    """Run the parts asked for, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--part", choices=("quiet", "busy", "both", "compare"), default="both")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--load", type=int, default=2)
    parser.add_argument("--first", type=int, default=None, help="the first programs alone")
    parser.add_argument("--only", default="", help="programs whose path holds this")
    parser.add_argument("--cmd", default="ae-audit")
    given = parser.parse_args()
    command = shlex.split(given.cmd)
    found = sorted(path for folder in given.folders for path in folder.rglob("*") if path.suffix in PROGRAMS)
    chosen = [path for path in found if path.name not in NOT_PROGRAMS and given.only in str(path)][: given.first]
    entries = read_journal(given.journal)
    if given.part in {"quiet", "both"}:
        done = {one["program"] for one in entries if one["part"] == "quiet"}
        for program in chosen:
            if str(program) not in done:
                add(given.journal, {"part": "quiet", "program": str(program), **audited(command, program)})
    if given.part in {"busy", "both"}:
        done_before = sum(one["part"] == "busy" for one in entries)
        with loaded(given.load):
            for number in range(done_before, given.runs):
                program = chosen[number % len(chosen)]
                add(given.journal, {"part": "busy", "program": str(program), **audited(command, program)})
    entries = read_journal(given.journal)
    lines = [*failures(entries), *differences(entries)]
    print("\n".join(lines))
    quiet, busy = (sum(one["part"] == part for one in entries) for part in ("quiet", "busy"))
    print(f"{busy} runs on a busy machine, {quiet} in quiet: {len(lines)} differ or failed")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
