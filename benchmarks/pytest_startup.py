"""What the plugin costs who does not use it: ``pytest --collect-only`` of 1,000 tests, with and without it, in pairs.

usage: python benchmarks/pytest_startup.py [PAIRS]

Prints the median over pairs of the ratio of processor times, and both medians in seconds. POSIX only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

FILES, TESTS = 10, 100


def seconds(folder: str, *flags: str) -> float:
    """Processor time of one collection."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *flags]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"pytest failed in {folder}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(TESTS))
        for number in range(FILES):
            Path(folder, f"test_{number}.py").write_text(text, "utf-8")
        without, with_it = ("-p", "no:ae_audit"), ()
        seconds(folder, *without), seconds(folder, *with_it)  # warm caches
        measured: list[tuple[float, float]] = []
        for number in range(pairs):
            if number % 2:
                second = seconds(folder, *with_it)
                first = seconds(folder, *without)
            else:
                first = seconds(folder, *without)
                second = seconds(folder, *with_it)
            measured.append((first, second))
    ratio = median(second / first for first, second in measured)
    firsts, seconds_ = zip(*measured, strict=True)
    print(f"ratio {ratio:.3f}: {median(firsts):.3f} s without, {median(seconds_):.3f} s with the plugin")


if __name__ == "__main__":
    main()
