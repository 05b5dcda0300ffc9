"""A rule's page: its docstring and examples, as ``ae-audit rule`` prints it and as the documentation shows it."""

from __future__ import annotations

from ae_audit.rules.base import Rule


def markdown(rule: Rule) -> str:
    """The page in Markdown, ending in a line break."""
    parts = [
        f"# {rule.code} {rule.name}\n\nSeverity: {rule.severity.value}. Since {rule.since}.\n\n{rule.page.strip()}\n"
    ]
    for heading, examples in (("Example", rule.bad), ("Where it stays silent", rule.good)):
        for example in examples:
            title = f"## {heading} ({example.framework.value}){f': {example.note}' if example.note else ''}"
            parts.append(f"{title}\n\n```python\n{example.source.strip()}\n```\n")
    return "\n".join(parts)
