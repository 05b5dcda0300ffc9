"""``match``: whether a subject has a pattern's form, and the names that the pattern binds."""

from __future__ import annotations

import ast

from ae_audit.base.records import replace
from ae_audit.static.domain import operators
from ae_audit.static.domain.environment import Frame
from ae_audit.static.domain.values import Array, Class, Const, Instance, Library, Mapping, Seq, Unknown, Value
from ae_audit.static.interpreter import attributes, branching
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

_UNDECIDED = "a test on something unknown"
_BUILTIN = {kind.__name__: kind for kind in (str, int, float, bool, bytes)}


def chosen(run: Run, node: ast.Match, frame: Frame) -> list[ast.stmt]:
    """The body of the case that is run; nothing where none is."""
    subject = run.evaluate(node.subject, frame)
    for case in node.cases:
        test = _fits(run, case.pattern, subject, frame)
        if not branching.decide(run, test, node.subject, frame, text=_text(node, case.pattern, frame)):
            continue
        guard = case.guard
        if guard is None or branching.decide(run, run.evaluate(guard, frame), guard, frame):
            return case.body
    return []


def _text(node: ast.Match, pattern: ast.pattern, frame: Frame) -> str:
    subject = frame.text.segment(node.subject)
    if isinstance(pattern, ast.MatchValue):
        return f"{subject} == {frame.text.segment(pattern.value)}"
    return f"{subject} matches {ast.unparse(pattern)}"


def _fits(run: Run, pattern: ast.pattern, subject: Value, frame: Frame) -> Value:
    """Whether ``subject`` fits: a constant where it is decided. Binds the names of the pattern in either case."""
    run.step()
    where = Where(frame.text, pattern)
    if isinstance(pattern, (ast.MatchValue, ast.MatchSingleton)):
        singleton = isinstance(pattern, ast.MatchSingleton)
        value = Const(pattern.value) if isinstance(pattern, ast.MatchSingleton) else run.evaluate(pattern.value, frame)
        return operators.compare(run, ast.Is() if singleton else ast.Eq(), subject, value, where)
    if isinstance(pattern, ast.MatchOr):
        return _either([_fits(run, part, subject, frame) for part in pattern.patterns], where)
    if isinstance(pattern, ast.MatchAs):
        inner = Const(True) if pattern.pattern is None else _fits(run, pattern.pattern, subject, frame)
        if pattern.name is not None:
            frame.scope.bind(pattern.name, subject)
        return inner
    if isinstance(pattern, ast.MatchSequence):
        return _sequence(run, pattern, subject, frame)
    if isinstance(pattern, ast.MatchMapping):
        return _mapping(run, pattern, subject, frame)
    if isinstance(pattern, ast.MatchClass):
        return _instance(run, pattern, subject, frame)
    return Unknown(_UNDECIDED, where)


def _either(tests: list[Value], where: Where) -> Value:
    known = [operators.truth(test) for test in tests]
    softs = [test.soft for test in tests if isinstance(test, Const) and test.soft is not None]
    soft = None
    if softs:
        suggestions = dict.fromkeys(value for one in softs for value in one.suggestions)
        soft = replace(softs[0], suggestions=tuple(suggestions))
    if True in known:
        return Const(True, where, soft)
    return Unknown(_UNDECIDED, where) if None in known else Const(False, where, soft)


def _all(tests: list[Value], where: Where) -> Value:
    known = [operators.truth(test) for test in tests]
    if False in known:
        return Const(False, where)
    return Unknown(_UNDECIDED, where) if None in known else Const(True, where)


def _sequence(run: Run, pattern: ast.MatchSequence, subject: Value, frame: Frame) -> Value:
    where = Where(frame.text, pattern)
    parts = pattern.patterns
    star = next((index for index, part in enumerate(parts) if isinstance(part, ast.MatchStar)), None)
    known = isinstance(subject, Seq) and subject.rest is None and not subject.open
    items = list(subject.items) if isinstance(subject, Seq) and known else []
    fixed = len(parts) - (star is not None)
    long_enough = len(items) == fixed if star is None else len(items) >= fixed
    unsure = isinstance(subject, Unknown) or (isinstance(subject, Seq) and not known)
    tests: list[Value] = [Unknown(_UNDECIDED, where) if unsure else Const(known and long_enough, where)]
    for index, part in enumerate(parts):
        if isinstance(part, ast.MatchStar):
            middle = items[index : len(items) - (fixed - index)] if long_enough else []
            rest = None if known else Unknown("a part of something unknown", where)
            if part.name is not None:
                frame.scope.bind(part.name, Seq(middle, "list", rest))
            continue
        place = index if star is None or index < star else index - len(parts)
        inside = known and -len(items) <= place < len(items)
        tests.append(_fits(run, part, items[place] if inside else _part(subject, place, where), frame))
    return _all(tests, where)


def _part(subject: Value, key: object, where: Where) -> Value:
    if isinstance(subject, Unknown):
        return attributes.child(subject, ("[]", key))
    return Unknown("a part of something unknown", where)


def _mapping(run: Run, pattern: ast.MatchMapping, subject: Value, frame: Frame) -> Value:
    where = Where(frame.text, pattern)
    tests: list[Value] = []
    if not isinstance(subject, Mapping):
        tests.append(Unknown(_UNDECIDED, where) if isinstance(subject, Unknown) else Const(False, where))
    left = dict(subject.items) if isinstance(subject, Mapping) else {}
    for key, part in zip(pattern.keys, pattern.patterns, strict=True):
        name = getattr(run.evaluate(key, frame), "value", None)
        found = left.pop(name, None)
        if found is None:
            closed = isinstance(subject, Mapping) and subject.rest is None
            tests.append(Const(False, where) if closed else Unknown(_UNDECIDED, where))
            found = _part(subject, name, where)
        tests.append(_fits(run, part, found, frame))
    if pattern.rest is not None:
        frame.scope.bind(pattern.rest, Mapping(left, None if isinstance(subject, Mapping) else Unknown(_UNDECIDED)))
    return _all(tests, where)


def _instance(run: Run, pattern: ast.MatchClass, subject: Value, frame: Frame) -> Value:
    where = Where(frame.text, pattern)
    kind = run.evaluate(pattern.cls, frame)
    builtin = _BUILTIN.get(kind.name.rpartition(".")[2]) if isinstance(kind, Library) else None
    test: Value = Unknown(_UNDECIDED, where)
    if isinstance(kind, Class) and isinstance(subject, Instance):
        test = Const(kind in subject.cls.lineage(), where)
    elif builtin is not None and isinstance(subject, Const):
        test = Const(isinstance(subject.value, builtin), where)
    elif builtin is not None and not isinstance(subject, (Array, Unknown)):
        test = Const(False, where)
    tests = [test]
    for index, part in enumerate(pattern.patterns):
        whole = builtin is not None  # ``str(name)`` binds the text itself
        tests.append(_fits(run, part, subject if whole else _part(subject, index, where), frame))
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        tests.append(_fits(run, part, run.attribute(subject, name, where), frame))
    return _all(tests, where)
