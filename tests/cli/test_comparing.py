"""``ae-audit compare``: its options, its mistakes in one sentence, and one run through the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.cli.command import main
from ae_audit.cli.comparing import read_grid
from ae_audit.schema.comparison import GridOptions, LossChoice
from ae_audit.schema.comparison_names import head_named, loss_named


def test_options_are_taken_out_and_the_rest_is_an_audits() -> None:
    grid, rest = read_grid(
        ["--head", "sigmoid,ReLU", "a.py", "--loss=bce,mse", "--seeds", "5", "-v", "--reach=.4", "--", "--steps", "7"]
    )
    assert grid == GridOptions(("sigmoid", "relu"), (LossChoice("bce"), LossChoice("mse")), 5, reach=0.4)
    assert rest == ["a.py", "-v", "--", "--steps", "7"]


@pytest.mark.parametrize(
    ("written", "loss"),
    [
        ("bce", LossChoice("bce")),
        ("binary_crossentropy", LossChoice("bce")),
        ("BCEWithLogitsLoss", LossChoice("bce", True)),
        ("bce-logits", LossChoice("bce", True)),
        ("binary_cross_entropy_with_logits", LossChoice("bce", True)),
        ("l1", LossChoice("mae")),
        ("MSELoss", LossChoice("mse")),
        ("huber", LossChoice("huber")),
    ],
)
def test_losses_in_the_words_of_either_framework(written: str, loss: LossChoice) -> None:
    assert loss_named(written) == loss


def test_heads_in_the_words_of_either_framework() -> None:
    assert [head_named(name) for name in ("none", "linear", "Sigmoid", "nn.Tanh", "leaky_relu")] == [
        "linear",
        "linear",
        "sigmoid",
        "tanh",
        "leaky_relu",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--head", "sigmid", "a.py"], "There is no activation 'sigmid' in Keras or PyTorch. Did you mean 'sigmoid'?"),
        (["--loss", "bcee", "a.py"], "There is no loss 'bcee' in Keras or PyTorch. Did you mean 'bce'?"),
        (["--loss", "ctc", "a.py"], "ctc"),
        (["--loss"], "--loss needs a value."),
        (["--seeds", "0", "a.py"], "--seeds is a whole number from 1 to 30, not '0'."),
        (["--steps", "many", "a.py"], "--steps is a whole number"),
        (["--reach", "2", "a.py"], "--reach is an R² between 0 and 1, not '2'."),
        (["--static", "a.py"], "--static forbids"),
        (["--output-format", "sarif", "a.py"], "ae-audit compare writes full, json, html, and not sarif."),
        (["."], "needs the file of one program or model"),
        (["a.py", "a.py"], "needs the file of one program or model"),
        (["--hed", "relu", "a.py"], "Unknown option '--hed' of ae-audit compare. Did you mean '--head'?"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.py").write_text("import torch\n")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""


def test_help_and_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "--help"]) == 0
    assert "--head NAMES" in capsys.readouterr().out
    (tmp_path / "plain.py").write_text("print(1)\n")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "plain.py"]) == 3
    assert "no training of a Keras or PyTorch model was found" in capsys.readouterr().out


def test_a_word_is_no_head_by_chance() -> None:
    with pytest.raises(UsageError, match="For example: sigmoid"):
        head_named("zzzz")
