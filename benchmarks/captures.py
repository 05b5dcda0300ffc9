"""How many of a folder's programs are seen training, all of their trainings or some, and what keeps the rest back.

usage: python benchmarks/captures.py FOLDER [--cmd "ae-audit"] [--only TEXT] [--skip N] [--first N] [--write] [--probe]

Every ``.py`` and ``.ipynb`` below FOLDER is run by ``ae-audit --stand-in``, one after the other. Of each it is told

- ``all``: each place at which reading or running found a training was seen training,
- ``some``: one was, and which lines were not,
- ``none``: none was, and why,
- ``ours``: ae-audit itself failed,
- ``no training``: neither reading nor running found one.

What no version of the libraries could have run (a name that is nowhere bound, Python 2, a cell cut short), what needs
files of its repository that are not in FOLDER, and what trains only in functions that nothing calls, is left out.
``captures.json`` beside this file says of which programs that was judged, by the SHA-256 of the file, and why; the
programs themselves are other people's and are not kept. ``--write`` keeps the outcome of each program that was run,
and the figures over all that are listed. Exit code 1: a failure of ae-audit itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

LIST = Path(__file__).with_name("captures.json")
KEPT_PROGRAMS = {".py", ".ipynb"}


class Outcome(NamedTuple):
    """What became of one program."""

    kind: str
    why: str


def outcome(report: dict[str, Any]) -> Outcome:
    """Of one program's report."""
    sites: dict[tuple[Any, ...], bool] = {}
    for setup in report["setups"]:
        place = (setup["path"], setup["cell"], setup["line"])
        sites[place] = sites.get(place, False) or "runtime" in setup["seen_by"]
    errors = report["errors"]
    said = "; ".join(error["message"] for error in errors if error["stage"] != "probe")
    if any(error["internal"] for error in errors):
        return Outcome("ours", next(error["message"] for error in errors if error["internal"]))
    unseen = [f"{line}" if cell is None else f"{cell}:{line}" for (_, cell, line), seen in sites.items() if not seen]
    if not sites:
        return Outcome("none" if said else "no training", said)
    if len(unseen) == len(sites):
        return Outcome("none", said or f"not seen, and nothing said: {', '.join(unseen)}")
    if unseen:
        return Outcome("some", f"{len(unseen)} of {len(sites)} not seen (lines {', '.join(unseen)}). {said}".strip())
    return Outcome("all", said)


def audited(command: list[str], program: Path, seconds: float) -> tuple[Outcome, float]:
    """Run the command on one program, from the folder of the program."""
    began = time.monotonic()
    whole = [*command, "--output-format", "json", program.name]
    try:
        done = subprocess.run(whole, cwd=program.parent, capture_output=True, text=True, timeout=4 * seconds + 60)
        found = outcome(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        found = Outcome("ours", "no answer in time")
    except ValueError:
        found = Outcome("ours", f"no report: {done.stderr[-160:].strip()}")
    return found, time.monotonic() - began


def shares(counts: Counter[str]) -> str:
    """The figures, in a line."""
    judged = sum(counts.values()) - counts["left out"] - counts["no training"]
    if not judged:
        return f"no program: {dict(counts)}"
    every, some = counts["all"], counts["all"] + counts["some"]
    figures = f"all {every} ({every / judged:.1%}), some {some} ({some / judged:.1%})"
    return f"{judged} programs: {figures}; {dict(sorted(counts.items()))}"


def main() -> int:
    """Run them all, and compare with the last figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cmd", default="ae-audit")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--first", type=int, default=None)
    parser.add_argument("--timeout", type=float, default=90.0)
    parser.add_argument("--probe", action="store_true", help="settle the findings too: longer, and no more is captured")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(LIST.read_text()) if LIST.exists() else {"programs": {}}
    command = [*shlex.split(given.cmd), "--stand-in", "--timeout", f"{given.timeout:g}"]
    command += [] if given.probe else ["--no-probe"]
    programs = sorted(path for path in given.folder.rglob("*") if path.suffix in KEPT_PROGRAMS)
    chosen = [path for path in programs if given.only in str(path)][given.skip :][: given.first]
    counts: Counter[str] = Counter()
    for program in chosen:
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        known = kept["programs"].setdefault(digest, {})
        found, seconds = audited(command, program, given.timeout)
        left_out = known.get("left out") if found.kind in {"some", "none"} else None
        counts["left out" if left_out else found.kind] += 1
        before = known.get("outcome", found.kind)
        changed = "" if before == found.kind else f" (was {before})"
        why = f"left out: {left_out}" if left_out else found.why
        print(f"{found.kind:11s}{changed} {seconds:6.1f} s  {program.name[:44]:44s} {why[:300]}", flush=True)
        known["outcome"] = found.kind
    print(shares(counts))
    if given.write:
        listed = kept["programs"].values()
        over_all = Counter("left out" if each.get("left out") else each["outcome"] for each in listed)
        kept["figures"] = shares(over_all)
        LIST.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return 1 if counts["ours"] else 0


if __name__ == "__main__":
    sys.exit(main())
