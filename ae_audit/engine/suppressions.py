"""Findings that the source itself excuses.

``# ae-audit: ignore[AE101, softmax-on-per-pixel-target] reason`` excuses the rules it names (codes, prefixes or names);
``# ae-audit: ignore`` excuses all. ``# noqa: AE101`` is honoured where it names our codes; a bare ``# noqa`` is
not, since it is mostly meant for another tool. The comment stands on the first or the last line of what is excused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ae_audit.base.records import dataclass
from ae_audit.schema.findings import Finding
from ae_audit.schema.report import Suppressed

_OURS = r"(?i)#\s*ae-audit:\s*ignore(?:\[(?P<rules>[^\]]*)\])?(?P<reason>[^#]*)"
_NOQA = r"(?i)#\s*noqa:\s*(?P<rules>[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)(?P<reason>[^#]*)"


@dataclass(frozen=True, slots=True)
class Excuse:
    """One suppression comment; ``rules`` is empty where it excuses all."""

    line: int
    rules: tuple[str, ...]
    reason: str

    def covers(self, code: str, name: str) -> bool:
        """Whether it excuses the rule of that code and name."""
        return not self.rules or any(
            name == rule.lower() or (len(rule) > 1 and code.startswith(rule.upper())) for rule in self.rules
        )


def excuses_in(source: str) -> tuple[Excuse, ...]:
    """The suppression comments of a source text; text that looks like one inside a string is none."""
    lowered = source.lower()
    if "ae-audit" not in lowered and "noqa" not in lowered:
        return ()
    return tuple(excuse for line, comment in _comments(source) for excuse in _read(line, comment))


def without_excused(
    findings: Iterable[Finding], text_of: Callable[[str, int | None], str | None]
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Findings that stand, and those that a comment excuses; ``text_of(path, cell)`` gives the source."""
    standing: list[Finding] = []
    excused: list[Suppressed] = []
    known: dict[tuple[str, int | None], Sequence[Excuse]] = {}
    for finding in findings:
        place = (finding.location.path, finding.location.cell)
        if place not in known:
            known[place] = excuses_in(text_of(*place) or "")
        lines = {finding.location.line, finding.location.end_line or finding.location.line}
        excuse = next((e for e in known[place] if e.line in lines and e.covers(finding.code, finding.name)), None)
        if excuse is None:
            standing.append(finding)
        else:
            excused.append(Suppressed(finding, excuse.reason))
    return tuple(standing), tuple(excused)


def unused(
    source: str, excused: Iterable[Suppressed], active: Callable[[str], bool]
) -> Iterable[tuple[Excuse, tuple[str, ...]]]:
    """Each comment of ``source`` that suppresses nothing, with the rules it names that do (none: it names none).

    ``excused`` are the findings that comments in this source excused; ``active(rule)`` says whether a rule took part.
    """
    findings = [item.finding for item in excused]
    for excuse in excuses_in(source):
        here = [f for f in findings if excuse.line in {f.location.line, f.location.end_line or f.location.line}]
        if not excuse.rules:
            if not here:
                yield excuse, ()
            continue
        idle = tuple(
            rule
            for rule in excuse.rules
            if active(rule) and not any(Excuse(0, (rule,), "").covers(f.code, f.name) for f in here)
        )
        if idle:
            yield excuse, idle


def _comments(source: str) -> Iterable[tuple[int, str]]:
    import io
    import tokenize

    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):  # a cell with IPython magics: what was read so far still counts
        return


def _read(line: int, comment: str) -> Iterable[Excuse]:
    ours = re.search(_OURS, comment)
    if ours is not None:
        named = ours.group("rules")
        rules = () if named is None else tuple(re.split(r"[,\s]+", named.strip()))
        yield Excuse(line, rules, ours.group("reason").strip(" -:–—"))
    noqa = re.search(_NOQA, comment)
    if noqa is not None:
        codes = tuple(code for code in re.split(r"[,\s]+", noqa.group("rules")) if code.upper().startswith("AE"))
        if codes:
            yield Excuse(line, codes, noqa.group("reason").strip(" -:–—"))
