"""Keras training: ``compile``, ``fit`` and its relatives, ``add_loss``: where a set-up arises."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, LossUse, MetricUse
from ae_audit.static.domain import losses, overlaps, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.loss_values import Pair
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    Divergence,
    Function,
    Instance,
    Library,
    LossFunction,
    LossTerm,
    LossValue,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.custom_steps import computed_loss, custom_step
from ae_audit.static.knowledge.keras.fit_sites import ModelFit, bound, emit, replace_targets
from ae_audit.static.knowledge.keras.losses import metrics_of, resolve
from ae_audit.static.knowledge.keras.memory import (
    ADDED_DIVERGENCES,
    ADDED_LOSSES,
    ALL_ADDED_LOSSES,
    COMPILED,
    UNKNOWN_TRAINED,
    AddedLoss,
    Compiled,
)
from ae_audit.static.knowledge.keras.models import build, graph
from ae_audit.static.knowledge.keras.outputs import count_of, for_output, layer_names, part
from ae_audit.static.source.sources import Where
from ae_audit.theory.loss_families import POINTWISE
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras training")
KERAS = Framework.KERAS


@TABLE.method("keras.Model", "compile")
def _compile(run: Run, receiver: Value, call: Call) -> Value:
    optimizer = call.get(0, "optimizer")
    made = Compiled(
        call, call.get(1, "loss"), call.get(2, "metrics"), _optimizer_name(optimizer), call.get(3, "loss_weights"),
        uncalled=run.uncalled,
    )  # fmt: skip
    known = COMPILED.of(run)
    known.put(receiver, made)
    if len(known) == 1:
        run.finishers.append(_report_unfitted)
    return Const(None)


def _optimizer_name(value: Value | None) -> str | None:
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value.lower()
    if isinstance(value, Object):
        return value.cls.rpartition(".")[2].lower()
    return value.name.rpartition(".")[2].lower() if isinstance(value, Library) else None


@TABLE.prefix("keras.optimizers", "tensorflow.optimizers")
def _optimizer(run: Run, name: str, call: Call) -> Value:
    return Object(f"keras.optimizers.{name.rpartition('.')[2]}", call)


def compiled(run: Run, model: Value) -> Compiled | None:
    """What ``compile`` gave the model; None where it was not compiled."""
    return COMPILED.of(run).get(model)


@TABLE.attribute("keras.Model", "loss", "compiled_loss")
def _compiled_loss(run: Run, receiver: Value) -> Value:
    """The loss that ``compile`` was given, as a ``train_step`` of the user's own calls it."""
    made = compiled(run, receiver)
    if made is None or made.loss is None:
        return Unknown("the loss given to compile()")
    if isinstance(made.loss, (Mapping, Seq)):
        return made.loss
    use, custom, why = resolve(run, made.loss, made.call.where)
    if custom is not None:
        return custom
    return (
        Unknown(why or "the loss given to compile()")
        if use is None
        else LossFunction(use, KERAS, order="target, prediction")
    )


@TABLE.method("keras.Model", "compute_loss")
def _compute_loss(run: Run, receiver: Value, call: Call) -> Value:
    """``compute_loss(x, y, y_pred)``: the loss of ``compile`` on the target and the prediction."""
    target, prediction = call.get(1, "y"), call.get(2, "y_pred")
    loss = _compiled_loss(run, receiver)
    if target is None or prediction is None:
        return Unknown("a loss whose arguments are not known", call.where)
    return run.call(loss, Call(call.where, [target, prediction]))


def _report_unfitted(run: Run) -> None:
    """Models that are compiled here and fitted elsewhere: head and loss are known, the data is not."""
    known = COMPILED.of(run).items()
    fitted = {id(made.call.where.node) for _, made in known if made.fitted}
    only_used = bool(fitted) and not UNKNOWN_TRAINED.of(run)
    for model, made in known:
        if only_used and made.uncalled is None and isinstance(model, Object):
            continue  # compiled for predict(): the program trains others
        if not made.fitted and id(made.call.where.node) not in fitted:
            unknown = Unknown("the model is not fitted in this file")
            run.uncalled = made.uncalled
            before = len(run.sites)
            train(run, model, None, unknown, Call(made.call.where), implicit=True)
            for site in run.sites[before:]:
                site.unfitted = True
    run.uncalled = None


@TABLE.method("unknown", "compile")
def _compile_unknown(run: Run, receiver: Unknown, call: Call) -> Value:
    """A model that comes from elsewhere is compiled here."""
    if call.given(None, "loss") or call.given(None, "optimizer") or len(call.args) >= 2:
        return _compile(run, receiver, call)
    return Unknown(receiver.reason, call.where)


@TABLE.method("unknown", "fit", "fit_generator", "train_on_batch")
def _fit_unknown(run: Run, receiver: Unknown, call: Call) -> Value:
    unmistakable = call.name == "train_on_batch" and len(call.args) + len(call.kwargs) >= 2
    if unmistakable or compiled(run, receiver) is not None or any(name in call.kwargs for name in _FIT_ONLY):
        return fit(run, receiver, call)
    return Unknown(receiver.reason, call.where)


_FIT_ONLY = ("epochs", "nb_epoch", "validation_data", "steps_per_epoch", "callbacks", "validation_split")


@TABLE.method("keras.Model", "fit", "fit_generator", "train_on_batch")
def fit(run: Run, receiver: Value, call: Call) -> Value:
    """``fit`` and its relatives: every loss of the model meets its target here."""
    inputs, targets = split(run, call.get(0, "x", "generator"), call.get(1,
        "y") if call.name != "fit_generator" else None,
                            call.where)  # fmt: skip
    validation = call.get(None, "validation_data")
    val_inputs: Value | None = None
    val_targets: Value | None = None
    if validation is not None and not _is_none(validation):
        val_inputs, val_targets = _validation(run, validation, call.where)
    train(run, receiver, inputs, targets, call, val_inputs, val_targets)
    return Object("keras.callbacks.History", call)


def _validation(run: Run, value: Value, where: Where) -> tuple[Value | None, Value | None]:
    if isinstance(value, Seq) and value.rest is None and len(value.items) >= 2:
        return value.items[0], value.items[1]
    return split(run, value, None, where)


def split(run: Run, x: Value | None, y: Value | None, where: Where) -> tuple[Value | None, Value | None]:
    """Input and target of ``fit``: given apart, or as the pairs that a loader yields."""
    if isinstance(y, Const) and y.value is None:
        y = None
    if y is not None or x is None:
        return x, y
    if isinstance(x, (Object, Instance)) or (isinstance(x, Seq) and x.kind in {"iterator", "generator"}):
        element = run.element(x, where)
        if isinstance(element, Seq) and len(element.items) >= 2:
            return element.items[0], element.items[1]
        if isinstance(element, Unknown):
            from ae_audit.static.interpreter.attributes import child

            return child(element, ("[]", 0)), child(element, ("[]", 1))
        return element, None
    return x, None


def train(
    run: Run, model: Value, inputs: Value | None, targets: Value | None, call: Call, val_inputs: Value | None = None,
    val_targets: Value | None = None, *, implicit: bool = False,
) -> None:  # fmt: skip
    """Report every comparison that training ``model`` on these data makes."""
    made = compiled(run, model)
    if made is not None:
        made.fitted = True
    if inputs is None and not implicit:
        inputs = Unknown("the input of fit() is missing", call.where)
    if isinstance(model, Instance) and model.cls.find("train_step") is not None and inputs is not None:
        custom_step(run, model, inputs, targets, call)
        return
    outputs, names = predictions(run, model, inputs, call)
    if isinstance(model, Instance) and inputs is not None:
        own = model.cls.find("compute_loss")
        computed = [] if not isinstance(own, Function) else computed_loss(
            run, model, own, inputs, targets, outputs, call, None if made is None else made.optimizer
        )  # fmt: skip
        for site in computed:
            site.metrics = _metrics(run, made, 0, []) if made is not None else ()
        if computed:
            return
    if isinstance(model, Unknown):
        UNKNOWN_TRAINED.of(run).append(model)
        hidden = tensors.opaque(run, KERAS, [] if inputs is None else [inputs], model.reason)
        outputs = [hidden] * count_of(targets)
    several = count_of(targets)
    if len(outputs) == 1 and several > 1 and made is not None and count_of(made.loss) == several:
        # one loss for each target: what looks like one output of a model out of reach is a list of them
        outputs = [tensors.opaque(run, KERAS, [] if inputs is None else [inputs], "the model has several outputs")]
        outputs *= several
    before = len(run.sites)
    pending = list(ADDED_LOSSES.of(run).get(model) or ())
    if not isinstance(model, Instance):
        implicit_target = targets is None or made is None or made.loss is None
        pending.extend(
            item for item in ALL_ADDED_LOSSES.of(run)
            if item not in pending and implicit_target and _within(run, model, item[0])
        )  # fmt: skip
    context = ModelFit(model, inputs, call, made, val_inputs, val_targets)
    context.charged = _charged([*pending, *_by_layers(run, model, inputs, pending)], outputs)
    for value, where in pending:
        _added(run, context, value, where, outputs)
    if made is None and not pending:
        reason = "the model is not compiled in this file" if not implicit else None
        for index, output in enumerate(outputs):
            given = part(run, targets, index, names, len(outputs)) or _no_target(inputs)
            emit(run, context, LossUse(), output, given, reason)
        return
    if made is None:
        return
    for index, output in enumerate(outputs):
        loss = for_output(made.loss, index, names, len(outputs))
        target = part(run, targets, index, names, len(outputs))
        if loss is None or _is_none(loss):
            continue
        if target is None:
            if pending or len(run.sites) > before:
                continue
            target = _no_target(inputs)
        val_target = part(run, val_targets, index, names, len(outputs))
        _one(run, replace_targets(context, val_target), loss, output, target, index, names)
    if len(run.sites) == before and not pending and _is_none(made.loss):
        own_loss = isinstance(model, Instance) and model.cls.find("compute_loss") is not None
        why = "what compute_loss() computes is not known" if own_loss else "no loss is given to compile()"
        for output in outputs[:1]:
            emit(run, context, LossUse(), output, targets or _no_target(inputs), why)


def _is_none(value: Value | None) -> bool:
    return value is None or (isinstance(value, Const) and value.value is None)


def _no_target(inputs: Value | None) -> Unknown:
    """A target that fit() was not given: data of unknown make may hold it."""
    return Unknown(inputs.reason) if isinstance(inputs, Unknown) else Unknown("fit() is given no target")


def _within(run: Run, model: Value, loss: Value) -> bool:
    """Whether a loss that a layer added is computed from this model's inputs."""
    if not isinstance(loss, LossValue):
        return False
    roots = {value.root for value in graph(run, model).inputs if isinstance(value, Array)}
    for term in loss.terms:
        arrays_ = [term.target] if isinstance(term.target, Array) else []
        if isinstance(term.prediction, Tensor):
            arrays_.extend(term.prediction.fed)
        if any(array.root in roots for array in arrays_):
            return True
    return False


def predictions(run: Run, model: Value, inputs: Value | None, call: Call) -> tuple[list[Value], list[str]]:
    """The model's outputs on the data, and their names where they have some."""
    names: list[str] = []
    if isinstance(model, Instance) and model.cls.find("call") is not None:
        kept, run.collecting = run.collecting, True
        value = run.call(model, Call(call.where, [inputs or Unknown("the input of the model", call.where)]))
        run.collecting = kept
    else:
        state = build(run, model, call.where, inputs)
        names = state.names or layer_names(run, state.outputs or [])
        if state.outputs is None:
            why = state.why or "the model's layers are not known"
            value = tensors.opaque(run, KERAS, [] if inputs is None else [inputs], why)
        else:
            value = Seq(list(state.outputs))
    if isinstance(value, Seq) and value.rest is None:
        return list(value.items), names
    if isinstance(value, Mapping):
        return list(value.items.values()), [str(key) for key in value.items]
    return [value], names


def _one(run: Run, context: ModelFit, loss: Value, output: Value, target: Value, index: int, names: list[str]) -> None:
    made = context.made
    assert made is not None
    use, custom, why = resolve(run, loss, made.call.where)
    if use is None and custom is None:
        use = LossUse(written=_written(loss), from_logits=Tri.UNKNOWN, location=made.call.where.location)
    metrics = _metrics(run, made, index, names, use)
    _compute_own_metrics(run, made, output, target)
    if use is not None:
        if made.weights is not None:
            weight = number(for_output(made.weights, index, names, 2) or Const(None))
            use = replace(use, weight=weight)
        several = isinstance(made.loss, (Seq, Mapping)) and len(made.loss.items) > 1
        alone = Tri.UNKNOWN if several or ALL_ADDED_LOSSES.of(run) or _adds_losses(run, context) else Tri.YES
        emit(run, context, replace(use, alone=alone) if use.alone is Tri.UNKNOWN else use, output, target, why, metrics)
        return
    assert custom is not None
    place = _loss_place(made.call)
    result = losses.from_function(run, custom, _as_data(run, target), output, place)
    if isinstance(result, Difference):
        result = losses.reduced(run, result, "mean", place)
    elif isinstance(result, Tensor):
        result = overlaps.by_sample(result, place)
    reported = False
    for term_use, term in losses.custom_uses(result, place):
        if term is not None and not isinstance(term.prediction, Tensor):
            continue
        reported = True
        if term is None:
            reason = result.reason if isinstance(result, Unknown) else None
            score = result.score if isinstance(result, Tensor) else None
            scores = score is not None and score.opposed and isinstance(output, Tensor) and score.of(output.head)
            emit(run, context, replace(term_use, scores=scores), output, target, reason, metrics)
        else:
            pair = _own_pair(run, context, result, place) if isinstance(result, LossValue) else None
            _term(run, context, term, term_use, output, metrics, pair=pair)
    if not reported:
        unknown = LossUse(written=place.written, custom=True, from_logits=Tri.UNKNOWN, location=place.location)
        emit(run, context, unknown, output, target, None, metrics)


def _own_pair(run: Run, context: ModelFit, result: LossValue, place: Where) -> Pair | None:
    """The reconstruction and the divergence that a loss of the user's own adds up, or a layer adds to what it gives."""
    if result.pair is not None or context.charged is None or result.alone is not Tri.YES:
        return result.pair
    averaged = losses.reduced(run, result, "mean", place)  # what it gives for each sample
    return Pair(averaged.terms[0], context.charged) if isinstance(averaged, LossValue) else None


def _compute_own_metrics(run: Run, made: Compiled, output: Value, target: Value) -> None:
    """Metrics that are functions of the user's own see the same target and output as the loss."""
    for metric in made.metrics.items if isinstance(made.metrics, Seq) else ():
        if isinstance(metric, Function):
            losses.from_function(run, metric, _as_data(run, target), output, metric.where)


def _adds_losses(run: Run, context: ModelFit) -> bool:
    """Whether the model, or a layer of it, adds a loss of its own."""
    return context.model in ADDED_LOSSES.of(run) or context.charged is not None


def _written(value: Value) -> str | None:
    return value.where.written if isinstance(value, Const) and value.where is not None else None


def _loss_place(call: Call) -> Where:
    for keyword in getattr(call.where.node, "keywords", []):
        if keyword.arg == "loss":
            return Where(call.where.text, keyword.value)
    given = getattr(call.where.node, "args", [])
    return Where(call.where.text, given[1]) if len(given) > 1 else call.where


def _as_data(run: Run, value: Value) -> Value:
    return run.as_array(value) or value


def _metrics(
    run: Run, made: Compiled, index: int, names: list[str], use: LossUse | None = None
) -> tuple[MetricUse, ...]:
    """The metrics of one output, out of what is given for all, for each by its place, or by its name."""
    given = made.metrics
    if isinstance(given, Seq) and any(isinstance(item, Seq) for item in given.items):
        given = given.items[index] if index < len(given.items) else None
    found = metrics_of(run, given, made.call.where)
    name = names[index] if index < len(names) else ""
    shared = given is made.metrics and use is not None and use.name in POINTWISE and _some_classify(run, made)
    return tuple(
        replace(metric, shared=shared and output is None) for output, metric in found if output in {None, name}
    )


def _some_classify(run: Run, made: Compiled) -> bool:
    """Whether one of several losses is none that measures distances."""
    if not isinstance(made.loss, (Seq, Mapping)):
        return False
    items = made.loss.items.values() if isinstance(made.loss, Mapping) else made.loss.items
    uses = [resolve(run, item, made.call.where)[0] for item in items]
    return any(use is not None and use.name is not None and use.name not in POINTWISE for use in uses)


def _term(run: Run, context: ModelFit, term: LossTerm, use: LossUse, output: Value, metrics: tuple[MetricUse, ...],
          *, pair: Pair | None = None) -> None:  # fmt: skip
    """One comparison inside a loss of the user's own; its target may be a placeholder of the model."""
    target = bound(run, context, term.target)
    emit(run, context, use, term.prediction if isinstance(term.prediction, Tensor) else output, target, None, metrics,
          pair=pair)  # fmt: skip


def _added(run: Run, context: ModelFit, value: Value, where: Where, outputs: list[Value]) -> None:
    """A loss given to ``add_loss``."""
    if isinstance(value, Difference):
        value = losses.reduced(run, value, "mean", where)
    if not isinstance(value, LossValue):
        return
    for term in value.terms:
        if isinstance(term.prediction, Tensor):
            use = replace(losses.finished(term), custom=True)
            metrics = _metrics(run, context.made, 0, []) if context.made is not None else ()
            output = outputs[0] if outputs else term.prediction
            _term(run, context, term, use, output, metrics, pair=value.pair)


def _by_layers(run: Run, model: Value, inputs: Value | None, pending: list[AddedLoss]) -> list[AddedLoss]:
    """The divergences that layers of this model add of their own accord, those known to be pending left out."""
    roots = {value.root for value in graph(run, model).inputs if isinstance(value, Array)}
    if isinstance(inputs, Array):
        roots.add(inputs.root)
    places = {where.location for _, where in pending}
    found: dict[object, AddedLoss] = {}
    for value, where in ADDED_DIVERGENCES.of(run):
        of_this = isinstance(value, Tensor) and any(array.root in roots for array in value.fed)
        if of_this and where.location not in places:
            found[where.location] = value, where
    return list(found.values())


def _charged(added: list[tuple[Value, Where]], outputs: list[Value]) -> Divergence | None:
    """The divergence among the losses that were added to the loss of the only output."""
    found = [value.divergence for value, _ in added if isinstance(value, Tensor) and value.divergence is not None]
    return found[0] if len(found) == len(outputs) == 1 else None
