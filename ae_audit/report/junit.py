"""JUnit XML: a suite with a case for each file and rule; what was not decided or is suppressed counts as skipped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.report import Report
from ae_audit.source.fingerprints import relative

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: Report, *, fail_on: Severity = Severity.ERROR) -> str:
    """The report as XML; findings at or above ``fail_on`` are failures, others are told in a case that passes."""
    failing = set(map(id, report.at_or_above(fail_on)))
    cases: list[str] = []
    failures = errors = skipped = 0
    by_rule: dict[tuple[str, str], list[Finding]] = {}
    for finding in report.standing:
        by_rule.setdefault((finding.location.path, f"{finding.code} {finding.name}"), []).append(finding)
    for (path, name), findings in by_rule.items():
        text = "\n\n".join(map(_told, findings))
        if any(id(finding) in failing for finding in findings):
            failures += 1
            inner = f'<failure type="{_attribute(findings[0].code)}"{_message(findings)}>{_text(text)}</failure>'
        else:
            inner = f"<system-out>{_text(text)}</system-out>"
        cases.append(_case(path, name, inner))
    for error in report.errors:
        errors += 1
        message = f"line {error.line}: {error.message}" if error.line is not None else error.message
        inner = f'<error type="{_attribute(error.stage)}" message="{_attribute(message)}"/>'
        cases.append(_case(error.path, f"{error.stage} stage", inner))
    passed_over = [
        (item.path, f"{item.what} at line {item.line}", f"not decided: {item.why}") for item in report.undecided
    ]
    passed_over += [
        (
            excused.finding.location.path,
            f"{excused.finding.code} {excused.finding.name}",
            f"suppressed: {excused.reason}",
        )
        for excused in report.suppressed
    ]
    for path, name, why in passed_over:
        skipped += 1
        cases.append(_case(path, name, f'<skipped message="{_attribute(why)}"/>'))
    spoken_of = {path for path, _ in by_rule} | {error.path for error in report.errors}
    spoken_of |= {path for path, _, _ in passed_over}
    cases += [_case(path, "no finding") for path in report.files if path not in spoken_of]
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites {counts}>\n<testsuite name="ae-audit" {counts}>\n'
    return head + "".join(f"{case}\n" for case in cases) + "</testsuite>\n</testsuites>\n"


def _told(finding: Finding) -> str:
    head = f"{finding.location}: {finding.severity.value}, {finding.verdict.value}: {finding.message}"
    condition = [f"when {finding.condition}"] if finding.condition is not None else []
    evidence = [f"{item.kind}: {item.text}" for item in finding.evidence]
    fix = [f"fix: {finding.fix.description}"] if finding.fix is not None else []
    return "\n  ".join([head, *condition, *evidence, *fix])


def _message(findings: Sequence[Finding]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f' message="{_attribute(findings[0].message + more)}"'


def _case(path: str, name: str, inner: str = "") -> str:
    start = f'<testcase classname="{_attribute(relative(path))}" name="{_attribute(name)}"'
    return f"{start}>{inner}</testcase>" if inner else f"{start}/>"


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), quote=False)


def _attribute(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text)).replace("\n", "&#10;").replace("\t", "&#9;")
