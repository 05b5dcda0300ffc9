"""Loss expressions: comparisons of a prediction with a target, written with library losses or by hand."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import DataFacts, Framework, LossUse, MetricUse
from ae_audit.static.domain import custom_losses, divergences, tensor_arithmetic, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.cross_entropies import NEGATIVE, POSITIVE, RATIO
from ae_audit.static.domain.divergences import MERGED
from ae_audit.static.domain.loss_values import Pair
from ae_audit.static.domain.values import (
    OF,
    Array,
    Difference,
    LossFunction,
    LossTerm,
    LossValue,
    Seq,
    Site,
    Tensor,
    Unknown,
    Value,
    number,
)
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

EPSILON = 1e-3
"""what is added to an error for the sake of a root or a division changes neither"""
_OF_DERIVATIVES = {True: "residual", False: "gradient_penalty"}
"""what an error of derivatives against a number is, by whether it is one against zero"""
OVERLAPS = frozenset({"dice", "tversky"})
"""losses that judge the overlap of two sets as a whole"""
MAX_TERMS = 64
"""comparisons that one loss adds up, as far as they are kept apart"""
_NORMS = {(1.0, True): "mae", (2.0, False): "mse", (2.0, True): "mse"}


def compare(run: Evaluator, loss: LossFunction, call: Call) -> Value:
    """Call a loss with its two arguments; an eager comparison of a network's output with data is a site at once."""
    names = {"prediction": ("input", "y_pred", "output", "x", "preds"), "target": ("target", "y_true", "y", "labels")}
    order = loss.order.split(", ")
    found = {role: call.get(order.index(role), *names[role]) for role in ("prediction", "target")}
    prediction, target = found["prediction"], found["target"]
    if prediction is None or target is None:
        return Unknown("a loss whose arguments are not known", call.where)
    if loss.function is not None and loss.use.name is None:
        made = run.call(loss.function, call)
        return made
    return compared(run, loss.use, prediction, target, call.where, framework=loss.framework, why=loss.why)


def compared(
    run: Evaluator, use: LossUse, prediction: Value, target: Value, where: Where, *, framework: Framework,
    why: str | None = None, swap: bool = True,
) -> LossValue:  # fmt: skip
    """One comparison. Arguments in the wrong order are taken as meant where that makes no difference to the loss."""
    if isinstance(prediction, Difference):
        prediction = tensors.as_tensor(prediction)
    if swap and not isinstance(prediction, Tensor) and isinstance(target, Tensor):
        prediction, target = target, prediction
        if framework is Framework.TORCH:
            use, why = turned_round(use, why)
    if not isinstance(prediction, Tensor) and not isinstance(target, Tensor):
        prediction, target = _from_elsewhere(run, prediction, target, framework)
    if use.location is None:
        use = replace(use, location=where.location, written=use.written or where.written)
    term = LossTerm(use, prediction, target, where)
    value = LossValue((term,))
    observe(run, term, framework, why=why)
    return value


def turned_round(use: LossUse, why: str | None = None) -> tuple[LossUse, str | None]:
    """What is known of a loss that was given its two arguments the wrong way round."""
    from ae_audit.theory.loss_names import SYMMETRIC  # few programs need it

    if use.name is None or use.name in SYMMETRIC:
        return use, why
    return replace(use, name=None), f"prediction and target are given to `{use.name}` the wrong way round"


def _from_elsewhere(run: Evaluator, prediction: Value, target: Value, framework: Framework) -> tuple[Value, Value]:
    """Where a model is not in reach: what was fed to it is still known, and which of two values came out of it."""
    first, second = sources(run, prediction), sources(run, target)
    of_parts = second or sources(run, target, parts=True)
    if _identity(prediction) in {_identity(item) for item in of_parts} or (second and not first):
        prediction, target, first = target, prediction, of_parts
    first = first or sources(run, prediction, parts=True)
    own = _identity(target)
    fed = fed_arrays(run, prediction)
    same = [item for item in first if _identity(item) == own]
    if same and (len(fed) < 2 or _given_at_once(run, prediction, own)):
        fed = [array for item in same[:1] if (array := run.as_array(item)) is not None]
    if not first or not fed:
        return _unknown_behind(run, prediction), target
    behind = _unknown_behind(run, prediction)
    reason = behind.reason if isinstance(behind, Unknown) else "the model is not in this file"
    shape = prediction.shape if isinstance(prediction, Array) else None
    return tensors.opaque(run, framework, fed, reason, shape=shape), target


def _given_at_once(run: Evaluator, prediction: Value, own: object) -> bool:
    """Whether a model out of reach was given the target itself, not what a function out of reach mixed it into."""
    behind = _unknown_behind(run, prediction)
    if not isinstance(behind, Unknown):
        return False
    whole = behind.children.get(OF, behind)
    given = whole.children.get("()") if isinstance(whole, Unknown) else None
    return isinstance(given, Seq) and any(_identity(item) == own for item in given.items)


def _unknown_behind(run: Evaluator, value: Value) -> Value:
    """The unknown that an array stands for."""
    if isinstance(value, Array) and value.why is not None:
        return run.unknowns.get(value.root, value)
    return value


def _identity(value: Value) -> object:
    """What a value and every reshaped form of it have in common."""
    if isinstance(value, Unknown):
        return value.array.root if value.array is not None else id(value)
    return value.root if isinstance(value, Array) else id(value)


def fed_arrays(run: Evaluator, value: Value) -> list[Array]:
    """The data among the :func:`sources` of an unknown value; what nothing is known of may be data."""
    found: list[Array] = []
    for item in sources(run, value) or sources(run, value, parts=True):
        array = item if isinstance(item, Array) else None
        if isinstance(item, Unknown) and "()" not in item.children:
            array = run.as_array(item)
        if array is not None and array not in found:
            found.append(array)
    return found


def sources(
    run: Evaluator, value: Value, depth: int = 0, *, parts: bool = False, seen: set[tuple[int, int]] | None = None
) -> list[Value]:
    """The data and unknowns that callables out of reach were given on the way to an unknown value.

    ``parts``: also for one of several things that a call returned, which may be an output or a part of a data set.
    ``seen``: what was gone through already, by identity and depth; ``x = f(x, x)`` has twice as many ways a line.
    """
    value = _unknown_behind(run, value)
    seen = set() if seen is None else seen
    if not isinstance(value, Unknown) or depth > 8 or (id(value), depth) in seen:
        return []
    seen.add((id(value), depth))
    given = value.children.get("()")
    whole = value.children.get(OF)
    if parts and given is None and whole is not None:
        return sources(run, whole, depth + 1, seen=seen)
    if not isinstance(given, Seq):
        return []
    found: list[Value] = [
        item for item in given.items if isinstance(item, Unknown) or (isinstance(item, Array) and item.shape != ())
    ]
    for item in given.items:
        found.extend(sources(run, item, depth + 1, parts=parts, seen=seen))
    return found


def is_eager(prediction: Value) -> bool:
    """Whether a prediction was computed from data, not while a symbolic network was being built."""
    if isinstance(prediction, Tensor):
        return bool(prediction.fed) and not any(array.placeholder for array in prediction.fed)
    return isinstance(prediction, Unknown)


def observe(
    run: Evaluator, term: LossTerm, framework: Framework, why: str | None = None, *, trains: bool = False
) -> None:
    """Record an eager comparison as a site; comparisons inside a compiled loss are reported by ``fit``.

    ``trains``: it is known to be trained on, without which an error against one number may be anything.
    """
    if run.collecting or not is_eager(term.prediction):
        return
    if not trains and (_is_written_number(term) or (isinstance(term.target, Array) and term.target.placeholder)):
        return
    prediction = term.prediction
    if isinstance(prediction, Unknown) and not isinstance(term.target, (Array, Unknown)):
        return
    fed = prediction.fed if isinstance(prediction, Tensor) else ()
    run.emit(
        Site(
            framework=framework, where=term.where, use=term.use, prediction=prediction, target=term.target,
            input=fed[0] if fed else None, why_loss=why,
            evaluation=run.no_grad, model=prediction.model if isinstance(prediction, Tensor) else None,
            term=(term.where, id(prediction)),
        )
    )  # fmt: skip


def _is_written_number(term: LossTerm) -> bool:
    """Whether an error written out is one against a number: ``(d(x) - 1) ** 2``."""
    target = term.target
    return term.use.custom and isinstance(target, Array) and target.shape == () and target.values.hull.width == 0


def trained(run: Evaluator, value: Value, optimizer: str | None = None, where: Where | None = None) -> None:
    """``loss.backward()``, ``tape.gradient(loss, …)``: the comparisons in ``value`` are what is trained.

    ``where``: the call that trains, for a loss in which nothing is seen to be compared.
    """
    if isinstance(value, Difference):
        value = reduced(run, value, "none", value.where)
    if not isinstance(value, LossValue):
        custom_losses.trained(run, value, optimizer, where)
        return
    if not value.terms and where is not None:
        if value.between is not None:
            custom_losses.between_outputs(run, *value.between, optimizer, where)
        else:
            custom_losses.trained(run, Unknown(custom_losses.OUTPUTS), optimizer, where)
    for term in value.terms:
        key = (term.where, id(term.prediction))
        if not any(site.term == key for site in run.sites) and isinstance(term.prediction, Tensor):
            observe(run, replace(term, use=finished(term)), term.prediction.framework, trains=True)
        for site in run.sites:
            if site.term == key:
                site.evaluation = False
                site.use = replace(finished(term), alone=Tri.NO if term.use.alone is Tri.NO else value.alone)
                site.trained = True
                site.pair = value.pair
                site.optimizer = optimizer or site.optimizer


def finished(term: LossTerm) -> LossUse:
    """The loss of a term with all that was done to it afterwards."""
    use = term.use
    name = use.name
    weight = term.weight
    if name == POSITIVE:
        name = None if _is_signed(term.target) else "cce"
        weight = None if weight is None else -weight
    elif name == RATIO:
        name = "policy_gradient"
    elif _is_penalty(term):
        name = _OF_DERIVATIVES[number(term.target) == 0]
    elif name == NEGATIVE or (name == "bce" and weight is not None and weight < 0 and _is_written_number(term)):
        name = None
    reduction = use.reduction
    if term.reductions:
        kinds = list(dict.fromkeys(term.reductions))
        reduction = kinds[0] if len(kinds) == 1 else " of ".join(reversed(kinds))
    return replace(use, name=name, reduction=reduction, weight=weight)


def _is_signed(target: Value) -> bool:
    """Whether ``t · log(p)`` weighs by values that are surely no probabilities: a reward, a code drawn at random."""
    return isinstance(target, Array) and target.values.reach is not None and target.values.reach.lo < 0


def reduced(run: Evaluator, value: Value, how: str, where: Where, axis: object = None) -> Value:
    """``mean`` or ``sum`` of a loss expression, over all that is left where ``axis`` is None; of an error, its loss."""
    if isinstance(value, LossValue):
        step = (how, axis)
        terms = tuple(
            replace(term, reductions=(*term.reductions, how)[:4], steps=(*term.steps, step)[:8]) for term in value.terms
        )
        if value.pair is not None:
            value = replace(value, pair=value.pair.reduced(step))
        return replace(value, terms=terms, reductions=(*value.reductions, how)[:4])
    if isinstance(value, Difference):
        name = "mape" if value.relative else _NORMS.get((value.power, value.absolute))
        use = LossUse(name=name, written=where.written, reduction=how, location=where.location, custom=True)
        why = None if name else "an error that is neither squared nor absolute"
        made = compared(run, use, value.prediction, value.target, where, framework=value.prediction.framework, why=why)
        if how == "none":
            return made
        steps = ((how, axis),) if not value.scaled else ((how, "by values of its own"),)
        return LossValue(tuple(replace(term, reductions=(how,), steps=steps) for term in made.terms))
    return value


def regrouped(value: LossValue, start: int | None) -> LossValue:
    """A loss expression of which all axes from ``start`` on become one; None: which, is not known."""
    step = (MERGED, "some axis" if start is None else start)
    terms = tuple(replace(term, steps=(*term.steps, step)[:8]) for term in value.terms)
    pair = None if value.pair is None else value.pair.reduced(step)
    return replace(value, terms=terms, pair=pair)


def squared(value: Difference, where: Where) -> Difference:
    """``error ** 2``."""
    return replace(value, power=value.power * 2, where=where)


def rooted(value: LossValue) -> LossValue:
    """The root of a loss, which is smallest where the loss is; how it weighs against a divergence is another matter."""
    return replace(value, pair=None, rooted=True)


def decibels(run: Evaluator, value: LossValue, where: Where) -> None:
    """``log10(peak² / mse)``: a PSNR written out, noted with the span that it is told of."""
    if value.peak is None or value.peak <= 0 or len(value.terms) != 1 or value.terms[0].use.name != "mse":
        return
    span = value.peak if value.rooted else math.sqrt(value.peak)
    target = value.terms[0].target
    data = target.facts if isinstance(target, Array) and target.values.reach is not None else DataFacts()
    run.quality.append(MetricUse("psnr", where.written, where.location, span, data))


def absolute(value: Difference, where: Where) -> Difference:
    """``|error|``."""
    return replace(value, absolute=True, where=where)


def joined(left: Value, right: Value, where: Where) -> Value:
    """Losses added up or weighted before they are called: the one that compares value with value speaks for all."""
    functions = [side for side in (left, right) if isinstance(side, LossFunction)]
    if len(functions) < 2 and number(right if functions[0] is left else left) is None:
        return Unknown("a loss joined with something unknown", where)
    chosen = next((f for f in functions if f.use.name not in {None, *OVERLAPS}), functions[0])
    if len(functions) < 2:
        return chosen
    use = replace(chosen.use, alone=Tri.NO)
    return LossFunction(use, chosen.framework, order=chosen.order, function=chosen.function, why=chosen.why)


def arithmetic(run: Evaluator, symbol: str, left: Value, right: Value, where: Where) -> Value:
    """An operator with a loss expression or an error on at least one side."""
    a, b = number(left), number(right)
    if isinstance(left, Difference):
        if symbol == "**" and b is not None:
            root = left.power == 2.0 and b == 0.5
            return replace(left, power=left.power * b, absolute=left.absolute or root, where=where)
        if symbol == "*" and isinstance(right, Difference) and right.prediction is left.prediction:
            return squared(left, where)
        if symbol in {"*", "/"} and b is not None:
            return _multiple(run, left, b, where)
        if symbol == "/" and isinstance(right, (Array, Unknown)):
            statistic = isinstance(right, Array) and right.statistic is not None
            of_target = not statistic and _identity(right) == _identity(left.target)
            return replace(left, relative=left.relative or of_target, scaled=True)
        if symbol == "*" or (symbol == "/" and isinstance(right, Tensor)):  # by a spread that the network predicts
            return replace(left, scaled=True)
    if isinstance(right, Difference) and symbol == "*":
        return replace(right, scaled=True) if a is None else _multiple(run, right, a, where)
    if symbol in {"+", "-"} and isinstance(left, Difference) and b is not None and abs(b) <= EPSILON:
        return left
    if symbol in {"+", "-"} and (_is_residual(left, right) or _is_residual(right, left)):
        sides = [tensors.as_tensor(side) if isinstance(side, Difference) else side for side in (left, right)]
        return tensor_arithmetic.arithmetic(run, symbol, sides[0], sides[1], where)
    left_value = _as_loss(run, left, where)
    right_value = _as_loss(run, right, where)
    if symbol in {"+", "-"} and left_value is not None and right_value is not None:
        return _sum(run, left_value, right_value if symbol == "+" else weighted(right_value, -1.0), where)
    if symbol == "*" and left_value is not None and right_value is not None:  # a focal loss: of one, a weight is made
        bent_left = all(term.use.name in {None, RATIO} for term in left_value.terms)
        return weighted(right_value if bent_left else left_value, None)
    if left_value is not None and right_value is None:
        if symbol in {"+", "-"}:
            return _with_more(left_value, right, -1.0 if symbol == "-" else 1.0)
        if symbol in {"*", "/"}:
            return weighted(left_value, None if b is None or b == 0 else (b if symbol == "*" else 1.0 / b))
    if right_value is not None and left_value is None:
        if symbol in {"+", "-"}:
            return _with_more(right_value if symbol == "+" else weighted(right_value, -1.0), left)
        if symbol == "*":
            return weighted(right_value, a)
        if symbol == "/" and a is not None:
            return replace(right_value, peak=a, pair=None)
    return left_value or right_value or Unknown("a loss expression of unknown form", where)


def _multiple(run: Evaluator, error: Difference, factor: float, where: Where) -> Value:
    """A multiple of an error; of one that is squared or absolute, the sign counts from now on."""
    signed = error.power == 1.0 and not error.absolute
    if factor >= 0 or signed:
        return replace(error, scaled=True)
    made = reduced(run, error, "none", where)
    return weighted(made, factor) if isinstance(made, LossValue) else made


def bent(value: LossValue) -> LossValue:
    """A loss that an exponential was taken of: what is least for which prediction is another matter from now on."""
    terms = tuple(replace(term, use=replace(term.use, name=None)) for term in value.terms)
    return replace(value, terms=terms)


def exponential(value: LossValue) -> LossValue:
    """``exp`` of a loss: of the logarithm of a likelihood, that likelihood."""
    made = bent(value)
    if not value.terms or not all(map(_is_log_likelihood, value.terms)):
        return made
    return replace(made, terms=tuple(replace(term, use=replace(term.use, name=RATIO)) for term in made.terms))


def _is_log_likelihood(term: LossTerm) -> bool:
    """Whether it is what a distribution's ``log_prob`` gives, which has no reduction."""
    return term.weight is not None and term.weight < 0 and term.use.reduction is None and not term.use.custom


def _with_more(value: LossValue, added: Value, sign: float = 1.0) -> LossValue | Tensor:
    """A loss with something added (or taken from it) that is no comparison as far as it is known."""
    if isinstance(added, Tensor):
        if added.score is not None and value.terms and all(map(_is_penalty, value.terms)):
            return added  # what a critic gives is what its loss is about
        pair = None
        if added.divergence is not None and len(value.terms) == 1 and not value.latent and not value.others:
            pair = Pair(value.terms[0], divergences.scaled(added.divergence, sign))
        return replace(value, latent=True, pair=pair)
    return value if number(added) is not None else replace(value, others=True)


def _is_penalty(term: LossTerm) -> bool:
    """Whether a derivative of the output is compared with a number."""
    return isinstance(term.prediction, Tensor) and term.prediction.derived and _is_written_number(term)


def _is_residual(value: Value, other: Value) -> bool:
    """Whether ``x - net(x)`` is used as a prediction: something that is no error is added to it."""
    if not isinstance(value, Difference) or value.power != 1.0 or value.absolute or value.relative:
        return False
    return not isinstance(other, (Difference, LossValue))


def _as_loss(run: Evaluator, value: Value, where: Where) -> LossValue | None:
    if isinstance(value, LossValue):
        return value
    if isinstance(value, Difference):
        made = reduced(run, value, "none", where)
        return made if isinstance(made, LossValue) else None
    return None


def weighted(value: LossValue, factor: float | None) -> LossValue:
    """A multiple of a loss; ``factor`` is None where it is not known."""
    terms = tuple(
        replace(term, weight=None if factor is None or term.weight is None else term.weight * factor)
        for term in value.terms
    )
    return replace(value, terms=terms)


def _sum(run: Evaluator, left: LossValue, right: LossValue, where: Where) -> LossValue:
    terms = (*left.terms, *right.terms)
    names = {term.use.name for term in terms}
    if len(terms) == 2 and names == {POSITIVE, NEGATIVE}:
        positive, _ = sorted(terms, key=lambda term: term.use.name != POSITIVE)
        use = LossUse(name="bce", written=where.written, location=where.location, custom=True)
        clean = positive.prediction
        weight = None if positive.weight is None else -positive.weight  # log p is the negative of the loss
        merged = LossTerm(use, clean, positive.target, where, weight, positive.reductions, positive.steps)
        observe(run, merged, clean.framework if isinstance(clean, Tensor) else Framework.TORCH)
        return LossValue((merged,), left.latent or right.latent, left.reductions, left.others or right.others)
    reductions = left.reductions or right.reductions
    others = left.others or right.others or len(terms) > MAX_TERMS
    between = left.between or right.between
    return LossValue(terms[:MAX_TERMS], left.latent or right.latent, reductions, others, between=between)


def from_function(run: Evaluator, function: Value, target: Value, prediction: Value, where: Where) -> Value:
    """What a user's own loss makes of ``(y_true, y_pred)``, without reporting the comparisons inside as sites."""
    kept, run.collecting = run.collecting, True
    try:
        return run.call(function, Call(where, [target, prediction]))
    finally:
        run.collecting = kept


def custom_uses(value: Value, where: Where, written: str | None = None) -> list[tuple[LossUse, LossTerm | None]]:
    """The losses that a user's own function reduces to; one unknown loss where it reduces to none."""
    if isinstance(value, Seq) and value.items:
        value = value.items[0]
    if isinstance(value, LossValue) and value.terms:
        uses: list[tuple[LossUse, LossTerm | None]] = []
        for term in value.terms:
            alone = Tri.NO if term.use.alone is Tri.NO else value.alone
            uses.append((replace(finished(term), custom=True, alone=alone), term))
        return uses
    unknown = LossUse(name=None, written=written or where.written, location=where.location, custom=True,
                      from_logits=Tri.UNKNOWN)  # fmt: skip
    return [(unknown, None)]
