"""What reading source costs, beside ruff and pyflakes: whole processes on the same folders, timed in turn, as ratios.

usage: python benchmarks/static_speed.py [--rounds 3] [FOLDER …]

Without folders: the installed sources of keras, torch and torchvision, as far as they are there. Every program runs on
one core and without a cache. What counts is processor time, as the median of each round's ratio to pyflakes; memory is
the peak of the process. pyflakes and ruff take part where they are installed. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

TREES = ("keras", "torch", "torchvision")
AE_AUDIT = "ae-audit --static"
YARDSTICK = "pyflakes"


class Cost(NamedTuple):
    """Of one process: seconds of processor time, peak memory in MB, and what it printed."""

    seconds: float
    megabytes: float
    output: bytes


def commands(folder: str) -> dict[str, list[str]]:
    """The programs compared; those that are not installed are left out."""
    python = [sys.executable, "-m"]
    every = {
        AE_AUDIT: [*python, "ae_audit", "--static", "--jobs", "1", "--exit-zero", "--output-format", "json", folder],
        "pyflakes": [*python, "pyflakes", folder],
        "ruff check": [*python, "ruff", "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", folder],
    }
    modules = {AE_AUDIT: "ae_audit", "pyflakes": "pyflakes", "ruff check": "ruff"}
    return {name: command for name, command in every.items() if find_spec(modules[name]) is not None}


def cost(command: list[str]) -> Cost:
    """Run one process to its end, on one core."""
    with tempfile.TemporaryFile() as output:
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if os.waitstatus_to_exitcode(status) not in {0, 1, 3}:
        raise SystemExit(f"{' '.join(command)} failed")
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / scale, text)


def told(output: bytes) -> str:
    """What ae-audit had to say, in a few words."""
    report = json.loads(output)
    summary = report["summary"]
    words = [f"{summary['files']} files of interest", f"{summary['setups']} setups", f"{summary['errors']} errors"]
    failed = [error for error in report["errors"] if "internal error" in error["message"]]
    return ", ".join([*words, f"{summary['warnings']} warnings", f"{len(failed)} failures of its own"])


def measure(folder: Path, rounds: int) -> None:
    """Time all programs on one folder, and print a table."""
    files = [path for path in folder.rglob("*.py") if path.is_file()]
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    print(f"{folder.name}: {len(files)} files, {lines:,} lines")
    programs = commands(str(folder))
    costs: dict[str, list[Cost]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            costs[name].append(cost(command))
    yardstick = costs.get(YARDSTICK)
    print(f"  {'program':20s} {'CPU s':>7s} {'ratio':>7s} {'MB':>6s} {'lines/s':>10s}")
    for name, values in costs.items():
        seconds = median(value.seconds for value in values)
        ratio = "-"
        if yardstick:
            ratio = f"{median(a.seconds / b.seconds for a, b in zip(values, yardstick, strict=True)):.3f}"
        peak = max(value.megabytes for value in values)
        print(f"  {name:20s} {seconds:7.2f} {ratio:>7s} {peak:6.0f} {lines / seconds:10,.0f}")
    print(f"  {AE_AUDIT}: {told(costs[AE_AUDIT][-1].output)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found = (find_spec(name) for name in TREES)
    installed = [Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None]
    for folder in given.folders or installed:
        measure(folder, given.rounds)


if __name__ == "__main__":
    main()
