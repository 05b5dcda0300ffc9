"""An audit by a Dask cluster against one machine's: equal byte for byte, though a worker is killed in the middle.

usage: python benchmarks/cluster.py [--read N] [--run N] [--workers N]

Starts a scheduler and workers on this host over TCP, has them read and run programs, kills a worker that runs one, and
compares the JSON report with a local audit's. Ends with 1 where they differ or a process is left.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import many_programs
import psutil

AUDIT = (sys.executable, "-m", "ae_audit", "--output-format", "json")


def start(part: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """One part of the cluster, which says what it does in a log."""
    command = (sys.executable, "-m", f"distributed.cli.dask_{part}", "--scheduler-file", str(folder / "known.json"))
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*command, "--no-dashboard", *arguments], cwd=folder, stdout=log, stderr=log)


def tasks(workers: list[subprocess.Popen[bytes]]) -> list[psutil.Process]:
    """The processes of audits below the workers."""
    found = []
    for worker in workers:
        for process in psutil.Process(worker.pid).children(recursive=True):
            try:
                if "ae_audit" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
    return found


def kill_one(workers: list[subprocess.Popen[bytes]], audit: subprocess.Popen[bytes]) -> bool:
    """Kill a worker in whose task a program runs; whether there was one."""
    while audit.poll() is None:
        for process in tasks(workers):
            try:
                if "ae_audit.engine.child" in " ".join(process.cmdline()):
                    task = next(one for one in process.parents() if "ae_audit.cli.task" in " ".join(one.cmdline()))
                    task.parent().kill()
                    return True
            except (psutil.Error, StopIteration):
                continue
        time.sleep(0.01)
    return False


def main() -> int:
    """The cluster's audit, the local one, and what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--read", type=int, default=300)
    parser.add_argument("--run", type=int, default=30)
    parser.add_argument("--workers", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "read").mkdir()
        many_programs.write(folder / "read", "keras", given.read)
        names = ["read", *many_programs.write(folder, "torch", given.run)]
        scheduler = start("scheduler", folder, "--host", "127.0.0.1", "--port", "0")
        workers = [start("worker", folder, "--nthreads", "1", "--memory-limit", "4GiB") for _ in range(given.workers)]
        try:
            while not (folder / "known.json").exists():
                time.sleep(0.1)
            address = json.loads((folder / "known.json").read_text())["address"]
            environment = {**os.environ, "AE_AUDIT_CACHE_DIR": ""}
            command = [*AUDIT, "--dask", address, *names]
            audit = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment)
            killed = kill_one(workers, audit)
            by_cluster = audit.communicate()[0]
            left = len(tasks(workers))
        finally:
            for part in (*workers, scheduler):
                part.terminate()
                part.wait(30)
        local = subprocess.run(
            [*AUDIT, *names], cwd=folder, stdout=subprocess.PIPE, env=environment, check=False
        ).stdout
    found = len(json.loads(local)["findings"])
    print(
        f"{given.read} programs read, {given.run} run by {given.workers} workers: {found} findings, {len(local)} bytes"
    )
    print(f"a worker was killed: {'yes' if killed else 'NO'}; reports equal: {'yes' if by_cluster == local else 'NO'}")
    print(f"processes left: {left}")
    return 0 if killed and by_cluster == local and not left else 1


if __name__ == "__main__":
    sys.exit(main())
