"""Binary cross-entropy as torch computes it, at a lower price on a CPU.

The kernel of ``binary_cross_entropy`` takes its logarithms one by one; torch's vectorised ``log`` and ``log1p`` give
them equal to rounding at a fifth of the price, which saves a fifth of an optimizer step of a small autoencoder. The
gradient comes from torch's own kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

OUTSIDE_UNIT = "all elements of {what} should be between 0 and 1"
LEAST_LOG = -100.0
"""where torch ends the logarithm, so that the loss stays finite"""
_REDUCTIONS = ("none", "mean", "sum")
"""in the order in which torch numbers them"""
_TAKEN = frozenset({"input", "target", "reduction"})
_ABSENT = frozenset({"weight", "size_average", "reduce"})
"""what torch names in every call, also where nobody gave it"""


def refuse_outside_unit(prediction: torch.Tensor, target: torch.Tensor) -> None:
    """Raise what ``BCELoss`` raises on the CPU, on every device."""
    for what, tensor in (("input", prediction), ("target", target)):
        if not _within_unit(tensor):
            raise RuntimeError(OUTSIDE_UNIT.format(what=what))


def binary_cross_entropy(prediction: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """``F.binary_cross_entropy`` without weights: equal values and gradients, and the same refusals."""
    if _suits(prediction, target, reduction):
        value = _Bce.apply(prediction, target, _REDUCTIONS.index(reduction))  # type: ignore[no-untyped-call]
        assert isinstance(value, torch.Tensor)
        return value
    return F.binary_cross_entropy(prediction, target, reduction=reduction)


def replayed(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a recorded call of a binary cross-entropy on probabilities."""
    if call is F.binary_cross_entropy and len(args) <= 2:
        given = dict(zip(("input", "target"), args, strict=False))
        given |= {name: value for name, value in kwargs.items() if name not in _ABSENT or value is not None}
        if given.keys() <= _TAKEN:
            return binary_cross_entropy(given["input"], given["target"], given.get("reduction", "mean"))
    if type(call) is torch.nn.BCELoss and call.weight is None and len(args) == 2:
        return binary_cross_entropy(*args, call.reduction)
    return call(*args, **kwargs)


def _suits(prediction: torch.Tensor, target: torch.Tensor, reduction: str) -> bool:
    return (
        reduction in _REDUCTIONS
        and prediction.shape == target.shape
        and prediction.device.type == target.device.type == "cpu"
        and prediction.dtype == target.dtype
        and prediction.dtype in (torch.float32, torch.float64)
        and prediction.nelement() > 0
        and not target.requires_grad
        and _within_unit(prediction)
        and _within_unit(target)
    )


def _within_unit(tensor: torch.Tensor) -> bool:
    if tensor.nelement() == 0:
        return True
    low, high = torch.aminmax(tensor.detach())
    return bool(low >= 0) and bool(high <= 1)  # not so for NaN


class _Bce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: torch.Tensor, target: torch.Tensor, reduction: int) -> torch.Tensor:
        ctx.save_for_backward(prediction, target)
        ctx.reduction = reduction
        off = torch.log1p(-prediction).clamp_(min=LEAST_LOG)
        on = torch.log(prediction).clamp_(min=LEAST_LOG)
        values = off.mul_(target - 1.0).addcmul_(target, on, value=-1.0)
        return values.mean() if reduction == 1 else values.sum() if reduction == 2 else values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        prediction, target = ctx.saved_tensors
        back = torch.ops.aten.binary_cross_entropy_backward(gradient, prediction, target, None, ctx.reduction)
        return back, None, None
