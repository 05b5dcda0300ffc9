"""Torch's losses: reading a call of one, and computing one by its canonical name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn import functional as F

from ae_audit.runtime.torch.bce import OUTSIDE_UNIT, refuse_outside_unit
from ae_audit.runtime.torch.functions import Function, short_name
from ae_audit.schema.training_setup import WEIGHTS, Parameters
from ae_audit.theory import losses as theory
from ae_audit.theory.loss import Link, TargetKind
from ae_audit.theory.loss_families import ONLY_CLASS_INDEX, RATES, link_of, takes_log_probabilities
from ae_audit.theory.loss_names import GENERAL, function_named


@dataclass(frozen=True, slots=True)
class LossSpec:
    """A loss with its arguments; ``reduction`` is torch's word, None where the function has none."""

    name: str | None
    from_logits: bool = False
    reduction: str | None = "mean"
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class LossCall:
    """One call of a known loss function."""

    spec: LossSpec
    function: Function
    prediction: torch.Tensor
    target: torch.Tensor
    prediction_index: int
    """place among the call's flattened arguments (positional, then keyword, in the order given)"""
    target_index: int


ALIKE = "cosine_embedding_loss"
"""1 - cos(a, b), where the label of every pair is 1: a loss of a prediction and its target."""

UNSUITED = frozenset(theory.RELATIONAL)
"""Losses in which no prediction meets a target value by value."""


@cache
def _known(function: Function) -> tuple[str, tuple[tuple[str, Any], ...]] | None:
    """Canonical name of a loss function and what its spelling implies."""
    name = short_name(function)
    if name == ALIKE:
        return "cosine_similarity", (("reduction", "mean"),)
    found = theory.canonical("torch", f"torch.nn.functional.{name}")
    if found is None or found[0] in UNSUITED:
        return None
    return found[0], tuple(found[1].items())


def is_loss(function: Function) -> bool:
    """Whether the function compares a prediction with a target."""
    return _known(function) is not None


@cache
def _signature(function: Function) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def read_call(
    function: Function,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    from_model: Callable[[torch.Tensor], bool],
) -> LossCall | None:
    """The call as a loss, or None where no prediction meets a target in it.

    ``from_model`` tells whether a tensor depends on weights: it settles which side is the prediction when a symmetric
    loss is called the other way round.
    """
    known = _known(function)
    if known is None:
        return None
    name, implied = known[0], dict(known[1])
    signature = _signature(function)
    if signature is not None:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return None
        names = list(signature.parameters)
        prediction, target = given.get(names[0]), given.get(names[1])
        if names[0] == "input1" and not _all_ones(given.get(names[2])):
            return None
    else:  # a builtin such as cosine_similarity
        given = dict(kwargs)
        values = [*args, *kwargs.values()]
        prediction, target = [*values, None, None][:2]
    if not isinstance(prediction, torch.Tensor) or not isinstance(target, torch.Tensor):
        return None
    if name in theory.SYMMETRIC and from_model(target) and not from_model(prediction):
        prediction, target = target, prediction
    if name in GENERAL.values():
        name = "cce" if target.is_floating_point() else "sparse_cce"
    from_logits = bool(implied.pop("from_logits", False))
    parameters = _parameters(given, implied)
    if name == "gaussian_nll":
        parameters = tuple(sorted((*parameters, *_of_gaussian(given))))
    spec = LossSpec(name, from_logits, _reduction(given, implied), parameters)
    flat = [*args, *kwargs.values()]
    places = {id(value): index for index, value in reversed(list(enumerate(flat)))}
    first, second = places[id(prediction)], places[id(target)]
    if first == second:  # criterion(x, x)
        same = [index for index, value in enumerate(flat) if value is prediction]
        first, second = same[0], same[-1]
    return LossCall(spec, function, prediction, target, first, second)


def _all_ones(labels: Any) -> bool:
    return isinstance(labels, torch.Tensor) and bool((labels == 1).all())


def _parameters(given: dict[str, Any], implied: dict[str, Any]) -> Parameters:
    found: dict[str, bool | int | float | str | None] = dict(implied)
    found.pop("reduction", None)
    for name, value in given.items():
        if name not in NOT_PARAMETERS and isinstance(value, (bool, int, float, str)):
            found[{"dim": "axis"}.get(name, name)] = value
        elif name in WEIGHTS and isinstance(value, torch.Tensor):
            found[name] = "tensor"
    return tuple(sorted((name, value) for name, value in found.items() if DEFAULTS.get(name, found) != value))


def _of_gaussian(given: dict[str, Any]) -> Parameters:
    """What the floor of ``gaussian_nll_loss`` depends on: a fixed variance, its least value, the constant.

    A variance that gets no gradient and is the same everywhere is no network's.
    """
    found: dict[str, bool | float] = {}
    variance = given.get("var")
    if isinstance(variance, (int, float)):
        found["variance"] = float(variance)
    elif isinstance(variance, torch.Tensor) and torch.is_grad_enabled() and not variance.requires_grad:
        values = variance.reshape(-1)
        if values.nelement() and bool((values == values[0]).all()):
            found["variance"] = float(values[0])
    if given.get("full"):
        found["full"] = True
    if isinstance(given.get("eps"), float):
        found["eps"] = given["eps"]
    return tuple(found.items())


NOT_PARAMETERS = frozenset({"reduction", "reduce", "size_average", "eps", "full", "var"})
DEFAULTS: dict[str, Any] = {"ignore_index": -100, "label_smoothing": 0.0}
"""Values that say nothing."""


def _reduction(given: dict[str, Any], implied: dict[str, Any]) -> str | None:
    average, reduce = given.get("size_average"), given.get("reduce")
    if average is not None or reduce is not None:
        if reduce is False:
            return "none"
        return "mean" if average is None or average else "sum"
    return str(given.get("reduction", implied.get("reduction", "mean")))


def raises_on(call: LossCall) -> str | None:
    """The sentence with which the loss would refuse these values, or None.

    Asked before the call, since on CUDA the same refusal is a device-side assertion that ends the process.
    """
    if call.spec.name != "bce" or call.spec.from_logits:
        return None
    for what, tensor in (("input", call.prediction), ("target", call.target)):
        outside = bool(((tensor.detach() < 0) | (tensor.detach() > 1)).any())
        if outside:
            return OUTSIDE_UNIT.format(what=what)
    return None


def surrogate(call: LossCall) -> torch.Tensor:
    """A harmless finite value in place of a loss that would raise; its gradient is zero."""
    zero = torch.nan_to_num(call.prediction) * 0.0
    return zero if call.spec.reduction == "none" else zero.sum()


def compute(spec: LossSpec, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss of that canonical name.

    Raises:
        KeyError: for a name that is not known here.
        RuntimeError: as torch's own loss would (targets of a probability loss outside [0, 1]).
    """
    reduction = spec.reduction or "mean"
    name, known = spec.name or "", theory.find_loss(spec.name or "")
    if known is not None and known.target_kind in {TargetKind.CLASS_INDEX, TargetKind.MULTI_INDEX}:
        if name in ONLY_CLASS_INDEX and target.dim() == prediction.dim() and target.shape[1:2] == (1,):
            target = target.squeeze(1)
        target = target.long()
    else:
        target = target.to(prediction.dtype)
        if target.shape != prediction.shape and target.nelement() == prediction.nelement():
            target = target.reshape(prediction.shape)
    if name in GENERAL and not spec.from_logits:  # torch has the categorical cross-entropies on logits alone
        logs = torch.log(prediction.clamp_min(1e-12))
        if name in ONLY_CLASS_INDEX:
            return F.nll_loss(logs, target, reduction=reduction)
        return _reduced(-(target * logs).sum(1), reduction)
    if name == "cosine_similarity":
        return _reduced(1.0 - F.cosine_similarity(prediction, target), reduction)
    if name == "bce" and not spec.from_logits and prediction.is_cuda:
        refuse_outside_unit(prediction, target)
    return _torch_function(spec)(prediction, target, reduction=reduction, **_given(spec))


def computable(name: str | None) -> bool:
    """Whether :func:`compute` knows the name: torch has it, as a function of a prediction and a target alone."""
    if name is None or theory.find_loss(name) is None:
        return False
    symbol = function_named("torch", name) or function_named("torch", name, from_logits=True)
    return symbol is not None and "variance" not in (theory.arguments("torch", symbol) or ())


def _torch_function(spec: LossSpec) -> Callable[..., torch.Tensor]:
    symbol = function_named("torch", spec.name or "", from_logits=spec.from_logits)
    if symbol is None or not computable(spec.name):
        raise KeyError(spec.name)
    found: Callable[..., torch.Tensor] = getattr(F, symbol)
    return found


def _given(spec: LossSpec) -> dict[str, Any]:
    """The parameters that the function takes: the Poisson likelihood takes log-rates only where that is said."""
    parameters: dict[str, Any] = dict(spec.parameters)
    known = theory.find_loss(spec.name or "", **parameters)
    given = {} if known is None else dict(known.parameters)
    if spec.name in RATES:
        given.setdefault("log_input", spec.from_logits)
    signature = _signature(_torch_function(spec))
    names = () if signature is None else tuple(signature.parameters)
    return {key: value for key, value in given.items() if key in names and isinstance(value, (bool, int, float))}


def link(spec: LossSpec, prediction: torch.Tensor) -> torch.Tensor:
    """What a prediction says in the target's own space, where the loss takes it on another scale."""
    if takes_log_probabilities(spec.name, torch=True):
        return torch.exp(prediction)
    parameters: dict[str, Any] = dict(spec.parameters)
    link = link_of(spec.name, from_logits=spec.from_logits, **parameters)
    if link is Link.EXP:
        return torch.exp(prediction)
    if link is Link.SIGMOID:
        return torch.sigmoid(prediction)
    if link is Link.SOFTMAX:
        return torch.softmax(prediction, dim=1 if prediction.dim() > 1 else 0)
    return prediction  # a margin's score is compared as it is: its sign alone would hide how far it is off


def _reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    if reduction == "sum":
        return values.sum()
    return values if reduction == "none" else values.mean()
