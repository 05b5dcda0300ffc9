"""Bring the parts of README.md that the program itself knows up to date: its output, and the table of rules.

usage: python docs/regenerate.py [--check]

With ``--check`` nothing is written, and the exit code is 1 where the table of rules is out of date (the output holds
measured figures, which differ a little from machine to machine, and is not compared).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ae_audit.rules.registry import all_rules

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def with_rules(text: str) -> str:
    """``text`` with a fresh table of rules."""
    rows = [f"| {rule.code} | {rule.name} | {rule.severity.value} | {rule.summary} |" for rule in all_rules()]
    table = "\n".join(["| code | name | severity | finds |", "|---|---|---|---|", *rows])
    return re.sub(
        r"(<!-- rules -->\n).*?(<!-- end of rules -->)",
        lambda found: f"{found[1]}{table}\n{found[2]}",
        text,
        flags=re.DOTALL,
    )


def with_output(text: str) -> str:
    """``text`` with what the commands in it print today."""

    def fresh(found: re.Match[str]) -> str:
        words = found[2].split()
        done = subprocess.run(
            [sys.executable, "-m", *(word.replace("ae-audit", "ae_audit") for word in words), "--color", "never"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        return f"{found[1]}```text\n{done.stdout.rstrip()}\n```\n{found[3]}"

    pattern = r"(<!-- output: (.*?) -->\n).*?(<!-- end of output -->)"
    return re.sub(pattern, fresh, text, flags=re.DOTALL)


def main() -> int:
    """Rewrite or check README.md."""
    text = README.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        return int(with_rules(text) != text)
    README.write_text(with_output(with_rules(text)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
