"""The probe under several seeds: right programs and fixtures are never confirmed, faults put in are.

usage: python benchmarks/probe_seeds.py [run [FRAMEWORK]] [report]

Each fixture, each right program of ``seed_programs.py`` and each of its 100 faulty programs goes through the whole
command with seeds 0, 1 and 2, and some again with seed 0; docs/probe-seeds.json keeps what has been found, so that a
run can be broken off. A fault counts as caught where an error stands that is proved or confirmed. ``report`` prints the
counts and every failure, and ends with 1 where a right program is blamed, where the same seed gives other figures, or
where too many faults are missed.

Frameworks are imported once (tests/rules/warm_server.py), and each audit is a process forked from there.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seed_programs import Program, programs

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "probe-seeds.json"
SEEDS = (0, 1, 2)
LEAST = 0.98
"""share of the audits of faulty programs that must find the fault proved or confirmed"""
REPEATED = 0.1
"""share of the programs that are audited with seed 0 once more"""
AGAIN = "0 again"
FAULTY_FIXTURES = ("softmax_raw", "softmax_scaled", "sigmoid_raw", "relu_output", "sigmoid_before_logits")


def everything() -> list[Program]:
    """Fixtures and programs, in an order in which any beginning is a fair sample."""
    found = list(programs())
    for path in sorted((ROOT / "fixtures").glob("*/*.py")):
        faulty = any(part in path.stem for part in FAULTY_FIXTURES)
        found.append(Program(f"fixtures/{path.parent.name}/{path.name}", path.parent.name, path.read_text(), faulty))
    random.Random(0).shuffle(found)
    return found


def run(only: str | None) -> None:
    """Audit what has not been audited."""
    known = load()
    chosen = everything()
    again = set(random.Random(1).sample([each.name for each in chosen], round(REPEATED * len(chosen))))
    for framework in ("torch", "keras") if only is None else (only,):
        with tempfile.TemporaryDirectory() as folder, _Server(framework) as server:
            for program in (each for each in chosen if each.framework == framework):
                path = Path(folder) / "program.py"
                path.write_text(program.source)
                results = known.setdefault(program.name, {"faulty": program.faulty, "seeds": {}})["seeds"]
                for seed in (*map(str, SEEDS), *((AGAIN,) if program.name in again else ())):
                    if seed not in results:
                        began = time.monotonic()
                        results[seed] = server.audit(path, seed.split()[0])
                        print(f"{program.name}, seed {seed}: {time.monotonic() - began:.1f} s", flush=True)
                save(known)


class _Server:
    """A warm server of one framework."""

    def __init__(self, framework: str) -> None:
        self._framework = framework

    def __enter__(self) -> _Server:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "rules" / "warm_server.py"), self._framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def audit(self, path: Path, seed: str) -> dict[str, Any]:
        """Codes, severities, verdicts and the R² of the first arms; what went wrong."""
        assert self._process.stdin is not None
        self._process.stdin.write(
            json.dumps(["--output-format", "json", "--timeout", "200", "--seed", seed, str(path)]) + "\n"
        )
        self._process.stdin.flush()
        report = json.loads(self._answer()["out"])
        findings = [[each["code"], each["severity"], each["verdict"], _figures(each)] for each in report["findings"]]
        return {"findings": findings, "errors": [each["message"] for each in report["errors"]]}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def _figures(finding: dict[str, Any]) -> list[Any]:
    """Name and R² of each arm of the probe."""
    return [[arm["name"], arm["r2"]] for evidence in finding["evidence"] for arm in evidence.get("arms") or ()]


def report() -> int:
    """The counts, and every failure."""
    known = load()
    failures: list[str] = []
    missed: list[str] = []
    audits = {True: 0, False: 0}
    caught = repeated = 0
    for name, record in known.items():
        seeds = record["seeds"]
        for seed, found in seeds.items():
            if seed == AGAIN:
                repeated += 1
                if found != seeds["0"]:
                    failures.append(f"{name}: seed 0 gave other figures the second time")
                continue
            audits[record["faulty"]] += 1
            settled = [each for each in found["findings"] if each[2] in {"proved", "confirmed"}]
            if record["faulty"]:
                sure = any(each[1] == "error" for each in settled)
                caught += sure
                if not sure:
                    said = ", ".join(f"{code} {severity} {verdict}" for code, severity, verdict, _ in found["findings"])
                    missed.append(f"{name}, seed {seed}: {said or 'nothing'} {' '.join(found['errors'])}")
            elif any(each[1] in {"error", "warning"} for each in settled):
                failures.append(f"{name}, seed {seed}: right, but {settled}")
    print(f"{len(known)} programs; {audits[False]} audits of right ones, {audits[True]} of faulty ones")
    share = caught / max(1, audits[True])
    print(
        f"faults proved or confirmed: {caught} of {audits[True]} ({share:.1%}); audited twice with one seed: {repeated}"
    )
    for line in failures + missed:
        print("-", line)
    return 1 if failures or share < LEAST else 0


def load() -> dict[str, Any]:
    """What is known so far, by program."""
    if not FIGURES.exists():
        return {}
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return found


def save(known: dict[str, Any]) -> None:
    """One line a program."""
    lines = (f"{json.dumps(name)}: {json.dumps(record)}" for name, record in sorted(known.items()))
    FIGURES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Run, then report."""
    words = sys.argv[1:] or ["run", "report"]
    if "run" in words:
        run(next((word for word in words if word in {"keras", "torch"}), None))
    if "report" in words:
        sys.exit(report())


if __name__ == "__main__":
    main()
