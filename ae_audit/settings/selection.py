"""Which rules take part: codes, code prefixes and names, selected and ignored.

The more specific selector wins, as in ruff: ``--ignore AE1 --select AE101`` keeps AE101. A name or a full code is
more specific than a prefix, a longer prefix more than a shorter; of equals, *ignore* wins. ``ALL`` is every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ae_audit.base.errors import UsageError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Protocol

    class Named(Protocol):
        """What selection needs of a rule."""

        @property
        def code(self) -> str: ...

        @property
        def name(self) -> str: ...


def matching(selector: str, rules: Sequence[Named]) -> tuple[str, ...]:
    """Codes of the rules that ``selector`` (a code, a prefix such as ``AE1``, a name, or ``ALL``) stands for."""
    wanted = selector.strip()
    if wanted.upper() == "ALL":
        return tuple(rule.code for rule in rules)
    by_name = tuple(rule.code for rule in rules if rule.name == wanted.lower())
    if by_name or len(wanted) < 2:
        return by_name
    return tuple(rule.code for rule in rules if rule.code.startswith(wanted.upper()))


def check_selectors(selectors: Iterable[str], rules: Sequence[Named], where: str) -> None:
    """Make sure that each selector stands for a rule.

    Raises:
        UsageError: for the first that does not, with ``where`` (``--select``) and a suggestion.
    """
    for selector in selectors:
        if not matching(selector, rules):
            raise unknown_rule(selector, rules, where)


def unknown_rule(selector: str, rules: Sequence[Named], where: str | None = None) -> UsageError:
    """The error for a selector that stands for no rule."""
    known = [name for rule in rules for name in (rule.code, rule.name)]
    place = f" in {where}" if where else ""
    hint = did_you_mean(selector, known) or " 'ae-audit rule --all' lists the rules."
    return UsageError(f"Unknown rule '{selector}'{place}.{hint}")


def selected(
    rules: Sequence[Named], select: Sequence[str], ignore: Sequence[str], extend_select: Sequence[str] = ()
) -> frozenset[str]:
    """Codes of the rules that take part; an empty ``select`` stands for every rule."""
    best = {rule.code: -1 for rule in rules}
    chosen: set[str] = set()
    for selectors, keep in (((*(select or ("ALL",)), *extend_select), True), (ignore, False)):
        for selector in selectors:
            for code in matching(selector, rules):
                weight = specificity(selector)
                if weight > best[code] or (weight == best[code] and not keep):
                    best[code] = weight
                    (chosen.add if keep else chosen.discard)(code)
    return frozenset(chosen)


def specificity(selector: str) -> int:
    """How narrowly a selector selects; the narrower wins."""
    wanted = selector.strip().upper()
    if wanted == "ALL":
        return 0
    return min(len(wanted), 5) if wanted.startswith("AE") and wanted[2:].isdigit() else 5
