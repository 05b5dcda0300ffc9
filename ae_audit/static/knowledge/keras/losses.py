"""Keras losses and metrics: names, classes and functions, as objects and called on tensors."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, LossUse, MetricUse, Parameter
from ae_audit.static.domain import losses
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Const, Library, LossFunction, LossValue, Mapping, Object, Seq, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.spellings import loss as canonical
from ae_audit.static.source.sources import Where
from ae_audit.theory import metric_names
from ae_audit.theory.loss_names import arguments
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras losses")
KERAS = Framework.KERAS


def use_of(symbol: str, call: Call | None, where: Where, written: str | None = None) -> LossUse | None:
    """The loss that a symbol names, with the arguments it was made with; None where it names no known loss."""
    found = canonical("keras", symbol)
    if found is None:
        return None
    name, defaults = found
    values: dict[str, Any] = dict(defaults)
    logits: Tri = Tri.of(bool(values.pop("from_logits", False)))
    reduction = values.pop("reduction", None)
    if call is not None:
        for position, parameter in enumerate(arguments("keras", symbol) or ()):
            if parameter in {"target", "prediction", "name", "y_true", "y_pred"}:
                continue
            given = call.get(position, parameter)
            if given is None:
                continue
            constant = given.value if isinstance(given, Const) else None
            if parameter == "from_logits":
                logits = Tri.of(bool(constant)) if isinstance(given, Const) else Tri.UNKNOWN
            elif parameter == "reduction":
                reduction = _reduction(given)
            elif isinstance(constant, (bool, int, float, str)):
                values[parameter] = constant
    parameters: tuple[tuple[str, Parameter], ...] = tuple(sorted(values.items()))
    return LossUse(
        name=name, written=written or where.written, from_logits=logits, parameters=parameters,
        reduction=reduction if isinstance(reduction, str) else None, location=where.location,
    )  # fmt: skip


def _reduction(value: Value) -> str | None:
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value.lower()
    if isinstance(value, Library):
        return value.name.rpartition(".")[2].lower()
    return None


@TABLE.prefix("keras.losses", "keras.metrics", "keras.backend.losses")
def _loss(run: Run, name: str, call: Call) -> Value:
    short = name.rpartition(".")[2]
    if short == "get":
        given = call.get(0)
        return given if given is not None else Unknown("an unknown loss", call.where)
    use = use_of(name, call, call.where)
    if use is None:
        if name.startswith("keras.metrics"):
            return Object(name, call)
        return Unknown(f"the loss `{name}` is not known", call.where)
    positional = arguments("keras", name) or ()
    if positional[:2] == ("target", "prediction"):
        if len(call.args) + len(call.kwargs) < 2:
            return LossFunction(use, KERAS, order="target, prediction")
        return called(run, use, call)
    if name.startswith("keras.metrics"):
        return Object(name, call)
    return LossFunction(use, KERAS, order="target, prediction")


@TABLE.function("keras.backend.binary_crossentropy", "keras.backend.categorical_crossentropy",
                "keras.backend.sparse_categorical_crossentropy", "keras.ops.binary_crossentropy",
                "keras.ops.categorical_crossentropy", "keras.ops.sparse_categorical_crossentropy")  # fmt: skip
def _backend_loss(run: Run, call: Call) -> Value:
    use = use_of(f"keras.backend.{call.name}", call, call.where)
    if use is None:
        return Unknown("a loss that is not known", call.where)
    return called(run, use, call)


def called(run: Run, use: LossUse, call: Call) -> Value:
    """A loss function called on target and prediction."""
    function = LossFunction(use, KERAS, order="target, prediction")
    made = losses.compare(run, function, call)
    averages = call.qualified.startswith(("keras.losses.", "keras.metrics.", "keras.objectives."))
    if isinstance(made, LossValue) and averages:
        # these average along the last axis, where keras.backend and keras.ops do not
        return replace(made, terms=tuple(replace(term, steps=(*term.steps, ("mean", -1))) for term in made.terms))
    return made


@TABLE.method("keras.losses.Loss", "__call__")
def _call_own_class(run: Run, receiver: Value, call: Call) -> Value:
    """A loss class of the user's own: its ``call(y_true, y_pred)``."""
    made = run.call_method(receiver, "call", call)
    return Unknown("a loss without call()", call.where) if made is None else made


@TABLE.method("keras.losses.Loss", "__init__")
def _init_own_class(run: Run, receiver: Value, call: Call) -> Value:
    return Const(None)


@TABLE.method("lossfunction", "__call__", "call")
def _call_loss(run: Run, receiver: LossFunction, call: Call) -> Value:
    return losses.compare(run, receiver, call)


def resolve(run: Run, value: Value | None, where: Where) -> tuple[LossUse | None, Value | None, str | None]:
    """What was given as ``loss``: a known loss, or a function of the user's own, or the reason why it is unknown."""
    if value is None or (isinstance(value, Const) and value.value is None):
        return None, None, "no loss is given to compile()"
    if isinstance(value, Const) and isinstance(value.value, str):
        place = value.where or where
        use = use_of(value.value, None, place)
        if use is None:
            return None, None, f"the loss `{value.value}` is not known"
        return use, None, None
    if isinstance(value, Library):
        place = _loss_place(where)
        use = use_of(value.name, None, place)
        return (use, None, None) if use is not None else (None, None, f"the loss `{value.name}` is not known")
    if isinstance(value, LossFunction):
        use = value.use if value.use.location is not None else replace(value.use, location=_loss_place(where).location)
        return use, value.function if use.name is None else None, value.why
    if isinstance(value, Unknown):
        return None, None, value.reason
    return None, value, None


def _loss_place(where: Where) -> Where:
    for keyword in getattr(where.node, "keywords", []):
        if keyword.arg == "loss":
            return Where(where.text, keyword.value)
    arguments_ = getattr(where.node, "args", [])
    return Where(where.text, arguments_[1]) if len(arguments_) > 1 else where


def metrics_of(run: Run, value: Value | None, where: Where) -> list[tuple[str | None, MetricUse]]:
    """The metrics given to ``compile``, each with the name of its output (None: all outputs)."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [
            (str(key), metric)
            for key, inner in value.items.items()
            for _, metric in metrics_of(run, inner if isinstance(inner, Seq) else Seq([inner]), where)
        ]
    items = run.iterate(value, where)[0] if isinstance(value, Seq) else [value]
    found: list[tuple[str | None, MetricUse]] = []
    for item in items:
        if isinstance(item, Seq):
            found.extend(metrics_of(run, item, where))
            continue
        metric = metric_of(item, where)
        if metric is not None:
            found.append((None, metric))
    return found


def metric_of(value: Value, where: Where) -> MetricUse | None:
    """One entry of ``metrics=``."""
    if isinstance(value, Const) and isinstance(value.value, str):
        return MetricUse(metric_names.canonical(value.value), value.value, (value.where or where).location)
    if isinstance(value, Library):
        return MetricUse(metric_names.canonical(value.name), value.name, where.location)
    if isinstance(value, Object) and value.where is not None:
        return MetricUse(metric_names.canonical(value.cls), value.where.written, value.where.location)
    if isinstance(value, LossFunction):
        return MetricUse(value.use.name or "unknown", value.use.written or "", value.use.location)
    name = getattr(value, "name", None)
    return MetricUse(metric_names.canonical(name), name, where.location) if isinstance(name, str) else None
