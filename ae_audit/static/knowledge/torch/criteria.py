"""Losses of ``torch.nn`` and ``torch.nn.functional``, and what trains: ``backward`` and its relatives.

Which names are losses, and what their arguments mean, is the theory's to say (:mod:`ae_audit.theory.losses`).
"""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, LossUse, Structure
from ae_audit.static.domain import array_api, losses, operators, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Difference,
    Library,
    LossValue,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
    python,
)
from ae_audit.static.interpreter.calls import OUT_OF_REACH
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.creation import OPTIMIZERS
from ae_audit.theory.loss_families import ONLY_CLASS_INDEX
from ae_audit.theory.loss_names import RELATIONAL, arguments, canonical
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("torch criteria")
NN = "torch.nn"
FUNCTIONAL = "torch.nn.functional"
LOSS = "torch.nn.modules.loss._Loss"
TABLE.bases[LOSS] = ("torch.nn.Module",)


def reduction_of(given: object, size_average: object, reduce: object) -> str | None:
    """The reduction in force: the two legacy flags, where given, win over ``reduction``."""
    if reduce is False:
        return "none"
    if size_average is not None or reduce is not None:
        return "sum" if size_average is False else "mean"
    return given if isinstance(given, str) else None


def loss_use(run: Run, symbol: str, call: Call, written: str | None = None) -> LossUse | None:
    """The loss that ``symbol`` names, with the arguments of ``call``; None where it is no loss."""
    found = canonical("torch", symbol)
    if found is None or found[0] in RELATIONAL:
        return None
    name, defaults = found
    given: dict[str, Any] = {}
    for key, value in zip(arguments("torch", symbol) or (), call.args, strict=False):
        if key not in {"prediction", "target"}:
            given[key] = python(value, default=...)
    for key, value in call.kwargs.items():
        given[key] = python(value, default=...)
    reduction = defaults.get("reduction")
    if given.get("reduction") is ...:
        reduction = None
    else:
        chosen = reduction_of(given.get("reduction"), given.get("size_average"), given.get("reduce"))
        reduction = chosen if chosen is not None else reduction
    parameters = {**defaults, **{key: value for key, value in given.items() if key not in _NO_PARAMETERS}}
    plain = tuple(
        (key, value)
        for key, value in sorted(parameters.items())
        if key not in {"reduction", "from_logits"} and isinstance(value, (bool, int, float, str))
    )
    return LossUse(
        name=name,
        written=written,
        from_logits=Tri.of(bool(defaults.get("from_logits", False))),
        parameters=plain,
        reduction=reduction if isinstance(reduction, str) else None,
        location=call.where.location,
    )


_NO_PARAMETERS = frozenset({"size_average", "reduce", "reduction", "weight", "pos_weight", "input", "target"})


def resolved(use: LossUse, target: Value, prediction: Value) -> LossUse:
    """``cross_entropy`` named by what its target is: class indices (one axis fewer) or a distribution."""
    if isinstance(target, Unknown) and target.array is not None:
        target = target.array
    if use.name != "cross_entropy" or not isinstance(target, Array):
        return use
    scores = prediction.head.shape if isinstance(prediction, Tensor) else None
    if scores is not None and target.shape is not None and len(target.shape) == len(scores) - 1:
        return replace(use, name="sparse_cce")
    integers = target.dtype is not None and target.dtype.startswith(("int", "uint"))
    if target.structure is Structure.CLASS_INDEX or integers:
        return replace(use, name="sparse_cce")
    floats = target.dtype is not None and target.dtype.startswith(("float", "bfloat"))
    if target.structure in {Structure.ONE_HOT, Structure.DISTRIBUTION, Structure.CONTINUOUS} or floats:
        return replace(use, name="cce")
    return use


@TABLE.prefix(NN)
def criterion(run: Run, name: str, call: Call) -> Value:
    """Classes below ``torch.nn`` that are no layers: criterions."""
    use = loss_use(run, name, call, call.where.written)
    if use is None:
        if not name.rpartition(".")[2][:1].isupper():  # `nn.utils`: functions, which make no layers
            return Unknown(f"what `{name}` returns is not known", call.where)
        return Object(name, call)
    return Object(LOSS, call, use)


def use_of(value: Value) -> LossUse | None:
    """The loss that a criterion object stands for, after what was set on it later."""
    if not isinstance(value, Object) or not isinstance(value.state, LossUse):
        return None
    use = value.state
    changed = {key: python(value.attrs[key]) for key in ("reduction", "size_average", "reduce") if key in value.attrs}
    reduction = reduction_of(changed.get("reduction"), changed.get("size_average"), changed.get("reduce"))
    return use if reduction is None else replace(use, reduction=reduction)


@TABLE.method(LOSS, "__call__", "forward")
def criterion_call(run: Run, receiver: Any, call: Call) -> Value:
    """``criterion(output, target)``."""
    use = use_of(receiver)
    return Unknown("a loss", call.where) if use is None else compared(run, use, call)


@TABLE.prefix(FUNCTIONAL)
def functional(run: Run, name: str, call: Call) -> Value:
    """Functions below ``torch.nn.functional`` that are no layers: losses."""
    use = loss_use(run, name, call, call.where.written)
    if use is None:
        return unknown(run, name, call)
    return compared(run, use, call)


def compared(run: Run, use: LossUse, call: Call) -> Value:
    """A loss called with its two arguments."""
    prediction = call.get(0, "input", "inputs", "x1", "prediction")
    target = call.get(1, "target", "targets", "x2")
    if prediction is None or target is None:
        return Unknown("a loss whose arguments are not known", call.where)
    turned = isinstance(target, Tensor) and not isinstance(prediction, Tensor)
    prediction, target = ordered(prediction, target)
    if isinstance(prediction, Tensor) and isinstance(target, Tensor):
        # Two codes, or a student and its teacher: no data meets the head here.
        return LossValue(latent=True, between=(use, prediction))
    use = resolved(use, target, prediction)
    if use.name == "gaussian_nll":
        variance = fixed(call.get(2, "var"))
        known = () if variance is None else (("variance", variance),)
        use = replace(use, parameters=tuple(sorted({**dict(use.parameters), **dict(known)}.items())))
    if use.name in ONLY_CLASS_INDEX and isinstance(target, Array):
        target = replace(target, structure=Structure.CLASS_INDEX)
    use, why = losses.turned_round(use) if turned else (use, None)
    value = losses.compared(run, use, prediction, target, call.where, framework=Framework.TORCH, why=why)
    # torch gives the similarity itself; the loss of that name is what it lacks of 1
    return losses.weighted(value, -1.0) if use.name == "cosine_similarity" else value


def fixed(value: Value | None) -> float | None:
    """The one number that a value is: a constant, or data filled with it; None for weights and what they compute."""
    if isinstance(value, Array):
        hull = value.values.hull
        return hull.lo if hull.lo == hull.hi and value.why is None else None
    return None if value is None else number(value)


def ordered(prediction: Value, target: Value) -> tuple[Value, Value]:
    """Prediction and target, whichever way round they were given: the prediction is what comes from the network."""
    if isinstance(target, Tensor) and not isinstance(prediction, Tensor):
        return target, prediction
    return prediction, target


@TABLE.function("torchvision.ops.sigmoid_focal_loss", "torchvision.ops.focal_loss.sigmoid_focal_loss")
def focal(run: Run, call: Call) -> Value:
    """The focal loss of torchvision, on logits."""
    use = loss_use(run, "torchvision.ops.sigmoid_focal_loss", call, call.where.written)
    return Unknown("a focal loss", call.where) if use is None else compared(run, use, call)


@TABLE.function(f"{FUNCTIONAL}.cosine_similarity", "torch.cosine_similarity")
def cosine_similarity(run: Run, call: Call) -> Value:
    """``1 - F.cosine_similarity(a, b)`` is a loss where one of the two is data."""
    first, second = call.get(0, "x1"), call.get(1, "x2")
    if first is None or second is None:
        return Unknown("a similarity", call.where)
    use = loss_use(run, f"{FUNCTIONAL}.cosine_similarity", call, call.where.written)
    one_is_data = isinstance(first, Array) or isinstance(second, Array)
    if use is None or not one_is_data or not (isinstance(first, Tensor) or isinstance(second, Tensor)):
        return unknown(run, "cosine_similarity", call)
    return compared(run, use, call)


@TABLE.function(f"{FUNCTIONAL}.cosine_embedding_loss")
def cosine_embedding(run: Run, call: Call) -> Value:
    """``1 - cos(a, b)`` where every label is 1; with other labels it compares pairs, and no prediction meets data."""
    first, second, labels = call.get(0, "input1"), call.get(1, "input2"), call.get(2, "target")
    pairs = Seq([value for value in (first, second) if value is not None])
    if first is None or second is None or labels is None or number(labels) != 1.0:
        return unknown(run, "cosine_embedding_loss", call) if pairs.items else Unknown("a similarity", call.where)
    alike = run.call(Library(f"{FUNCTIONAL}.cosine_similarity"), Call(call.where, [first, second]))
    if isinstance(alike, LossValue):
        alike = losses.weighted(alike, -1.0)
    how = call.constant(None, "reduction", default="mean")
    return losses.reduced(run, alike, how, call.where) if how in {"mean", "sum"} else alike


@TABLE.function(f"{NN}.CosineEmbeddingLoss")
def cosine_embedding_criterion(run: Run, call: Call) -> Value:
    """The criterion of it."""
    return Object(f"{NN}.CosineEmbeddingLoss", call)


@TABLE.method(f"{NN}.CosineEmbeddingLoss", "__call__", "forward")
def cosine_embedding_call(run: Run, receiver: Object, call: Call) -> Value:
    """``criterion(a, b, labels)``."""
    made = receiver.call
    how = None if made is None else made.get(None, "reduction")
    kwargs = call.kwargs if how is None else {**call.kwargs, "reduction": how}
    return run.call(Library(f"{FUNCTIONAL}.cosine_embedding_loss"), Call(call.where, call.args, kwargs, call.open))


def unknown(run: Run, name: str, call: Call) -> Value:
    """What an unknown function of torch makes of tensors."""
    for value in call.values():
        found = run.find_tensors(value)
        if found:
            return heads.undetermined(run, found[0], f"what `{name}` returns is not known", call.where)
    for value in call.values():
        if isinstance(value, Array):
            return replace(value, values=type(value.values)(), scale=None, shift=None, why=f"what `{name}` returns")
    return Unknown(f"what `{name}` returns is not known", call.where)


# -- what is trained -------------------------------------------------------------------------------------------------


@TABLE.method("lossvalue", "backward")
@TABLE.method("difference", "backward")
def backward(run: Run, receiver: Any, call: Call) -> Value:
    """``loss.backward()``."""
    losses.trained(run, receiver, where=call.where)
    return NONE


@TABLE.method("tensor", "backward")
def tensor_backward(run: Run, receiver: Any, call: Call) -> Value:
    """What a function out of reach made of an output: its arguments are a prediction and, perhaps, a target."""
    given = OUT_OF_REACH.of(run).get(receiver.why)
    before = len(run.sites)
    if given is not None:
        trained_out_of_reach(run, list(given.values()), given, receiver.why)
    if len(run.sites) == before:
        losses.trained(run, receiver, where=call.where)
    return NONE


@TABLE.method("unknown", "backward")
def unknown_backward(run: Run, receiver: Any, call: Call) -> Value:
    """A loss of which only the arguments are known."""
    given = receiver.children.get("()")
    before = len(run.sites)
    if isinstance(given, Seq):
        trained_out_of_reach(run, given.items, call, receiver.reason)
    if len(run.sites) == before:
        losses.trained(run, receiver, where=call.where)
    return NONE


@TABLE.method("array", "backward")
def array_backward(run: Run, receiver: Any, call: Call) -> Value:
    """A sum of losses of which only the arguments are known."""
    out_of_reach = operators.calls_out_of_reach(run, receiver)
    for each in out_of_reach:
        unknown_backward(run, each, call)
    if not out_of_reach and OPTIMIZERS.of(run):  # without one it is an exercise in gradients
        losses.trained(run, receiver, where=call.where)
    return NONE


def trained_out_of_reach(run: Run, given: list[Value], call: Call, why: str) -> None:
    """Report a loss that is a function out of reach, called with ``given``."""
    tensors = [item for item in given if isinstance(item, Tensor)]
    others = [item for item in given if isinstance(item, (Array, Unknown))]
    if not others or len(given) < 2:
        return
    prediction = tensors[0] if tensors else others.pop(0)
    if not others:
        return
    written = call.where.written
    use = LossUse(None, written, Tri.UNKNOWN, location=call.where.location, custom=True)
    made = losses.compared(run, use, prediction, others[0], call.where, framework=Framework.TORCH, why=why)
    losses.trained(run, made)


@TABLE.function("torch.autograd.backward", "torch.autograd.grad")
def autograd(run: Run, call: Call) -> Value:
    """Gradients asked for by hand."""
    value, by = call.get(0, "tensors", "outputs"), call.get(1, "inputs")
    if call.name == "backward" or value is None:
        losses.trained(run, value or NONE)
        return NONE
    parts = by.items if isinstance(by, Seq) and by.rest is None else [by]
    if isinstance(value, Tensor) and any(isinstance(part, (Array, Tensor)) for part in parts):
        return Seq([_derivative(run, value, part, call.where) for part in parts], "tuple")
    losses.trained(run, value)
    return Unknown(tensors.DERIVATIVE, call.where)


def _derivative(run: Run, value: Tensor, by: Value | None, where: Where) -> Value:
    """The derivative of an output by what was fed to the network."""
    shape = heads.shape_of(by) if isinstance(by, (Array, Tensor)) else None
    return tensors.derivative(run, value, shape, where)


for _scaler in ("torch.cuda.amp.GradScaler", "torch.amp.GradScaler", "torch.GradScaler"):
    TABLE.functions[_scaler] = lambda run, call: Object("torch.amp.GradScaler", call)


@TABLE.method("torch.amp.GradScaler", "scale")
def scaled(run: Run, receiver: Any, call: Call) -> Value:
    """``scaler.scale(loss)`` is the loss, for all that matters here."""
    return call.args[0] if call.args else NONE


@TABLE.method("torch.amp.GradScaler", "step", "update", "unscale_")
def scaler_step(run: Run, receiver: Any, call: Call) -> Value:
    """Steps of a scaler."""
    return NONE


_KEEPING = (
    "item", "detach", "cpu", "cuda", "to", "float", "double", "numpy", "clone", "data", "tolist",
    "squeeze", "unsqueeze", "requires_grad_", "contiguous",
)  # fmt: skip


@TABLE.method("lossvalue", *_KEEPING, "clamp", "clamp_", "clamp_min")
def loss_kept(run: Run, receiver: Any, call: Call) -> Value:
    """The number stays what it is."""
    return receiver if isinstance(receiver, LossValue) else NONE


@TABLE.method("difference", *_KEEPING, "view", "reshape", "flatten", "permute", "transpose", "type", "expand_as")
def difference_kept(run: Run, receiver: Any, call: Call) -> Value:
    """Errors in other places are the same errors."""
    return receiver if isinstance(receiver, Difference) else NONE


@TABLE.method("lossvalue", "mean", "sum", "nanmean", "nansum")
@TABLE.method("difference", "mean", "sum", "nanmean", "nansum")
def loss_reduced(run: Run, receiver: Any, call: Call) -> Value:
    """Reductions; the name stands in the call."""
    return losses.reduced(run, receiver, call.name.removeprefix("nan"), call.where, array_api.axis_of(call, 0))
