"""``ae-audit rule --test``: a rule's own examples, each taken through the static stage."""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.registry import all_rules
from ae_audit.rules.runner import audit
from ae_audit.static import analyse_file

_PATH = "example.py"


def failures(rule: Rule, modules: tuple[str, ...] = ()) -> Iterator[tuple[str, str | None]]:
    """Name of each example and what is wrong with it, None where it does what it should.

    A BAD example must give every code that it states, at least the rule's own; a GOOD one must not give the rule's own;
    the fix of a BAD one must give what it states under ``fixed``.
    """
    for kind, examples in (("BAD", rule.bad), ("GOOD", rule.good)):
        for number, example in enumerate(examples, 1):
            note = f", {example.note}" if example.note else ""
            name = f"{rule.code} {kind} example {number} ({example.framework.value}{note})"
            yield name, _wrong(rule, example, kind == "BAD", modules)
    if not rule.bad:
        yield f"{rule.code} BAD examples", "there are none, so nothing shows that it finds anything"


def _wrong(rule: Rule, example: Example, bad: bool, modules: tuple[str, ...]) -> str | None:
    result = analyse_file(_PATH, example.source.encode())
    if result.errors:
        return result.errors[0].message
    if not result.setups:
        return None if example.by_running else "no training was found in it"
    audited = audit(result.setups, all_rules(modules))
    found = {finding.code for item in audited for finding in item.findings}
    if not bad:
        return f"it gives {rule.code}, and must not" if rule.code in found else None
    if rule.needs_data or example.by_running:
        return None
    missing = {rule.code, *example.codes} - found
    if missing:
        return f"it does not give {', '.join(sorted(missing))}; it gives {', '.join(sorted(found)) or 'nothing'}"
    if example.fixed is None:
        return None
    from ae_audit.fix import apply, propose

    owned = [(finding, item.setup) for item in audited for finding in item.findings if finding.code == rule.code]
    finding, setup = min(owned, key=lambda one: one[0].severity.rank)
    fix = propose(finding, setup, lambda path, cell: example.source)
    after = example.source if fix is None else apply(example.source, fix.edits)
    return None if after == example.fixed else "its fix does not give what it states under fixed"
