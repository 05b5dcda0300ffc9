"""What reading source costs, beside ``ast.parse`` and linters: whole processes on the same folders, in turn, as ratios.

usage: python benchmarks/static_speed.py [--rounds 3] [FOLDER …]

Without folders: the installed sources of keras, torch, lightning and torchvision, as far as they are there, then one
fixture, one file inside keras, and 1,000 generated programs. Every program runs on one core; ae-audit without a cache,
and with one that an earlier audit filled. What counts is processor time, as the median of each round's ratio to
``ast.parse`` of all files of the folder (of a single file: to an interpreter that does nothing); memory is the peak of
the process. pyflakes and ruff take part where they are installed. POSIX only.
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

TREES = ("keras", "torch", "lightning", "torchvision")
AE_AUDIT = "ae-audit --static"
WARM = "ae-audit, cached"
YARDSTICK = "ast.parse"
BARE = "python -c pass"
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "keras" / "dense_softmax_raw.py"
INSIDE = Path("src", "trainers", "trainer.py")
"""one file of keras, which imports much of it"""
GENERATED = 1000
PROGRAM = """import numpy as np
import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / {divisor}
encoder = keras.Sequential([keras.layers.Dense({width}, activation="relu") for _ in range(2)])
model = keras.Sequential([encoder, keras.layers.Dense(784, activation="{activation}")])
model.compile(optimizer="adam", loss="{loss}")
model.fit(x, x, epochs={epochs})
"""
PARSE = """import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
for path in pathlib.Path(sys.argv[1]).rglob("*.py"):
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        pass
"""


class Cost(NamedTuple):
    """Of one process: seconds of processor time, peak memory in MB, and what it printed."""

    seconds: float
    megabytes: float
    output: bytes


def commands(path: str) -> dict[str, list[str]]:
    """The programs compared on a folder or a file; those that are not installed are left out."""
    python = [sys.executable, "-m"]
    reading = [*python, "ae_audit", "--static", "--jobs", "1", "--exit-zero", "--output-format", "json"]
    folder = os.path.isdir(path)
    yardstick = {YARDSTICK: [sys.executable, "-c", PARSE, path]} if folder else {BARE: [sys.executable, "-c", "pass"]}
    every = {
        AE_AUDIT: [*reading, "--no-cache", path],
        **({WARM: [*reading, path]} if folder else {}),
        "pyflakes": [*python, "pyflakes", path],
        "ruff check": [
            *(*python, "ruff", "check", "--isolated", "--select", "F", "--no-cache", "--quiet", "--exit-zero", path),
        ],
    }
    modules = {"pyflakes": "pyflakes", "ruff check": "ruff"}
    found = {name: command for name, command in every.items() if find_spec(modules.get(name, "ae_audit")) is not None}
    return {**yardstick, **found}


def cost(command: list[str], cache: str = "") -> Cost:
    """Run one process to its end, on one core; ``cache``: the folder that ae-audit may keep results in."""
    with tempfile.TemporaryFile() as output:
        environment = {**os.environ, "RAYON_NUM_THREADS": "1", "AE_AUDIT_CACHE_DIR": cache}
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


def measure(path: Path, rounds: int) -> None:
    """Time all programs on one folder or file, and print a table."""
    files = [path] if path.is_file() else [file for file in path.rglob("*.py") if file.is_file()]
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    print(f"{path.name}: {len(files)} file{'s' if len(files) > 1 else ''}, {lines:,} lines")
    programs = commands(str(path))
    costs: dict[str, list[Cost]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as cache:
        if WARM in programs:
            cost(programs[WARM], cache)
        for _ in range(rounds):
            for name, command in programs.items():
                costs[name].append(cost(command, cache if name == WARM else ""))
    yardstick = costs[next(iter(programs))]
    print(f"  {'program':20s} {'CPU s':>7s} {'ratio':>7s} {'MB':>6s} {'lines/s':>10s}")
    for name, values in costs.items():
        seconds = median(value.seconds for value in values)
        ratio = f"{median(a.seconds / b.seconds for a, b in zip(values, yardstick, strict=True)):.2f}"
        peak = max(value.megabytes for value in values)
        print(f"  {name:20s} {seconds:7.2f} {ratio:>7s} {peak:6.0f} {lines / seconds:10,.0f}")
    print(f"  {AE_AUDIT}: {told(costs[AE_AUDIT][-1].output)}")


def generate(folder: Path) -> None:
    """Write programs that differ in what is found in them."""
    losses, activations = ("mse", "binary_crossentropy", "mae"), ("sigmoid", "softmax", "tanh", "linear", "relu")
    for number in range(GENERATED):
        text = PROGRAM.format(
            divisor=(1.0, 255.0, 127.5)[number % 3], width=16 + number % 7, epochs=number,
            activation=activations[number % 5], loss=losses[number % 4 % 3],
        )  # fmt: skip
        (folder / f"program_{number}.py").write_text(text)


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
    if given.folders:
        return
    measure(FIXTURE, given.rounds)
    for folder in installed:
        if (folder / INSIDE).is_file():
            measure(folder / INSIDE, given.rounds)
    with tempfile.TemporaryDirectory() as generated:
        generate(Path(generated))
        measure(Path(generated), given.rounds)


if __name__ == "__main__":
    main()
