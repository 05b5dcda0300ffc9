"""Rules of a project's own: written like ours, in a module that the configuration names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.rules.base import Rule
from ae_audit.schema.findings import Severity

GROUP = "ae_audit.rules"
"""entry points by which an installed package offers modules with rules"""
_CODE = re.compile(r"[A-Z]{2,8}\d{3,4}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def rules_in(modules: Iterable[str], known: Sequence[Rule]) -> list[Rule]:
    """The rules (``RULE``, or several in ``RULES``) of each module or entry point.

    Raises:
        UsageError: if a module cannot be imported or has no rule, or a rule lacks something or clashes with another.
    """
    taken = {word: rule for rule in known for word in (rule.code, rule.name)}
    found: list[Rule] = []
    for name in modules:
        module = _module(name)
        rules = list(getattr(module, "RULES", ())) or [getattr(module, "RULE", None)]
        for rule in rules:
            _check(rule, name)
            for word in (rule.code, rule.name):
                if word in taken:
                    raise UsageError(f"'{name}': the rule {rule.code} {rule.name}: {word} is taken by another rule.")
                taken[word] = rule
            found.append(rule)
    return found


def _module(name: str) -> object:
    from importlib.metadata import entry_points

    offered = {point.name: point for point in entry_points(group=GROUP)}
    try:
        return offered[name].load() if name in offered else import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]
        why = "there is no such module on Python's path" if missing else f"{type(error).__name__}: {error}"
        hint = did_you_mean(name, offered) or " Install it, or name its folder in PYTHONPATH." if missing else ""
        raise UsageError(f"The rules in '{name}' cannot be imported: {why}.{hint}") from None


def _check(rule: object, module: str) -> None:
    if not isinstance(rule, Rule):
        raise UsageError(f"'{module}' has no rule: it must define RULE (or RULES), made of ae_audit.rules.base.Rule.")
    place = f"'{module}': {type(rule).__name__}"
    if not _CODE.fullmatch(str(getattr(rule, "code", ""))):
        raise UsageError(f"{place}.code must be letters and three digits, as 'ACME001'.")
    if not _NAME.fullmatch(str(getattr(rule, "name", ""))):
        raise UsageError(f"{place}.name must be words in lower case with dashes between them.")
    if not isinstance(getattr(rule, "severity", None), Severity):
        raise UsageError(f"{place}.severity must be a Severity.")
