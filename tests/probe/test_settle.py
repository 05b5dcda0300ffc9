"""The whole probe on a capture small enough to fit with NumPy: a linear autoencoder with a scaled or squashed head."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from ae_audit.probe import ProbeOptions, settle
from ae_audit.probe.bounds import bound_of
from ae_audit.probe.verdicts import PLAINLY
from ae_audit.runtime.capture import Array, CannotApply, Evaluation, FloatArray, Played
from ae_audit.schema.findings import Finding, Severity, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Head, LossUse, TrainingSetup
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange


def digits(samples: int = 256) -> Array:
    rng = np.random.default_rng(3)
    return rng.standard_normal((samples, 3)) @ rng.standard_normal((3, 12))


class LinearAutoencoder:
    """x -> activation(x A B), fitted by gradient descent on the squared error; ``relu`` is the faulty head here."""

    def __init__(self, data: Array, activation: str, seed: int, broken: bool) -> None:
        rng = np.random.default_rng(seed)
        self.data, self.activation, self.broken = data, activation, broken
        self.encode = 0.1 * rng.standard_normal((12, 3))
        self.decode = 0.1 * rng.standard_normal((3, 12))

    def predict(self) -> tuple[Array, Array]:
        linear = self.data @ self.encode @ self.decode
        return (np.maximum(linear, 0), (linear > 0)) if self.activation == "relu" else (linear, np.ones_like(linear))

    def advance(self, steps: int) -> float:
        if self.broken:
            raise RuntimeError("all elements of target should be between 0 and 1")
        for _ in range(steps):
            out, slope = self.predict()
            error = (out - self.data) * slope / len(self.data)
            code = self.data @ self.encode
            gradient = self.data.T @ (error @ self.decode.T)
            self.decode = self.decode - 0.05 * code.T @ error
            self.encode = self.encode - 0.05 * gradient
        return float(np.mean((self.predict()[0] - self.data) ** 2))

    def evaluate(self) -> Evaluation:
        return Evaluation(self.predict()[0], self.data)


@dataclass
class NumpyCapture:
    activation: str
    raises_as_written: bool = False
    fitted: list[tuple[tuple[Remedy, ...], int]] = field(default_factory=list)
    setup: TrainingSetup = field(default_factory=lambda: TrainingSetup(Framework.TORCH, Location("a.py", 1)))
    targets: Array = field(default_factory=digits)
    batch_size: int = 256
    parameters: int = 72
    device: str = "cpu"
    forks: bool = False

    @property
    def inputs(self) -> Array:
        return self.targets

    def trial(self, remedies: Sequence[Remedy], seed: int) -> LinearAutoencoder:
        self.fitted.append((tuple(remedies), seed))
        activation = self.activation
        for remedy in remedies:
            if isinstance(remedy, SwapLoss):
                raise CannotApply("the loss of this program is its own")
            if isinstance(remedy, SwapActivation):
                activation = remedy.to
        return LinearAutoencoder(self.targets, activation, seed, self.raises_as_written and not remedies)


def finding(*remedies: Remedy, verdict: Verdict = Verdict.STATIC) -> Finding:
    return Finding(
        "AE102", "activation-range-mismatch", Severity.ERROR, "", Location("a.py", 1), verdict, remedies=remedies
    )


def test_a_head_that_cannot_reach_the_target_is_confirmed_with_figures() -> None:
    (settled,) = settle(NumpyCapture("relu"), [finding(SwapActivation("linear"))], ProbeOptions())
    assert settled.verdict is Verdict.CONFIRMED
    (evidence,) = settled.evidence
    written, fixed = evidence.arms
    assert written.name == "as written"
    assert len(written.r2) == len(fixed.r2) == 3
    assert max(written.r2) < 0.6 < min(fixed.r2)
    assert len(fixed.curve) == len(fixed.loss) > 1
    assert fixed.loss[-1] < fixed.loss[0]
    assert dict(evidence.figures)["gain"] == pytest.approx(np.mean(fixed.r2) - np.mean(written.r2))


def test_a_head_that_does_as_well_is_refuted() -> None:
    (settled,) = settle(NumpyCapture("linear"), [finding(SwapActivation("linear"))], ProbeOptions())
    assert settled.verdict is Verdict.REFUTED


def test_under_a_weighted_loss_a_head_that_does_as_well_is_not_refuted() -> None:
    weighted = LossUse(name="bce", parameters=(("pos_weight", 4.0),))
    capture = NumpyCapture("linear", setup=TrainingSetup(Framework.TORCH, Location("a.py", 1), loss=weighted))
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions())
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "weighted" in settled.evidence[-1].text


def test_a_program_whose_step_raises_loses_to_one_that_learns() -> None:
    capture = NumpyCapture("linear", raises_as_written=True)
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions())
    assert settled.verdict is Verdict.CONFIRMED
    (written,) = [arm for arm in settled.evidence[0].arms if arm.failed]
    assert "between 0 and 1" in (written.failed or "")
    assert len(written.r2) == 1, "what the untrained program predicts is scored all the same"


def test_a_remedy_that_cannot_be_applied_leaves_it_inconclusive_and_says_why() -> None:
    (settled,) = settle(NumpyCapture("relu"), [finding(SwapLoss("mse"))], ProbeOptions())
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "the loss of this program is its own" in settled.evidence[0].text


def test_a_spent_budget_is_inconclusive_and_says_so() -> None:
    (settled,) = settle(NumpyCapture("relu"), [finding(SwapActivation("linear"))], ProbeOptions(budget=0.0))
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "budget" in settled.evidence[0].text


def test_where_no_time_is_left_it_names_the_option_that_gives_more() -> None:
    (settled,) = settle(NumpyCapture("relu"), [finding(SwapActivation("linear"))], ProbeOptions(time=0.0))
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "--timeout" in settled.evidence[0].text


def test_a_proved_finding_stays_proved_and_gains_the_experiment() -> None:
    proved = finding(SwapActivation("linear"), verdict=Verdict.PROVED)
    (settled,) = settle(NumpyCapture("relu"), [proved], ProbeOptions())
    assert settled.verdict is Verdict.PROVED
    assert settled.evidence[0].kind == "probe"


def test_the_same_seed_gives_the_same_figures_and_no_arm_is_fitted_twice() -> None:
    findings = [finding(SwapActivation("linear"))]
    capture = NumpyCapture("relu")
    first, second = (settle(each, findings, ProbeOptions(seed=5)) for each in (capture, NumpyCapture("relu")))
    assert first == second
    assert len(set(capture.fitted)) == len(capture.fitted) == 6


def test_an_arm_that_can_never_beat_the_mean_is_not_fitted_for_long() -> None:
    unreachable = ActivationRange(ValueRange.exactly(Interval(100.0, 200.0)))
    capture = NumpyCapture("relu", setup=replace(NumpyCapture("relu").setup, head=Head("relu", range=unreachable)))
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions())
    written, fixed = settled.evidence[0].arms
    assert len(written.curve) == 2
    assert len(fixed.curve) >= 4
    assert settled.verdict is Verdict.CONFIRMED


def test_what_the_bound_alone_rules_out_is_not_fitted_except_as_written() -> None:
    unreachable = ActivationRange(ValueRange.exactly(Interval(100.0, 200.0)))
    capture = NumpyCapture("relu", setup=replace(NumpyCapture("relu").setup, head=Head("relu", range=unreachable)))
    swap, rescale = SwapActivation("linear"), Rescale(1.0, 0.0, input=True, target=True)
    settled, other = settle(capture, [finding(swap), finding(rescale)], ProbeOptions())
    (evidence,) = settled.evidence
    written, without, fixed = evidence.arms
    assert (written.name, fixed.name) == ("as written", "all fixes")
    assert len(written.r2) == len(fixed.r2) == 1
    assert without.bound is not None
    assert without.bound < 0
    assert not without.r2
    assert settled.verdict is Verdict.CONFIRMED
    figures = dict(evidence.figures)
    assert figures["gain"] == pytest.approx(fixed.r2[0] - without.bound)
    assert "gains at least" in evidence.text
    assert other.verdict is not Verdict.CONFIRMED, "with another head the scale makes no difference"


def test_beside_an_arm_that_can_never_beat_the_mean_the_fix_need_not_learn_for_long() -> None:
    slow, far = 0.1 * digits(), ActivationRange(ValueRange.exactly(Interval(100.0, 200.0)))
    open_, barred = NumpyCapture("relu", targets=slow), NumpyCapture("relu", targets=slow)
    barred.setup = replace(barred.setup, head=Head("relu", range=far))
    curves = {}
    for name, capture in (("open", open_), ("barred", barred)):
        (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions())
        assert settled.verdict is Verdict.CONFIRMED
        curves[name] = settled.evidence[0].arms[-1].curve
    assert len(curves["barred"]) < len(curves["open"])
    assert curves["barred"][-1] >= PLAINLY > curves["barred"][-2]


def test_the_bound_of_an_arm_follows_the_link_of_its_loss() -> None:
    head = Head("linear", range=ActivationRange.exactly(Interval(-math.inf, math.inf)))
    bare, linked = (
        NumpyCapture("linear", setup=TrainingSetup(Framework.TORCH, Location("a.py", 1), head=head, loss=loss))
        for loss in (LossUse("mse"), LossUse("bce", from_logits=Tri.YES))
    )
    free, squashed = bound_of(bare, ()), bound_of(linked, ())
    assert free == pytest.approx(1.0)
    assert squashed is not None
    assert squashed < 0.9, "the loss puts a sigmoid behind the head"
    assert bound_of(bare, [SwapLoss("bce", from_logits=True)]) == squashed
    assert bound_of(linked, [SwapLoss("mse")]) == free
    boxed = bound_of(bare, [SwapActivation("tanh")])
    assert boxed is not None
    assert boxed < 0.9, "tanh reaches (-1, 1) only"
    assert bound_of(linked, [SwapActivation("softmax")]) is None


def test_a_range_that_was_tried_bounds_no_arm() -> None:
    head = Head(range=ActivationRange.exactly(Interval(0.0, 0.1)), sampled=True)
    tried = NumpyCapture(
        "linear", setup=TrainingSetup(Framework.TORCH, Location("a.py", 1), head=head, loss=LossUse("mse"))
    )
    assert bound_of(tried, ()) is None
    assert bound_of(tried, [SwapActivation("sigmoid")]) is not None, "of the fix's own head the range is known"


@pytest.mark.parametrize(("after", "known"), [(("Reshape", "Cropping2D"), True), (("Affine",), False)])
def test_a_head_that_is_scaled_afterwards_bounds_no_arm_with_another_activation(
    after: tuple[str, ...], known: bool
) -> None:
    """``255 * softmax(…)`` with a sigmoid in its place reaches what the sigmoid alone does not."""
    head = Head("tanh", range=ActivationRange.exactly(Interval(-255.0, 255.0)), after=after)
    capture = NumpyCapture("linear", setup=replace(NumpyCapture("linear").setup, head=head), targets=255 * digits())
    assert (bound_of(capture, [SwapActivation("sigmoid")]) is not None) == known
    assert bound_of(capture, ()) is not None


@dataclass
class Clock:
    """Stands in for the module ``time``; every step of a trial takes ``price`` seconds."""

    price: float
    now: float = 0.0

    def process_time(self) -> float:
        return self.now

    monotonic = process_time


@dataclass
class LargeCapture(NumpyCapture):
    parameters: int = 50_000_000
    clock: Clock = field(default_factory=lambda: Clock(0.0))

    def trial(self, remedies: Sequence[Remedy], seed: int) -> LinearAutoencoder:
        trial, clock = super().trial(remedies, seed), self.clock
        take = trial.advance

        def advance(steps: int) -> float:
            clock.now += clock.price * steps
            return take(20 * steps)

        trial.advance = advance  # type: ignore[method-assign]
        return trial


@pytest.mark.parametrize(
    ("price", "activation", "verdict", "words"),
    [
        (
            0.3,
            "relu",
            Verdict.CONFIRMED,
            "20 steps, fewer than usual since a step of its 50 million weights takes 0.3 s",
        ),
        (0.3, "linear", Verdict.INCONCLUSIVE, "so early the arms do not differ"),
        (2.0, "relu", Verdict.INCONCLUSIVE, "a step of its 50 million weights takes 2 s here"),
        (0.001, "linear", Verdict.REFUTED, "the fix made no difference"),
    ],
)
def test_a_large_model_takes_the_steps_that_its_budget_affords(
    monkeypatch: pytest.MonkeyPatch, price: float, activation: str, verdict: Verdict, words: str
) -> None:
    clock = Clock(price)
    monkeypatch.setattr(sys.modules["ae_audit.probe.settle"], "time", clock)
    capture = LargeCapture(activation, clock=clock)
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions(budget=60.0))
    assert settled.verdict is verdict
    assert words in settled.evidence[0].text
    assert clock.now <= 60.0


def test_one_seed_settles_what_no_seed_could_turn() -> None:
    capture = NumpyCapture("linear", raises_as_written=True)
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], ProbeOptions())
    evidence = settled.evidence[0]
    assert dict(evidence.figures)["seeds"] == 1
    assert "1 seed," in evidence.text
    assert {len(arm.r2) for arm in evidence.arms} == {1}
    assert min(arm.r2[-1] for arm in evidence.arms if arm.failed is None) >= PLAINLY


def test_steps_that_would_outlast_the_time_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever outlasts it is killed from outside, and the sentence that tells of it is lost."""
    clock = Clock(price=1.0)
    monkeypatch.setattr(sys.modules["ae_audit.probe.settle"], "time", clock)
    capture = LargeCapture("relu", clock=clock, parameters=72)
    options = ProbeOptions(budget=1e9, time=60.0)
    (settled,) = settle(capture, [finding(SwapActivation("linear"))], options)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "--timeout gives it more" in settled.evidence[0].text
    assert clock.now == 50.0, "a third 25 steps would have ended at 75 s"


class FreeOutputs:
    """What an ideal network is asked, on the same digits: squared errors behind an activation."""

    beside = False
    is_slow = False
    by_value = True

    def __init__(self, target: Array, activation: str) -> None:
        self.target = target[:32]
        self.of_samples = len(target)
        self.direct = activation == "linear"
        self.own = 0.05 * np.random.default_rng(0).standard_normal(self.target.size)

    def play(self, free: FloatArray) -> Played:
        if self.direct:
            return self.cost(free)
        made = 0.5 * (1.0 + np.tanh(0.5 * free))
        played = self.cost(made)
        return Played(played.loss, played.gradient * made * (1.0 - made), played.prediction)

    def cost(self, prediction: FloatArray) -> Played:
        made = prediction.reshape(self.target.shape)
        gap = made - self.target
        return Played(float(np.square(gap).mean()), (2.0 * gap / gap.size).ravel(), made)

    def approach(self, free: FloatArray, wanted: FloatArray) -> Played:
        played = self.play(free)
        return Played(played.loss, played.gradient, played.prediction)


class Raw(NumpyCapture):
    """Digits out of the reach of a sigmoid, with a way of trying free outputs."""

    def free_network(self, remedies: Sequence[Remedy]) -> FreeOutputs:
        swapped = next((remedy.to for remedy in remedies if isinstance(remedy, SwapActivation)), self.activation)
        return FreeOutputs(4.0 * self.targets, swapped)


def test_the_ideal_network_confirms_where_no_step_could_be_taken() -> None:
    setup = TrainingSetup(Framework.TORCH, Location("a.py", 1), loss=LossUse(name="mse"))
    remedy = finding(SwapActivation("linear"))
    early: list[tuple[Finding, ...]] = []
    (settled,) = settle(Raw("sigmoid", setup=setup), [remedy], ProbeOptions(budget=0.0), before_fits=early.append)
    assert settled.verdict is Verdict.CONFIRMED
    ((told,),) = early  # before any fit, which might have been ended from outside
    assert told.verdict is Verdict.CONFIRMED
    assert told.evidence == settled.evidence[1:]
    assert [evidence.kind for evidence in settled.evidence] == ["probe", "ideal"]
    assert "budget" in settled.evidence[0].text
    assert dict(settled.evidence[1].figures)["r2_with_fix"] == pytest.approx(1.0, abs=0.01)


def test_the_ideal_network_confirms_nothing_where_both_arrive() -> None:
    setup = TrainingSetup(Framework.TORCH, Location("a.py", 1), loss=LossUse(name="mse"))
    (settled,) = settle(Raw("linear", setup=setup), [finding(SwapActivation("linear"))], ProbeOptions(budget=0.0))
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert [evidence.kind for evidence in settled.evidence] == ["probe"]
