"""The command with one import of a framework for many audits: a client of ``tests/rules/warm_server.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .command import SUPPORT, Result

ROOT = Path(__file__).resolve().parents[2]


class WarmCommand:
    """``ae-audit`` in a process that has imported ``torch`` or ``keras`` already."""

    def __init__(self, framework: str, folder: Path) -> None:
        self.folder = folder
        paths = os.pathsep.join([str(ROOT), str(SUPPORT)])
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "rules" / "warm_server.py"), framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        assert self._answer()["ready"] == framework

    def __call__(self, *arguments: str | Path, cwd: Path | None = None, **env: str) -> Result:
        """JSON on standard output unless another format is asked for; in ``folder``, unless ``cwd`` names another."""
        words = [str(argument) for argument in arguments]
        if "--output-format" not in words:
            words = ["--output-format", "json", *words]
        assert self._process.stdin is not None
        request = {"arguments": words, "folder": None if cwd is None else str(cwd), "environment": env}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._answer()
        return Result(answer["code"], answer["out"], answer["err"])

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
