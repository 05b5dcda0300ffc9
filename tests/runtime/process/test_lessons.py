"""What a program's failure says of the data that were made up for it, and arguments that nobody gave."""

from __future__ import annotations

import argparse

import pytest

from ae_audit.runtime.host.accommodations.required_arguments import fill_in
from ae_audit.runtime.stand_ins.lessons import Lessons


@pytest.mark.parametrize(
    ("sentence", "learnt"),
    [
        (
            "ValueError at line 1 of cell 45, raised by keras 3.15.1: Input 0 with name 'None' of layer 'dense' is "
            "incompatible with the layer: expected axis -1 of input shape to have value 19, but received input with "
            "shape (None, 24)",
            Lessons(columns=-5),
        ),
        (
            "RuntimeError at line 9, raised by torch: mat1 and mat2 shapes cannot be multiplied (16x24 and 30x8)",
            Lessons(columns=6),
        ),
        (
            "RuntimeError at line 85: mat1 and mat2 shapes cannot be multiplied (128x3072 and 784x512)",
            Lessons(picture=(28, 28, 1)),
        ),
        (
            "RuntimeError at line 9: Given groups=1, weight of size [8, 1, 3, 3], expected input[4, 3, 32, 32] "
            "to have 1 channels, but got 3 channels instead",
            Lessons(picture=(32, 32, 1)),
        ),
        (
            "AttributeError at line 29, raised by pandas 3.1.1: 'DataFrame' object has no attribute 'date'",
            Lessons(names=("date",)),
        ),
        ("KeyError at line 42, raised by pandas 3.1.1: '[305711, 117952] not in index'", Lessons(rows=611422)),
        (
            "KeyError at line 21 of cell 0: \"None of [Index(['Air [K]', 'Speed [rpm]'], dtype='object')] are in the "
            '[columns]"',
            Lessons(names=("Air [K]", "Speed [rpm]")),
        ),
        ("TypeError at line 69: argument of type 'float' is not iterable", Lessons(prose=True)),
        ("ValueError at line 3: X has 18 features, but StandardScaler is expecting 20 features as input.", Lessons(2)),
        (
            "ValueError at line 3: Length mismatch: Expected axis has 16 elements, new values have 11 elements",
            Lessons(-5),
        ),
        ("RuntimeError at line 45: shape '[-1, 24]' is invalid for input of size 488", Lessons(rows=528)),
        ("ValueError at line 45: cannot reshape array of size 500 into shape (10,10)", None),
        ("ValueError at line 45: cannot reshape array of size 512 into shape (20,5)", Lessons(rows=600)),
        ("IndexError at line 4: index 3000 is out of bounds for axis 0 with size 512", Lessons(rows=6000)),
        ("IndexError at line 4: index 9 is out of bounds for axis 0 with size 4", None),
        ("IndexError at line 7: index 3 is out of bounds for axis 1 with size 3", Lessons(columns=1)),
        ("ValueError at line 3: With n_samples=0, test_size=0.25 and train_size=None, the", Lessons(rows=4096)),
        ("KeyError at line 27, raised by pandas 3.1.1: 'bedrooms'", Lessons(names=("bedrooms",))),
        ("KeyError at line 2: \"['date', 'id'] not found in axis\"", Lessons(names=("date", "id"))),
        (
            "KeyError at line 2: \"None of [Index(['lat', 'long'], dtype='str')] are in the [columns]\"",
            Lessons(names=("lat", "long")),
        ),
        ("KeyError at line 2: 3", None),
        ("AttributeError at line 2: 'float' object has no attribute 'lower'", Lessons(prose=True)),
        ("ValueError at line 2: could not convert string to float: 'the old house.'", Lessons(numbers=True)),
        ("AssertionError at line 2 of cell 4", Lessons(there=True)),
        ("AssertionError at line 16 of cell 3: File not found at /content/Dataset.csv", Lessons(there=True)),
        ("AssertionError at line 2: shapes differ", None),
        ("FileNotFoundError at line 2: Could not find data.csv at: downloaded/data.csv", Lessons(there=True)),
        ("FileNotFoundError at line 2: [Errno 2] No such file or directory: 'data/zinc.json'", None),
        ("ValueError at line 2: the program's own affair", None),
    ],
)
def test_what_a_failure_teaches(sentence: str, learnt: Lessons | None) -> None:
    assert Lessons().learnt(sentence) == learnt
    assert learnt is None or Lessons.from_request(learnt.to_request()) == learnt


def test_lessons_add_up_and_come_to_an_end() -> None:
    fewer = "expected axis -1 of input shape to have value 19, but received input with shape (None, 24)"
    assert Lessons(columns=-2).learnt(f"ValueError at line 1: {fewer}") == Lessons(columns=-7)
    assert Lessons(names=("a",)).learnt("KeyError at line 1: 'a'") is None
    assert Lessons(there=True).learnt("AssertionError at line 2") is None
    words = "AttributeError at line 2: 'float' object has no attribute 'lower'"
    assert Lessons(prose=True).learnt(words) == Lessons(prose=True, all_prose=True)
    assert Lessons(prose=True, all_prose=True).learnt(words) is None
    assert Lessons(prose=True).learnt("ValueError at line 2: could not convert string to float: 'a'") is None
    assert Lessons(rows=4096).learnt("ValueError at line 3: zero-size array to reduction operation") is None


def test_arguments_that_a_program_requires(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("parse_known_args", "error"):
        monkeypatch.setattr(argparse.ArgumentParser, name, getattr(argparse.ArgumentParser, name))
    said: list[str] = []
    fill_in(said.append)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("-e", "--epochs", type=int, required=True)
    parser.add_argument("--hidden-size", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--shape", type=int, nargs=2, required=True)
    parser.add_argument("--loss", choices=("mse", "bce"), required=True)
    parser.add_argument("--name", default="given")
    found = vars(parser.parse_args(["--epochs", "7"]))
    assert found == {
        **{"folder": "data", "epochs": 7, "hidden_size": 32, "rate": 0.01, "shape": [2, 2], "loss": "mse"},
        "name": "given",
    }
    assert said == [
        "required arguments were made up: data --hidden-size 32 --rate 0.01 --shape 2 2 --loss mse (--stand-in)"
    ]
    with pytest.raises(SystemExit):
        parser.parse_args(["--epochs", "many"])
    assert "invalid int value: 'many'" in capsys.readouterr().err
    assert len(said) == 1
