"""What is told, and what is not guessed, of functions out of reach, and of options that must be given."""

from __future__ import annotations

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import Structure
from tests.static.torch_programs import setup_of, setups_of

TRANSFORM = """
from elsewhere import Pairs, create_dataloaders, load_pair
t = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
"""
STEP = """
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


def test_what_an_unknown_data_set_gives_besides_its_images_is_not_known() -> None:
    setup = setup_of(TRANSFORM + """
for noisy, clean in DataLoader(Pairs("x", transform=t), 32):
    loss = F.mse_loss(model(noisy), clean)""" + STEP)  # fmt: skip
    assert setup.input.values.hull.hi == 1.0
    assert setup.target.structure is Structure.UNKNOWN
    assert setup.target.values.unknown


def test_labels_of_an_unknown_loader_are_no_images() -> None:
    setup = setup_of(TRANSFORM + """
train, test, names = create_dataloaders("train", "test", transform=t)
for image, label in train:
    loss = F.cross_entropy(model(image).mean((2, 3)), label)""" + STEP)  # fmt: skip
    assert setup.target.structure is not Structure.CONTINUOUS
    assert setup.target.values.unknown


def test_several_things_that_a_function_returns_are_no_data_sets() -> None:
    setup = setup_of(TRANSFORM + """
image, mask = load_pair("x", transform=t)
for epoch in range(9):
    loss = F.mse_loss(model(image), mask)""" + STEP)  # fmt: skip
    assert setup.target.values.unknown


CHOICE = (
    """
parser = argparse.ArgumentParser()
parser.add_argument("--act", choices={choices}, required=True)
args = parser.parse_args()
x = torch.rand(256, 64)
act = nn.Sigmoid() if args.act == "sigmoid" else nn.Softmax(dim=1)
model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 64), act)
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(9):
    loss = F.binary_cross_entropy(model(x), x)
"""
    + STEP
)


@pytest.mark.parametrize("choices", ['["sigmoid", "softmax"]', '["softmax", "sigmoid"]'])
def test_an_option_that_must_be_given_has_no_default(choices: str) -> None:
    setups = setups_of(CHOICE.format(choices=choices))
    assert {setup.head.activation for setup in setups} == {"sigmoid", "softmax"}
    findings, _ = check(setups)
    (finding,) = [finding for finding in findings if finding.code == "AE101"]
    assert finding.severity.value == "info"
    assert finding.condition == "args.act == 'softmax'"


@pytest.mark.parametrize(
    ("layer", "taken", "shape"),
    [
        ("nn.LSTM(1, 24, batch_first=True)", "states[:, -1]", (None, 24)),
        ("nn.LSTM(1, 24, num_layers=2, batch_first=True, bidirectional=True)", "states[:, -1]", (None, 48)),
        ("nn.GRU(1, 24, batch_first=True)", "last[-1]", (None, 24)),
        ("nn.GRU(1, 24, batch_first=True)", "last.squeeze(0)", (None, 24)),
        ("nn.LSTM(1, 24, 3, batch_first=True)", "last[0][-1]", (None, 24)),
        ("nn.RNN(1, 24, batch_first=True)", "states.mean(1)", (None, 24)),
    ],
)
def test_states_of_recurrent_layers_have_shapes(layer: str, taken: str, shape: tuple[int | None, ...]) -> None:
    setup = setup_of(f"""
class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = {layer}

    def forward(self, x):
        states, last = self.layer(x)
        return {taken}

waves = torch.rand(500, 21)
loader = DataLoader(TensorDataset(waves[:, :20, None], waves[:, 20]), batch_size=32)
model = Forecaster()
optimizer = torch.optim.Adam(model.parameters())
for past, following in loader:
    loss = F.mse_loss(model(past), following)""" + STEP)  # fmt: skip
    assert setup.head.shape == shape
    assert setup.target.shape == (None,)


def test_bytes_of_unknown_make_lie_between_0_and_255() -> None:
    setup = setup_of("""
import pandas as pd
class Digits(Dataset):
    def __init__(self, path, transform):
        self.data, self.transform = pd.read_csv(path), transform
    def __getitem__(self, i):
        return self.transform(self.data.iloc[i, 1:].values.astype(np.uint8).reshape((28, 28, 1)))
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
for x in DataLoader(Digits("mnist.csv", transforms.ToTensor()), 64):
    loss = F.mse_loss(model(x), x.flatten(1))""" + STEP)  # fmt: skip
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)


def test_numbers_written_into_bytes_are_bytes() -> None:
    setup = setup_of("""
rng = np.random.default_rng(0)
image = rng.integers(0, 90, (28, 28), dtype=np.uint8)
image[3:9, 2:5] = rng.integers(170, 220)
x = transforms.ToTensor()(image).flatten(1)
model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(9):
    loss = F.mse_loss(model(x), x)""" + STEP)  # fmt: skip
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)
