"""What the sandbox costs at the start of a child: confined and unconfined ones in turn.

usage: python benchmarks/sandbox_cost.py [--pairs N]

Each child does nothing. Prints the median over pairs of the difference in time from start to end, by the clock on the
wall and in processor time of all its processes, and ends with 1 where more than 60 ms of the clock are added.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time

from ae_audit.runtime.sandbox import channel
from ae_audit.runtime.sandbox.launch import run_child
from ae_audit.runtime.sandbox.policy import Confinement, Guard

MODULE = "sandbox_cost"
MOST = 0.060
"""seconds"""


def child() -> None:
    """The child's side; ``AE_AUDIT_UNCONFINED`` leaves every layer out."""
    if os.environ.get("AE_AUDIT_UNCONFINED"):
        channel.confine = lambda policy, report: (  # type: ignore[assignment]
            Confinement(False, False),
            Guard(policy, report, kernel_holds_writes=False),
        )
    channel.enter(sys.argv[1:]).finish()


def seconds(confined: bool) -> tuple[float, float]:
    """By the clock on the wall, and of the processor."""
    here = os.path.dirname(os.path.abspath(__file__))
    env = {"PYTHONPATH": here} | ({} if confined else {"AE_AUDIT_UNCONFINED": "1"})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    outcome = run_child({}, module=MODULE, timeout=60, env=env)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert outcome.ok, outcome.stderr
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Pairs, in turn the one and the other first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40)
    pairs = parser.parse_args().pairs
    differences: list[tuple[float, float]] = []
    for number in range(pairs + 1):
        order = (True, False) if number % 2 else (False, True)
        took = {confined: seconds(confined) for confined in order}
        if number:  # the first pair reads files from the disk
            differences.append((took[True][0] - took[False][0], took[True][1] - took[False][1]))
    wall, processor = (statistics.median(values) for values in zip(*differences, strict=True))
    print(f"a confined child takes {1000 * wall:.0f} ms longer ({1000 * processor:.0f} ms of processor; {pairs} pairs)")
    return 1 if wall > MOST else 0


if __name__ == "__main__":
    if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        child()
    else:
        sys.exit(main())
