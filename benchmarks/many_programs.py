"""What ``--reuse`` saves: many small programs in one audit, against as many commands, side by side.

usage: python benchmarks/many_programs.py [--programs N] [--framework torch|keras|both]

The programs differ in output activation, loss and data; half are wrong. Prints the ratio of both by the wall clock
and in processor time, and ends with 1 where the clock's is over 0.4, or the reports differ.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST = 0.4
TORCH = """
import torch
from torch import nn
torch.manual_seed({seed})
x = torch.rand(512, {size}) * {scale}
net = nn.Sequential(nn.Linear({size}, 16), nn.ReLU(), nn.Linear(16, {size}), nn.{head})
loss = nn.{loss}()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(5):
    for batch in x.split(64):
        optimizer.zero_grad()
        loss(net(batch), batch).backward()
        optimizer.step()
"""
KERAS = """
import keras
import numpy as np
x = np.random.default_rng({seed}).random((512, {size}), "float32") * {scale}
net = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense({size}, activation="{head}")])
net.compile(optimizer="adam", loss="{loss}")
net.fit(x, x, epochs=5, batch_size=64)
"""
HEADS = {"torch": ("Softmax(1)", "Sigmoid()", "ReLU()"), "keras": ("softmax", "sigmoid", "relu")}
LOSSES = {"torch": ("MSELoss", "L1Loss"), "keras": ("mean_squared_error", "mean_absolute_error")}


def write(folder: Path, framework: str, count: int) -> list[str]:
    """The names of ``count`` programs in ``folder``."""
    text = {"torch": TORCH, "keras": KERAS}[framework]
    names = []
    for number in range(count):
        name = f"{framework}_{number:02}.py"
        head, loss = HEADS[framework][number % 3], LOSSES[framework][number % 2]
        scale = 255 if number % 4 == 3 else 1
        (folder / name).write_text(text.format(seed=number, size=8 + number, scale=scale, head=head, loss=loss))
        names.append(name)
    return names


def audited(folder: Path, arguments: list[str]) -> dict[str, Any]:
    """The JSON report of one command."""
    command = [sys.executable, "-m", "ae_audit", "--output-format", "json", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def measured(work: Any) -> tuple[float, float, Any]:
    """Seconds by the clock and of the processor, and what ``work`` gave."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = work()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def findings(reports: list[dict[str, Any]]) -> list[tuple[str, int, str, str]]:
    """What was found, without the order."""
    return sorted((f["path"], f["line"], f["code"], f["verdict"]) for report in reports for f in report["findings"])


def main() -> int:
    """Both ways, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--programs", type=int, default=30)
    parser.add_argument("--framework", choices=("torch", "keras", "both"), default="both")
    given = parser.parse_args()
    frameworks = ("torch", "keras") if given.framework == "both" else (given.framework,)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [one for each in frameworks for one in write(folder, each, given.programs // len(frameworks))]
        audited(folder, [names[0]])  # reads the framework from the disk
        together = measured(lambda: [audited(folder, ["--reuse", *names])])
        apart = measured(lambda: [audited(folder, [name]) for name in names])
    same = findings(together[2]) == findings(apart[2])
    wall, processor = together[0] / apart[0], together[1] / apart[1]
    print(f"{len(names)} programs, {len(findings(together[2]))} findings, {'equal' if same else 'NOT EQUAL'}")
    print(f"--reuse takes {wall:.2f} of the time of separate commands ({processor:.2f} of the processor's)")
    return 0 if same and wall <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
