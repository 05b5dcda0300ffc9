"""The binary cross-entropy of the trials against torch's own."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ae_audit.runtime.torch.bce import binary_cross_entropy, replayed

UNIT = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, 1e-45, 1e-30, 1 - 2**-24])
REDUCTIONS = ["mean", "sum", "none"]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=20), reduction=st.sampled_from(REDUCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_value_and_gradients_are_those_of_torch(
    pairs: list[tuple[float, float]], reduction: str, dtype: torch.dtype
) -> None:
    target = torch.tensor([y for _, y in pairs], dtype=dtype)
    found = []
    for function in (binary_cross_entropy, F.binary_cross_entropy):
        prediction = torch.tensor([p for p, _ in pairs], dtype=dtype, requires_grad=True)
        value = function(prediction, target, reduction=reduction)
        (gradient,) = torch.autograd.grad(value.sum(), prediction)
        found.append((value.detach(), gradient))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
    assert torch.equal(found[0][1], found[1][1])


def test_it_can_be_derived_twice_as_a_gradient_penalty_does() -> None:
    target = torch.linspace(0, 1, 5, dtype=torch.float64)
    prediction = torch.linspace(0.1, 0.9, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda p: binary_cross_entropy(p, target), prediction)


@pytest.mark.parametrize(
    ("prediction", "target", "what"),
    [([1.5], [0.5], "input"), ([0.5], [255.0], "target"), ([float("nan")], [0.5], "input"), ([0.5], [-0.1], "target")],
)
def test_what_torch_refuses_is_refused_in_its_words(prediction: list[float], target: list[float], what: str) -> None:
    with pytest.raises(RuntimeError, match=f"all elements of {what} should be between 0 and 1"):
        binary_cross_entropy(torch.tensor(prediction), torch.tensor(target))


HALF, SHARE, WEIGHT = torch.full((3,), 0.5), torch.tensor([0.0, 0.3, 1.0]), torch.tensor([0.0, 1.0, 7.0])


@pytest.mark.parametrize(
    ("call", "args", "kwargs"),
    [
        (F.binary_cross_entropy, (HALF, SHARE), {}),
        (F.binary_cross_entropy, (HALF,), {"target": SHARE, "reduction": "sum"}),
        (F.binary_cross_entropy, (), {"input": HALF, "target": SHARE, "weight": WEIGHT}),
        (F.binary_cross_entropy, (HALF, SHARE, WEIGHT), {}),
        (F.binary_cross_entropy, (HALF, SHARE), {"size_average": False}),
        (F.binary_cross_entropy, (HALF, SHARE), {"weight": None, "size_average": None, "reduce": None}),
        (torch.nn.BCELoss(reduction="sum"), (HALF, SHARE), {}),
        (torch.nn.BCELoss(weight=WEIGHT), (HALF, SHARE), {}),
    ],
)
def test_a_recorded_call_keeps_its_arguments(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    torch.testing.assert_close(replayed(call, args, kwargs), call(*args, **kwargs))


def test_what_a_module_asks_for_is_computed_vectorised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside ``BCELoss`` a function mode is given every argument by name, also those that nobody set."""
    calls: list[Any] = []

    class Listening(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is F.binary_cross_entropy:
                calls.append((func, args, kwargs or {}))
            return func(*args, **(kwargs or {}))

    with Listening():
        expected = torch.nn.BCELoss()(HALF, SHARE)
    (call,) = calls
    slow = mock.Mock(side_effect=AssertionError)
    monkeypatch.setattr(torch._C._nn, "binary_cross_entropy", slow)
    torch.testing.assert_close(replayed(*call), expected)
