"""Bring up to date what the program itself knows: in README.md its output and the table of rules, in docs/ a page for
each rule, the table of options and what comparisons said.

usage: python docs/regenerate.py [--rules | --check]

With ``--rules`` the output in README.md, which takes minutes, is left as it is. With ``--check`` nothing is written,
and the exit code is 1 where something is out of date (the output holds measured figures, which differ a little between
machines, and is not compared).
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ae_audit.rules.page import markdown
from ae_audit.rules.registry import all_rules
from ae_audit.settings.options import OPTIONS, Settings

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"


def table_of_rules(folder: str) -> str:
    """A row for each rule; codes link to the pages in ``folder``, if one is given."""
    rows = [
        f"| {f'[{rule.code}]({folder}{rule.code}.md)' if folder else rule.code} "
        f"| {rule.name} | {rule.severity.value} | {rule.summary} |"
        for rule in all_rules()
    ]
    return "\n".join(["| code | name | severity | finds |", "|---|---|---|---|", *rows])


def table_of_options() -> str:
    """A row for each option: flag, key, type, default, meaning."""
    rows = []
    for option in OPTIONS:
        flag = f"`--{option.key}`{f', `--no-{option.key}`' if option.negatable else ''}" if option.flag else ""
        key = f"`{option.key}`" if option.file else ""
        kind = " \\| ".join(f"`{choice}`" for choice in option.choices) or option.kind.value
        rows.append(f"| {flag} | {key} | {kind} | {_default(getattr(Settings(), option.field))} | {option.help} |")
    return "\n".join(["| flag | key | value | default | meaning |", "|---|---|---|---|---|", *rows])


def now_what() -> str:
    """For each rule what it means and how its first example is put right, as a diff."""
    parts = [
        "# Wrong, and now what?\n\nFor each rule: what it means, and the change that puts its example right. "
        "`ae-audit --diff --unsafe-fixes model.py` shows the change to your own program, `--fix` makes it. "
        "The code leads to the page of the rule, which says when it stays silent. What is right in spite of a finding "
        "is suppressed on its line, with the reason: `# ae-audit: ignore[AE101] the target is one-hot`.\n"
    ]
    for rule in all_rules():
        parts.append(f"## {rule.code} {rule.name}\n\n{rule.summary}. [More]({'rules/' + rule.code}.md)\n")
        shown = False
        for example in rule.bad:
            if example.fixed is not None and not shown:
                shown = True
                lines = difflib.unified_diff(
                    example.source.strip().splitlines(), example.fixed.strip().splitlines(), n=1, lineterm=""
                )
                changed = "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))
                parts.append(f"```diff\n{changed}\n```\n")
        if not shown:
            parts.append(f"{_section(rule.page, 'Fix safety')}\n")
    return "\n".join(parts)


COMPARED = tuple(
    (name, folder)
    for name, folder in (("PyTorch", "torch"), ("Keras on TensorFlow", "keras"))
    if (DOCS / "compared" / f"{folder}.json").exists()
)
"""what ``ae-audit compare fixtures/FRAMEWORK/dense_sigmoid_scaled.py`` wrote: text and JSON in ``docs/compared``"""


def comparisons() -> str:
    """The text of each comparison, under the name of its framework."""
    parts = []
    for name, folder in COMPARED:
        text = (DOCS / "compared" / f"{folder}.txt").read_text("utf-8").rstrip()
        command = f"ae-audit compare fixtures/{folder}/dense_sigmoid_scaled.py"
        parts.append(f"### {name}\n\n```console\n$ {command}\n```\n\n```text\n{text}\n```\n")
    return "\n".join(parts).rstrip()


def compared_answers() -> str:
    """Each question with what the comparisons say of it."""
    found: dict[str, list[str]] = {}
    for name, folder in COMPARED:
        (comparison,) = json.loads((DOCS / "compared" / f"{folder}.json").read_text("utf-8"))["comparisons"]
        for answer in comparison["answers"]:
            found.setdefault(answer["question"], []).append(f"- **{name}.** {answer['answer']}")
    return "\n\n".join(f"## {question}\n\n" + "\n".join(answers) for question, answers in found.items())


def _section(page: str, heading: str) -> str:
    found = re.search(rf"^## {heading}\n+(.*?)(?=\n## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def generated() -> Iterator[tuple[Path, str]]:
    """Every file that is made of the rules and options, with its text as it ought to be."""
    yield README, _between(README.read_text("utf-8"), "rules", table_of_rules("docs/rules/"))
    configuration = DOCS / "configuration.md"
    yield configuration, _between(configuration.read_text("utf-8"), "options", table_of_options())
    head = "# The rules\n\n`ae-audit rule CODE` prints the same pages. Codes and names are accepted everywhere.\n\n"
    yield DOCS / "rules" / "README.md", f"{head}{table_of_rules('')}\n"
    yield DOCS / "now-what.md", now_what()
    compare, faq = DOCS / "compare.md", DOCS / "faq.md"
    yield compare, _between(compare.read_text("utf-8"), "comparison", comparisons())
    yield faq, _between(faq.read_text("utf-8"), "answers", compared_answers())
    for rule in all_rules():
        yield DOCS / "rules" / f"{rule.code}.md", markdown(rule)


def stale() -> list[Path]:
    """Files that are out of date, or that belong to a rule that is no more."""
    wanted = dict(generated())
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    return old + [path for path in sorted((DOCS / "rules").glob("*.md")) if path not in wanted]


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
    """Rewrite or check."""
    if "--check" in sys.argv[1:]:
        old = stale()
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: python docs/regenerate.py --rules")
        return int(bool(old))
    for path in stale():
        if path not in dict(generated()):
            path.unlink()
    for path, text in generated():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if "--rules" not in sys.argv[1:]:
        README.write_text(with_output(README.read_text("utf-8")), encoding="utf-8")
    return 0


def _between(text: str, name: str, table: str) -> str:
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return "" if not value else "a list of usual folders" if len(value) > 9 else f"`{', '.join(map(str, value))}`"
    return "" if value is None else f"`{getattr(value, 'value', value)}`"


if __name__ == "__main__":
    sys.exit(main())
