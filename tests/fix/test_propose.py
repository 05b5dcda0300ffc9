"""Remedies become edits exactly where the source shows how, and otherwise stay sentences."""

from __future__ import annotations

import ast
import re

import pytest

from ae_audit.fix import apply, diff, propose
from ae_audit.schema.findings import Finding, Fix, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import DataFacts, Framework, Head, LossUse, MetricUse, Relation, TrainingSetup

KERAS, TORCH = Framework.KERAS, Framework.TORCH


def place(source: str, needle: str, cell: int | None = None) -> Location:
    """The place of the only occurrence of ``needle``, which may span lines."""
    (start,) = (match.start() for match in re.finditer(re.escape(needle), source))
    end = start + len(needle)

    def point(offset: int) -> tuple[int, int]:
        before = source[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    (line, column), (end_line, end_column) = point(start), point(end)
    return Location("m.py", line, column, end_line, end_column, cell)


def fix_of(
    source: str,
    remedies: tuple[Remedy, ...],
    *,
    framework: Framework,
    head: str | None = None,
    others: tuple[str | None, ...] = (),
    loss: str | None = None,
    loss_name: str | None = None,
    fit: str | None = None,
    data: str | None = None,
    metric: str | None = None,
    metrics: dict[str, str] | None = None,
    relation: Relation = Relation.SAME,
) -> Fix:
    metrics = {"accuracy": metric} if metric is not None and metrics is None else metrics
    facts = DataFacts(location=place(source, data) if data else None)
    setup = TrainingSetup(
        framework,
        place(source, fit) if fit else Location("m.py", 1),
        head=Head(
            location=place(source, head) if head else None,
            others=tuple(place(source, other) if other else None for other in others),
        ),
        loss=LossUse(loss_name, location=place(source, loss) if loss else None),
        target=facts,
        input=facts,
        relation=relation,
        metrics=tuple(MetricUse(name, written, place(source, written)) for name, written in (metrics or {}).items()),
    )
    where = place(source, metric) if metric else setup.location
    finding = Finding("AE999", "some-rule", Severity.ERROR, "message", where, remedies=remedies)
    fix = propose(finding, setup, lambda path, cell: source)
    assert fix is not None
    return fix


def fixed(source: str, *remedies: Remedy, **facts: object) -> str:
    fix = fix_of(source, remedies, **facts)  # type: ignore[arg-type]
    assert fix.edits, fix.description
    result = apply(source, fix.edits)
    ast.parse(result)
    return result


@pytest.mark.parametrize(
    ("framework", "before", "at", "to", "after"),
    [
        (KERAS, "Dense(784, activation='softmax')", "'softmax'", "sigmoid", "Dense(784, activation='sigmoid')"),
        (KERAS, 'Dense(784, activation="softmax")', '"softmax"', "linear", 'Dense(784, activation="linear")'),
        (
            KERAS,
            "Dense(784, activation='softmax')",
            "Dense(784, activation='softmax')",
            "tanh",
            "Dense(784, activation='tanh')",
        ),
        (KERAS, "layers.Dense(784)", "layers.Dense(784)", "sigmoid", 'layers.Dense(784, activation="sigmoid")'),
        (
            KERAS,
            "layers.Conv2D(1, 3,)",
            "layers.Conv2D(1, 3,)",
            "sigmoid",
            'layers.Conv2D(1, 3, activation="sigmoid",)',
        ),
        (KERAS, "layers.Softmax()", "layers.Softmax()", "sigmoid", 'layers.Activation("sigmoid")'),
        (
            KERAS,
            "layers.Activation('softmax')",
            "layers.Activation('softmax')",
            "sigmoid",
            "layers.Activation('sigmoid')",
        ),
        (
            KERAS,
            "Dense(784, activation=tf.nn.softmax)",
            "tf.nn.softmax",
            "sigmoid",
            "Dense(784, activation=tf.nn.sigmoid)",
        ),
        (KERAS, "Dense(784, activation=tf.nn.softmax)", "tf.nn.softmax", "linear", "Dense(784, activation=None)"),
        (KERAS, "tf.nn.softmax(x, axis=1)", "tf.nn.softmax(x, axis=1)", "sigmoid", "tf.nn.sigmoid(x)"),
        (
            TORCH,
            "nn.Sequential(a, nn.Softmax(dim=1))",
            "nn.Softmax(dim=1)",
            "sigmoid",
            "nn.Sequential(a, nn.Sigmoid())",
        ),
        (TORCH, "nn.Sequential(a, nn.Sigmoid())", "nn.Sigmoid()", "linear", "nn.Sequential(a)"),
        (TORCH, "nn.Sequential(a,\n  nn.Sigmoid(),\n)", "nn.Sigmoid()", "linear", "nn.Sequential(a,\n)"),
        (TORCH, "self.out = nn.Sigmoid()", "nn.Sigmoid()", "linear", "self.out = nn.Identity()"),
        (
            TORCH,
            "nn.Sequential(nn.Softmax(dim=1))",
            "nn.Softmax(dim=1)",
            "log_softmax",
            "nn.Sequential(nn.LogSoftmax(dim=1))",
        ),
        (
            TORCH,
            "y = F.softmax(self.fc(x), dim=1)",
            "F.softmax(self.fc(x), dim=1)",
            "sigmoid",
            "y = F.sigmoid(self.fc(x))",
        ),
        (TORCH, "y = torch.softmax(h, 1)", "torch.softmax(h, 1)", "sigmoid", "y = torch.sigmoid(h)"),
        (TORCH, "y = F.softmax(h, dim=1)", "F.softmax(h, dim=1)", "log_softmax", "y = F.log_softmax(h, dim=1)"),
        (TORCH, "y = self.fc(x).sigmoid()", "self.fc(x).sigmoid()", "tanh", "y = self.fc(x).tanh()"),
        (TORCH, "y = torch.sigmoid(self.fc(x))", "torch.sigmoid(self.fc(x))", "linear", "y = self.fc(x)"),
        (
            TORCH,
            "nn.Sequential(a, nn.Linear(3, 4))",
            "nn.Linear(3, 4)",
            "sigmoid",
            "nn.Sequential(a, nn.Linear(3, 4), nn.Sigmoid())",
        ),
    ],
)
def test_the_activation_is_swapped_in_place(framework: Framework, before: str, at: str, to: str, after: str) -> None:
    assert fixed(before, SwapActivation(to), framework=framework, head=at) == after


SEQUENCE = "model = nn.Sequential(nn.Linear(20, 10), nn.Sigmoid(), nn.Softmax(dim=1))\n"


@pytest.mark.parametrize(
    ("head", "other"), [("nn.Sigmoid()", "nn.Softmax(dim=1)"), ("nn.Softmax(dim=1)", "nn.Sigmoid()")]
)
@pytest.mark.parametrize(("to", "left"), [("linear", ""), ("log_softmax", ", nn.LogSoftmax(dim=1)")])
def test_a_chain_of_activations_is_exchanged_as_a_whole(head: str, other: str, to: str, left: str) -> None:
    after = fixed(SEQUENCE, SwapActivation(to), framework=TORCH, head=head, others=(other,))
    assert after == f"model = nn.Sequential(nn.Linear(20, 10){left})\n"


@pytest.mark.parametrize(
    ("source", "head", "other"),
    [
        (SEQUENCE, "nn.Softmax(dim=1)", None),
        ("y = F.softmax(torch.sigmoid(x), dim=1)\n", "F.softmax(torch.sigmoid(x), dim=1)", "torch.sigmoid(x)"),
        ("act = nn.Sigmoid()\ny = act(act(x))\n", "nn.Sigmoid()", "nn.Sigmoid()"),
        ('x = Dense(9, activation="tanh")(x)\ny = Squash()(x)\n', '"tanh"', "Squash()"),
    ],
)
def test_no_edit_that_leaves_a_part_of_the_chain(source: str, head: str, other: str | None) -> None:
    fix = fix_of(source, (SwapActivation("linear"),), framework=TORCH, head=head, others=(other,))
    assert not fix.edits
    assert fix.description == "no activation at the output"


def test_functional_sigmoid_of_torch_where_torch_is_imported() -> None:
    source = "import torch\nimport torch.nn.functional as F\ny = F.softmax(h, dim=1)\n"
    after = fixed(source, SwapActivation("sigmoid"), framework=TORCH, head="F.softmax(h, dim=1)")
    assert after.endswith("y = torch.sigmoid(h)\n")


@pytest.mark.parametrize(
    ("source", "at", "to"),
    [
        ("y = Softmax(dim=1)", "Softmax(dim=1)", "sigmoid"),  # Sigmoid is not imported
        ("y = activations[name]", "activations[name]", "sigmoid"),
        ("y = self.head(x)", "self.head(x)", "sigmoid"),
        ("y = F.softmax(*args)", "F.softmax(*args)", "sigmoid"),
        ("y = (", "y", "sigmoid"),
    ],
)
def test_what_the_source_does_not_show_stays_a_sentence(source: str, at: str, to: str) -> None:
    fix = fix_of(source, (SwapActivation(to),), framework=TORCH, head=at)
    assert fix == Fix("sigmoid at the output", safe=False)


SHARED = """
class Net(nn.Module):
    def __init__(self):
        self.act = nn.ReLU()
        self.out = nn.Sigmoid()
    def forward(self, x):
        x = self.act(x)
        return self.out(self.act(x))
"""


@pytest.mark.parametrize(("at", "edited"), [("nn.ReLU()", False), ("nn.Sigmoid()", True)])
def test_an_activation_used_in_several_places_is_left_alone(at: str, edited: bool) -> None:
    fix = fix_of(SHARED, (SwapActivation("tanh"),), framework=TORCH, head=at)
    assert bool(fix.edits) is edited


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        ("return Dense(9, activation=act)(x)", True),
        ("return Dense(9, activation=act)(Dense(4, activation=act)(x))", False),
    ],
)
def test_a_default_that_several_layers_share_is_left_alone(body: str, edited: bool) -> None:
    source = f"def build(x, act='relu'):\n    {body}\n"
    fix = fix_of(source, (SwapActivation("tanh"),), framework=KERAS, head="'relu'")
    assert bool(fix.edits) is edited


def test_other_cells_use_it_too() -> None:
    cells = ["act = nn.ReLU()", "m = nn.Sequential(a, act)", "k = nn.Sequential(b, act)"]
    setup = TrainingSetup(TORCH, Location("n.ipynb", 1, cell=1), head=Head(location=place(cells[0], "nn.ReLU()", 0)))
    finding = Finding("AE102", "x", Severity.ERROR, "m", setup.location, remedies=(SwapActivation("tanh"),))

    def edits(kept: list[str]) -> int:
        fix = propose(finding, setup, lambda path, cell: kept[cell] if cell is not None and cell < len(kept) else None)
        return 0 if fix is None else len(fix.edits)

    assert edits(cells) == 0
    assert edits(cells[:2]) == 1


@pytest.mark.parametrize(
    ("framework", "name", "before", "remedy", "after"),
    [
        (KERAS, "bce", "c(loss=«'binary_crossentropy'»)", SwapLoss("mse"), "c(loss='mean_squared_error')"),
        (KERAS, "mse", "c(loss=«'mse'»)", SwapLoss("mae"), "c(loss='mae')"),
        (
            KERAS,
            "cce",
            "c(loss=«losses.categorical_crossentropy»)",
            SwapLoss("bce"),
            "c(loss=losses.binary_crossentropy)",
        ),
        (
            KERAS,
            "bce",
            "«keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=s)»",
            ExpectLogits(False),
            "keras.losses.BinaryCrossentropy(from_logits=False, label_smoothing=s)",
        ),
        (
            KERAS,
            "bce",
            "import keras\nc(loss=«'binary_crossentropy'»)",
            ExpectLogits(True),
            "import keras\nc(loss=keras.losses.BinaryCrossentropy(from_logits=True))",
        ),
        (
            KERAS,
            "cce",
            "«keras.losses.CategoricalCrossentropy(label_smoothing=0.1)»",
            SwapLoss("mse"),
            "keras.losses.MeanSquaredError()",
        ),
        (TORCH, "bce", "c = «nn.BCEWithLogitsLoss()»", ExpectLogits(False), "c = nn.BCELoss()"),
        (
            TORCH,
            "bce",
            "c = «nn.BCELoss(reduction='sum')»",
            ExpectLogits(True),
            "c = nn.BCEWithLogitsLoss(reduction='sum')",
        ),
        (
            TORCH,
            "bce",
            "l = «F.binary_cross_entropy(p, t, reduction='sum')»",
            SwapLoss("mse"),
            "l = F.mse_loss(p, t, reduction='sum')",
        ),
        (TORCH, "cce", "c = «nn.CrossEntropyLoss()»", SwapLoss("bce", from_logits=True), "c = nn.BCEWithLogitsLoss()"),
    ],
)
def test_the_loss_is_swapped_in_place(framework: Framework, name: str, before: str, remedy: Remedy, after: str) -> None:
    at = before[before.index("«") + 1 : before.index("»")]
    source = before.replace("«", "").replace("»", "")
    assert fixed(source, remedy, framework=framework, loss=at, loss_name=name) == after


@pytest.mark.parametrize(
    ("before", "at", "remedy"),
    [
        ("c = nn.BCEWithLogitsLoss(pos_weight=w)", "nn.BCEWithLogitsLoss(pos_weight=w)", ExpectLogits(False)),
        ("c = nn.CrossEntropyLoss(label_smoothing=0.1)", "nn.CrossEntropyLoss(label_smoothing=0.1)", SwapLoss("mse")),
        ("c = make_loss()", "make_loss()", SwapLoss("mse")),
    ],
)
def test_a_loss_whose_arguments_do_not_carry_over_is_left_alone(before: str, at: str, remedy: Remedy) -> None:
    assert fix_of(before, (remedy,), framework=TORCH, loss=at, loss_name="bce").edits == ()


BOTH = Rescale(1 / 255)


def test_what_fit_is_given_is_divided_in_front_of_it_once() -> None:
    source = "x = load()\nif True:\n    model.fit(x, x, validation_data=(t, t))\n"
    after = fixed(source, BOTH, framework=KERAS, fit="model.fit(x, x, validation_data=(t, t))")
    assert after == (
        "x = load()\nif True:\n    x = x / 255.0\n    t = t / 255.0\n    model.fit(x, x, validation_data=(t, t))\n"
    )


def test_only_the_side_that_needs_it_is_divided() -> None:
    source = "h = model.fit(a, b)\n"
    remedy = Rescale(1 / 255, input=False)
    after = fixed(source, remedy, framework=KERAS, fit="model.fit(a, b)", relation=Relation.RESCALED)
    assert after == "b = b / 255.0\nh = model.fit(a, b)\n"


@pytest.mark.parametrize(
    ("source", "fit", "remedy"),
    [
        ("for _ in r:\n    m.fit(x, x)\n", "m.fit(x, x)", BOTH),
        ("m.fit(x[:10], x[:10])\n", "m.fit(x[:10], x[:10])", BOTH),
        ("m.fit(x, x)\n", "m.fit(x, x)", Rescale(1 / 255, input=False)),
        ("m.fit(x / 255, x)\n", "m.fit(x / 255, x)", Rescale(1 / 255, input=False)),
        ("m.fit(x, x, validation_data=val)\n", "m.fit(x, x, validation_data=val)", BOTH),
        ("a = 1; m.fit(x, x)\n", "m.fit(x, x)", BOTH),
    ],
)
def test_no_division_where_its_place_is_ambiguous(source: str, fit: str, remedy: Rescale) -> None:
    assert fix_of(source, (remedy,), framework=KERAS, fit=fit).edits == ()


@pytest.mark.parametrize(
    ("before", "at", "remedy", "after"),
    [
        ("x = d.data.float()\n", "d.data.float()", BOTH, "x = d.data.float() / 255.0\n"),
        ("x = a + b\n", "a + b", Rescale(2 / 255, -1.0), "x = (a + b) / 127.5 - 1.0\n"),
        ("x = a\n", "a", Rescale(0.5, 0.5), "x = a / 2.0 + 0.5\n"),
        (
            "d = datasets.MNIST('data')\nx = d.data.float()\n",
            "datasets.MNIST('data')",
            BOTH,
            "d = datasets.MNIST('data')\nx = d.data.float() / 255.0\n",
        ),
    ],
)
def test_the_expression_that_made_the_data_is_divided(before: str, at: str, remedy: Rescale, after: str) -> None:
    assert fixed(before, remedy, framework=TORCH, data=at) == after


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("(a, b), (c, d) = load()\n", "load()"),
        ("d = datasets.MNIST('data')\nfit(d)\n", "datasets.MNIST('data')"),
        ("d = datasets.MNIST('data')\nn = d.data.shape\n", "datasets.MNIST('data')"),
        ("fit(load())\n", "load()"),
    ],
)
def test_what_is_no_single_array_is_not_divided(source: str, made: str) -> None:
    assert fix_of(source, (BOTH,), framework=TORCH, data=made).edits == ()


def test_a_factor_above_one_is_no_edit() -> None:
    """Data that were scaled once too often need a division less, not a multiplication more."""
    assert fix_of("m.fit(x, x)\n", (Rescale(255.0),), framework=KERAS, fit="m.fit(x, x)").edits == ()


def test_the_metric_is_replaced() -> None:
    source = "compile(loss='mse', metrics=['accuracy'])"
    after = fixed(source, DropMetric("accuracy", to="mae"), framework=KERAS, metric="'accuracy'")
    assert after == "compile(loss='mse', metrics=['mae'])"


def test_what_is_no_metric_is_never_replaced_by_one() -> None:
    """Where running sees a metric whose place nobody knows, the finding stands at the training."""
    source = "m.compile(loss='mse', metrics=[own])\nm.fit(x, x, epochs=1)"
    fix = fix_of(source, (DropMetric("accuracy", to="mae"),), framework=KERAS, fit="m.fit(x, x, epochs=1)")
    assert fix.edits == ()
    assert not fix.safe


def test_a_metric_that_is_there_already_is_not_put_there_again() -> None:
    source = "compile(loss='mse', metrics=['accuracy', 'mae'])"
    metrics = {"accuracy": "'accuracy'", "mae": "'mae'"}
    fix = fix_of(source, (DropMetric("accuracy", to="mae"),), framework=KERAS, metric="'accuracy'", metrics=metrics)
    assert fix.edits == ()


@pytest.mark.parametrize(
    ("more", "safe"),
    [
        ("history.history['loss']", True),
        ('history.history["accuracy"]', False),
        ("EarlyStopping(monitor='val_acc')", False),
    ],
)
def test_a_metric_that_nothing_looks_up_is_replaced_safely(more: str, safe: bool) -> None:
    source = f"compile(loss='mse', metrics=['accuracy'])\n{more}\n"
    fix = fix_of(source, (DropMetric("accuracy", to="mae"),), framework=KERAS, metric="'accuracy'")
    assert bool(fix.edits)
    assert fix.safe is safe


def test_several_remedies_make_one_fix_or_none() -> None:
    source = "m = Dense(9, activation='relu')\nm.compile(loss='categorical_crossentropy')"
    remedies = (SwapActivation("sigmoid"), SwapLoss("bce"))
    facts = {"head": "'relu'", "loss": "'categorical_crossentropy'", "loss_name": "cce"}
    after = fixed(source, *remedies, framework=KERAS, **facts)
    assert after == "m = Dense(9, activation='sigmoid')\nm.compile(loss='binary_crossentropy')"
    half = fix_of(source, remedies, framework=KERAS, head="'relu'")
    assert half == Fix("sigmoid at the output and bce as the loss", safe=False)


def test_columns_count_characters() -> None:
    source = "naïve = 'é'; h = Dense(9, activation='softmax')  # é\n"
    after = fixed(source, SwapActivation("sigmoid"), framework=KERAS, head="'softmax'")
    assert after == source.replace("softmax", "sigmoid")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_other_byte_stays(end: str) -> None:
    source = f"# ünï{end}x = 1 \f{end}h = Dense(9, activation='softmax'){end}  # tail"
    fix = fix_of(source.replace(end, "\n"), (SwapActivation("sigmoid"),), framework=KERAS, head="'softmax'")
    assert apply(source, fix.edits) == source.replace("softmax", "sigmoid")


def test_the_cell_of_a_notebook_is_edited_past_its_magics() -> None:
    cells = ["import keras", "%matplotlib inline\nh = Dense(9, activation='softmax')\n!ls"]
    setup = TrainingSetup(KERAS, Location("n.ipynb", 1, cell=1), head=Head(location=place(cells[1], "'softmax'", 1)))
    finding = Finding("AE101", "x", Severity.ERROR, "m", setup.location, remedies=(SwapActivation("sigmoid"),))
    fix = propose(finding, setup, lambda path, cell: cells[cell] if cell is not None and cell < len(cells) else None)
    assert fix is not None
    assert apply(cells[1], fix.edits, cell=1) == cells[1].replace("softmax", "sigmoid")
    assert apply(cells[0], fix.edits, cell=0) == cells[0]


def test_no_remedy_no_fix() -> None:
    setup = TrainingSetup(KERAS, Location("m.py", 1))
    assert propose(Finding("AE203", "x", Severity.INFO, "m", setup.location), setup, lambda path, cell: "") is None


def test_a_source_that_is_gone_leaves_the_sentence() -> None:
    setup = TrainingSetup(KERAS, Location("m.py", 1), head=Head(location=Location("m.py", 1, 1, 1, 5)))
    finding = Finding("AE101", "x", Severity.ERROR, "m", setup.location, remedies=(SwapActivation("sigmoid"),))
    assert propose(finding, setup, lambda path, cell: None) == Fix("sigmoid at the output", safe=False)


def test_diff_is_unified_and_marks_a_missing_last_line_end() -> None:
    assert diff("m.py", "a\nb", "a\nc") == (
        "--- m.py\n+++ m.py\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    )
    assert diff("m.py", "a\n", "a\n") == ""
