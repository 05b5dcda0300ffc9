"""What reading knows of the trainings of respected public repositories, and what changed since the last run.

usage: python benchmarks/ecosystem.py FOLDER [--cmd "ae-audit"] [--write] [--reasons 25] [--only NAME]

FOLDER holds one checked-out repository a folder, named OWNER+NAME. ``ecosystem.json`` beside this file lists the
repositories with their commits, the figures of the last run, and one line of judgement for each error and warning; no
code of theirs is kept; ``first`` of a repository are the figures before anybody mended for it, and ``sample`` says of
sites drawn at random what a person who reads the code can know there, and what of it was known. Repositories that
FOLDER lacks are left out, and so are those that the list lacks, unless ``--write`` adds them. A *site* is a path,
cell and line with a training set-up. Of it are known

- the loss: its name,
- the head: its activation,
- the target: a hull bounded on both sides, or a structure, or that it is standardised;

*all* counts the sites of which one set-up knows all three, *decided* those of which nothing is undecided. Printed a
repository and in all: these shares, errors and warnings, seconds of processor time and peak memory; then crashes, slow
repositories, the reasons of what is undecided in order of frequency, and every finding that nobody has judged.
``--write`` keeps the figures for the next comparison. Exit code 1: a repository without a report, or a finding judged
false. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

LIST = Path(__file__).with_name("ecosystem.json")
FACTS = ("loss", "head", "target", "all", "decided")
SLOW = 60.0
"""seconds of processor time above which a repository is told of"""
TIMEOUT = 900


class Audit(NamedTuple):
    """What one run of the command left: its report (None: there is none), and what it cost."""

    report: dict[str, Any] | None
    seconds: float
    megabytes: float
    problem: str


def audit(command: list[str], folder: Path, name: str) -> Audit:
    """Audit one repository statically, from the folder that holds it."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        whole = ["timeout", str(TIMEOUT), *command, "--static", "--output-format", "json", name]
        process = subprocess.Popen(whole, cwd=folder, stdout=output, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        output.seek(0)
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
        try:
            report = json.loads(output.read())
        except ValueError:
            report = None
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    code = os.waitstatus_to_exitcode(status)
    problem = "" if report is not None else f"exit {code}: {said[-160:].strip()}"
    return Audit(report, used.ru_utime + used.ru_stime, used.ru_maxrss / scale, problem)


def target_known(target: dict[str, Any]) -> bool:
    """Whether the values of a target are bounded, or it is known what they stand for."""
    hull = target["range"]["hull"]
    bounded = hull["lo"] != "-Infinity" and hull["hi"] != "Infinity"
    return bounded or target["structure"] != "unknown" or target["standardised"] == "yes"


def counted(report: dict[str, Any]) -> Counter[str]:
    """Sites, what is known of them, and findings by severity."""
    sites: dict[tuple[Any, ...], set[str]] = {}
    for setup in report["setups"]:
        known = sites.setdefault((setup["path"], setup["cell"], setup["line"]), set())
        facts = {
            "loss": setup["loss"]["name"] is not None,
            "head": setup["head"]["activation"] is not None,
            "target": target_known(setup["target"]),
        }
        known.update(fact for fact, holds in facts.items() if holds)
        if all(facts.values()):
            known.add("all")
    open_sites = {(one["path"], one["cell"], one["line"]) for one in report["undecided"]}
    found = Counter({"sites": len(sites), "decided": len(sites.keys() - open_sites)})
    found.update(fact for known in sites.values() for fact in known)
    found.update(one["severity"] for one in report["findings"])
    return found


def identity(finding: dict[str, Any], repository: str) -> str:
    """A finding by its repository, rule and line, under which it is judged."""
    cell = "" if finding["cell"] is None else f"#{finding['cell']}"
    path = finding["path"].removeprefix(f"{repository}/")
    return f"{repository} {path}{cell}:{finding['line']} {finding['code']}"


def row(name: str, found: Counter[str], before: dict[str, int] | None, cost: str = "") -> str:
    """One line of the table; shares that changed since the last run show by how many points."""
    cells = [f"{name[:48]:48s} sites {found['sites']:5d}"]
    for fact in FACTS:
        share = 100 * found[fact] / found["sites"] if found["sites"] else 0.0
        change = ""
        if before and before.get("sites"):
            points = share - 100 * before.get(fact, 0) / before["sites"]
            change = f" ({points:+.0f})" if abs(points) >= 0.5 else ""
        cells.append(f"{fact} {share:3.0f} %{change}")
    cells.append(f"E {found['error']} W {found['warning']} {cost}")
    return "  ".join(cells)


def main() -> int:
    """Audit what the folder holds of the list, and compare with the last run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cmd", default="ae-audit")
    parser.add_argument("--only", default="")
    parser.add_argument("--reasons", type=int, default=25)
    parser.add_argument("--write", action="store_true", help="keep the figures, and list new repositories")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(LIST.read_text())
    repositories, judgements = kept["repositories"], kept["judgements"]
    total, last, reasons = Counter[str](), Counter[str](), Counter[str]()
    crashed: list[str] = []
    slow: list[str] = []
    loud: dict[str, str] = {}
    for folder in sorted(path for path in given.folder.iterdir() if path.is_dir() and given.only in path.name):
        name = folder.name.replace("+", "/", 1)
        if name not in repositories and not given.write:
            continue
        known = repositories.setdefault(name, {"commit": commit_of(folder)})
        done = audit(shlex.split(given.cmd), given.folder, folder.name)
        if done.report is None:
            crashed.append(f"{name}: {done.problem}")
            continue
        found = counted(done.report)
        before = known.get("last")
        print(row(name, found, before, f"{done.seconds:.1f} s {done.megabytes:.0f} MB"), flush=True)
        total.update(found)
        last.update(before or found)
        if done.seconds > SLOW:
            slow.append(f"{name}: {done.seconds:.0f} s")
        for one in done.report["undecided"]:
            reasons[f"{one['what']}: {re.sub(r'«[^»]*»|`[^`]*`|[0-9]+', '…', one['why'])[:100]}"] += 1
        for finding in done.report["findings"]:
            if finding["severity"] != "info":
                loud[identity(finding, folder.name).replace(folder.name, name, 1)] = finding["message"][:120]
        known["last"] = dict(sorted(found.items()))
    print(row("IN ALL", total, dict(last)))
    false = [f"{place}: {judgements[place]}" for place in loud if judgements.get(place, "").startswith("false")]
    sections = {
        "no report": crashed, f"over {SLOW:.0f} s": slow, "judged false": false,
        "not judged yet": [f"{place}: {message}" for place, message in loud.items() if place not in judgements],
        "reasons": [f"{count:6d}  {why}" for why, count in reasons.most_common(given.reasons)],
    }  # fmt: skip
    for title, lines in sections.items():
        print(f"\n{title}: {'' if lines else 'none'}")
        print("\n".join(lines))
    if given.write:
        LIST.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return 1 if crashed or false else 0


def commit_of(folder: Path) -> str:
    """The commit that is checked out in a folder; empty where git does not know."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    inside = (folder / ".git").exists()
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() if inside else ""


if __name__ == "__main__":
    sys.exit(main())
