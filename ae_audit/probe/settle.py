"""Fit the arms, compare them, and write the verdict and its figures into the findings."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ae_audit.probe.bounds import bound_of, floor_of
from ae_audit.probe.forks import parallel_seeds
from ae_audit.probe.ideal_contests import IdealContests, with_ideal
from ae_audit.probe.plan import FixComparison, ProbePlan, VariantPlan, plan
from ae_audit.probe.score import NoScore, r2_score
from ae_audit.probe.sights import Sketchbook
from ae_audit.probe.verdicts import LEARNED, PLAINLY, SOMETHING, Comparison, Scores, compare
from ae_audit.runtime.capture import CannotApply, Capture, Evaluation, Trial
from ae_audit.schema.findings import Arm, Evidence, Finding, Verdict
from ae_audit.schema.messages import Progressed
from ae_audit.schema.training_setup import NOTHING_TO_SPEAK_OF, TrainingSetup
from ae_audit.theory.intervals import format_number

CHUNK = 25
"""optimizer steps between two evaluations"""
LEAST_STEPS = 100
"""no arm is judged earlier: the first steps of every net only find the mean image"""
LARGE = 5_000_000
"""weights from which a step may be so dear that its price is measured before any number of them is taken"""
FEWEST_STEPS = 10
"""of an arm of a large model; fewer tell nothing"""
SPENT = 0.7
"""share of the budget that the steps of a large model may take; the rest is for its evaluations"""
HOPELESS_STEPS = 50
"""of an arm that cannot beat the mean whatever its weights: enough to show how it fares"""


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """What the probe of one capture may spend.

    ``budget`` is in seconds of processor time, so that a verdict does not depend on what else the machine is doing;
    ``time`` in seconds of wall clock; ``most_steps`` bounds the optimizer steps of an arm. Seeds are
    fitted side by side in up to ``processes`` processes, where the capture allows it.
    """

    seed: int = 0
    seeds: int = 3
    most_steps: int = 600
    budget: float = 60.0
    time: float = math.inf
    processes: int = 1


@dataclass(frozen=True, slots=True)
class _Run:
    """One arm, one seed."""

    r2: tuple[float, ...] = ()
    """at every evaluation"""
    loss: tuple[float, ...] = ()
    failed: str | None = None


class _OutOfTime(Exception):
    """The budget is spent."""


def settle(
    capture: Capture,
    findings: Sequence[Finding],
    options: ProbeOptions,
    progress: Callable[[Progressed], None] = lambda _: None,
    setup: TrainingSetup | None = None,
    sketches: Sketchbook | None = None,
    before_fits: Callable[[tuple[Finding, ...]], None] = lambda _: None,
) -> tuple[Finding, ...]:
    """The findings of one captured setup (worst first), each with its verdict and the evidence of the experiments.

    A finding without a remedy that can be tried is returned as it is; a proved one stays proved and gains evidence.
    ``setup`` is the capture's, with what more is known of it. What the ideal network confirms is confirmed, also where
    no time is left for steps of the real one. ``sketches`` is given what the arms predict under the first seed.
    ``before_fits`` gets what is settled by then, where anything is: the fits may be ended from outside.

    A candidate is compared after the steps that it names, and not at all where these are too many.
    """
    tried = [one if (one.awaits or 0) <= options.most_steps else replace(one, remedies=()) for one in findings]
    outline = plan(tried)
    if outline is None:
        return tuple(findings)
    ideal = IdealContests(capture, capture.setup if setup is None else setup, progress).evidence(findings, outline)
    if ideal:
        before_fits(tuple(with_ideal(finding, ideal.get(index)) for index, finding in enumerate(findings)))
    bench = _Bench(capture, options, progress, sketches)
    settled = _probed(bench, findings, outline)
    return tuple(with_ideal(finding, ideal.get(index)) for index, finding in enumerate(settled))


def _probed(bench: _Bench, findings: Sequence[Finding], outline: ProbePlan) -> list[Finding]:
    settled = list(findings)
    try:
        steps = bench.pilot(outline)
    except (_OutOfTime, NoScore) as stop:
        for index in outline.comparisons:
            settled[index] = _with_verdict(findings[index], Verdict.INCONCLUSIVE, _gave_up(bench, stop))
        return settled
    for index, contests in outline.comparisons.items():
        settled[index] = _judge(bench, findings[index], outline, contests, steps)
    return settled


class _Bench:
    """Runs arms and remembers them: an arm that several findings need is fitted once."""

    def __init__(
        self,
        capture: Capture,
        options: ProbeOptions,
        progress: Callable[[Progressed], None],
        sketches: Sketchbook | None = None,
    ) -> None:
        self.capture = capture
        self.options = options
        self._progress = progress
        self._sketches = sketches
        self._doing = ""
        self._floors: dict[tuple[object, ...], float | None] = {}
        self._runs: dict[tuple[tuple[object, ...], int, int], _Run] = {}
        self._latest = time.process_time() + options.budget
        self._process = os.getpid()
        self._deadline = time.monotonic() + options.time
        self._takes: dict[bool, float] = {}
        """seconds of wall clock that the last steps took: of a new trial (True), and later ones (False)"""
        self._class_axis = capture.setup.head.axis
        self._bounds: dict[tuple[object, ...], float | None] = {}
        self.chunk = CHUNK
        self.most_steps = options.most_steps
        self.slow_reason = ""
        """why arms take fewer steps than usual, where they do"""

    @property
    def seeds(self) -> range:
        return range(self.options.seed, self.options.seed + self.options.seeds)

    def pilot(self, outline: ProbePlan) -> int:
        """Fit the fixed arm until it has plainly learned; the number of steps that every arm then takes."""
        arm = outline.all_fixes
        self._doing = f"probe: {arm.name}, seed {self.options.seed}"
        if self.capture.parameters >= LARGE:
            self._keep_within_budget(arm)
        rivals = [contest.without_fix for contests in outline.comparisons.values() for contest in contests]
        enough = PLAINLY if all(map(self._ruled_out, rivals)) else LEARNED  # PLAINLY: no other seed will be fitted
        run = self._fit(arm, self.options.seed, self.most_steps, enough)
        least = min(LEAST_STEPS, self.most_steps)
        steps = max(least, self.chunk * len(run.r2)) if run.failed is None else least
        self._runs[(arm.remedies, self.options.seed, steps)] = run
        return steps

    def _keep_within_budget(self, arm: VariantPlan) -> None:
        """Measure a step of a large model, and take no more of them than two arms can afford.

        Raises:
            _OutOfTime: if these are too few to tell anything.
        """
        try:
            trial = self.capture.trial(arm.remedies, self.options.seed)
            trial.advance(1)  # the first one also allocates
            wall, spent = time.monotonic(), time.process_time()
            trial.advance(1)
        except Exception:
            return  # the fit itself will tell
        wall, spent = time.monotonic() - wall, time.process_time() - spent
        left = SPENT * min(
            (self._latest - time.process_time()) / max(spent, 1e-9),
            (self._deadline - time.monotonic()) / max(wall, 1e-9),
        )
        affordable = int(left / (2 * len(self.seeds)))
        if affordable >= self.options.most_steps:
            return
        self.slow_reason = f"a step of its {self.capture.parameters / 1e6:.0f} million weights takes {wall:.2g} s"
        if affordable < FEWEST_STEPS:
            raise _OutOfTime(
                f"{self.slow_reason} here, so no variant could take the {FEWEST_STEPS} steps that a comparison needs"
            )
        self.most_steps = affordable
        self.chunk = max(1, min(CHUNK, affordable // 4))
        self.most_steps -= affordable % self.chunk

    def seeds_for(self, contest: FixComparison, steps: int) -> Sequence[int]:
        """The seeds that decide a contest: the first alone, where no other could turn what it shows.

        That is where the faulty arm cannot beat the mean whatever its weights, or fails at a step of its own, while the
        fixed arm has plainly learned.
        """
        first = self.seeds[:1]
        hopeless = (
            self._ruled_out(contest.without_fix) or self.scores(contest.without_fix, steps, first).failed is not None
        )
        fixed = self.scores(contest.with_fix, steps, first)
        sure = hopeless and fixed.failed is None and max(fixed.r2, default=-math.inf) >= PLAINLY
        return first if sure else self.seeds

    def scores(self, arm: VariantPlan, steps: int, seeds: Sequence[int] | None = None) -> Scores:
        """What an arm reached after that many steps, with ``seeds`` (None: all of them)."""
        seeds = self.seeds if seeds is None else seeds
        runs = self._fitted(arm, steps, seeds)
        failed = next((run.failed for run in runs if run.failed is not None), None)
        r2 = tuple(run.r2[-1] for run in runs if run.r2)
        # of a ruled-out arm one seed is fitted: that the others lose as well is proved, not measured
        return Scores(r2 * len(seeds) if self._ruled_out(arm) else r2, failed)

    def lost_without_fit(self, arm: VariantPlan) -> float | None:
        """The bound of an arm that is to lose, where that decides; None where it has to be fitted.

        The program as written is fitted all the same: its user wants to see what it does.
        """
        return self._bounds[arm.remedies] if arm.remedies and self._ruled_out(arm) else None

    def unfixed_scores(self, arm: VariantPlan, steps: int, seeds: Sequence[int] | None = None) -> Scores:
        """What an arm that is to lose reached, or the most that it could have reached."""
        bound = self.lost_without_fit(arm)
        if bound is None:
            return self.scores(arm, steps, seeds)
        return Scores((bound,) * len(self.seeds if seeds is None else seeds))

    def _fitted(self, arm: VariantPlan, steps: int, seeds: Sequence[int]) -> tuple[_Run, ...]:
        worth = self._steps_worth(arm, steps)
        seeds = seeds[:1] if self._ruled_out(arm) else seeds
        processes = self.options.processes if self.capture.forks else 1
        keys = {seed: (arm.remedies, seed, worth) for seed in seeds}
        while True:
            done = [self._runs[key] for key in keys.values() if key in self._runs]
            failed = next((run for run in done if run.failed is not None), None)
            if failed is not None:
                return (failed,)
            missing = [seed for seed, key in keys.items() if key not in self._runs][:processes]
            if not missing:
                return tuple(done)
            self._doing = f"probe: {arm.name}, seed {', '.join(map(str, missing))}"
            fits = [partial(self._fit, arm, seed, worth) for seed in missing]
            for seed, run in zip(missing, parallel_seeds(fits, processes), strict=True):
                self._runs[keys[seed]] = run
                if run.failed is not None:
                    break  # as if the seeds had been fitted in turn

    def report(self, arm: VariantPlan, steps: int) -> Arm:
        """The arm as the report shows it, from the seeds that were run."""
        worth = self._steps_worth(arm, steps)
        runs = [self._runs[key] for seed in self.seeds if (key := (arm.remedies, seed, worth)) in self._runs]
        failed = next((run.failed for run in runs if run.failed is not None), None)
        fitted = [run for run in runs if run.r2]
        length = min((len(run.r2) for run in fitted), default=0)
        curve = _mean_curve([run.r2[:length] for run in fitted])
        loss = _mean_curve([run.loss[:length] for run in fitted])
        bound = None if runs else self.lost_without_fit(arm)
        return Arm(
            arm.name,
            tuple(run.r2[-1] for run in fitted),
            curve,
            loss,
            failed,
            bound,
            curves=tuple(run.r2[:length] for run in fitted),
            losses=tuple(run.loss[:length] for run in fitted),
            floor=self._floor(arm) if fitted else None,
        )

    def _floor(self, arm: VariantPlan) -> float | None:
        if arm.remedies not in self._floors:
            self._floors[arm.remedies] = floor_of(self.capture, arm.remedies)
        return self._floors[arm.remedies]

    def _steps_worth(self, arm: VariantPlan, steps: int) -> int:
        return min(steps, HOPELESS_STEPS) if self._ruled_out(arm) else steps

    def _ruled_out(self, arm: VariantPlan) -> bool:
        """Whether the certificate proves that the arm can never beat the mean target."""
        if arm.remedies not in self._bounds:
            self._bounds[arm.remedies] = bound_of(self.capture, arm.remedies)
        bound = self._bounds[arm.remedies]
        return bound is not None and bound < NOTHING_TO_SPEAK_OF

    def _fit(self, arm: VariantPlan, seed: int, steps: int, enough: float = math.inf) -> _Run:
        self._restart_clock_of_fork()
        r2: list[float] = []
        losses: list[float] = []
        trial: Trial | None = None
        shown = self._sketches if seed == self.options.seed else None
        try:
            for taken in range(self.chunk, steps + 1, self.chunk):
                self._progress(Progressed(self._doing, taken - self.chunk, steps))
                with self._timed(first=trial is None):
                    trial = trial or self.capture.trial(arm.remedies, seed)
                    losses.append(trial.advance(self.chunk))
                    evaluation = trial.evaluate()
                    r2.append(r2_score(evaluation, self._class_axis))
                if taken >= min(LEAST_STEPS, self.most_steps) and r2[-1] >= enough:
                    break
        except (_OutOfTime, NoScore):
            raise
        except CannotApply as cause:
            return _Run(failed=str(cause))
        except Exception as cause:  # the program's own step may raise anything
            if trial is not None:  # what the user is left with
                evaluation = trial.evaluate()
                r2.append(r2_score(evaluation, self._class_axis))
                _keep(shown, arm, evaluation)
            return _Run(tuple(r2), tuple(losses), _sentence(cause))
        if r2:
            _keep(shown, arm, evaluation)
        return _Run(tuple(r2), tuple(losses))

    def _restart_clock_of_fork(self) -> None:
        if os.getpid() != self._process:  # whose processor time begins at 0
            self._process = os.getpid()
            self._latest = self.options.budget / self.options.seeds

    @contextmanager
    def _timed(self, *, first: bool) -> Iterator[None]:
        """Steps and their score, begun only where the time suffices for as long as the last such ones took.

        ``first`` of a trial, they also build it, which takes some frameworks longer than the steps do.

        Raises:
            _OutOfTime: if it does not, or the budget is spent.
        """
        if time.process_time() > self._latest:
            raise _OutOfTime(f"the budget of {self.options.budget:.0f} s of processor time was spent")
        began = time.monotonic()
        if began + self._takes.get(first, 0.0) > self._deadline:
            raise _OutOfTime(f"the {self.options.time:.0f} s left for it did not suffice; --timeout gives it more")
        yield
        self._takes[first] = time.monotonic() - began


def _keep(sketches: Sketchbook | None, arm: VariantPlan, evaluation: Evaluation) -> None:
    if sketches is not None:
        sketches.keep(arm.name, evaluation)


def _judge(
    bench: _Bench, finding: Finding, outline: ProbePlan, contests: tuple[FixComparison, ...], steps: int
) -> Finding:
    """Hold the contests until one of them confirms; the first otherwise decides."""
    decided: tuple[FixComparison, Comparison, int, Sequence[int]] | None = None
    own_steps = finding.awaits is not None
    if finding.awaits is not None:
        steps = bench.chunk * math.ceil(finding.awaits / bench.chunk)
    try:
        for contest in contests:
            seeds = bench.seeds if own_steps else bench.seeds_for(contest, steps)
            comparison, used = _hold(bench, contest, steps, seeds, extend=not own_steps)
            if decided is None or comparison.verdict is Verdict.CONFIRMED:
                decided = (contest, comparison, used, seeds)
            if comparison.verdict is Verdict.CONFIRMED:
                break
        bench.scores(outline.as_written, steps, bench.seeds if decided is None else decided[3])
    except (_OutOfTime, NoScore) as stop:
        if decided is None:
            return _with_verdict(finding, Verdict.INCONCLUSIVE, _gave_up(bench, stop))
    assert decided is not None
    contest, comparison, used, seeds = decided
    wanted = (outline.as_written, contest.without_fix, contest.with_fix, outline.all_fixes)
    arms = tuple(bench.report(arm, used) for arm in dict.fromkeys(wanted))
    evidence = Evidence(
        "probe",
        _sentence_of(comparison, contest, used, len(seeds), bench),
        figures=(
            ("gain", comparison.gain),
            ("spread", comparison.spread),
            ("steps", used),
            ("seeds", len(seeds)),
            ("device", bench.capture.device),
        ),
        arms=tuple(arm for arm in arms if arm.r2 or arm.failed or arm.bound is not None),
    )
    return _with_verdict(finding, comparison.verdict, evidence)


def _hold(
    bench: _Bench, contest: FixComparison, steps: int, seeds: Sequence[int], *, extend: bool
) -> tuple[Comparison, int]:
    """Compare two arms at equal steps; while that is not clear, and it may, again at twice the steps, to a bound."""
    comparison = compare(
        bench.scores(contest.with_fix, steps, seeds), bench.unfixed_scores(contest.without_fix, steps, seeds)
    )
    while extend and comparison.verdict is Verdict.INCONCLUSIVE and math.isfinite(comparison.gain):
        learned = max(bench.scores(contest.with_fix, steps, seeds).r2, default=-math.inf) >= SOMETHING
        longer = min(2 * steps, bench.most_steps)
        if not learned or longer <= steps:
            break
        steps, seeds = longer, bench.seeds
        comparison = compare(bench.scores(contest.with_fix, steps), bench.unfixed_scores(contest.without_fix, steps))
    if comparison.verdict is Verdict.REFUTED and steps < LEAST_STEPS:
        comparison = replace(comparison, verdict=Verdict.INCONCLUSIVE, reason="so early the arms do not differ")
    if comparison.verdict is Verdict.REFUTED and bench.capture.setup.loss.weighted:
        reason = "the loss is weighted, so its best prediction is not the target, and R² does not tell the arms apart"
        comparison = replace(comparison, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return comparison, steps


def _with_verdict(finding: Finding, verdict: Verdict, evidence: Evidence) -> Finding:
    kept = finding.verdict if finding.verdict is Verdict.PROVED else verdict
    return replace(finding, verdict=kept, evidence=(*finding.evidence, evidence))


def _gave_up(bench: _Bench, cause: Exception) -> Evidence:
    return Evidence("probe", f"not settled: {cause}", figures=(("device", bench.capture.device),))


def _sentence_of(comparison: Comparison, contest: FixComparison, steps: int, seeds: int, bench: _Bench) -> str:
    fewer = f", fewer than usual since {bench.slow_reason}" if bench.slow_reason else ""
    where = f"{steps} steps{fewer}, {seeds} seed{'s' if seeds > 1 else ''}, on {bench.capture.device}"
    if not math.isfinite(comparison.gain):
        return f"{comparison.reason} ({where})"
    spread = f" ± {comparison.spread:.2g}" if seeds > 1 else ""
    least = "" if bench.lost_without_fit(contest.without_fix) is None else "at least "
    gain = least + format_number(round(comparison.gain, 3)).replace("-", "−") + spread
    rivals = f"`{contest.with_fix.name}` against `{contest.without_fix.name}`"
    return f"{comparison.reason}: {rivals} gains {gain} in R² ({where})"


def _mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(values) / len(values) for values in zip(*curves, strict=True))


def _sentence(cause: Exception) -> str:
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}" if text else type(cause).__name__
