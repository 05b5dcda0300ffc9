"""The command killed at random moments: what of it is left?

usage: python benchmarks/killed.py [--times N] [--seed N] [--signal KILL|TERM|HUP|INT] [--within SECONDS]

Each time audits a program that starts processes, in sessions of their own too, and does not end; sends the signal to
the command alone at a random moment; waits for it and for its processes, at most 5 s; starts an audit again and looks
for folders. With ``--signal INT`` the exit code and the absence of a traceback count as well. Prints what was left, and
ends with 1 where anything was.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROGRAM = """\
import subprocess, sys, time
for leaves in (False, True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{mark}"], start_new_session=leaves)
subprocess.Popen("setsid env -i sleep 600.{number} &", shell=True)
time.sleep(600)
import keras
model = keras.Sequential([keras.layers.Dense(9, activation="softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""
AGAIN = "from ae_audit.runtime.sandbox import run_folder\nwith run_folder.held(): pass"
PATIENCE = 5.0


def living(words: tuple[str, ...]) -> int:
    """Processes that carry one of ``words`` in their command line or environment."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            found += any(word.encode() in told for word in words)
    return found


def tried(number: signal.Signals, delay: float) -> tuple[str, ...]:
    """What was left of one audit that got the signal after ``delay`` seconds."""
    mark, digits = f"mark{secrets.token_hex(8)}", f"{secrets.randbelow(10**9):09}"
    with tempfile.TemporaryDirectory() as place:
        temporary = Path(place, "temporary")
        temporary.mkdir()
        program = Path(place, "program.py")
        program.write_text(PROGRAM.format(mark=mark, number=digits))
        environment = {**os.environ, "TMPDIR": str(temporary), "AUDIT_MARK": mark}
        command = subprocess.Popen(
            [str(Path(sys.executable).with_name("ae-audit")), str(program)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        time.sleep(delay)
        command.send_signal(number)
        _, told = command.communicate(timeout=60)
        left = []
        end = time.monotonic() + PATIENCE
        while living((mark, f"600.{digits}")):
            if time.monotonic() > end:
                left.append("a process")
                break
            time.sleep(0.02)
        if number is not signal.SIGKILL and any(temporary.iterdir()):
            left.append("a folder, before the next start")
        subprocess.run([sys.executable, "-c", AGAIN], env=environment, check=True)
        if any(temporary.iterdir()):
            left.append("a folder")
        if number is signal.SIGINT and b"Traceback" in told:
            left.append("a traceback of Python's start" if b"ae_audit" not in told else "a traceback")
        if number is signal.SIGINT and command.returncode not in {130, -number}:
            left.append(f"exit code {command.returncode}")
    return tuple(left)


def main() -> int:
    """Kill, look, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=("KILL", "TERM", "HUP", "INT"), default="KILL")
    parser.add_argument("--within", type=float, default=3.0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    number = signal.Signals[f"SIG{options.signal}"]
    left: Counter[str] = Counter()
    for _ in range(options.times):
        delay = chance.uniform(0, options.within)
        for what in tried(number, delay):
            left[what] += 1
            print(f"{what}, after {delay:.3f} s", flush=True)
    print(f"SIG{options.signal}, {options.times} times within {options.within:g} s: {dict(left) or 'nothing was left'}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
