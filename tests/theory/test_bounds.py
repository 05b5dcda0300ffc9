"""Projections and bounds: optimal by their own conditions, and never beaten by what the range holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_audit.theory.activations import ActivationRange, find_activation
from ae_audit.theory.bounds import (
    attainable_r2,
    log_simplex_distance,
    project_box,
    project_simplex,
    reachability,
    wright_omega,
)
from ae_audit.theory.intervals import BYTE, UNIT, Interval

seeds = st.integers(0, 2**32 - 1)


def _range(name: str, axis: int | None = None) -> ActivationRange:
    found = find_activation(name, axis=axis)
    assert found is not None
    return found.range


@given(seeds, st.integers(1, 12), st.floats(1e-3, 5.0), st.sampled_from([0.01, 1.0, 100.0]))
def test_the_projection_on_the_simplex_meets_its_optimality_conditions(
    seed: int, units: int, total: float, scale: float
) -> None:
    x = np.random.default_rng(seed).normal(0, scale, (6, units))
    p = project_simplex(x, total=total)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), total, atol=1e-9 * max(scale, 1))
    # Karush–Kuhn–Tucker: x − p is one number τ on the support and at most τ off it.
    gap = x - p
    tau = np.where(p > 0, gap, -np.inf).max(axis=-1, keepdims=True)
    slack = 1e-9 * max(scale, 1)
    assert (gap <= tau + slack).all()
    assert (np.abs(np.where(p > 0, gap - tau, 0.0)) <= slack).all()


def test_the_projection_on_the_simplex_agrees_with_a_quadratic_programme() -> None:
    optimise = pytest.importorskip("scipy.optimize")
    x = np.random.default_rng(4).normal(0, 1, (10, 5))
    for row, projected in zip(x, project_simplex(x), strict=True):
        solved = optimise.minimize(
            lambda p, row=row: float(np.square(p - row).sum()),
            np.full(5, 0.2),
            jac=lambda p, row=row: 2 * (p - row),
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1.0},
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(projected, solved.x, atol=1e-6)


@given(seeds)
def test_the_projection_on_the_simplex_agrees_with_brute_force_over_supports(seed: int) -> None:
    x = np.random.default_rng(seed).normal(0, 1, 4)
    best = math.inf
    for support in range(1, 16):
        on = np.array([bool(support & (1 << i)) for i in range(4)])
        p = np.where(on, x - (x[on].sum() - 1) / on.sum(), 0.0)
        if (p >= -1e-12).all():
            best = min(best, float(np.square(p - x).sum()))
    assert float(np.square(project_simplex(x) - x).sum()) == pytest.approx(best, abs=1e-12)


def test_the_axis_of_a_projection() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_array_equal(
        project_simplex(x, axis=1), np.moveaxis(project_simplex(np.moveaxis(x, 1, -1)), -1, 1)
    )
    np.testing.assert_array_equal(project_box(x, UNIT), np.clip(x, 0, 1))
    with pytest.raises(ValueError, match="negative sum"):
        project_simplex(x, total=-1.0)


@given(st.floats(-700, 700))
def test_wright_omega(x: float) -> None:
    w = float(wright_omega(np.array([x]))[0])
    assert w > 0
    assert w + math.log(w) == pytest.approx(x, abs=1e-9, rel=1e-12)


@given(seeds, st.sampled_from([0.1, 1.0, 10.0]), st.floats(-5, 5))
def test_the_distance_from_log_probabilities_is_least(seed: int, scale: float, shift: float) -> None:
    generator = np.random.default_rng(seed)
    t = generator.normal(shift, scale, (1, 4))
    distance = float(log_simplex_distance(t)[0])
    weights = np.maximum(generator.dirichlet(np.ones(4), 3000), 1e-300)
    near = np.exp(t - t.max()) * np.exp(generator.normal(0, 0.3, (3000, 4)))
    for points in (weights, near / near.sum(-1, keepdims=True)):
        assert (np.linalg.norm(np.log(np.maximum(points, 1e-300)) - t, axis=-1) >= distance - 1e-9).all()


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.3, 3.0]))
def test_the_distance_from_log_probabilities_is_reached_from_outside(seed: int, scale: float) -> None:
    optimise = pytest.importorskip("scipy.optimize")
    t = np.random.default_rng(seed).normal(1.0, scale, 3)
    if np.log(np.exp(t).sum()) <= 0:
        return

    def squared(free: np.ndarray) -> float:
        z = np.append(free, 0.0)
        z = z - np.log(np.exp(z).sum())
        return float(np.square(z - t).sum())

    best = min(
        optimise.minimize(squared, start, options={"gtol": 1e-10}).fun
        for start in (t[:2] - t[2], np.zeros(2), np.array([2.0, 0.0]), np.array([0.0, 2.0]))
    )
    assert float(log_simplex_distance(t[None])[0]) ** 2 == pytest.approx(best, rel=1e-5, abs=1e-8)


@given(
    seeds,
    st.sampled_from(["sigmoid", "tanh", "relu", "softmax", "log_softmax", "unit_norm", "hard_tanh"]),
    st.sampled_from([1.0, 2.0, -255.0]),
    st.sampled_from([0.0, -1.0]),
    st.sampled_from([1.0, 3.0, 200.0]),
)
def test_no_prediction_of_the_range_beats_the_attainable_r2(
    seed: int, name: str, scale: float, shift: float, spread: float
) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.normal(0.5, spread, (8, 5))
    activation = find_activation(name, axis=-1)
    assert activation is not None
    bound = attainable_r2(activation.range.affine(scale, shift), targets)
    assert bound is not None
    assert bound <= 1.0
    total = np.square(targets - targets.mean(axis=0)).sum()
    for _ in range(10):
        logits = generator.normal(0, generator.choice([0.1, 1.0, 10.0]), (8, 5))
        if generator.random() < 0.5:  # near the targets themselves
            logits = (targets - shift) / scale + logits * 0.1
        predictions = np.array([activation.evaluate_vector(row) for row in logits.tolist()]) * scale + shift
        assert 1 - np.square(targets - predictions).sum() / total <= bound + 1e-9


@given(seeds)
def test_targets_inside_the_range_can_be_explained_wholly(seed: int) -> None:
    generator = np.random.default_rng(seed)
    simplex = generator.dirichlet(np.ones(6), 9)
    assert attainable_r2(_range("softmax", -1), simplex) == pytest.approx(1.0)
    assert attainable_r2(_range("softmax"), simplex) == pytest.approx(1.0), "with an unknown axis too"
    assert attainable_r2(_range("softmax", -1).affine(2.0, -1.0), 2 * simplex - 1) == pytest.approx(1.0)
    assert attainable_r2(_range("log_softmax", -1), np.log(np.maximum(simplex, 1e-9))) == pytest.approx(1.0, abs=1e-6)
    assert attainable_r2(_range("sigmoid"), simplex) == 1.0
    assert reachability(_range("softmax", -1), simplex) == 0.0
    assert reachability(_range("softmax", -1).affine(-3.0, 2.0), 2 - 3 * simplex) == 0.0
    assert reachability(_range("softmax", -1), generator.uniform(0, 1, (9, 6)) + 0.2) == 1.0
    channels = np.moveaxis(simplex.reshape(3, 3, 6), -1, 1)
    assert reachability(_range("softmax", 1), channels) == 0.0


def test_reachability_counts_values() -> None:
    x = np.array([[0.0, 0.5], [1.0, 2.0]])
    assert reachability(ActivationRange.exactly(UNIT), x) == 0.25
    assert reachability(_range("sigmoid"), np.array([0.0, 1.0, 1.0 + 1e-7])) == 0.0, "closure, up to rounding"
    assert reachability(ActivationRange.exactly(BYTE), np.array([np.nan, 3.0])) == 0.5
    assert reachability(ActivationRange(), x) == 0.0


def test_targets_that_do_not_vary_have_no_r2() -> None:
    assert attainable_r2(_range("sigmoid"), np.ones((4, 3))) is None
    assert attainable_r2(_range("sigmoid"), np.array([[1.0, np.nan]] * 3)) is None
    assert attainable_r2(_range("sigmoid"), np.ones((1, 3))) is None


@pytest.mark.parametrize(
    ("name", "scale", "expected"),
    [("softmax", 255.0, -0.632), ("softmax", 1.0, -0.669), ("sigmoid", 1.0, -0.654), ("sigmoid", 255.0, 1.0)],
)
def test_what_five_thousand_real_digits_permit(
    digits: tuple[np.ndarray, np.ndarray], name: str, scale: float, expected: float
) -> None:
    found = attainable_r2(_range(name, -1), digits[0] * (255 / scale))
    assert found == pytest.approx(expected, abs=5e-4)


def test_a_narrow_box_binds_more_than_the_simplex_does() -> None:
    targets = np.random.default_rng(3).dirichlet(np.ones(4) * 0.1, 20)
    softmax, sigmoid = find_activation("softmax", axis=-1), find_activation("sigmoid")
    assert softmax is not None
    assert sigmoid is not None
    double = attainable_r2(softmax.range_of(sigmoid.range, units=4), targets)
    assert double is not None
    assert double < 0.75, "softmax after sigmoid cannot leave [0.109, 0.476]"
    assert Interval(0.1, 0.5).covers(softmax.range_of(sigmoid.range, units=4).values.hull)
