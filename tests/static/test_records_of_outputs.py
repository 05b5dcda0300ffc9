"""What a network returns that is no tensor: named tuples, dictionaries of the user's own, arguments by star."""

from __future__ import annotations

import pytest

from tests.static.torch_programs import LOADER, setup_of, setups_of

MODEL = """
class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(784, 16), nn.Sequential(nn.Linear(16, 784), nn.Softmax(dim=1))

    def forward(self, x):
        z = self.encoder(x.flatten(1))
        RETURN

model = Coder()
optimizer = torch.optim.Adam(model.parameters())
for x, _ in train_loader:
    out = model(x)
    loss = F.mse_loss(OUTPUT, x.flatten(1))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""
KINDS = """
import typing
from collections import namedtuple
from transformers.utils import ModelOutput
Named = namedtuple("Named", "recon mu")
Typed = typing.NamedTuple("Typed", [("recon", torch.Tensor), ("mu", torch.Tensor)])
class Plain(dict):
    pass
class Ordered(OrderedDict):
    def __setattr__(self, name, value):
        super().__setitem__(name, value)
        super().__setattr__(name, value)
class Fields(ModelOutput):
    recon: torch.Tensor = None
"""


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("return Named(self.decoder(z), z)", "out.recon"),
        ("return Named(self.decoder(z), mu=z)", "out[0]"),
        ("return Typed(recon=self.decoder(z), mu=z)", "out.recon"),
        ("return Plain(recon=self.decoder(z), mu=z)", 'out["recon"]'),
        ("return Plain({'recon': self.decoder(z)})", 'out.get("recon")'),
        ("out = Ordered(); out.recon = self.decoder(z); return out", 'out["recon"]'),
        ("out = Ordered(); out['recon'] = self.decoder(z); return out", "list(out.values())[0]"),
        ("return Fields(recon=self.decoder(z))", "out.recon"),
        ("return Fields(recon=self.decoder(z))", "out[0]"),
    ],
)
def test_outputs_by_name(returned: str, output: str) -> None:
    setup = setup_of(LOADER, KINDS, MODEL.replace("RETURN", returned).replace("OUTPUT", output))
    assert setup.head.activation == "softmax"


def test_a_named_tuple_is_taken_apart() -> None:
    taken = MODEL.replace("RETURN", "return Named(self.decoder(z), z)").replace("OUTPUT", "first")
    setup = setup_of(LOADER, KINDS, taken.replace("out = model(x)", "first, second = model(x)"))
    assert setup.head.activation == "softmax"


def test_arguments_by_star_of_a_function_that_nothing_calls_are_apart() -> None:
    (setup,) = setups_of("""
class Loss(nn.Module):
    def loss_function(self, *args, **kwargs):
        recons, images = args[0], args[1]
        return kwargs["weight"] * F.mse_loss(recons, images)
    """)
    assert setup.relation.value == "unknown"


@pytest.mark.parametrize("space", ["EasyDict", "ml_collections.ConfigDict"])
def test_options_in_a_dictionary_with_attributes(space: str) -> None:
    setup = setup_of(
        LOADER,
        f"""
from easydict import EasyDict
import ml_collections
options = {space}({{"model": {{"width": 8, "act": "softmax"}}}})
options.model["depth"] = 2
act = nn.Softmax(dim=1) if options.model.act == "softmax" else nn.Sigmoid()
model = nn.Sequential(nn.Flatten(), nn.Linear(784, options.model.width), nn.Linear(8, 784), act)
optimizer = torch.optim.Adam(model.parameters())
for x, _ in train_loader:
    loss = F.mse_loss(model(x), x.flatten(1))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    )
    assert setup.head.activation == "softmax"


@pytest.mark.parametrize(
    "parsed",
    [
        "tyro.cli(Args)",
        "pyrallis.parse(config_class=Args)",
        "transformers.HfArgumentParser((Args,)).parse_args_into_dataclasses()[0]",
    ],
)
def test_options_in_a_data_class_have_its_defaults(parsed: str) -> None:
    setup = setup_of(
        LOADER,
        f"""
import pyrallis, transformers, tyro
from dataclasses import dataclass
@dataclass
class Args:
    width: int = 8
    act: str = "softmax"
args = {parsed}
act = nn.Softmax(dim=1) if args.act == "softmax" else nn.Sigmoid()
model = nn.Sequential(nn.Flatten(), nn.Linear(784, args.width), nn.Linear(8, 784), act)
optimizer = torch.optim.Adam(model.parameters())
for x, _ in train_loader:
    loss = F.mse_loss(model(x), x.flatten(1))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    )
    assert setup.head.activation == "softmax"


@pytest.mark.parametrize(("given", "units"), [("args.classes", None), ("1", 1), ("args.width", 8)])
def test_one_unit_that_an_option_has_by_default_is_no_fact(given: str, units: int | None) -> None:
    setup = setup_of(
        LOADER,
        f"""
parser = argparse.ArgumentParser()
parser.add_argument("--classes", type=int, default=1)
parser.add_argument("--width", type=int, default=8)
args = parser.parse_args()
model = nn.Sequential(nn.Flatten(), nn.Linear(784, {given}), nn.Softmax(dim=1))
optimizer = torch.optim.Adam(model.parameters())
for x, y in train_loader:
    loss = F.mse_loss(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    )
    assert setup.head.units == units
