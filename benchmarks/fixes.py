"""Fixes tried: every edit that the tool proposes is made, and the program is audited again.

usage: python benchmarks/fixes.py [--static] [--mutants N] [--seed N] [--only TEXT] [--part I/N] [--json FILE]
                                  [--show] [FOLDER …]

Takes the programs of ``fixtures/`` and of every FOLDER, and N mutants: right fixtures with one fault each
(``fix_mutants.py``), drawn with the seed. Each program that an error or a warning stands of is copied, ``--fix
--unsafe-fixes`` is applied to the copy, and the copy is audited as the program was. Of each program is told

  clean       no error and no warning is left
  in words    what is left has no edits: the sentences of its fixes are printed, for a person to judge
  left        a finding is still there whose edits were made, or could have been
  new         an error or a warning is there that was not there before
  broken      the file does not parse, or could not be written
  raises      the program ends in an exception that it did not end in before
  as good     warnings alone stood, of what hurts elsewhere (on another backend, say): it explains as much as before
  no better   the program does not explain more of its target than before (only without ``--static``: R² of its
              predictions after as many steps as the probe takes at least)

The exit code is 1 where anything but the first two or "as good" was told.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ae_audit.base.progress import Progress
from ae_audit.cli.fixing import mend
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import discover
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

ROOT = Path(__file__).resolve().parents[1]
GOOD = ("clean", "in words", "as good")
MEASURE_TIMEOUT = 240
"""seconds that one measurement may take"""
SAME = 0.02
"""of R²: what two fits differ by that nothing tells apart"""
WELL = 0.9
"""of R²: who comes so far has no room for a gain that counts"""


@dataclass(frozen=True)
class Program:
    """A program to be mended; ``files`` is the folder whose other files it may want."""

    name: str
    source: bytes
    suffix: str
    files: Path | None


@dataclass
class Outcome:
    """What became of one program."""

    name: str
    told: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    r2: tuple[list[float], list[float]] | None = None
    """of each training, before and after"""


def fixtures() -> list[Path]:
    """The programs of this repository."""
    return sorted(ROOT.glob("fixtures/*/*.py"))


def programs(folders: Iterable[Path], mutants: int, seed: int) -> Iterator[Program]:
    """Fixtures, the programs of ``folders``, and mutants of right fixtures."""
    for path in fixtures():
        yield Program(f"{path.parent.name}/{path.name}", path.read_bytes(), path.suffix, None)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".ipynb"} and path.name != "check.py":
                yield Program(path.relative_to(folder).as_posix(), path.read_bytes(), path.suffix, path.parent)
    if mutants:
        yield from _mutants(mutants, seed)


def _mutants(number: int, seed: int) -> Iterator[Program]:
    from fix_mutants import variants

    chosen = random.Random(seed)
    pools = []
    for path in fixtures():
        source = path.read_bytes()
        if not standing(audited(_copied(Program("", source, ".py", None)), static=True)[0]):
            pools.append((path, list(variants(str(path), source))))
    every = [(path, variant) for path, pool in pools for variant in pool]
    chosen.shuffle(every)
    made = 0
    for path, variant in every:
        program = Program(f"{path.parent.name}/{path.stem}: {variant.name}", variant.source, ".py", None)
        if standing(audited(_copied(program), static=True)[0]):
            made += 1
            yield program
        if made == number:
            return


def _copied(program: Program) -> Path:
    """The program in a folder of its own, with the files that lie beside it."""
    folder = Path(tempfile.mkdtemp(prefix="study-of-fixes-"))
    if program.files is not None:
        for path in program.files.iterdir():
            if path.is_file() and path.stat().st_size < 1_000_000:
                shutil.copy(path, folder / path.name)
    place = folder / f"program{program.suffix}"
    place.write_bytes(program.source)
    return place


def audited(place: Path, *, static: bool) -> tuple[Report, Settings]:
    """The report of one program, and how it was made."""
    settings = Settings(static=static, stand_in=True, unsafe_fixes=True, fix=True, jobs=1, cache=False, probe=False)
    return audit_files(discover([str(place)], settings), settings, Progress(), Sources()), settings


def standing(report: Report) -> list[Finding]:
    """Errors and warnings that were not refuted."""
    return [finding for finding in report.standing if finding.severity is not Severity.INFO]


def _words(finding: Finding) -> str:
    fix = "no fix" if finding.fix is None else finding.fix.description
    return f"{finding.location.line}: {finding.code} [{finding.severity.value}] {finding.message} — fix: {fix}"


def tried(program: Program, *, static: bool) -> Outcome | None:
    """The outcome; None where nothing stands against the program."""
    place = _copied(program)
    original = place.with_name(f"original{program.suffix}")
    original.write_bytes(program.source)
    try:
        report, settings = audited(place, static=static)
        before = standing(report)
        if not before:
            return None
        mended = mend(report, discover([str(place)], settings), settings, Progress(), Sources())
        outcome = _judged(program, before, standing(mended.report), mended.problems)
        errors = {error.message for error in report.errors}
        fresh = [error.message for error in mended.report.errors if error.message not in errors]
        if fresh and not any("stopped: " in message for message in errors):
            outcome = Outcome(program.name, "raises", outcome.before, outcome.after, fresh)
        made_up = any("does not exist" in note.text for note in report.notes)  # of which nothing can be learned
        if not static and not made_up and mended.findings and outcome.told in GOOD:
            outcome.r2 = explained(original), explained(place)
            if not _better(*outcome.r2):
                warned = all(finding.severity is Severity.WARNING for finding in before)
                outcome.told = "as good" if warned and _same(*outcome.r2) else "no better"
        return outcome
    finally:
        shutil.rmtree(place.parent)


def _judged(program: Program, before: list[Finding], after: list[Finding], problems: tuple[str, ...]) -> Outcome:
    old, new = ([finding.code for finding in findings] for findings in (before, after))
    told, why = "clean", [_words(finding) for finding in after]
    if problems:
        told, why = "broken", list(problems)
    elif set(new) - set(old):
        told = "new"
    elif any(finding.fix is not None and finding.fix.edits for finding in after):
        told = "left"
    elif new:
        told = "in words"
    return Outcome(program.name, told, old, new, why)


def _better(before: list[float], after: list[float]) -> bool:
    """Whether a training explains more than before, or as much as can be, and none explains less."""
    if not after:
        return False
    if len(before) != len(after):  # before, the program may have ended at the first of them
        return min(after) > min(before, default=-math.inf)
    pairs = list(zip(before, after, strict=True))
    gains = any(second > first + SAME or second >= WELL for first, second in pairs)
    return gains and all(second > first - SAME for first, second in pairs)


def _same(before: list[float], after: list[float]) -> bool:
    return len(before) == len(after) and all(abs(a - b) <= SAME for a, b in zip(before, after, strict=True))


def explained(place: Path) -> list[float]:
    """R² that each of the program's trainings reaches, as far as it could be measured."""
    command = [sys.executable, str(ROOT / "benchmarks" / "fit_program.py"), str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MEASURE_TIMEOUT, check=False)
        return [round(float(line.split()[1]), 3) for line in done.stdout.splitlines() if line.startswith("R2 ")]
    except (subprocess.TimeoutExpired, ValueError):
        return []


def main() -> int:
    """Try all programs, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--static", action="store_true", help="run nothing")
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="programs whose name holds this text")
    parser.add_argument("--part", default="1/1", help="I/N: the I-th of N equal parts")
    parser.add_argument("--json", type=Path, help="where the outcomes are recorded")
    parser.add_argument("--show", action="store_true", help="print the reasons of good outcomes too")
    given = parser.parse_args()
    part, parts = map(int, given.part.split("/"))
    outcomes: list[Outcome] = []
    for number, program in enumerate(programs(given.folders, given.mutants, given.seed)):
        if number % parts != part - 1 or given.only not in program.name:
            continue
        outcome = tried(program, static=given.static)
        if outcome is None:
            continue
        outcomes.append(outcome)
        r2 = "" if outcome.r2 is None else f" R² {outcome.r2[0]} → {outcome.r2[1]}"
        codes = f"{' '.join(outcome.before)} → {' '.join(outcome.after)}"
        print(f"{outcome.told:10s} {outcome.name}  {codes}{r2}", flush=True)
        if outcome.told != "clean" or given.show:
            print(*(f"    {line}" for line in outcome.why), sep="\n")
    told = Counter(outcome.told for outcome in outcomes)
    print(f"{len(outcomes)} programs: {', '.join(f'{count} {word}' for word, count in told.most_common())}")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1, ensure_ascii=False))
    return int(any(outcome.told not in GOOD for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
