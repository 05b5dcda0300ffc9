"""Heads and losses side by side: which are chosen, what is measured, what fails and says so."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest

from ae_audit.engine.grids import OTHER_DATA, joined, unfitted
from ae_audit.probe.figures import bias_unit, likeness
from ae_audit.probe.grid import NothingToCompare, Spend, compare_grid
from ae_audit.probe.grid_choice import cells_for
from ae_audit.probe.layouts import layout_of
from ae_audit.schema.comparison import Cell, Comparison, ComparisonReport, GridOptions, GridPart, LossChoice
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import (
    DataFacts,
    Framework,
    Head,
    LossUse,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange
from tests.probe.test_settle import LinearAutoencoder, NumpyCapture, digits
from tests.probe.test_sights import blobs

SIGMOID_BCE = TrainingSetup(
    Framework.TORCH, Location("a.py", 1), head=Head("sigmoid"), loss=LossUse("bce"), relation=Relation.SAME
)


def on(low: float, high: float, structure: Structure = Structure.CONTINUOUS) -> TrainingSetup:
    span = Interval(low, high)
    data = DataFacts(ValueRange(span, span), structure=structure)
    return replace(SIGMOID_BCE, target=data, input=data)


def names(setup: TrainingSetup, options: GridOptions | None = None) -> list[str]:
    return [plan.name for plan in cells_for(setup, options or GridOptions())]


def test_what_fits_the_data_is_chosen() -> None:
    assert names(on(0, 1)) == [
        "sigmoid × bce",
        "sigmoid × mse",
        "sigmoid × mae",
        "linear × bce",
        "linear × bce on logits",
        "linear × mse",
        "linear × mae",
        "relu × bce",
        "relu × mse",
        "relu × mae",
    ]
    assert names(on(-1, 1))[1:] == ["tanh × mse", "tanh × mae", "linear × mse", "linear × mae"]
    assert names(on(-3, 4))[1:] == ["linear × mse", "linear × mae", "linear × huber"]
    classes = replace(on(0, 9, Structure.CLASS_INDEX), loss=LossUse("sparse_cce", from_logits=Tri.YES))
    assert names(replace(classes, head=Head("linear"))) == ["linear × sparse_cce on logits", "softmax × sparse_cce"]


def test_a_cell_changes_no_more_than_it_must() -> None:
    plans = {plan.name: plan.remedies for plan in cells_for(on(0, 1), GridOptions())}
    assert plans["sigmoid × bce"] == ()
    assert plans["sigmoid × mse"] == (SwapLoss("mse"),)
    assert plans["relu × bce"] == (SwapActivation("relu"),)
    assert plans["linear × bce on logits"] == (SwapActivation("linear"), SwapLoss("bce", True))


def test_raw_images_are_brought_to_one_for_all_but_the_program_as_written() -> None:
    written, *others = cells_for(on(0, 255), GridOptions())
    assert (written.remedies, written.rescaled) == ((), False)
    scale = Rescale(1 / 255)
    assert [plan.remedies for plan in others if plan.name == "sigmoid × bce"] == [(scale,)]
    assert all(plan.remedies[-1] == scale and plan.rescaled for plan in others)


def test_what_is_asked_for_is_taken_as_it_is() -> None:
    asked = GridOptions(("linear", "tanh"), (LossChoice("bce"), LossChoice("bce", True)))
    assert names(on(0, 1), asked) == [
        "sigmoid × bce",
        "linear × bce",
        "linear × bce on logits",
        "tanh × bce",
        "tanh × bce on logits",
    ]


class Exchangeable(NumpyCapture):
    """A program whose loss can be exchanged: it makes no difference."""

    def trial(self, remedies, seed):  # type: ignore[no-untyped-def]
        return super().trial([one for one in remedies if not isinstance(one, SwapLoss)], seed)


class Raw(NumpyCapture):
    """A program on raw images, whose data can be divided; what it learns is the same."""

    def trial(self, remedies, seed):  # type: ignore[no-untyped-def]
        return LinearAutoencoder(self.targets / 255.0, "linear", seed, False)


ASKED = GridOptions(("linear", "relu"), (LossChoice("mse"),), seeds=3, steps=100)


def test_the_better_head_is_best_and_every_seed_is_told() -> None:
    capture = Exchangeable("relu")
    cells: list[Cell] = []
    begun = []
    comparison = compare_grid(capture, capture.setup, ASKED, Spend(), begun.append, cells.append)
    assert comparison.best is not None
    assert comparison.best.name == "linear × mse"
    assert reduce(Comparison.with_cell, cells, begun[0]) == comparison
    assert begun[0].cells == tuple(cell.bare for cell in comparison.cells)
    assert (begun[0].steps, begun[0].seeds) == (100, 3)
    for cell in comparison.cells:
        assert len(cell.final_r2) == 3
        assert [run.steps[-1] for run in cell.runs] == [100, 100, 100]
        assert all(len(run.r2) == len(run.loss) == len(run.steps) for run in cell.runs)
    relu = next(cell for cell in comparison.cells if cell.name == "relu × mse")
    gap = comparison.behind(relu)
    assert gap is not None
    assert gap.low > 0.0
    assert comparison.threshold == pytest.approx(0.8 * np.mean(comparison.best.final_r2), abs=0.006)
    assert len(comparison.best.steps_to(comparison.threshold or 0.0)) == 3
    assert relu.steps_to(0.999) == ()
    first = {seed for remedies, seed in capture.fitted if remedies}
    assert first == {0, 1, 2}


def test_what_cannot_be_exchanged_says_why_and_the_others_are_fitted() -> None:
    capture = NumpyCapture("linear")
    comparison = compare_grid(capture, capture.setup, ASKED, Spend())
    refused = [cell for cell in comparison.cells if cell.refused]
    assert {cell.refused for cell in refused} == {"the loss of this program is its own"}
    assert [cell.as_written for cell in comparison.cells if cell.final_r2] == [True]


def test_a_step_that_raises_is_a_result() -> None:
    capture = Exchangeable("linear", raises_as_written=True)
    comparison = compare_grid(capture, capture.setup, ASKED, Spend())
    written = next(cell for cell in comparison.cells if cell.as_written)
    assert "between 0 and 1" in (written.failed or "")
    assert written.final_r2 == ()
    assert comparison.best is not None
    assert not comparison.level_with_best(written)


def test_time_that_does_not_suffice_is_told_before_anything_is_fitted() -> None:
    capture = Exchangeable("linear")
    with pytest.raises(NothingToCompare, match="--timeout"):
        compare_grid(capture, capture.setup, ASKED, Spend(time=1e-9))


def test_a_target_that_does_not_vary_cannot_be_compared_on() -> None:
    capture = Exchangeable("linear", targets=np.ones((256, 12)))
    with pytest.raises(NothingToCompare, match="does not vary"):
        compare_grid(capture, capture.setup, ASKED, Spend())


def test_bias_sharpness_and_dead_outputs_are_what_they_are_called() -> None:
    images = blobs(64, 28, 28).reshape(64, 784)
    layout = layout_of(images, SIGMOID_BCE, None)
    same = likeness(images, images, layout, bias_unit(images))
    assert (same.bias, same.sharpness, same.dead) == (0.0, 1.0, 0.0)
    darker = likeness(0.9 * images, images, layout, "mean")
    assert darker.bias == pytest.approx(-0.1)
    assert darker.sharpness == pytest.approx(0.81)
    halved = images.copy()
    halved[:, 392:] = 0.0
    dead = likeness(halved, images, layout, "mean").dead
    assert dead == pytest.approx(0.5, abs=0.02)
    mean = np.broadcast_to(images.mean(axis=0), images.shape)
    blurred = likeness(mean, images, layout, "mean").sharpness
    assert blurred is not None
    assert blurred < 0.2
    table = np.random.default_rng(0).standard_normal((64, 13))
    assert bias_unit(table) == "std"
    assert likeness(table, table, layout_of(table, SIGMOID_BCE, None), "std").sharpness is None


def test_the_program_as_written_keeps_its_own_pictures_beside_the_pair_of_its_name() -> None:
    images = 255.0 * np.abs(digits()) / np.abs(digits()).max()
    capture = Raw("linear", targets=images, setup=replace(on(0, 255), head=Head("linear"), loss=LossUse("mse")))
    comparison = compare_grid(
        capture, capture.setup, GridOptions(("linear",), (LossChoice("mse"),), seeds=1, steps=40), Spend()
    )
    assert [(cell.name, cell.as_written, cell.rescaled) for cell in comparison.cells] == [
        ("linear × mse", True, False),
        ("linear × mse", False, True),
    ]
    assert comparison.gallery is not None
    assert {row.name for row in comparison.gallery.rows} == {"target", "linear × mse", "linear × mse as written"}


def test_fits_in_parts_are_those_of_the_whole_and_join_to_it() -> None:
    whole = compare_grid(Exchangeable("relu"), Exchangeable("relu").setup, ASKED, Spend(processes=2, seed=5))
    assert whole.gallery is not None
    fits = ASKED.fits_of(0, len(whole.cells))
    assert len(fits) == 9
    outline = part_of(GridPart(among=2))
    assert outline.cells == tuple(cell.bare for cell in whole.cells)
    assert unfitted(outline, ASKED, 5) == fits
    parts = [part_of(GridPart(fits[number::4], steps=(100,), among=4)) for number in range(4)]
    assert [len(unfitted(part, ASKED, 5)) for part in parts] == [6, 7, 7, 7]
    for order in (parts, parts[::-1]):
        (joint,) = joined(ComparisonReport((outline,)), [ComparisonReport((part,)) for part in order]).comparisons
        assert timeless(joint) == timeless(whole)
        assert joint.gallery == whole.gallery


def test_parts_of_a_program_that_draws_other_data_are_not_joined() -> None:
    outline = part_of(GridPart())
    part = part_of(GridPart(ASKED.fits_of(0, 3), steps=(100,)))
    (joint,) = joined(ComparisonReport((outline,)), [ComparisonReport((replace(part, data="others"),))]).comparisons
    assert {cell.refused for cell in joint.cells} == {OTHER_DATA}


def part_of(part: GridPart) -> Comparison:
    capture = Exchangeable("relu")
    return compare_grid(capture, capture.setup, replace(ASKED, part=part), Spend(processes=3, seed=5))


def timeless(comparison: Comparison) -> Comparison:
    """Without the price of a step, which is measured."""
    return replace(
        comparison,
        cells=tuple(
            replace(cell, runs=tuple(replace(run, step_seconds=None) for run in cell.runs)) for cell in comparison.cells
        ),
    )
