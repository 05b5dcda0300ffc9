"""Right programs of neighbouring subjects: regression, forecasts, segmentation, GANs, ranking … none may be accused.

usage: python benchmarks/right_neighbours.py [--static] [--only TEXT] [--jobs N] [FOLDER]

Each program of ``tests/right_neighbours`` (or of FOLDER) goes through the whole command, with stand-ins for data that
are not on this machine. Printed are the findings at warning or error, and failures of the tool; the exit code is 1
where there are any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "tests" / "right_neighbours"
TIMEOUT = 300
"""seconds a program"""


def accusations(path: Path, *, static: bool) -> list[str]:
    """What the command holds against a program, and what failed in it."""
    stages = ["--static"] if static else ["--stand-in"]
    command = [sys.executable, "-m", "ae_audit", *stages, "--output-format", "json", path.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=path.parent, check=False)
        report = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return ["no answer in time"]
    except ValueError:
        return [f"no report: {done.stderr[-200:]}"]
    found = [
        f"{each['line']}: {each['code']} [{each['severity']}, {each['verdict']}] {each['message']}"
        for each in report["findings"]
        if each["severity"] != "info" and each["verdict"] != "refuted"
    ]
    return found + [each["message"] for each in report["errors"] if "itself failed" in each["message"]]


def main() -> int:
    """Print what each program is accused of; 1 where one is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=PROGRAMS)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.glob("*.py") if given.only in path.name)
    accused = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for path, found in zip(
            paths, pool.map(lambda each: accusations(each, static=given.static), paths), strict=True
        ):
            accused += bool(found)
            print(f"{'ACCUSED' if found else 'ok     '} {path.stem}", *found, sep="\n    ", flush=True)
    print(f"{accused} of {len(paths)} accused")
    return int(accused > 0)


if __name__ == "__main__":
    sys.exit(main())
