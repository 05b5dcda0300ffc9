"""Runs the command as a user does: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).resolve().parents[1] / "support"


@dataclass(frozen=True)
class Result:
    """What the command left behind."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    def standing(self, *severities: str) -> set[str]:
        """Codes of the findings of these severities that no experiment refuted."""
        found = self.report["findings"]
        return {each["code"] for each in found if each["severity"] in severities and each["verdict"] != "refuted"}

    def finding(self, code: str) -> dict[str, Any]:
        (found,) = [each for each in self.report["findings"] if each["code"] == code]
        result: dict[str, Any] = found
        return result


def ae_audit(*arguments: str | Path, cwd: Path | None = None, timeout: float = 300, **env: str) -> Result:
    """``ae-audit ARGUMENTS`` with JSON on standard output unless another format is asked for."""
    words = [str(argument) for argument in arguments]
    if "--output-format" not in words:
        words = ["--output-format", "json", *words]
    variables = {**os.environ, "PYTHONPATH": str(SUPPORT), **env}
    done = subprocess.run(
        [sys.executable, "-m", "ae_audit", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env=variables,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
