"""Registries of networks that a file chooses from, patterns of einops, and layers that number words."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.static import analyse_file
from ae_audit.static.knowledge.torch.einops_shapes import arranged
from tests.static.torch_programs import LOADER, setups_of

REGISTRY = """
import yaml
class Right(nn.Module):
    def __init__(self, width, **others):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, width), nn.Linear(width, 784), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)

class Wrong(Right):
    def __init__(self, width, **others):
        super().__init__(width)
        self.layers = nn.Sequential(nn.Linear(784, width), nn.Linear(width, 784), nn.Softmax(dim=1))

config = yaml.safe_load(open("config.yaml"))
model = {ORDER}[config["model"]["name"]](**config["model"])
optimizer = torch.optim.Adam(model.parameters())
for x, _ in train_loader:
    loss = F.mse_loss(model(x.flatten(1)), x.flatten(1))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize("order", ['{"right": Right, "wrong": Wrong}', '{"wrong": Wrong, "right": Right}'])
def test_each_entry_of_a_registry_is_an_alternative(order: str) -> None:
    setups = setups_of(LOADER, REGISTRY.replace("{ORDER}", order))
    assert {setup.head.activation for setup in setups} == {"sigmoid", "softmax"}
    findings, _ = check(setups)
    (finding,) = [finding for finding in findings if finding.code == "AE101"]
    assert finding.severity.value == "info"
    assert finding.condition is not None
    assert finding.condition.endswith("is 'wrong'")


@pytest.mark.parametrize(
    ("pattern", "shape", "sizes", "after"),
    [
        ("b c h w -> b (c h w)", (None, 1, 28, 28), {}, (None, 784)),
        ("b c h w -> b c (h w)", (None, 3, 8, None), {}, (None, 3, None)),
        ("b c (h p) (w q) -> b (h w) (p q c)", (None, 3, 32, 32), {"p": 4, "q": 4}, (None, 64, 48)),
        ("b (c h w) -> b c h w", (None, 784), {"h": 28, "w": 28}, (None, 1, 28, 28)),
        ("b d -> b n d", (7, 5), {"n": 3}, (7, 3, 5)),
        ("b c 1 1 -> b c", (7, 5, 1, 1), {}, (7, 5)),
        ("b ... -> b (...)", (7, 5, 2), {}, None),
        ("b c -> c b", (7, 5, 2), {}, None),
    ],
)
def test_shapes_after_patterns(
    pattern: str, shape: tuple[int | None, ...], sizes: dict[str, int], after: tuple[int | None, ...] | None
) -> None:
    assert arranged(pattern, shape, sizes) == after


def test_a_pixel_vector_by_einops() -> None:
    program = """
    from einops import rearrange, pack, unpack
    net = nn.Sequential(nn.Linear(784, 32), nn.Linear(32, 784), nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(net.parameters())
    for x, _ in train_loader:
        x = rearrange(x, "b c h w -> b (c h w)")
        packed, shapes = pack([x], "b *")
        (same,) = unpack(packed, shapes, "b *")
        loss = F.mse_loss(net(same), x)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """
    (setup,) = setups_of(LOADER, program)
    assert setup.target.shape == (None, 784)
    assert setup.relation.value == "same array"


def test_words_are_numbered_below_the_size_of_the_vocabulary() -> None:
    program = """
    import tensorflow as tf
    from tensorflow.keras import layers
    vectorize = layers.TextVectorization(max_tokens=10000, output_sequence_length=201)
    texts = tf.data.Dataset.from_tensor_slices(read()).batch(32)
    vectorize.adapt(texts)

    def prepare(text):
        words = vectorize(tf.expand_dims(text, -1))
        return words[:, :-1], words[:, 1:]

    inputs = layers.Input((None,), dtype="int32")
    hidden = layers.LSTM(128, return_sequences=True)(layers.Embedding(10000, 100)(inputs))
    model = tf.keras.Model(inputs, layers.Dense(10000, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(texts.map(prepare))
    """
    (setup,) = analyse_file("program.py", textwrap.dedent(program).encode()).setups
    assert setup.target.structure.value == "class index"
    assert setup.target.values.hull.hi == 9999.0
    assert not [finding for finding in check([setup])[0] if finding.severity.value == "error"]


def test_equal_words_are_numbered_once() -> None:
    text = " ".join(f"w{number % 40}" for number in range(60))
    (setup,) = setups_of(f"""
sentence = "{text}".split()
index = {{word: number for number, word in enumerate(set(sentence))}}
model = nn.Linear(8, len(index))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(9):
    loss = F.cross_entropy(model(torch.rand(1, 8)), torch.LongTensor([index["w39"]]))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert setup.head.units == 40
    assert setup.target.values.hull.hi == 39.0


def test_one_entry_of_a_long_list_stands_for_no_other() -> None:
    (setup,) = setups_of("""
index = {f"w{number}": number for number in range(2000)}
numbers = {word: len(word) for word in ("aa " * 200).split()}
squares = [number * number for number in list(range(60)) + list(range(60))]
model = nn.Linear(8, 4000)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(9):
    loss = F.cross_entropy(model(torch.rand(1, 8)), torch.LongTensor([squares[100]]))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert setup.target.values.unknown or setup.target.values.hull.hi >= 40 * 40


def test_a_function_in_a_pipeline_of_albumentations_is_called() -> None:
    (setup,) = setups_of("""
import albumentations as A
import cv2
pipeline = A.Compose([A.HorizontalFlip(), A.Lambda(image=lambda image, **others: image / 127.5 - 1)])
image = pipeline(image=cv2.imread("a.png"))["image"]
model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
optimizer = torch.optim.Adam(model.parameters())
for _ in range(9):
    x = torch.from_numpy(image).float()
    loss = F.mse_loss(model(x), x)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert (setup.input.values.hull.lo, setup.input.values.hull.hi) == (-1.0, 1.0)
