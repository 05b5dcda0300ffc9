"""What the command costs before and beside the work: whole processes, timed in turn, reported as ratios.

usage: python benchmarks/startup.py [--runs 15] [FILE]

Each round runs every command once, one after the other, so that a machine that slows down slows all of them; the
ratio to the bare interpreter is taken within the round, and its median over the rounds is what counts.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "keras" / "dense_softmax_raw.py"
BARE = "python -c pass"


def commands(file: str) -> dict[str, list[str]]:
    """The commands compared; the first is the yardstick."""
    return {
        BARE: [sys.executable, "-c", "pass"],
        "ae-audit --version": [sys.executable, "-m", "ae_audit", "--version"],
        "ae-audit --static FILE": [sys.executable, "-m", "ae_audit", "--static", file],
        "ae-audit --static FILE, concise": [
            *(sys.executable, "-m", "ae_audit", "--static", "--output-format", "concise", file),
        ],
        "python -m pyflakes FILE": [sys.executable, "-m", "pyflakes", file],
        "ruff check FILE": [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", file],
    }


def seconds(command: list[str]) -> float:
    """Wall clock of one whole process, in seconds."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(FIXTURE), metavar="FILE")
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    table = commands(given.file)
    times: dict[str, list[float]] = {name: [] for name in table}
    for command in table.values():
        seconds(command)
    for _ in range(given.runs):
        for name, command in table.items():
            times[name].append(seconds(command))
    print(f"{'command':34s} {'median ms':>9s} {'ratio':>6s} {'over 4 x bare by':>17s}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[BARE], strict=True))
        over = statistics.median(a - 4 * b for a, b in zip(values, times[BARE], strict=True))
        print(f"{name:34s} {1000 * statistics.median(values):9.1f} {ratio:6.2f} {1000 * over:14.1f} ms")


if __name__ == "__main__":
    main()
