"""Snippets without imports, files that do not parse, and tests that exclude each other."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.static import analyse_file
from tests.static.torch_programs import LOADER, setup_of, setups_of

KERAS = """
model = Sequential()
model.add(Dense(50, activation='relu', input_dim=600))
model.add(Dense(1, activation='softmax'))
model.compile(loss="binary_crossentropy", optimizer=Adam(), metrics=['accuracy'])
model.fit(X, Y, epochs=100, batch_size=8)
"""
TORCH = """
model = Sequential(Flatten(), Linear(784, 784), Softmax(dim=1))
optimizer = Adam(model.parameters())
for images, _ in DataLoader(MNIST("d", transform=ToTensor())):
    loss = MSELoss()(model(images), images.view(-1, 784))
    loss.backward()
"""


@pytest.mark.parametrize(("source", "code", "name"), [(KERAS, "AE106", "`Dense`"), (TORCH, "AE101", "`Linear`")])
def test_the_usual_imports_are_assumed_and_told(source: str, code: str, name: str) -> None:
    result = analyse_file("program.py", source.encode(), named=True)
    findings, _ = check(result.setups)
    assert code in {finding.code for finding in findings}
    (told,) = [one for one in result.undecided if one.what == "imports"]
    assert name in told.why


def test_nothing_is_assumed_where_something_is_imported() -> None:
    result = analyse_file("program.py", ("import numpy as np\n" + KERAS).encode(), named=True)
    assert not [one for one in result.undecided if one.what == "imports"]


@pytest.mark.parametrize("source", ["x = (((", "def f(:\n  x =\n"])
def test_a_named_file_that_does_not_parse_is_told(source: str) -> None:
    result = analyse_file("program.py", source.encode(), named=True)
    assert [error.line for error in result.errors] == [1]


def test_what_is_one_thing_is_not_another() -> None:
    setups = setups_of(
        LOADER,
        """
    def train(dataset):
        net = nn.Linear(784, 784)
        optimizer = torch.optim.Adam(net.parameters())
        for x, _ in train_loader:
            out, x = net(x.flatten(1)), x.flatten(1)
            if dataset == "a":
                out = torch.sigmoid(out)
            if dataset == "b":
                loss = F.binary_cross_entropy_with_logits(out, x)
            else:
                loss = F.mse_loss(out, x)
            optimizer.zero_grad(); loss.backward(); optimizer.step()
    """,
    )
    heads = {(setup.head.activation, setup.loss.name): setup.condition for setup in setups}
    assert ("sigmoid", "bce") not in heads
    assert set(heads) == {("linear", "bce"), ("linear", "mse"), ("sigmoid", "mse")}
    condition = heads["sigmoid", "mse"]
    assert condition is not None
    assert condition.text == 'dataset == "a"'


VAE = """
encoder, mean, spread = nn.Linear(784, 64), nn.Linear(64, 2), nn.Linear(64, 2)
decoder = nn.Sequential(nn.Linear(2, 784), nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())
optimizer = torch.optim.Adam([*encoder.parameters(), *mean.parameters(), *spread.parameters(), *decoder.parameters()])
for x, _ in train_loader:
    h = encoder(x.flatten(1))
    mu, lv = mean(h), spread(h)
    out = decoder(mu + torch.exp(0.5 * lv) * torch.randn_like(mu))
    kl = (-0.5 * torch.sum(1 + lv - mu ** 2 - torch.exp(lv), dim=1)).mean()
    rec = F.mse_loss(out, x, reduction="none")
    loss = REC + kl
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    ("reduced", "codes"),
    [
        ("rec.view(x.size(0), -1).sum(1).mean()", set()),
        ("rec.flatten(1).sum(1).mean()", set()),
        ("torch.flatten(rec, 1).sum(dim=-1).mean()", set()),
        ("rec.reshape(len(x), -1).mean(1).mean()", {"AE204"}),
        ("rec.view(x.size(0), -1).mean(1).mean()", {"AE204"}),
        ("rec.flatten(2).sum(1).mean()", {"AE204"}),
    ],
)
def test_a_loss_that_is_summed_in_another_form(reduced: str, codes: set[str]) -> None:
    setup = setup_of(LOADER, VAE.replace("REC", reduced))
    findings, _ = check([setup])
    assert {finding.code for finding in findings if finding.code == "AE204"} == codes


def test_a_flattened_map_is_no_single_unit() -> None:
    program = """
    from keras import Input, Sequential, layers
    import numpy as np
    model = Sequential([Input((8, 8, 1)), layers.Conv2D(1, 3), layers.Flatten(), layers.Activation("softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.random.rand(100, 8, 8, 1), np.random.randint(0, 36, 100))
    """
    (setup,) = analyse_file("program.py", textwrap.dedent(program).encode()).setups
    assert setup.head.units == 36
    assert "single unit" not in " ".join(finding.message for finding in check([setup])[0])
