"""The truth table: the page follows from the figures, disagreements have a cause, and odd cells are as it says."""

from __future__ import annotations

import itertools
import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")
truth_cells, truth_fits, truth_ideal, truth_rules, truth_table, truth_theory = map(
    import_module, ("truth_cells", "truth_fits", "truth_ideal", "truth_rules", "truth_table", "truth_theory")
)

ODD = {
    "[0, 1]": [("(tanh + 1) / 2", "cosine"), ("sigmoid", "bce"), ("hard_sigmoid", "bce"), ("sigmoid", "bce on logits")],
    "one label": [("sigmoid", "bce on logits"), ("sigmoid", "bce")],
    "shares": [("softmax", "poisson on log-rates"), ("log_softmax", "bce on logits"), ("softmax", "cce")],
    "standardised": [("linear", "mape"), ("linear", "mse")],
    "one-hot": [("sigmoid", "bce"), ("softmax", "cce"), ("linear", "cce on logits")],
}
"""cells in which training does otherwise than theory or rules say, beside right ones"""


@pytest.fixture(scope="module")
def odd() -> dict[str, dict[tuple[str, str], float]]:
    """R² of those cells, fitted now."""
    sets = truth_cells.data_sets()
    return {
        name: {cell: found["r2"] for cell, found in truth_fits.fit_torch(sets[name], cells).items()}
        for name, cells in ODD.items()
    }


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found: dict[str, Any] = truth_table.load()
    return found


@pytest.mark.slow
def test_every_disagreement_has_a_cause(figures: dict[str, Any]) -> None:
    every = truth_table.everything(figures)
    assert len(every) > 900
    grouped = truth_table.disagreements(every)
    assert [(cell.backend, cell.data, cell.head, cell.loss) for cell in grouped.pop("", [])] == []
    assert truth_table.PAGE.read_text("utf-8") == truth_table.page(figures)


@pytest.mark.slow
def test_a_fit_decides_as_the_figures_do(figures: dict[str, Any], odd: dict[str, dict[tuple[str, str], float]]) -> None:
    """Fits differ by some hundredths between processors: which cell is the better one by the margin does not."""
    for name, cells in odd.items():
        recorded = {cell: figures["fits"]["torch"][name][" | ".join(cell)][0] for cell in cells}
        for better, worse in itertools.permutations(cells, 2):
            if recorded[better] - recorded[worse] > 2 * truth_cells.MARGIN:
                assert cells[better] > cells[worse], (name, better, worse)


@pytest.mark.slow
def test_odd_cells_do_what_the_page_says(odd: dict[str, dict[tuple[str, str], float]]) -> None:
    grey, label, shares = odd["[0, 1]"], odd["one label"], odd["shares"]
    assert grey["(tanh + 1) / 2", "cosine"] > grey["sigmoid", "bce"] - truth_cells.MARGIN
    assert grey["hard_sigmoid", "bce"] < grey["sigmoid", "bce"] - truth_cells.MARGIN
    assert grey["sigmoid", "bce on logits"] < 0.2  # the same double sigmoid that hard labels forgive
    assert label["sigmoid", "bce on logits"] > label["sigmoid", "bce"] - truth_cells.MARGIN
    for head, loss in (("softmax", "poisson on log-rates"), ("log_softmax", "bce on logits")):
        assert shares[head, loss] > shares["softmax", "cce"] - truth_cells.MARGIN
    assert odd["standardised"]["linear", "mape"] < 0 < odd["standardised"]["linear", "mse"]


def test_a_linear_output_stops_where_its_principal_components_do(figures: dict[str, Any]) -> None:
    pixels = truth_cells.data_sets()["{0, 1}"].x.astype(np.float64)
    fitted, others = pixels[: truth_cells.FITTED], pixels[truth_cells.FITTED :]
    mean = fitted.mean(axis=0)
    _, _, axes = np.linalg.svd(fitted - mean, full_matrices=False)
    axes = axes[: truth_cells.CODE]
    bound = truth_cells.r2("linear", "mse", (others - mean) @ axes.T @ axes + mean, others)
    longer = figures["longer"]["torch"]["{0, 1}"]
    assert bound == pytest.approx(0.92, abs=0.01)
    assert longer["linear | mse"][0] < bound < longer["sigmoid | bce"][0]


@pytest.mark.slow
def test_one_net_alone_is_trained_as_among_others(odd: dict[str, dict[tuple[str, str], float]]) -> None:
    data = truth_cells.data_sets()["[0, 1]"]
    ((cell, alone),) = truth_fits.fit_torch(data, [("sigmoid", "bce")]).items()
    assert alone["r2"] == pytest.approx(odd["[0, 1]"][cell], abs=0.01)


@pytest.mark.parametrize(
    ("name", "head", "loss"),
    [
        ("[0, 1]", "softmax", "mse"),
        ("[0, 1]", "sigmoid", "bce on logits"),
        ("[0, 255]", "sigmoid", "bce"),
        ("{0, 1}", "linear", "soft margin"),
        ("standardised", "linear", "poisson"),
        ("one-hot", "softmax", "cce on logits"),
        ("class index", "log_softmax", "nll"),
        ("one label", "tanh", "bce"),
    ],
)
def test_rules_say_of_a_cell_what_they_say_of_its_net(name: str, head: str, loss: str) -> None:
    import ae_audit

    data = truth_cells.data_sets()[name]
    x, y = data.x[: truth_cells.FITTED], data.y[: truth_cells.FITTED]
    net, criterion = truth_fits.torch_net(data, head), truth_fits.torch_loss(loss)
    report = ae_audit.audit(net, x, y, loss=criterion, probe=False, select=truth_rules.RULES)
    seen = {(each.code, each.severity) for each in report.findings}
    assert seen == {(each.code, each.severity) for each in truth_rules.findings_of("torch", head, loss, data)}


def test_a_reading_is_the_better_one() -> None:
    targets = np.array([[0.0], [1.0]])
    assert truth_cells.r2("linear", "bce on logits", np.array([[-20.0], [20.0]]), targets) == pytest.approx(1.0)
    assert truth_cells.r2("linear", "bce", np.array([[np.nan], [1.0]]), targets) == -np.inf
    assert truth_cells.r2("linear", "mse", np.array([[0.5], [0.5]]), targets) == pytest.approx(0.0)


def test_theory_knows_what_tensorflow_takes() -> None:
    data = truth_cells.data_sets()["one-hot"]
    for backend, suits in (("keras-tensorflow", True), ("keras-jax", False), ("torch", False)):
        assert truth_theory.theory_of(backend, "softmax", "cce on logits", data).suits is suits
    assert not truth_theory.theory_of("keras-tensorflow", "sigmoid", "cce", data).suits


def test_what_the_ideal_network_says_against_training_has_a_cause() -> None:
    """And the page is what the recorded outcomes make of it; a few cells are tried again now."""
    every = truth_ideal.compared()
    apart = [(outcome, cell) for outcome, cell in every if truth_ideal.parts(outcome, cell)]
    assert len(every) > 4 * len(apart)
    assert [cell for _, cell in apart if not truth_ideal.reason_of(cell)] == []
    assert truth_ideal.PAGE.read_text(encoding="utf-8") == truth_ideal.page()


@pytest.mark.parametrize(
    ("name", "head", "loss"),
    [
        ("[0, 1]", "sigmoid", "bce"),
        ("[0, 1]", "softmax", "bce"),
        ("[0, 1]", "linear", "bce"),
        ("one-hot", "linear", "cce"),
    ],
)
def test_the_ideal_network_says_of_a_cell_what_is_recorded(name: str, head: str, loss: str) -> None:
    recorded = json.loads(truth_ideal.OUTCOMES.read_text(encoding="utf-8"))["torch"][name][f"{head} | {loss}"]
    found = truth_ideal._outcome("torch", head, loss, truth_cells.data_sets()[name])
    assert (found in truth_ideal.ACCUSES) is (recorded in truth_ideal.ACCUSES)
