"""The ideal network: one that could output anything, fitted by the program's own loss; where does it end?

Its free values stand where the program's last weights give theirs, one set for each sample. They are fitted to the
captured targets by Adam at a fixed number of steps, with one change: what a gradient is divided by never falls below
:data:`DAMPING` of the greatest gradient that was met at either start. So every sample moves at a rate of its own, as in
Adam, but a gradient that has vanished is not blown up to a step; rounding errors lead nowhere. Nothing is drawn from a
clock or a shared random state: equal captures give equal figures.

It is fitted twice, from small random values and from what the program's own network outputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.probe import truth as truths
from ae_audit.runtime.capture import CannotApply, Capture, FreeNetwork, NotJudged, Played
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.remedies import ExpectLogits, Remedy, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri

Floats = NDArray[np.floating[Any]]

STEPS = 200
DEAR_STEPS = 50
"""of a loss that moves a window over its prediction"""
FEWEST_DEAR_STEPS = 25
DEAR_VALUES = 1 << 14
"""free values up to which such a loss is given all of its steps"""
MOST_SECONDS = 4.0
"""of processor time for one loss: beyond, something in it is too dear to be tried"""
RATE = 0.2
"""of a step, in the free values' own unit: the change that moves the prediction across the spread of its target"""
FINISHING = 0.4
"""last share of the steps, over which the rate falls to a hundredth"""
DAMPING = 1e-3
FIRST_SPREAD = 0.1
"""of the random start, in the same unit"""

ALIKE = 0.9
"""correlation with the target (or R²) from which the end resembles it; right programs reach .99, a denoiser's smoothing
loss .95, the wrong pairs measured .85 and less"""
MATERIAL = 0.05
"""of what the loss charges for the targets of other samples instead of a sample's own: less is no difference"""
SAME_COST = 1e-5
"""relative: two sums of the same numbers in another order"""
NO_COST = 5e-7
"""what single precision leaves of a probability of 1"""
DEAD = 1e-7
"""of the greatest gradient met: a gradient below it is none"""
ALL_DEAD = 0.99
"""share of values without gradient at the start from which nothing moves"""
OPPOSED = -0.3
"""correlation below which a loss that weighs samples against one another rewards the opposite of its target; between
this and likeness it may order them (survival, ranking) rather than match them"""
BY_SAMPLE_BEYOND = 2.0
"""spans of the target by which samples are moved to see whether the others' gradients change"""
RUN_AWAY = 10.0
"""times what a constant costs beyond the target: so far below it only a loss without a floor can fall"""
LEVELS = (-30.0, -10.0, -3.0, -1.0, 1.0, 3.0, 10.0, 30.0)
"""constant free values at which a gradient is looked for when the output layer is asked what it can produce"""
FAR_LEVELS = tuple(sign * 10.0**power for sign in (-1.0, 1.0) for power in range(2, 7))
"""further ones, where an output layer that flattens (a logarithm, a root) may still have far to go"""
HALVINGS = 12
FINE_HALVINGS = 40
REACHED = 0.99
"""R² from which the output layer is known to produce the target, and no further start is tried"""
BEYOND_ZERO = -1.3
"""times the target: where the fit starts once more under a loss of the program's own on an output without bounds, since
a quotient (a Dice loss on logits) may fall without end on the far side of its pole"""
FEW = 1e-12


def ideal_of(capture: Capture, setup: TrainingSetup, remedies: tuple[Remedy, ...] = ()) -> Ideal:
    """What an ideal network makes of the captured loss, with ``remedies`` applied to it.

    ``setup`` is the capture's, with what else is known of it. Never raises: what cannot be judged says why.
    """
    try:
        network = capture.free_network(remedies)
        return judge(network, under(setup, remedies))
    except (NotJudged, CannotApply) as cause:
        return Ideal(Outcome.NOT_JUDGED, why=str(cause))
    except Exception as cause:  # the loss is the program's own code, on predictions that it never saw
        text = " ".join(str(cause).split())[:120]
        return Ideal(Outcome.NOT_JUDGED, why=f"the loss fails on other predictions ({type(cause).__name__}: {text})")


def under(setup: TrainingSetup, remedies: tuple[Remedy, ...]) -> TrainingSetup:
    """The set-up as the remedies leave it: which activation the output has, and which loss."""
    head, loss = setup.head, setup.loss
    for remedy in remedies:
        match remedy:
            case SwapActivation(to=to):
                head = replace(head, activation=to, parameters=())
            case SwapLoss(to=to, from_logits=from_logits):
                loss = replace(loss, name=to, from_logits=Tri.of(from_logits), parameters=(), custom=False)
            case ExpectLogits(from_logits=from_logits):
                loss = replace(loss, from_logits=Tri.of(from_logits))
    return replace(setup, head=head, loss=loss)


def tried(capture: Capture, setup: TrainingSetup) -> TrainingSetup:
    """``setup`` of that capture with what an ideal network makes of it."""
    return replace(setup, ideal=ideal_of(capture, setup))


def judge(network: FreeNetwork, setup: TrainingSetup) -> Ideal:
    """Fit the free network and decide.

    Raises:
        NotJudged: where its end cannot be compared with the target.
        Exception: what the program's loss raises.
    """
    return _Judgement(network, setup).made()


@dataclass(frozen=True, slots=True)
class Fit:
    """Where one start led."""

    first: Played
    last: Played
    lowest: Played
    """of all that were met on the way"""


class _Judgement:
    def __init__(self, network: FreeNetwork, setup: TrainingSetup) -> None:
        self._network = network
        self._steps = _steps_for(len(network.own)) if network.is_slow else STEPS
        self._latest = time.process_time() + MOST_SECONDS
        self._setup = setup
        self._own = np.asarray(network.own, dtype=np.float64)
        start = network.play(self._own)
        if math.isinf(start.loss):
            raise NotJudged("the loss is beyond all numbers where the network starts")
        self._shape = start.prediction.shape
        self._truth = truths.truth_of(setup, network.target, self._shape, self._price)
        self._truth = replace(self._truth, compared=self._compared())
        if not self._truth.compared.any():
            self._truth = replace(self._truth, compared=np.ones(self._shape, dtype=np.bool_))
        self._start = start
        self._shuffled = self._truth.shuffled()

    def _price(self, values: Floats) -> float:
        """What a prediction costs; beyond all bounds where the loss refuses it."""
        try:
            return self._network.cost(values).loss
        except Exception:  # a probability loss of something that is none
            return math.inf

    def made(self) -> Ideal:
        """Raises: NotJudged where a term misses that is not all that is minimised for its prediction."""
        if math.isnan(self._start.loss):
            return self._undefined()
        ideal = self._alone()
        if ideal.misses and self._network.beside:
            raise NotJudged("the term stands beside others on the same prediction, and may be meant to pull away")
        if ideal.misses and self._truth.axis is None and np.size(self._network.target) < math.prod(self._shape):
            raise NotJudged("the prediction has more values than the target, and some may say something else")
        return ideal

    def _undefined(self) -> Ideal:
        """Raises: NotJudged where the target has no cost either, so that it may be the data."""
        truth = self._truth
        if not math.isfinite(truth.cost):
            raise NotJudged("the loss is no number where the network starts")
        return Ideal(
            Outcome.UNDEFINED,
            samples=self._shape[0] if self._shape else 1,
            of_samples=self._network.of_samples,
            values=self._own.size,
            target_loss=truth.cost,
        )

    def _alone(self) -> Ideal:
        network, truth = self._network, self._truth
        unit = self._unit()
        random = unit * FIRST_SPREAD * np.random.default_rng(0).standard_normal(self._own.size)
        near = network.play(random)
        greatest = max(_greatest(self._start), _greatest(near))
        dead = float(np.mean(np.abs(self._start.gradient) <= DEAD * greatest)) if greatest > 0.0 else 1.0
        shuffled = network.cost(self._shuffled).loss
        figures = Ideal(
            Outcome.ELSEWHERE,
            samples=self._shape[0] if self._shape else 1,
            of_samples=network.of_samples,
            values=self._own.size,
            start_loss=self._start.loss,
            target_loss=truth.cost,
            shuffled_loss=shuffled,
            dead_share=dead,
        )
        starts: list[Floats] = [random, self._own]
        if network.direct and self._setup.loss.theory is None:
            starts.append(BEYOND_ZERO * truth.wanted.ravel())
        fits = [self._descend(network.play, start, unit, greatest) for start in starts] if greatest else []
        ends = [played for fit in fits for played in (fit.lowest, fit.last)] or [self._start]
        end = min(ends, key=lambda played: played.loss)
        figures = replace(figures, end_loss=end.loss, **self._likeness(end))
        if self._setup.loss.theory is None and not self._constant(ends) and self._linear():
            raise NotJudged("the loss is linear in the prediction: what multiplies it is a weight, and no target")
        if self._blind(shuffled, [fit.last for fit in fits[:2]] or [self._start]):
            return replace(figures, outcome=Outcome.BLIND)
        figures = replace(figures, reachable=self._reachable(unit))
        return self._decided(figures, ends)

    def _decided(self, figures: Ideal, ends: list[Played]) -> Ideal:
        """Which of the cases holds."""
        truth = self._truth
        assert figures.shuffled_loss is not None
        constant = self._network.cost(truth.constant).loss
        gap = constant - truth.cost if constant > truth.cost else abs(figures.shuffled_loss - truth.cost)
        material = max(MATERIAL * gap, SAME_COST * abs(truth.cost), FEW)
        least = min(played.loss for played in ends)
        reachable = figures.reachable if figures.reachable is not None else 1.0
        # what lies beyond all floors resembles the target by chance only
        astray = truth.cost - least > RUN_AWAY * gap and (figures.r2 or -math.inf) < ALIKE
        arrives = self._resembles(figures) and not astray
        # beside a truth that no weights can give, nothing that the loss says of it counts
        loss = self._setup.loss.theory
        off_scale = loss is not None and loss.suits and (figures.r2 or -math.inf) < ALIKE
        # an end that is like the target itself shows that the output layer can give it, on the loss's own scale
        shown = arrives and (figures.r2 or -math.inf) >= ALIKE and bool(np.allclose(truth.wanted, truth.values))
        dearer = least - truth.cost > material and not shown
        if reachable < ALIKE and (dearer or (loss is not None and not arrives) or off_scale):
            return replace(figures, outcome=Outcome.UNREACHABLE)
        starts_dead = (figures.dead_share or 0.0) >= ALL_DEAD
        if starts_dead and self._start.loss - min(least, truth.cost) > material:
            return replace(figures, outcome=Outcome.DEAD)
        enough = RUN_AWAY * gap if self._resembles(figures) else material
        beating = [played for played in ends if truth.cost - played.loss > enough]
        unlike = [played for played in beating if self._is_other(figures, played, truth.cost - RUN_AWAY * gap)]
        if arrives and not unlike:
            return replace(figures, outcome=Outcome.ARRIVES)
        if not unlike:
            return figures
        figures = replace(figures, end_loss=unlike[0].loss, **self._likeness(unlike[0]))
        # such losses may hardly tell events or ranks from a constant: without a floor they fall far below all they cost
        most = max(gap, abs(truth.cost), abs(self._start.loss))
        runs_away = truth.cost - unlike[0].loss > RUN_AWAY * most
        if not runs_away and not self._by_sample() and not self._opposed(figures, unlike[0]):
            raise NotJudged("the loss weighs samples against one another, as ranking and survival losses do")
        if self._is_distance(figures) and not runs_away:
            raise NotJudged("it tells the two labels apart the other way round, as the loss of a distance does")
        return replace(figures, outcome=Outcome.BEATEN)

    def _is_distance(self, figures: Ideal) -> bool:
        """Whether the end tells two labels apart by a distance, small for alike; no probability is small for a 1."""
        if self._setup.loss.theory is not None or self._setup.head.range.values.leaves(UNIT, 0.0) is Tri.NO:
            return False
        two = np.unique(self._truth.values[self._truth.compared]).size == 2
        return two and self._truth.axis is None and (figures.correlation or 0.0) <= -ALIKE  # it has no classes

    def _opposed(self, figures: Ideal, end: Played) -> bool:
        """Whether an end is the opposite of its target; by order alone a risk is the opposite of a time, too."""
        graded = len(np.unique(self._truth.values)) > 2  # two values may say which of a pair is the greater
        opposite = graded and truths.correlation_as_it_is(self._truth, end.prediction) <= -ALIKE
        return (figures.correlation or 0.0) <= OPPOSED or (opposite and self._network.by_value)

    def _is_other(self, figures: Ideal, played: Played, floor: float) -> bool:
        """Whether an end is something else than the target; far below all floors a correlation is no likeness."""
        at_end = replace(figures, **self._likeness(played))
        ran_away = played.loss < floor and (at_end.r2 or -math.inf) < 0.0
        return ran_away or not self._resembles(at_end)

    def _descend(self, play: Callable[[Floats], Played], start: Floats, unit: float, greatest: float) -> Fit:
        def timed(free: Floats) -> Played:
            if time.process_time() > self._latest:
                raise NotJudged(f"{MOST_SECONDS:.0f} s of processor time were not enough to try it")
            return play(free)

        return descend(timed, start, unit, greatest, self._steps)

    def _likeness(self, played: Played) -> dict[str, Any]:
        truth = self._truth
        shown = truths.linked(self._setup, played.prediction, truth.axis)
        return {
            "r2": float(truths.r2(truth, truth.values, shown)),
            "correlation": float(truths.correlation(truth, played.prediction)),
        }

    def _resembles(self, figures: Ideal) -> bool:
        return max(figures.r2 or -math.inf, figures.correlation or -math.inf) >= ALIKE

    def _unit(self, at: Floats | None = None) -> float:
        """How far free values must move, from ``at`` or the network's own, for the prediction to cross its target."""
        wanted = self._truth.wanted
        offset = abs(float(wanted.mean()) - float(self._start.prediction.mean()))
        spread = float(wanted.std()) + 0.1 * offset
        if self._network.direct:
            return spread
        random = np.random.default_rng(1).standard_normal(self._own.size)
        step = 1e-2 * max(1.0, float(np.abs(self._own).mean()))
        start = self._start.prediction if at is None else self._network.play(at).prediction
        moved = self._network.play((self._own if at is None else at) + step * random).prediction
        slope = float(np.sqrt(np.square(moved - start).mean())) / step
        return min(spread / max(slope, 1e-6), max(1.0, spread))

    def _compared(self) -> NDArray[np.bool_]:
        """Values of the prediction that get a gradient anywhere: at the target, beside it, and at other targets."""
        truth = self._truth
        seen = np.zeros(self._shape, dtype=np.bool_)
        middle = truth.constant
        random = np.random.default_rng(2)
        for _ in range(2):
            beside = middle + random.uniform(-0.5, 0.5, self._shape) * float(np.ptp(truth.wanted))
            if truth.wanted.min() >= 0.0 and truth.wanted.max() <= 1.0:
                beside = np.clip(beside, truths.CERTAIN, 1.0 - truths.CERTAIN)
            seen |= self._network.cost(beside).gradient.reshape(self._shape) != 0.0
        if truth.axis is not None:  # of a class a likelihood may look at no more than its own entry
            seen = np.broadcast_to(seen.any(axis=truth.axis, keepdims=True), self._shape).copy()
        return seen

    def _blind(self, shuffled: float, ends: list[Played]) -> bool:
        """Whether the loss does not tell a sample's own target from others', nor a constant from it."""
        truth = self._truth
        constant = self._network.cost(truth.constant).loss
        tried = [truth.cost, shuffled, constant, self._start.loss]
        if max(tried) - min(tried) <= NO_COST:
            return True  # what moves the ends then is rounding
        spread = max(abs(truth.cost), abs(shuffled), *(abs(played.loss) for played in ends), FEW)
        same = SAME_COST * spread + NO_COST
        if not abs(shuffled - truth.cost) <= same:
            return False
        return constant <= truth.cost + same and not any(
            self._resembles(Ideal(Outcome.ELSEWHERE, **self._likeness(played))) for played in ends
        )

    def _reachable(self, unit: float) -> float | None:
        """R² at which the output layer comes nearest to the target on the loss's own scale."""
        if self._network.direct:
            return 1.0
        truth = self._truth

        def approach(free: Floats) -> Played:
            return self._network.approach(free, truth.wanted)

        starts: list[Floats] = [
            FIRST_SPREAD * unit * np.random.default_rng(0).standard_normal(self._own.size),
            self._own,
        ]
        if truth.wanted.size == self._own.size:
            starts.insert(0, self._bracketed(approach))
            starts.append(truth.wanted.ravel().copy())  # where a clip or a relu hands it on, nothing else leads there
        starts.append(self._live(approach))
        greatest = max(_greatest(approach(start)) for start in starts)
        best = -math.inf if greatest > 0.0 else 0.0
        for start in starts if greatest > 0.0 else ():
            best = max(best, float(truths.r2(truth, truth.wanted, approach(start).prediction)))
            if best >= REACHED:
                break
            led = self._descend(approach, start, self._unit(start), greatest)
            best = max(best, float(truths.r2(truth, truth.wanted, led.last.prediction)))
            if best >= REACHED:
                break
        return best

    def _bracketed(self, approach: Callable[[Floats], Played]) -> Floats:
        """Free values at which each prediction is its target, should it depend on its own free value alone."""
        wanted = self._truth.wanted.ravel()
        levels = np.sort(np.asarray((*LEVELS, *FAR_LEVELS)))

        def beyond(free: Floats) -> Floats:
            return np.asarray(approach(free).prediction, dtype=np.float64).ravel() - wanted

        errors = np.asarray([beyond(np.full(self._own.size, level)) for level in levels])
        errors = np.where(np.isfinite(errors), errors, np.inf)
        low = high = levels[np.argmin(np.abs(errors), axis=0)]
        for lower, upper, below, above in zip(levels, levels[1:], errors, errors[1:], strict=False):
            between = np.isfinite(below) & np.isfinite(above) & (np.sign(below) != np.sign(above))
            low, high = np.where(between, lower, low), np.where(between, upper, high)
        rising = beyond(high) >= beyond(low)
        for _ in range(FINE_HALVINGS):
            middle = 0.5 * (low + high)
            too_far = (beyond(middle) > 0.0) == rising
            low, high = np.where(too_far, low, middle), np.where(too_far, middle, high)
        return np.asarray(0.5 * (low + high))

    def _live(self, approach: Callable[[Floats], Played]) -> Floats:
        """Equal free values at which the output layer has a gradient, where there are any."""
        levels = [np.full(self._own.size, level) for level in LEVELS]
        tried = [approach(level) for level in levels]
        best = int(np.argmax([_greatest(played) for played in tried]))
        if _greatest(tried[best]) > 0.0:
            return levels[best]
        for low, high, below, above in zip(levels, levels[1:], tried, tried[1:], strict=False):
            if not np.array_equal(below.prediction, above.prediction):  # it moves somewhere between the two
                for _ in range(HALVINGS):
                    middle = 0.5 * (low + high)
                    between = approach(middle)
                    if _greatest(between) > 0.0:
                        return np.asarray(middle)
                    same = np.array_equal(between.prediction, below.prediction)
                    low, high = (middle, high) if same else (low, middle)
        return levels[best]

    def _constant(self, ends: list[Played]) -> bool:
        """Whether the loss is the same whatever was tried."""
        values = [self._truth.cost, self._start.loss, *(played.loss for played in ends)]
        return max(values) - min(values) <= NO_COST

    def _linear(self) -> bool:
        """Whether the loss halfway between any two predictions is the mean of theirs."""
        random = np.random.default_rng(3)
        low, high = float(self._truth.wanted.min()), float(self._truth.wanted.max())
        for _ in range(3):
            one, other = (random.uniform(low, high, self._shape) for _ in range(2))
            ends = [self._network.cost(values).loss for values in (one, other)]
            middle = self._network.cost(0.5 * (one + other)).loss
            if not abs(middle - 0.5 * sum(ends)) <= 1e-4 * max(abs(ends[0] - ends[1]), SAME_COST * abs(middle), FEW):
                return False
        return True

    def _couples(self) -> bool:
        """Whether one free value has a part in the predictions of several samples."""
        moved = self._own.copy()
        moved[0] += 1.0
        changed = self._network.play(moved).prediction != self._start.prediction
        return int(changed.reshape(len(changed), -1).any(axis=1).sum()) > 1

    def _by_sample(self) -> bool:
        """Whether what the loss asks of one half of the samples does not depend on the other half, but for a factor."""
        loss = self._setup.loss.theory
        if loss is not None:
            return True
        samples = self._shape[0] if self._shape else 1
        if samples < 2:
            return True
        if not self._network.direct and self._couples():
            return False
        half = samples // 2
        random = np.random.default_rng(4)
        low, high = float(self._truth.wanted.min()), float(self._truth.wanted.max())
        one = random.uniform(low, high, self._shape)
        for kept, changed in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            for beyond in (BY_SAMPLE_BEYOND * (high - low), 0.0):
                other = one.copy()
                other[changed] = random.uniform(low - beyond, high + beyond, other[changed].shape)
                found = [
                    self._network.cost(values).gradient.reshape(self._shape)[kept].ravel() for values in (one, other)
                ]
                if np.isfinite(found).all():
                    break  # where a loss has no value so far out, what lies among the targets has to do
            product = float(np.linalg.norm(found[0]) * np.linalg.norm(found[1]))
            if product != 0.0 and not float(found[0] @ found[1]) / product > 0.999:
                return False
        return True


def descend(play: Callable[[Floats], Played], start: Floats, unit: float, greatest: float, steps: int = STEPS) -> Fit:
    """Fit free values from ``start``; ends early where a value is no number.

    Args:
        play: loss and gradient of free values.
        unit: of a step.
        greatest: gradient of any free value at either start.
    """
    free = np.array(start, dtype=np.float64)
    mean, square = np.zeros_like(free), np.zeros_like(free)
    least = DAMPING * greatest
    played = first = lowest = play(free)
    for step in range(1, steps + 1):
        gradient = played.gradient
        if not np.isfinite(gradient).all():
            break
        mean += 0.1 * (gradient - mean)
        square += 0.01 * (np.square(gradient) - square)
        rate = RATE * min(1.0, max(0.01, (steps - step) / (FINISHING * steps)))
        scale = np.sqrt(square / (1.0 - 0.99**step)) + least
        free = free - rate * unit * (mean / (1.0 - 0.9**step)) / scale
        after = play(free)
        if not math.isfinite(after.loss) or not np.isfinite(after.prediction).all():
            break
        played = after
        lowest = min(lowest, played, key=lambda met: met.loss)
    return Fit(first, played, lowest)


def _steps_for(values: int) -> int:
    """Steps under a loss that moves a window: fewer where there are many values, so that it costs about as much."""
    return max(FEWEST_DEAR_STEPS, DEAR_STEPS * min(values, DEAR_VALUES) // max(values, 1))


def _greatest(played: Played) -> float:
    gradient = np.abs(played.gradient)
    return float(gradient.max()) if gradient.size and np.isfinite(gradient).all() else 0.0
