"""``ae-audit explain``: what it says of a training, right or wrong."""

from __future__ import annotations

from dataclasses import replace

from ae_audit.report.explanation import explanation
from ae_audit.report.text_layout import plain
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import Relation
from ae_audit.source.text import Sources


def explained(report: Report, sources: Sources) -> str:
    return " ".join(plain(explanation(report, sources, width=100)).split())


def test_each_part_is_told_with_its_place(rich_report: Report, sources: Sources) -> None:
    text = explained(rich_report, sources)
    assert "first.py:13: autoencoder.fit(x_train, x_train" in text
    assert "prediction softmax over 784 units" in text
    assert "expects as prediction: probability; as target: value in [0, 1]" in text
    assert "AE101 Softmax makes the 784 outputs sum to 1" in text
    assert "Unknown: first.py:13: target range: it comes from `np.load(path)`" in text


def test_a_right_training_is_explained_too(rich_report: Report, sources: Sources) -> None:
    right = replace(rich_report, findings=(), undecided=(), errors=())
    text = explained(right, sources)
    assert "the prediction that minimises it is the target itself" in text
    assert "AE101" not in text


def test_the_target_is_told_by_how_it_comes_from_the_input(rich_report: Report, sources: Sources) -> None:
    setup = replace(rich_report.setups[0], relation=Relation.NOISED_INPUT)
    text = explained(replace(rich_report, setups=(setup,), findings=()), sources)
    assert "the clean form of the input, which is corrupted: a denoiser" in text


def test_nothing_found_is_said(sources: Sources) -> None:
    assert explained(Report(), sources) == "No training was found."
