"""Alternatives stay correlated: what a flag picks for the head meets what the same flag picks for the data."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.static import StaticResult, analyse_file
from ae_audit.static.interpreter import program
from ae_audit.static.interpreter.run import Run
from ae_audit.static.source.projects import Program


def analyse(source: str) -> StaticResult:
    return analyse_file("p.py", textwrap.dedent(source).encode())


DATA = """
import argparse
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
def build(act):
    model = keras.Sequential([keras.layers.Dense(784, activation=act)])
    model.compile("adam", "mse")
    return model
"""


def facts(result: StaticResult) -> set[tuple[str | None, str, str | None, bool | None]]:
    return {
        (s.head.activation, str(s.target.values), s.condition and s.condition.text, s.condition and s.condition.default)
        for s in result.setups
    }


def test_an_option_picks_head_and_scaling_together() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        parser = argparse.ArgumentParser()
        parser.add_argument("--act", default="sigmoid")
        args = parser.parse_args()
        if args.act == "tanh":
            x = (x - 127.5) / 127.5
        else:
            x = x / 255.0
        build(args.act).fit(x, x)
        """)
    )
    assert facts(result) == {
        ("sigmoid", "[0, 1]", "args.act == 'sigmoid'", True),
        ("tanh", "[-1, 1]", "args.act == 'tanh'", False),
    }


def test_a_dictionary_of_options_is_explored_by_its_keys() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        parser = argparse.ArgumentParser()
        parser.add_argument("-a", "--act", default="one")
        act = {"one": "sigmoid", "two": "softmax"}[parser.parse_args().act]
        build(act).fit(x / 255.0, x / 255.0)
        """)
    )
    assert {(s.head.activation, s.condition and s.condition.text) for s in result.setups} == {
        ("sigmoid", "args.act == 'one'"), ("softmax", "args.act == 'two'"),
    }  # fmt: skip


def test_the_same_test_goes_the_same_way_everywhere() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        if centred():
            x = (x - 127.5) / 127.5
        else:
            x = x / 255.0
        act = "tanh" if centred() else "sigmoid"
        build(act).fit(x, x)
        """)
    )
    assert {(s.head.activation, str(s.target.values)) for s in result.setups} == {
        ("tanh", "[-1, 1]"), ("sigmoid", "[0, 1]"),
    }  # fmt: skip


def test_branches_that_change_nothing_give_no_condition() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        import os
        if not os.path.exists("out"):
            os.makedirs("out")
            folder = "out"
        if verbose:
            message = "training"
        build("sigmoid").fit(x / 255, x / 255)
        """)
    )
    assert [s.condition for s in result.setups] == [None]


def test_a_default_parameter_of_an_uncalled_function() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        def train(data, kind="plain"):
            act = "sigmoid"
            if kind == "wrong":
                act = "softmax"
            build(act).fit(data, data)
        """)
    )
    assert {(s.head.activation, s.condition and s.condition.default) for s in result.setups} == {
        ("sigmoid", True), ("softmax", False),
    }  # fmt: skip


def test_a_checkpoint_branch_does_not_hide_the_model_built_in_the_other() -> None:
    result = analyse(
        DATA
        + textwrap.dedent("""
        import os
        if os.path.exists("m.h5"):
            model = keras.models.load_model("m.h5")
        else:
            model = build("softmax")
        model.compile("adam", "mse")
        model.fit(x / 255, x / 255)
        """)
    )
    assert [s.head.activation for s in result.setups] == ["softmax"]


def test_a_loop_over_settings_gives_each_its_setup() -> None:
    result = analyse(DATA + 'for act in ["relu", "sigmoid", "tanh"]:\n    build(act).fit(x / 255, x / 255)\n')
    assert [s.head.activation for s in result.setups] == ["relu", "sigmoid", "tanh"]


def test_the_last_turn_of_a_counted_loop_makes_the_head() -> None:
    result = analyse("""
        from tensorflow import keras
        def build(n, data):
            model = keras.Sequential()
            for i in range(n):
                if i < n - 1:
                    model.add(keras.layers.Dense(64, activation="relu"))
                else:
                    model.add(keras.layers.Dense(784, activation="sigmoid"))
            model.compile("adam", "mse")
            model.fit(data, data)
        """)
    assert [s.head.activation for s in result.setups] == ["sigmoid"]


@pytest.mark.parametrize("count", ["count += 1", "count = count + 1", "count = 1 + count"])
@pytest.mark.parametrize("loop", ["for name in os.listdir('frames'):", "while more():"])
def test_a_number_that_a_loop_counts_is_unknown_in_it(loop: str, count: str) -> None:
    """The tenth turn comes although the first does not bring it: what it appends is what the network is fed."""
    program = f"""
import os, numpy as np
from PIL import Image
from tensorflow import keras
clips, clip, count = [], np.zeros((10, 784)), 0
{loop}
    clip[count] = np.array(Image.open(name).resize((28, 28)), dtype="float32").ravel() / 255.0
    {count}
    if count == 10:
        clips.append(clip)
        count = 0
x = np.array(clips)
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
model.compile("adam", "mse")
model.fit(x, x)
"""
    (setup,) = analyse(program).setups
    assert (str(setup.target.values), setup.condition) == ("[0, 1]", None)


def test_a_counter_is_unknown_after_a_loop_that_breaks() -> None:
    program = """
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
seen = 0
for name in names:
    seen += 1
    break
act = "tanh" if seen > 0 else "sigmoid"
model = keras.Sequential([keras.layers.Dense(784, activation=act)])
model.compile("adam", "mse")
model.fit(x / 255.0, x / 255.0)
"""
    assert {setup.head.activation for setup in analyse(program).setups} == {"tanh", "sigmoid"}


def test_a_counter_of_known_turns_stays_known() -> None:
    program = """
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
units = 49
start = h = keras.Input((784,))
for _ in range(4):
    units = units * 2
    h = keras.layers.Dense(units, activation="sigmoid")(h)
model = keras.Model(start, h)
model.compile("adam", "mse")
model.fit(x / 255.0, x / 255.0)
"""
    (setup,) = analyse(program).setups
    assert setup.head.units == 784


LEFT_OUT = {
    "in a branch": """
def get_model(train):
    model = build("tanh")
    if train:
        model.fit(x / 255.0, x / 255.0)
    else:
        model.load_weights("w.h5")
    return model
""",
    "after an early return": """
def get_model(train):
    if not train:
        return keras.models.load_model("m.h5")
    model = build("tanh")
    model.fit(x / 255.0, x / 255.0)
    return model
""",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_training_that_the_calls_leave_out_is_audited_under_its_condition(name: str) -> None:
    left_out = analyse(DATA + LEFT_OUT[name] + "get_model(False).predict(x)\n")
    assert facts(left_out) == {("tanh", "[0, 1]", "train", False)}
    assert facts(analyse(DATA + LEFT_OUT[name] + "get_model(True).predict(x)\n")) == {("tanh", "[0, 1]", None, None)}


def test_a_test_is_not_undone_where_the_program_trains_elsewhere() -> None:
    program = DATA + LEFT_OUT["in a branch"] + 'build("sigmoid").fit(x / 255.0, x / 255.0)\nget_model(False)\n'
    assert facts(analyse(program)) == {("sigmoid", "[0, 1]", None, None)}


@pytest.mark.parametrize(("test", "condition"), [("not(train)", "train"), ("-train", "not (-train)")])
def test_the_condition_of_a_training_left_out_is_the_test_turned_round(test: str, condition: str) -> None:
    early = f"def get(train):\n    if {test}:\n        return 1\n    build('tanh').fit(x, x)\nget("
    left_out = facts(analyse(DATA + early + ("0)\n" if test.startswith("not") else "1)\n")))
    assert left_out == {("tanh", "[0, 255]", condition, False)}


@pytest.mark.parametrize(
    ("begin", "place"), [("class T: pass\nt = T()\nt.seen = 0", "t.seen"), ("t = {'seen': 0}", "t['seen']")]
)
@pytest.mark.parametrize("late", [True, False])
def test_an_attribute_or_element_that_a_loop_counts_is_unknown_in_it(begin: str, place: str, late: bool) -> None:
    chosen = f"    act = 'tanh' if {place} > 3 else 'sigmoid'\n"
    count = f"    {place} += 1\n"
    turn = count + chosen if late else chosen + count
    result = analyse(f"{DATA}{begin}\nfor name in names:\n{turn}    build(act).fit(x, x)\n")
    assert {setup.head.activation for setup in result.setups} == {"tanh", "sigmoid"}


@pytest.mark.parametrize(
    ("more", "runs"),
    [
        ("def show(kind='bars'):\n    print('lines' if kind == 'lines' else kind)\n", 1),
        ("class Plot:\n    def show(self, kind='bars'):\n        print('lines' if kind == 'lines' else kind)\n", 1),
        ("def again(act='relu'):\n    build('tanh' if act == 'tanh' else act).fit(x, x)\n", 2),
        (
            "class Trainer:\n    def configure(self, act='relu'):\n        kind = str(act)\n"
            "        self.act = 'tanh' if act == 'tanh' else kind\n"
            "    def run(self):\n        build(self.act).fit(x, x)\n",
            2,
        ),
        ("def later(kind='none'):\n    if kind == 'train':\n        build('tanh').fit(x, x)\n", 2),
    ],
    ids=["function", "method", "training", "class that trains", "training left out"],
)
def test_an_option_of_what_nothing_calls_is_tried_where_it_may_decide_a_loss(
    more: str, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    original = program.execute

    def noting(run: Run, read: Program) -> bool:
        plans.append(run.plan.text)
        return original(run, read)

    monkeypatch.setattr(program, "execute", noting)
    analyse_file("p.py", (DATA + "build('sigmoid').fit(x, x)\n" + more).encode())
    assert len(plans) == runs
