"""Data as programs prepare it: ranges, structure, relation of target to input."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import Relation, Structure, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri

START = """
import numpy as np, pandas as pd
import tensorflow as tf
from tensorflow import keras
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.model_selection import train_test_split
(x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
model.compile("adam", "mse")
"""


def setup_of(rest: str) -> TrainingSetup:
    result = analyse_file("program.py", (START + textwrap.dedent(rest)).encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ("", "[0, 255]"),
        ("x = x / 255.0", "[0, 1]"),
        ("x = x.astype('float32'); x /= 255", "[0, 1]"),
        ("x = np.divide(x, 255)", "[0, 1]"),
        ("x = x.astype(float) * (1.0 / 255)", "[0, 1]"),
        ("x = (x - 127.5) / 127.5", "[-1, 1]"),
        ("x = 2 * (x / 255) - 1", "[-1, 1]"),
        ("x = x / 255 - 0.5", "[-0.5, 0.5]"),
        ("x = 1 - x / 255", "[0, 1]"),
        ("x = x / x.max()", "[0, 1]"),
        ("x = x / np.max(x_test)", "[0, 1]"),
        ("x = x / 127.5 - 1\nx = x / x.max()", "[-1, 1]"),
        ("x = x / 255 - 0.2\nx /= np.max(x)", "[-0.25, 1]"),
        ("x = (x - x.min()) / (x.max() - x.min())", "[0, 1]"),
        ("x = (x / 255 > 0.5).astype('float32')", "[0, 1]"),
        ("x = np.where(x > 127, 1, 0)", "[0, 1]"),
        ("x = np.clip(x / 127.0, 0, 1)", "[0, 1]"),
        ("x = np.concatenate([x, x_test], axis=0) / 255.", "[0, 1]"),
        ("x = np.expand_dims(x.reshape((len(x), 28, 28)), -1)", "[0, 255]"),
        ("scale = lambda a, by=255.0: a / by\nx = scale(x)", "[0, 1]"),
        ("x, x_test = [a / 255.0 for a in (x, x_test)]", "[0, 1]"),
        ("x = np.load('x.npy') / 255.0", "[0, 1]"),
        ("x = np.load('x.npy')", "unknown"),
        ("x = np.load('x.npy') / 128.0", "unknown"),
        ("x = np.load('x.npy') * 0.0078125", "unknown"),
        ("x = np.load('x.npy') / 128.0 - 1", "[-1, 0.9922]"),
        ("x = (np.load('x.npy') - 128.0) / 128.0", "[-1, 0.9922]"),
        ("x = np.load('x.npy') / 127.5 - 1", "[-1, 1]"),
        ("x = MinMaxScaler((-1, 1)).fit_transform(np.load('x.npy'))", "[-1, 1]"),
        ("x = np.clip(np.load('x.npy'), 0, 1)", "within [0, 1]"),
        ("x = tf.cast(x, tf.float32) / 255.0", "[0, 1]"),
        ("x = tf.image.convert_image_dtype(x, tf.float32)", "[0, 1]"),
    ],
)
def test_scaling(steps: str, text: str) -> None:
    setup = setup_of(f"{steps}\nmodel.fit(x, x)\n".replace("\n ", "\n"))
    assert str(setup.target.values) == text
    assert setup.relation is Relation.SAME


@pytest.mark.parametrize(
    "steps",
    ["x = StandardScaler().fit_transform(x)", "x = (x - x.mean()) / x.std()",
     "m = np.mean(x, axis=0); s = np.std(x, axis=0)\nx = (x - m) / (s + 1e-7)"],
)  # fmt: skip
def test_standardised_data_has_no_bounds_but_reaches_below_zero(steps: str) -> None:
    target = setup_of(f"{steps}\nmodel.fit(x, x)\n").target
    assert target.standardised is Tri.YES
    assert target.values.hull.is_real_line
    assert target.values.reach is not None
    assert target.values.reach.lo < 0 < target.values.reach.hi


@pytest.mark.parametrize("steps", ["x = x / 255.0; x -= x.mean()", "x = x / 255.0\nx = x - np.mean(x)"])
def test_pixels_less_their_mean_are_below_zero(steps: str) -> None:
    values = setup_of(f"{steps}\nmodel.fit(x, x)\n").target.values
    assert values.leaves(UNIT, 0.001) is Tri.YES


def test_a_standardised_column_is_told_as_the_reason_for_what_the_table_reaches() -> None:
    column = "d['p'] = StandardScaler().fit_transform(d['p'].values.reshape(-1, 1))"
    target = setup_of(f"d = pd.read_csv('d.csv')\n{column}\nmodel.fit(d.values, d.values)\n").target
    assert [step.text.split()[0] for step in target.trail] == ["StandardScaler"]
    assert target.location == target.trail[0].location


@pytest.mark.parametrize(
    ("fit", "relation"),
    [
        ("model.fit(x, x)", Relation.SAME),
        ("model.fit(x / 255, x)", Relation.RESCALED),
        ("model.fit(x + np.random.normal(size=x.shape), x)", Relation.NOISED_INPUT),
        ("model.fit(x, x + 25 * np.random.randn(*x.shape))", Relation.NOISED_TARGET),
        ("n = np.clip(x + np.random.normal(size=x.shape), 0, 255); model.fit(n, n)", Relation.SAME),
        ("model.fit(x, y)", Relation.LABELS),
        ("model.fit(x, keras.utils.to_categorical(y))", Relation.LABELS),
        ("model.fit(x, x_test)", Relation.OTHER),
        ("a, b = np.hsplit(x.reshape(-1, 784), 2); model.fit(a, b)", Relation.OTHER),
        ("a, b = np.hsplit(x.reshape(-1, 784), 2); model.fit(a, a)", Relation.SAME),
        ("a, b = np.split(x.reshape(-1, 784), [300], axis=1); model.fit(a, b)", Relation.OTHER),
        ("a, b = np.split(x, 2); model.fit(a, a)", Relation.SAME),
        ("d = pd.read_csv('d.csv'); model.fit(d.drop('p', axis=1), d['p'])", Relation.OTHER),
        ("d = pd.read_csv('d.csv'); model.fit(d.drop(columns='p'), d.drop(columns='q'))", Relation.OTHER),
        ("d = pd.read_csv('d.csv'); model.fit(d.drop(columns='p'), d.drop(columns='p'))", Relation.SAME),
        ("d = pd.read_csv('d.csv'); model.fit(d.filter(like='p'), d.filter(like='q'))", Relation.OTHER),
        ("a = np.linspace(-1, 1, 90).reshape(-1, 1); model.fit(a, a + 0.2 * np.random.randn(90, 1))", Relation.OTHER),
        ("a = np.arange(90.0); model.fit(a, 2 * a - 1)", Relation.OTHER),
        ("a = np.random.rand(90, 3); model.fit(a, a * 40)", Relation.OTHER),
        ("a = np.random.rand(90, 28, 28); model.fit(a, a * 255)", Relation.RESCALED),
        ("model.fit(tf.data.Dataset.from_tensor_slices((x, x)).shuffle(5).batch(8))", Relation.SAME),
        ("model.fit(tf.data.Dataset.from_tensor_slices(x).map(lambda a: (a / 255, a)).batch(8))", Relation.RESCALED),
    ],
)
def test_relation_of_target_to_input(fit: str, relation: Relation) -> None:
    assert setup_of(fit + "\n").relation is relation


def test_a_variable_is_what_it_was_when_the_model_saw_it() -> None:
    source = START + textwrap.dedent("""
        x = x / 255.0
        model.fit(x, x)
        x = x * 2 - 1
        model.fit(x, x)
        """)
    first, second = analyse_file("p.py", source.encode()).setups
    assert str(first.target.values) == "[0, 1]"
    assert str(second.target.values) == "[-1, 1]"


def test_validation_data_keeps_its_own_scale() -> None:
    setup = setup_of("x = x / 255\nmodel.fit(x, x, validation_data=(x_test, x_test))\n")
    assert setup.validation_target is not None
    assert str(setup.validation_target.values) == "[0, 255]"


def test_labels_have_their_structure() -> None:
    assert setup_of("model.fit(x, y)\n").target.structure is Structure.CLASS_INDEX
    hot = setup_of("model.fit(x, keras.utils.to_categorical(y, 10))\n").target
    assert (hot.structure, hot.structure_axis, hot.shape) == (Structure.ONE_HOT, -1, (60000, 10))
    assert setup_of("model.fit(x, (y > 4).astype(int))\n").target.structure is Structure.BINARY_LABEL


@pytest.mark.parametrize(
    ("mask", "structure"),
    [
        ("x > 127", Structure.MULTI_HOT),
        ("np.concatenate([x > 127, x <= 127], axis=-1)", Structure.UNKNOWN),
        ("np.stack([x == level for level in range(4)], axis=-1)", Structure.UNKNOWN),
        ("planes(x)", Structure.UNKNOWN),
    ],
)
def test_planes_of_comparisons_may_exclude_each_other(mask: str, structure: Structure) -> None:
    program = f"""
        def planes(a):
            made = np.zeros((60000, 28, 28, 2))
            made[..., 0] = a > 127
            made[..., 1] = a <= 127
            return made
        model.fit(x, {mask})
        """
    assert setup_of(program).target.structure is structure


@pytest.mark.parametrize(
    ("batches", "text"),
    [
        ("pairs.apply(halved).batch(9)", "[0, 0.5]"),
        ("pairs.apply(tf.data.experimental.shuffle_and_repeat(9)).batch(9)", "[0, 1]"),
        ("pairs.apply(tf.data.experimental.map_and_batch(lambda a, b: (a, b / 2), 9))", "[0, 0.5]"),
        ("pairs.apply(some.transformation()).batch(9)", "unknown"),
        ("pairs.enumerate().map(lambda number, pair: pair).batch(9)", "[0, 1]"),
    ],
)
def test_a_data_set_is_what_is_made_of_the_whole_of_it(batches: str, text: str) -> None:
    target = setup_of(f"""
        import some
        def halved(data):
            return data.map(lambda a, b: (a, b / 2))
        pairs = tf.data.Dataset.from_tensor_slices((x / 255.0, x / 255.0))
        model.fit({batches})
        """).target
    assert str(target.values) == text


def test_generators_of_images() -> None:
    setup = setup_of("""
        g = keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
        model.fit(g.flow_from_directory("d", class_mode="input"))
        """)
    assert (str(setup.target.values), setup.relation) == ("[0, 1]", Relation.SAME)


def test_a_generator_function_and_a_sequence_class() -> None:
    setup = setup_of("""
        def batches(a):
            while True:
                yield a[:32] / 255.0, a[:32]
        model.fit_generator(batches(x), steps_per_epoch=3)
        """)
    assert setup.relation is Relation.RESCALED
    setup = setup_of("""
        class Batches(keras.utils.Sequence):
            def __init__(self, a): self.a = a
            def __getitem__(self, k): return self.a[k:k + 3], self.a[k:k + 3]
        model.fit(Batches(x / 255.0))
        """)
    assert (str(setup.target.values), setup.relation) == ("[0, 1]", Relation.SAME)


@pytest.mark.parametrize("asked", ["__next__", "next"])
def test_an_iterator_of_the_user_s_own(asked: str) -> None:
    setup = setup_of(f"""
        class Batches:
            def __init__(self, a): self.a = a
            def __iter__(self): return self
            def {asked}(self): return self.a[:9] / 255.0, self.a[:9]
        model.fit(Batches(x), steps_per_epoch=3)
        """)
    assert (str(setup.target.values), setup.relation) == ("[0, 255]", Relation.RESCALED)


def test_the_trail_says_how_a_range_is_known() -> None:
    target = setup_of("x = x / 255.0\nmodel.fit(x, x)\n").target
    assert [step.text for step in target.trail] == [
        "`mnist.load_data()` is uint8 [0, 255]", "/ 255 maps [0, 255] to [0, 1]",
    ]  # fmt: skip
    assert target.location is not None
    assert target.location.line == 10


def test_lengths_of_lists_built_in_loops_are_not_invented() -> None:
    source = START + textwrap.dedent("""
        names = []
        for line in open("f"):
            if line not in names:
                names.append(line)
        model = keras.Sequential([keras.layers.Dense(len(names), activation="softmax")])
        model.compile("adam", "mse")
        model.fit(x, x)
        """)
    setup = analyse_file("program.py", source.encode()).setups[-1]
    assert setup.head.units is None


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("fillna(-1)", "within [-1, 1], down to 0 or below, up to 1"),
        ("fillna(method='ffill')", "[0, 1]"),
        ("fillna(x.mean())", "[0, 1]"),
        ("replace(0, 5)", "within [0, 5]"),
        ("replace({0: 5})", "unknown"),
    ],
)
def test_values_put_in_place_of_others_widen_the_range(step: str, values: str) -> None:
    assert str(setup_of(f"x = pd.DataFrame(x / 255.0)\nx = x.{step}\nmodel.fit(x, x)\n").target.values) == values


def test_what_a_function_gives_that_raises_is_not_known() -> None:
    lines = """
        def load():
            raise FileNotFoundError("not here")
        try:
            x = load()
        except FileNotFoundError:
            x = x / 255.0
        model.fit(x, x)
        """
    result = analyse_file("program.py", (START + textwrap.dedent(lines)).encode())
    reasons = {item.why for item in result.undecided if item.what == "target range"}
    assert reasons == {"`load` raises an exception as far as it can be followed"}


@pytest.mark.parametrize(
    ("steps", "noised"),
    [
        ("x = x / 255 + 0.1 * np.random.normal(size=x.shape)", Tri.YES),
        ("x = np.sin(np.linspace(0, 9, 500)) + 0.1 * np.random.randn(500)", Tri.NO),
        ("x = 20 + 5 * np.sin(np.arange(500) / 24) + np.random.normal(0, 0.5, 500)", Tri.NO),
        (
            "x = np.stack([np.cos(np.random.rand(9)), np.arange(9)], 1) + np.random.normal(scale=0.1, size=(9, 2))",
            Tri.NO,
        ),
        (
            "rng = np.random.RandomState(1); f = rng.uniform(2, 9); "
            "x = np.sin(np.arange(500) / f + np.load('phase.npy')) + 0.1 * rng.randn(500)",
            Tri.NO,
        ),
        ("x = np.random.rand(90, 3) @ np.random.rand(3, 20) + 0.1 * np.random.randn(90, 20)", Tri.NO),
        ("x = np.dot(np.random.rand(90, 3), np.random.rand(3, 20)) + 0.1 * np.random.randn(90, 20)", Tri.NO),
        ("x = np.load('x.npy') @ np.random.rand(3, 20) + 0.1 * np.random.randn(90, 20)", Tri.YES),
        ("x = (x + np.random.rand(*x.shape)) / 256", Tri.NO),
        ("x = x * np.sin(np.arange(28)) + 9 * np.random.normal(size=x.shape)", Tri.YES),
    ],
)
def test_random_values_are_noise_where_there_are_data_without_them(steps: str, noised: Tri) -> None:
    setup = setup_of(f"{steps}\nmodel.fit(x, x)\n")
    assert setup.target.noised is noised
    assert setup.relation is Relation.SAME


def test_a_denoiser_of_a_signal_that_the_program_makes() -> None:
    setup = setup_of("""
        clean = np.sin(np.linspace(0, 9, 500))
        noisy = clean + 0.1 * np.random.randn(500)
        model.fit(noisy, clean)
        """)
    assert setup.relation is Relation.NOISED_INPUT


def test_pictures_of_unknown_make_are_bytes_where_they_are_divided_by_255_whatever_their_colours() -> None:
    setup = setup_of("""
        import cv2, pickle
        images = [cv2.cvtColor(image, cv2.COLOR_BGR2HSV) for image in pickle.load(open("data.pkl", "rb"))]
        images = np.array([image / 255 for image in images])
        model.fit(images, images)
        """)
    assert str(setup.target.values) == "[0, 1]"
