"""Edits at the place where data enter the program cover training, testing and whatever else is made of them."""

from __future__ import annotations

import pytest

from ae_audit.fix import apply, propose
from ae_audit.rules.runner import check
from ae_audit.static import analyse_file

NET = """\
net = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
optimizer = torch.optim.Adam(net.parameters())
"""
STEP = """\
    loss = nn.functional.{loss}(net(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
IMPORTS = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets, transforms
"""
KERAS = """\
import keras
import tensorflow as tf
from keras import layers
(x, _), (xt, _) = keras.datasets.mnist.load_data()
net = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(784, activation="sigmoid")])
"""


def edited(source: str, code: str) -> list[tuple[str, str]]:
    """The lines that the fix of the first finding of that code takes out and puts in, in pairs or alone."""
    result = analyse_file("program.py", source.encode())
    finding = next(one for one in check(result.setups)[0] if one.code == code)
    assert finding.setup is not None
    fix = propose(finding, result.setups[finding.setup], lambda path, cell: source)
    assert fix is not None
    before, after = source.splitlines(), apply(source, fix.edits).splitlines()
    gone = [line.strip() for line in before if line not in after]
    new = [line.strip() for line in after if line not in before]
    return [(old, "") for old in gone] + [("", made) for made in new]


def gone_and_new(source: str, code: str) -> tuple[list[str], list[str]]:
    pairs = edited(source, code)
    return [old for old, _ in pairs if old], [new for _, new in pairs if new]


def test_arrays_of_torchvision_are_divided_where_they_are_read_for_training_and_for_testing() -> None:
    source = (
        f"{IMPORTS}train = datasets.MNIST('d')\ntest = datasets.MNIST('d', train=False)\n"
        "a = train.data.float().view(-1, 784)\nb = test.data.float().view(-1, 784)\nn = len(train)\n"
        f"{NET}for (batch,) in DataLoader(TensorDataset(a), batch_size=64):\n{STEP.format(loss='mse_loss')}"
        "print(net(b))\n"
    )
    _, new = gone_and_new(source, "AE102")
    assert new == ["a = train.data.float().view(-1, 784) / 255.0", "b = test.data.float().view(-1, 784) / 255.0"]


def test_what_is_divided_already_is_left() -> None:
    source = (
        f"{IMPORTS}train = datasets.MNIST('d')\ntest = datasets.MNIST('d', train=False)\n"
        "a = train.data.float().view(-1, 784)\nb = test.data.float().view(-1, 784) / 255.0\n"
        f"{NET}for (batch,) in DataLoader(TensorDataset(a), batch_size=64):\n{STEP.format(loss='mse_loss')}"
    )
    assert gone_and_new(source, "AE102")[1] == ["a = train.data.float().view(-1, 784) / 255.0"]


def test_a_data_set_of_ones_own_is_mended_where_it_reads() -> None:
    source = (
        f"{IMPORTS}class Clothes(Dataset):\n    def __init__(self, train):\n"
        "        self.pictures = datasets.FashionMNIST('d', train=train).data\n"
        "    def __len__(self):\n        return len(self.pictures)\n"
        "    def __getitem__(self, index):\n        return self.pictures[index].float().reshape(-1)\n"
        f"{NET}for batch in DataLoader(Clothes(True), batch_size=64):\n{STEP.format(loss='mse_loss')}"
    )
    assert gone_and_new(source, "AE102")[1] == ["self.pictures = datasets.FashionMNIST('d', train=train).data / 255.0"]


@pytest.mark.parametrize(
    ("transform", "loss", "code", "wanted"),
    [
        (
            "transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,)), transforms.Lambda(torch.flatten)",
            "binary_cross_entropy",
            "AE201",
            "transforms.ToTensor(), transforms.Lambda(torch.flatten)",
        ),
        (
            "transforms.ToTensor(), transforms.Lambda(lambda v: v * 255), transforms.Lambda(torch.flatten)",
            "mse_loss",
            "AE102",
            "transforms.ToTensor(), transforms.Lambda(torch.flatten)",
        ),
        (
            "transforms.ToTensor(), transforms.Lambda(lambda v: v / 255), transforms.Lambda(torch.flatten)",
            "mse_loss",
            "AE303",
            "transforms.ToTensor(), transforms.Lambda(torch.flatten)",
        ),
    ],
)
def test_the_step_that_spoils_the_scale_is_taken_out(transform: str, loss: str, code: str, wanted: str) -> None:
    source = (
        f"{IMPORTS}steps = transforms.Compose([{transform}])\nfor batch, _ in DataLoader("
        f"datasets.MNIST('d', transform=steps), batch_size=64):\n{STEP.format(loss=loss)}"
    ).replace("for batch", f"{NET}for batch")
    assert gone_and_new(source, code)[1] == [f"steps = transforms.Compose([{wanted}])"]


@pytest.mark.parametrize(
    "training",
    [
        "net.compile('adam', 'mse')\nds = tf.data.Dataset.from_tensor_slices((x, x)).batch(64)\nnet.fit(ds)\n",
        "optimizer = keras.optimizers.Adam()\nwith tf.GradientTape() as tape:\n    batch = x[:64]\n"
        "    loss = tf.reduce_mean(tf.square(net(batch) - batch))\n",
    ],
)
def test_what_load_data_gives_is_divided_behind_it(training: str) -> None:
    source = f"{KERAS.replace(', layers.Flatten()', '')}{training}print(net(xt))\n"
    assert gone_and_new(source, "AE102")[1] == ["x = x / 255.0", "xt = xt / 255.0"]


def test_where_a_test_array_is_scaled_otherwise_nothing_is_divided_at_its_source() -> None:
    source = f"{KERAS}xt = xt / 100.0\nnet.compile('adam', 'mse')\nds = tf.data.Dataset.from_tensor_slices((x, x))\n"
    assert gone_and_new(f"{source}net.fit(ds.batch(64))\nnet.predict(xt)\n", "AE102") == ([], [])


@pytest.mark.parametrize(
    ("first", "second", "gone", "new"),
    [
        ("x = x / 255\nxt = xt / 255", "x /= 255\nxt /= 255", ["x /= 255", "xt /= 255"], []),
        ("x = x / 255.0 / 255.0", "xt = xt / 255.0 / 255.0", None, ["x = x / 255.0", "xt = xt / 255.0"]),
    ],
)
def test_of_two_scalings_the_second_is_taken_out(
    first: str, second: str, gone: list[str] | None, new: list[str]
) -> None:
    source = f"{KERAS}{first}\n{second}\nnet.compile('adam', 'mse')\nnet.fit(x, x.reshape(-1, 784))\nnet.predict(xt)\n"
    found = gone_and_new(source, "AE303")
    assert found[1] == new
    assert gone is None or found[0] == gone


def test_what_comes_later_is_scaled_as_in_training() -> None:
    source = (
        f"{KERAS.replace(', layers.Flatten()', '').replace('28, 28', '784,')}x = x.reshape(-1, 784) / 255.0\n"
        "xt = xt.reshape(-1, 784)\nnet.compile('adam', 'mse')\nnet.fit(x, x)\nnet.predict(xt)\n"
    )
    assert gone_and_new(source, "AE304")[1] == ["xt = xt.reshape(-1, 784) / 255.0"]


def test_transforms_that_say_the_same_are_mended_alike() -> None:
    compose = "transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])"
    source = (
        f"{IMPORTS}first = {compose}\nsecond = {compose}\n"
        "a = DataLoader(datasets.MNIST('d', transform=first), batch_size=64)\n"
        "b = DataLoader(datasets.MNIST('d', train=False, transform=second), batch_size=64)\n"
        f"{NET.replace('Sequential(', 'Sequential(nn.Flatten(), ')}for batch, _ in a:\n"
        f"{STEP.format(loss='binary_cross_entropy').replace(', batch)', ', batch.flatten(1))')}"
    )
    short = "transforms.Compose([transforms.ToTensor()])"
    assert gone_and_new(source, "AE201")[1] == [f"first = {short}", f"second = {short}"]


def test_generators_of_images_are_told_to_scale() -> None:
    source = (
        "from keras.preprocessing.image import ImageDataGenerator\nfrom keras import layers, models\n"
        "gen = ImageDataGenerator()\nother = ImageDataGenerator(horizontal_flip=True)\n"
        "train = gen.flow_from_directory('imgs', target_size=(64, 64), class_mode='input')\n"
        "net = models.Sequential([layers.Input((64, 64, 3)), layers.Conv2D(3, 1, activation='sigmoid')])\n"
        "net.compile('adam', 'mse')\nnet.fit(train)\n"
    )
    assert gone_and_new(source, "AE102")[1] == [
        "gen = ImageDataGenerator(rescale=1.0 / 255.0)",
        "other = ImageDataGenerator(horizontal_flip=True, rescale=1.0 / 255.0)",
    ]


def test_a_bunch_of_arrays_is_divided_where_its_array_is_read() -> None:
    source = (
        f"{IMPORTS}from sklearn.datasets import load_digits\ndigits = load_digits()\nX = digits.data\n"
        "data = torch.tensor(X, dtype=torch.float32)\n"
        f"{NET.replace('784', '64')}for batch in data.split(50):\n{STEP.format(loss='mse_loss')}"
    )
    assert gone_and_new(source, "AE102")[1] == ["X = digits.data / 16.0"]


FLOATS = """\
class Digits(Dataset):
    def __init__(self):
        self.x = datasets.MNIST('d').data.numpy(){cast}
        self.t = transforms.ToTensor()
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        return self.t(self.x[i]){more}
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
optimizer = torch.optim.Adam(net.parameters())
for batch in DataLoader(Digits(), batch_size=32):
    loss = nn.functional.mse_loss(net(batch), batch.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_to_tensor_scales_bytes_only_and_the_trail_says_so() -> None:
    source = IMPORTS + FLOATS.format(cast=".astype('float32')", more="")
    assert gone_and_new(source, "AE102")[1] == ["self.x = datasets.MNIST('d').data.numpy().astype('float32') / 255.0"]
    (setup,) = analyse_file("program.py", source.encode()).setups
    assert setup.target.trail[-1].text == "ToTensor() scales bytes only: these are float32 and stay [0, 255]"


def test_a_division_behind_to_tensor_is_taken_out() -> None:
    source = IMPORTS + FLOATS.format(cast="", more=" / 255.0")
    assert gone_and_new(source, "AE303")[1] == ["return self.t(self.x[i])"]


def test_grey_levels_that_are_classes_ask_for_a_loss_of_classes() -> None:
    source = (
        "import keras\nfrom keras import layers\n(x, _), _ = keras.datasets.mnist.load_data()\n"
        "levels = x.astype('int32')\npixels = x[..., None] / 255.0\n"
        "net = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(256, 1, activation='softmax')])\n"
        "net.compile('adam', loss='cosine_similarity')\nnet.fit(pixels, levels)\n"
    )
    assert gone_and_new(source, "AE207")[1] == ["net.compile('adam', loss='sparse_categorical_crossentropy')"]


LOOP = """\
import torch
from torch import nn
import torch.nn.functional as F
x = torch.randn(600, 20)
y = torch.randint(0, 4, (600,))
v = torch.randn(600)
net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, {units}){head})
opt = torch.optim.SGD(net.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(opt, 10)
for epoch in range(3):
    loss = {loss}
    {reset}loss.backward()
    opt.step()
    schedule.step()
"""


@pytest.mark.parametrize(
    ("units", "head", "loss", "reset", "code", "new"),
    [
        (4, "", "F.cross_entropy(net(x), y)", "", "AE501", ["opt.zero_grad()"]),
        (
            4,
            "",
            "F.cross_entropy(net(x), y)",
            "print(epoch); ",
            "AE501",
            ["print(epoch); opt.zero_grad(); loss.backward()"],
        ),
        (
            4,
            "",
            "F.nll_loss(F.log_softmax(net(x), dim=0), y)",
            "opt.zero_grad(); ",
            "AE109",
            ["loss = F.nll_loss(F.log_softmax(net(x), dim=1), y)"],
        ),
        (
            1,
            "",
            "F.mse_loss(net(x), v)",
            "opt.zero_grad(); ",
            "AE309",
            ["loss = F.mse_loss(net(x).squeeze(1), v)"],
        ),
        (
            20,
            "",
            "-F.mse_loss(net(x), x)",
            "opt.zero_grad(); ",
            "AE210",
            ["loss = F.mse_loss(net(x), x)"],
        ),
        (
            4,
            "",
            "F.nll_loss(torch.tanh(net(x)), y)",
            "opt.zero_grad(); ",
            "AE105",
            ["loss = F.nll_loss(torch.log_softmax(net(x), dim=1), y)"],
        ),
        (
            20,
            "",
            'F.kl_div(torch.sigmoid(net(x.abs().clamp(0, 1))), x.abs().clamp(0, 1), reduction="batchmean")',
            "opt.zero_grad(); ",
            "AE202",
            ["loss = F.binary_cross_entropy(torch.sigmoid(net(x.abs().clamp(0, 1))), x.abs().clamp(0, 1))"],
        ),
    ],
)
def test_an_advice_is_followed(units: int, head: str, loss: str, reset: str, code: str, new: list[str]) -> None:
    assert gone_and_new(LOOP.format(units=units, head=head, loss=loss, reset=reset), code)[1] == new


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ('layers.Dense(1, activation="sigmoid")', 'layers.Dense(3, activation="softmax")'),
        ('layers.Dense(units=1, activation="sigmoid")', 'layers.Dense(units=3, activation="softmax")'),
        ('layers.Dense(n, activation="sigmoid")', None),
    ],
)
def test_three_classes_under_one_unit_get_three_units(layer: str, wanted: str | None) -> None:
    source = (
        "import keras\nfrom keras import layers\nfrom sklearn.datasets import load_iris\n"
        "x, y = load_iris(return_X_y=True)\nn = 1\n"
        f"net = keras.Sequential([layers.Dense(8), {layer}])\n"
        'net.compile("adam", "binary_crossentropy")\nnet.fit(x, y)\n'
    )
    new = gone_and_new(source, "AE201")[1]
    if wanted is None:
        assert new == []
    else:
        assert new == [
            f"net = keras.Sequential([layers.Dense(8), {wanted}])",
            'net.compile("adam", "sparse_categorical_crossentropy")',
        ]


def test_probabilities_under_a_loss_of_ones_own_stay_probabilities() -> None:
    source = (
        f"{IMPORTS}x = nn.functional.one_hot(torch.randint(0, 12, (512, 8)), 12).float()\n"
        "net = nn.LSTM(12, 12, batch_first=True)\nlast = nn.Linear(12, 12)\n"
        "optimizer = torch.optim.Adam([*net.parameters(), *last.parameters()])\nfor batch in x.split(64):\n"
        "    p = torch.sigmoid(last(net(batch)[0]))\n"
        "    loss = -(batch * torch.log(p + 1e-9)).sum(dim=-1).mean()\n"
        "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
    )
    assert gone_and_new(source, "AE209")[1] == ["p = torch.softmax(last(net(batch)[0]), dim=-1)"]


HEADLESS = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 16)
        self.out = nn.Linear(16, 4)
    def forward(self, x):
        return {returned}
net = Net()
optimizer = torch.optim.Adam(net.parameters())
x, y = torch.randn(600, 20), torch.randint(0, 4, (600,))
for i in range(10):
    loss = nn.functional.nll_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_an_activation_is_put_around_the_one_call_of_the_last_layer() -> None:
    source = IMPORTS + HEADLESS.format(returned="self.out(torch.relu(self.first(x)))")
    assert gone_and_new(source, "AE105")[1] == ["return torch.log_softmax(self.out(torch.relu(self.first(x))), dim=1)"]


def test_a_layer_that_is_called_twice_is_left_alone() -> None:
    source = IMPORTS + HEADLESS.format(returned="self.out(torch.relu(self.first(x))) + 0 * self.out(self.first(x))")
    assert gone_and_new(source, "AE105")[1] == []


@pytest.mark.parametrize("other", ["", 'keras.Sequential().compile("adam", "mse", metrics=["accuracy"])\n'])
def test_the_history_is_asked_for_the_metric_that_takes_the_place_of_another(other: str) -> None:
    source = (
        f"{KERAS.replace(', layers.Flatten()', '')}x = x / 255.0\n{other}"
        'net.compile("adam", "mse", metrics=["accuracy"])\n'
        'stop = keras.callbacks.EarlyStopping(monitor="val_accuracy")\n'
        'history = net.fit(x, x, callbacks=[stop]).history\nprint(history["acc"], "accuracy")\n'
    )
    renamed = ['stop = keras.callbacks.EarlyStopping(monitor="val_mae")', 'print(history["mae"], "accuracy")']
    wanted = ['net.compile("adam", "mse", metrics=["mae"])', *([] if other else renamed)]
    assert gone_and_new(source, "AE401")[1] == wanted
