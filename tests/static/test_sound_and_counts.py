"""Waveforms, spectrograms, opponent colours, counts and comparisons: what is known of their values."""

from __future__ import annotations

import pytest

from ae_audit.schema.training_setup import Structure
from ae_audit.theory.intervals import Interval
from tests.static.torch_programs import setup_of

PROGRAM = """
import numpy as np
DATA
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters())
loss = nn.MSELoss()(net(torch.rand(9, 4)), torch.as_tensor(y))
opt.zero_grad(); loss.backward(); opt.step()
"""
LAB = "from skimage import color, io\n"
MEL = """
import librosa
wave, rate = librosa.load('a.wav', sr=16000)
mel = librosa.feature.melspectrogram(y=wave, sr=rate)
"""


@pytest.mark.parametrize(
    ("data", "hull"),
    [
        ("import librosa\ny, _ = librosa.load('a.wav')", Interval(-1.0, 1.0)),
        (MEL + "y = librosa.power_to_db(mel, ref=np.max)", Interval(-80.0, 0.0)),
        (MEL + "y = (librosa.power_to_db(mel, ref=np.max) + 80) / 80", Interval(0.0, 1.0)),
        (MEL + "y = librosa.power_to_db(mel, ref=np.max, top_db=60)", Interval(-60.0, 0.0)),
        (LAB + "y = color.rgb2lab(io.imread('a.png'))[:, :, 0] / 100", Interval(0.0, 1.0)),
        (LAB + "y = color.rgb2lab(io.imread('a.png'))[..., 1:] / 128", Interval(-1.0, 127 / 128)),
        ("y = np.load('a.npz')['mask']\ny = (y > 127).astype(np.float32)", Interval(0.0, 1.0)),
        ("y = np.lib.stride_tricks.sliding_window_view(np.random.rand(99), 5)", Interval(0.0, 1.0)),
    ],
)  # fmt: skip
def test_values_are_within(data: str, hull: Interval) -> None:
    found = setup_of(PROGRAM.replace("DATA", data)).target.values.hull
    assert (found.lo, found.hi) == (hull.lo, hull.hi)


@pytest.mark.parametrize(
    ("data", "low", "high"),
    [
        (MEL + "y = librosa.power_to_db(mel, ref=np.max)", -10.0, 0.0),
        (LAB + "y = color.rgb2lab(io.imread('a.png'))[:, :, 1:]", -5.0, 5.0),
        ("y = np.random.default_rng(0).poisson(0.6, size=(99, 4))", 0.0, 0.6),
        ("y = np.random.poisson(9.0, (99, 4))", 4.5, 9.0),
    ],
)
def test_values_surely_reach(data: str, low: float, high: float) -> None:
    reach = setup_of(PROGRAM.replace("DATA", data)).target.values.reach
    assert reach is not None
    assert (reach.lo, reach.hi) == (low, high)


def test_decibels_against_no_loudest_value_have_no_bounds() -> None:
    setup = setup_of(PROGRAM.replace("DATA", MEL + "y = librosa.power_to_db(mel)"))
    assert setup.target.values.unknown


def test_where_the_greatest_stand_are_classes() -> None:
    setup = setup_of(PROGRAM.replace("DATA", "y = np.random.rand(99, 5).argmax(1)"))
    assert setup.target.structure is Structure.CLASS_INDEX
    assert setup.target.values.hull.hi == 4.0


def test_one_over_one_plus_an_exponential_is_a_probability() -> None:
    hull = setup_of(PROGRAM.replace("DATA", "y = 1 / (1 + np.exp(-np.random.randn(99, 1)))")).target.values.hull
    assert (hull.lo, hull.hi) == (0.0, 1.0)


@pytest.mark.parametrize(("white", "known"), [("255", True), ("255.0", True), ("128", False)])
def test_a_mask_whose_white_becomes_1_holds_0_and_1(white: str, known: bool) -> None:
    data = f"import cv2\ny = cv2.imread('m.png', 0).astype('float32')\ny[y == {white}] = 1.0"
    hull = setup_of(PROGRAM.replace("DATA", data)).target.values.hull
    assert ((hull.lo, hull.hi) == (0.0, 1.0)) is known


def test_a_network_at_the_end_of_a_pipeline_is_trained() -> None:
    program = """
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetRegressor
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(20, 1)
    def forward(self, x):
        return torch.sigmoid(self.out(x))
chain = Pipeline([("scale", StandardScaler()), ("net", NeuralNetRegressor(Net))])
FIT
"""
    for fit in ("chain.fit(torch.rand(9, 20), 7 * torch.rand(9, 1))",
                "GridSearchCV(chain, {}).fit(torch.rand(9, 20), 7 * torch.rand(9, 1))"):  # fmt: skip
        setup = setup_of(program.replace("FIT", fit))
        assert setup.loss.name == "mse"
        assert setup.head.activation == "sigmoid"


def test_a_number_written_into_one_plane_is_not_told_of_the_others() -> None:
    data = "y = np.zeros((8, 100, 4), dtype='float32')\ny[0, 3, -1] = -1\ny = y[:, :, :-1]"
    values = setup_of(PROGRAM.replace("DATA", data)).target.values
    assert values.hull.lo == -1.0
    assert values.reach is None or values.reach.lo == 0.0
