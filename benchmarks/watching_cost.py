"""What ``ae_audit.watch()`` costs a torch training: CPU time of a step without it, under its look, and afterwards.

usage: python benchmarks/watching_cost.py
"""

from __future__ import annotations

import contextlib
import statistics
import time

import torch

import ae_audit

BATCHES, STEPS, ROUNDS = 8, 300, 7


def step_times(watched: bool) -> list[float]:
    """CPU seconds of each step of a small dense autoencoder: the smaller the model, the more would be seen."""
    torch.manual_seed(0)
    x = torch.rand(64, 784)
    model = torch.nn.Sequential(torch.nn.Linear(784, 32), torch.nn.ReLU(), torch.nn.Linear(32, 784), torch.nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters())
    times = []
    with ae_audit.watch(batches=BATCHES, log=lambda _: None) if watched else contextlib.nullcontext():
        for _ in range(STEPS):
            began = time.thread_time()
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy(model(x), x).backward()
            optimizer.step()
            times.append(time.thread_time() - began)
    return times


def main() -> None:
    """Print the least median of the rounds, which alternate, in milliseconds, and their ratio."""
    torch.set_num_threads(1)
    step_times(False)
    rounds = []
    for _ in range(ROUNDS):
        plain, watched = step_times(False), step_times(True)
        parts = (plain[BATCHES + 2 :], watched[:BATCHES], watched[BATCHES + 2 :])
        rounds.append([statistics.median(part) for part in parts])
    best = [min(part) for part in zip(*rounds, strict=True)]  # what else the machine does only ever adds to it
    for name, seconds in zip(("unwatched", "first batches", "afterwards"), best, strict=True):
        print(f"{name:14} {1000 * seconds:8.3f} ms  {seconds / best[0]:6.2f}")


if __name__ == "__main__":
    main()
