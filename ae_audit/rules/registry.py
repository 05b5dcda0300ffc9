"""Every rule there is: found by looking at this package, listed nowhere."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache
from importlib import import_module

from ae_audit.rules import checks as _package
from ae_audit.rules.base import Rule
from ae_audit.settings.selection import check_selectors, selected, unknown_rule


@cache
def all_rules(modules: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """The rules in the order of their codes; ``modules`` (or names of entry points) bring some of a project's own.

    Raises:
        UsageError: if such a module cannot be imported, or its rules are none.
    """
    if modules:
        from ae_audit.rules.custom import rules_in

        own = all_rules()
        return tuple(sorted((*own, *rules_in(modules, own)), key=lambda rule: rule.code))
    # pkgutil would do the same, and import inspect for it: 10 ms at every start
    files = (file for folder in _package.__path__ for file in os.listdir(folder) if file.endswith(".py"))
    ours = (name for file in files if _holds_a_rule(name := file.removesuffix(".py")))
    rules: list[Rule] = [import_module(f"{_package.__name__}.{name}").RULE for name in ours]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def find_rule(code_or_name: str, modules: tuple[str, ...] = ()) -> Rule:
    """The rule with that code or name, in any case.

    Raises:
        UsageError: if there is none, with the nearest code or name.
    """
    wanted = code_or_name.strip().casefold()
    rules = all_rules(modules)
    for rule in rules:
        if wanted in {rule.code.casefold(), rule.name}:
            return rule
    raise unknown_rule(code_or_name, rules)


def select_rules(
    select: Collection[str] | None = None, ignore: Collection[str] = (), modules: tuple[str, ...] = ()
) -> tuple[Rule, ...]:
    """The rules that take part; selectors are codes, prefixes of codes (``AE1``) and names, None selects every rule.

    Raises:
        UsageError: for a selector that stands for no rule.
    """
    rules = all_rules(modules)
    wanted, unwanted = ("ALL",) if select is None else tuple(select), tuple(ignore)
    if not wanted:
        return ()
    check_selectors(wanted, rules, "select")
    check_selectors(unwanted, rules, "ignore")
    codes = selected(rules, wanted, unwanted)
    return tuple(rule for rule in rules if rule.code in codes)


def _holds_a_rule(module: str) -> bool:
    code = module.partition("_")[0]
    return code[:2] == "ae" and code[2:].isdigit()
