"""The whole road on each fixture: read, run in the sandbox, probe, report."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .command import Result, ae_audit
from .fixture_table import FIXTURE_TABLE, FIXTURES, Expected
from .warm import WarmCommand

pytestmark = pytest.mark.slow


COLD = "dense_softmax_raw.py"
"""the program that is audited as a user does it, the import of the framework included"""


class Audited:
    """Each fixture audited once."""

    def __init__(self, warm: dict[str, WarmCommand]) -> None:
        self._warm = warm
        self._results: dict[str, Result] = {}

    def __getitem__(self, path: str) -> Result:
        if path not in self._results:
            framework, _, name = path.partition("/")
            command = ae_audit if name == COLD else self._warm[framework]
            self._results[path] = command(str(FIXTURES / path))
        return self._results[path]


@pytest.fixture(scope="module")
def audited(warm_keras: WarmCommand, warm_torch: WarmCommand) -> Audited:
    return Audited({"keras": warm_keras, "torch": warm_torch})


@pytest.mark.parametrize("expected", FIXTURE_TABLE, ids=lambda expected: expected.path)
def test_fixture(expected: Expected, audited: Audited) -> None:
    result = audited[expected.path]
    assert result.report["errors"] == []
    assert result.standing("error", "warning") == expected.codes
    assert result.code == (1 if result.standing("error") else 0)
    setups = result.report["setups"]
    assert setups
    assert all("runtime" in setup["seen_by"] for setup in setups), "every training of a fixture is seen running"
    floors = [each for each in result.report["findings"] if each["code"] == "AE203"]
    assert bool(floors) == expected.floor


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_the_first_fixture_is_proved_and_confirmed(framework: str, audited: Audited) -> None:
    result = audited[f"{framework}/dense_softmax_raw.py"]
    assert result.code == 1
    softmax = result.finding("AE101")
    assert softmax["verdict"] == "proved"
    (certificate,) = [each for each in softmax["evidence"] if each["kind"] == "certificate"]
    assert certificate["attainable_r2"] < 0
    assert f"{certificate['attainable_r2']:.4g}".replace("-", "−") in certificate["text"]
    (probe,) = [each for each in softmax["evidence"] if each["kind"] == "probe"]
    arms = {arm["name"]: arm["r2"] for arm in probe["arms"]}
    assert max(arms["as written"]) < 0
    assert min(arms["all fixes"]) > 0.3
    assert result.finding("AE301")["verdict"] in {"confirmed", "proved"}
    assert result.finding("AE201")["severity"] == "error"
    assert result.finding("AE301")["severity"] == "warning"


def test_keras_on_tensorflow_prints_a_healthy_loss_and_the_report_says_so(audited: Audited) -> None:
    softmax = audited["keras/dense_softmax_scaled.py"].finding("AE101")
    assert any("loss will look healthy" in each["text"] for each in softmax["evidence"])
    (probe,) = [each for each in softmax["evidence"] if each["kind"] == "probe"]
    written, fixed = probe["arms"]
    shared = len(written["loss"])
    assert written["loss"] == pytest.approx(fixed["loss"][:shared], abs=0.02), "the loss does not tell them apart"
    assert max(written["r2"]) < 0 < 0.3 < min(fixed["r2"]), "the predictions do"


def test_the_floor_is_the_entropy_of_the_target(audited: Audited) -> None:
    target = np.array([0.5, 0.3, 0.5, 0.9])
    by_hand = float(np.mean(-target * np.log(target) - (1 - target) * np.log(1 - target)))
    for framework in ("keras", "torch"):
        result = audited[f"{framework}/perfect_prediction.py"]
        floors = [setup["floor"] for setup in result.report["setups"] if setup["floor"] is not None]
        assert floors
        assert all(floor == pytest.approx(by_hand, abs=1e-4) for floor in floors)
        assert f"{by_hand:.4f}" in result.finding("AE203")["message"]


def test_sigmoid_under_from_logits_depends_on_the_backend(audited: Audited, warm_torch: WarmCommand) -> None:
    path = "keras/sigmoid_from_logits.py"
    on_tensorflow = audited[path].finding("AE104")
    on_torch = warm_torch(FIXTURES / path, KERAS_BACKEND="torch").finding("AE104")
    assert on_tensorflow["verdict"] == "refuted"
    assert on_torch["verdict"] == "confirmed"
    assert on_torch["severity"] == "error"
    assert "TensorFlow undoes it" in on_tensorflow["message"]
    assert "TensorFlow" in " ".join(each["text"] for each in on_torch["evidence"])


def test_equal_seeds_give_equal_figures(audited: Audited, warm_torch: WarmCommand) -> None:
    """In two processes of which one hashes names as no other does, and one is a fork."""
    path = "torch/sigmoid_before_logits_loss.py"
    first, second = (command(FIXTURES / path, "--seed", "3").finding("AE104") for command in (ae_audit, warm_torch))
    assert first["evidence"] == second["evidence"]
    other = audited[path].finding("AE104")
    assert not math.isclose(_gain(first), _gain(other), abs_tol=1e-9), "another seed, other figures"


def _gain(finding: dict[str, object]) -> float:
    (probe,) = [each for each in finding["evidence"] if each["kind"] == "probe"]  # type: ignore[attr-defined]
    gain: float = probe["gain"]
    return gain
