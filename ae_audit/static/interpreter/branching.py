"""Choosing a branch: by what is known, by the plan of the run, or by default with an offer for a further run."""

from __future__ import annotations

import ast

from ae_audit.static.domain import operators
from ae_audit.static.domain.environment import Frame
from ae_audit.static.domain.stores import ByIdentity, Store
from ae_audit.static.domain.values import Const, Unknown, Value
from ae_audit.static.interpreter import exploration
from ae_audit.static.interpreter.exploration import Alternative

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


def decide(
    run: Run, test: Value, node: ast.expr, frame: Frame, *, default: bool = True, matters: bool = True,
    text: str | None = None,
) -> bool:  # fmt: skip
    """Whether to take the branch that ``test`` guards."""
    known = operators.truth(test)
    if known is not None:
        if isinstance(test, Const) and test.soft is not None and matters:
            suggestions = test.soft.suggestions
            if not suggestions and isinstance(test.value, bool) and _is_plain_flag(node):
                run.offer_values(test.soft, test.value, (not test.value,))
            elif suggestions and run.plan.get(("soft", test.soft.source)) is None:
                _offer_suggestions(run, test, known)
        return known
    text = text or frame.text.segment(node)
    asked = _asked(run, node, frame)
    settled = None if asked is None else _settled(run, asked, frame)
    if settled is not None:
        return settled
    key = ("test", frame.name, text)
    taken = run.plan.get(key)
    if taken is not None:
        _note(run, asked, bool(taken.value))
        return bool(taken.value)
    _note(run, asked, default)
    if matters:
        positive, negative = text, f"not ({text})"
        offer = Alternative(key, not default, negative if default else positive, positive if default else negative,
                      run.origin)  # fmt: skip
        run.offers.setdefault((key, not default), offer)
    return default


Asked = tuple[Value, str, object, bool]
"""a value of which nothing is known, as written, what it is compared with, and whether for equality"""
_TAKEN_EQUAL: Store[ByIdentity[Const]] = Store(ByIdentity)
"""what values of which nothing is known are taken to equal, since a test was decided so"""


def _asked(run: Run, node: ast.expr, frame: Frame) -> Asked | None:
    """What ``kind == "a"`` asks of an unknown ``kind``; None for other tests."""
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return None
    other = node.comparators[0]
    if not isinstance(other, ast.Constant) or not isinstance(node.left, (ast.Name, ast.Attribute, ast.Subscript)):
        return None
    value = run.evaluate(node.left, frame)
    if not isinstance(value, Unknown):
        return None
    return value, frame.text.segment(node.left), other.value, isinstance(node.ops[0], ast.Eq)


def _settled(run: Run, asked: Asked, frame: Frame) -> bool | None:
    """Whether what was decided of the same value decides the test: what is ``"a"`` is not ``"b"``."""
    value, written, wanted, equal = asked
    taken = _TAKEN_EQUAL.of(run).get(value)
    if taken is not None:
        return (taken.value == wanted) is equal
    for offer in run.plan.taken:
        if offer.key[:2] == ("test", frame.name) and offer.value is True and offer.key[2].startswith(f"{written} == "):
            try:
                planned = ast.literal_eval(offer.key[2].removeprefix(f"{written} == "))
            except (ValueError, SyntaxError):
                continue
            if planned != wanted:
                return not equal
    return None


def _note(run: Run, asked: Asked | None, result: bool) -> None:
    if asked is not None and result is asked[3]:
        _TAKEN_EQUAL.of(run).put(asked[0], Const(asked[2]))


def _is_plain_flag(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_plain_flag(node.operand)
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.BoolOp))


def _offer_suggestions(run: Run, test: Const, known: bool) -> None:
    assert test.soft is not None
    default = run.soft_defaults.get(test.soft.source)
    run.offer_values(test.soft, default, test.soft.suggestions)


def decide_block(run: Run, test: Value, node: ast.If, frame: Frame) -> bool:
    """Which arm of an ``if`` statement to run."""
    known = operators.truth(test)
    if known is not None and not (isinstance(test, Const) and test.soft is not None):
        return _decided(run, known, node, frame) if run.undoing else known
    matters = run.project.syntax.of(node, [*node.body, *node.orelse], "arms").matters
    default = not exploration.ends(node.body)
    if run.loops and not node.orelse and matters:
        asks_the_turn = any(isinstance(part, ast.Name) and part.id in run.turning for part in ast.walk(node.test))
        if exploration.only_adds(node.body) or (default and asks_the_turn):
            matters = False  # some turn of the loop takes it
    if default and node.orelse:
        syntax = run.project.syntax
        # `if there is a checkpoint, load it, else train`
        default = not syntax.of(node, node.orelse, "else").trains or syntax.of(node, node.body, "then").trains
    return decide(run, test, node.test, frame, default=default, matters=matters)


_DECIDED: Store[dict[int, Alternative]] = Store(dict)
"""the other way of each test that the program decides, by its node"""


def _decided(run: Run, known: bool, node: ast.If, frame: Frame) -> bool:
    """What a test gives that the program decides; the other way, where the plan undoes it to reach a training."""
    if any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)):
        return known
    text = frame.text.segment(node.test)
    negated = f"not ({text})"
    if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
        negated = frame.text.segment(node.test.operand)
    key = (exploration.DECIDED, frame.text.path, frame.name, text)
    taken = run.plan.get(key)
    if taken is not None:
        return bool(taken.value)
    offer = Alternative(key, not known, negated if known else text, text if known else negated, run.origin)
    skipped, part = (node.orelse, "else") if known else (node.body, "then")
    if run.project.syntax.of(node, skipped, part).trains:
        run.offers.setdefault((key, not known), offer)
    _DECIDED.of(run)[id(node)] = offer
    return known


def left_early(run: Run, node: ast.stmt, rest: list[ast.stmt]) -> None:
    """Offer to undo the test by which a block was left before a training (``if not train: return load_model(p)``)."""
    offer = _DECIDED.of(run).get(id(node))
    if offer is not None and run.project.syntax.of(node, rest, "rest").trains:
        run.offers.setdefault((offer.key, offer.value), offer)
