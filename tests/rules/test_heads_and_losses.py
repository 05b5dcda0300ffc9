"""Heads that do not belong to their loss: AE104 by two calls, AE109, AE209 without a target, AE211, AE309 (shapes)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.training_setup import DataFacts, Relation, Structure, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.activations import LINEAR_RANGE, find_activation
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange
from tests.rules.setups import (
    CLASSES,
    GREY,
    KERAS,
    ONE_HOT,
    RAW,
    SIGNED,
    TORCH,
    UNKNOWN,
    YES_OR_NO,
    data,
    measured,
    remedies,
    setup,
    violations,
)

MULTI_HOT = data(UNIT, Structure.MULTI_HOT, structure_axis=-1)
THREE = data(Interval(0.0, 2.0), Structure.CLASS_INDEX)


def shaped(subject: TrainingSetup, made: tuple[int | None, ...], wanted: tuple[int | None, ...] = ()) -> TrainingSetup:
    target = replace(subject.target, shape=wanted) if wanted else subject.target
    return replace(subject, head=replace(subject.head, shape=made, units=made[-1]), target=target)


# AE104


def activated_twice(first: str, last: str, units: int, loss: str) -> TrainingSetup:
    inner, outer = find_activation(first, axis=-1), find_activation(last, axis=-1)
    assert inner is not None
    assert outer is not None
    subject = setup(last, loss, CLASSES, given=GREY, relation=Relation.LABELS, units=units, framework=TORCH)
    made = outer.range_of(inner.range_of(LINEAR_RANGE, units), units)
    return replace(subject, head=replace(subject.head, range=made))


@pytest.mark.parametrize(
    ("first", "last", "units", "loss", "best"),
    [("softmax", "log_softmax", 10, "nll", "0.232"), ("softmax", "softmax", 10, "sparse_cce", "0.232"),
     ("sigmoid", "log_softmax", 3, "nll", "0.5761")],
)  # fmt: skip
def test_a_softmax_of_a_softmax_never_tells_a_class_for_sure(
    first: str, last: str, units: int, loss: str, best: str
) -> None:
    (violation,) = violations("AE104", activated_twice(first, last, units, loss))
    assert violation.severity in {None, Severity.ERROR}
    assert violation.message.endswith(f"above {best}")


@pytest.mark.parametrize(("activation", "loss"), [("log_softmax", "nll"), ("softmax", "sparse_cce")])
def test_one_softmax_is_right(activation: str, loss: str) -> None:
    subject = setup(activation, loss, CLASSES, given=GREY, relation=Relation.LABELS, units=10, framework=TORCH)
    assert not violations("AE104", subject)
    assert not violations("AE104", activated_twice("tanh", "log_softmax", 2, "mse"))


# AE109


@pytest.mark.parametrize(
    ("framework", "shape", "axis", "told"),
    [
        (TORCH, (None, 10), 0, True),
        (TORCH, (64, 10), -2, True),
        (TORCH, (None, 21, 32, 32), 0, True),
        (KERAS, (None, 12, 10), 0, True),
        (TORCH, (None, 10), 1, False),
        (TORCH, (10,), 0, False),  # one sample
        (TORCH, (12, 64, 10), 0, False),  # the sequence first, perhaps
        (TORCH, (64, 64), 0, False),  # similarities of pairs
        (TORCH, (None, None), 0, False),
    ],
)
def test_a_softmax_over_the_samples(framework: object, shape: tuple[int | None, ...], axis: int, told: bool) -> None:
    subject = setup("softmax", "nll", CLASSES, given=GREY, axis=axis, framework=framework)  # type: ignore[arg-type]
    subject = shaped(subject, shape)
    assert bool(violations("AE109", subject)) is told
    moved = replace(subject, head=replace(subject.head, after=("transpose",)))
    assert not violations("AE109", moved)


def test_of_a_softmax_over_the_samples_the_axis_is_told_and_no_more() -> None:
    subject = shaped(setup("softmax", "mse", GREY, axis=0), (None, 784))
    assert violations("AE109", subject)
    assert not violations("AE101", subject)
    assert violations("AE101", shaped(setup("softmax", "mse", GREY), (None, 784)))


# AE209


@pytest.mark.parametrize("target", [UNKNOWN, ONE_HOT, CLASSES, YES_OR_NO], ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", "linear", "relu"])
def test_one_unit_under_a_categorical_loss_needs_no_target(activation: str, target: DataFacts) -> None:
    subject = setup(activation, "cce", target, given=GREY, units=1, relation=Relation.UNKNOWN)
    (violation,) = violations("AE209", subject)
    assert (
        violation.message == "categorical cross-entropy over a single unit is 0, whatever the weights and the answers"
    )


@pytest.mark.parametrize(("backend", "raises"), [("tensorflow", True), ("torch", True), (None, True), ("jax", False)])
def test_class_indices_over_one_unit_raise_but_on_jax(backend: str | None, *, raises: bool) -> None:
    subject = replace(setup("sigmoid", "sparse_cce", CLASSES, given=GREY, units=1), backend=backend)
    (violation,) = violations("AE209", subject)
    assert ("is an error" in violation.message) is raises
    assert ("is 0, whatever" in violation.message) is not raises


def test_one_channel_that_was_flattened_is_no_single_unit() -> None:
    subject = setup("linear", "cce", ONE_HOT, given=GREY, units=1, logits=Tri.YES)
    assert violations("AE209", subject)
    assert not violations("AE209", replace(subject, head=replace(subject.head, shape=(None, 784))))


@pytest.mark.parametrize(
    ("backend", "target", "recoverable", "severity"),
    [
        ("tensorflow", ONE_HOT, Tri.YES, Severity.WARNING),
        ("tensorflow", CLASSES, Tri.YES, Severity.WARNING),
        ("tensorflow", UNKNOWN, Tri.YES, Severity.WARNING),
        (None, ONE_HOT, Tri.YES, Severity.WARNING),
        ("tensorflow", ONE_HOT, Tri.NO, Severity.ERROR),
        ("tensorflow", MULTI_HOT, Tri.YES, Severity.ERROR),
        ("torch", ONE_HOT, Tri.NO, Severity.ERROR),
        ("jax", ONE_HOT, Tri.YES, Severity.ERROR),
    ],
)
def test_sigmoid_under_a_categorical_loss_by_backend(
    backend: str | None, target: DataFacts, recoverable: Tri, severity: Severity
) -> None:
    subject = setup("sigmoid", "cce", target, given=GREY, units=10, backend=backend, recoverable=recoverable)
    (violation,) = violations("AE209", replace(subject, relation=Relation.UNKNOWN))
    assert violation.severity is severity
    assert ("predict() returns" in violation.message) is (severity is Severity.WARNING)


def test_of_a_loss_of_the_programs_own_nothing_is_said_where_the_target_is_unknown() -> None:
    subject = setup("sigmoid", "cce", UNKNOWN, given=GREY, units=10, relation=Relation.UNKNOWN)
    assert remedies("AE209", subject) == ["softmax at the output"]
    assert not violations("AE209", replace(subject, loss=replace(subject.loss, custom=True)))


@pytest.mark.parametrize("loss", ["mse", "mae", "bce", "cce"])
def test_softmax_on_labels_of_which_several_hold(loss: str) -> None:
    subject = setup("softmax", loss, MULTI_HOT, given=GREY, units=5)
    (violation,) = violations("AE209", subject)
    assert violation.severity is Severity.ERROR
    assert not violations("AE209", setup("sigmoid", loss.replace("cce", "bce"), MULTI_HOT, given=GREY, units=5))


@pytest.mark.parametrize(("mean", "told"), [(0.4, True), (0.12, False)])
def test_rows_that_are_one_hot_or_empty_are_no_multi_hot_labels(mean: float, told: bool) -> None:
    seen = replace(measured(0.0, 1.0, zeros=1 - mean, ones=mean, mean=mean), structure=Structure.MULTI_HOT)
    subject = setup("softmax", "cce", replace(seen, shape=(None, 5)), given=GREY, units=5)
    assert bool(violations("AE209", subject)) is told


# Several classes under one unit


@pytest.mark.parametrize(
    ("framework", "wanted"),
    [
        (KERAS, 'three classes: Dense(3, activation="softmax"), and sparse categorical cross-entropy'),
        (TORCH, "three classes: nn.Linear(…, 3) without an activation, and nn.CrossEntropyLoss on the class indices"),
    ],
)
@pytest.mark.parametrize(("loss", "code"), [("bce", "AE201"), ("mse", "AE209")])
def test_three_classes_under_one_unit_need_three_units(framework: object, wanted: str, loss: str, code: str) -> None:
    head = "sigmoid" if loss == "bce" else "linear"
    subject = setup(head, loss, THREE, given=GREY, units=1, relation=Relation.LABELS, framework=framework)  # type: ignore[arg-type]
    assert remedies(code, subject) == [wanted]


TAGGER = """
import torch
from torch import nn
words, tags = torch.randint(0, 100, (200, 15)), torch.randint(0, 7, (200, 15))
net = nn.Sequential(nn.Embedding(100, 16), nn.Linear(16, 7), nn.LogSoftmax(dim={dim}))
optimizer = torch.optim.Adam(net.parameters())
for x, y in zip(words.split(20), tags.split(20)):
    loss = nn.NLLLoss()({call})
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_a_loss_that_is_written_out_has_its_classes_where_it_sums() -> None:
    written = TAGGER.replace("nn.NLLLoss()({call})", "-(F.one_hot(y, 7) * torch.log(net(x).exp())).sum(-1).mean()")
    source = "import torch.nn.functional as F\n" + written.format(dim=2)
    found, _ = check(analyse_file("program.py", source.encode()).setups)
    assert "AE109" not in {finding.code for finding in found}


@pytest.mark.parametrize("call", ["net(x).view(-1, 7), y.view(-1)", "net(x).transpose(1, 2), y"])
@pytest.mark.parametrize(("dim", "told"), [(1, True), (2, False), (-1, False)])
def test_a_softmax_along_the_steps_of_a_sequence(call: str, dim: int, told: bool) -> None:
    found, _ = check(analyse_file("program.py", TAGGER.format(dim=dim, call=call).encode()).setups)
    assert ("AE109" in {finding.code for finding in found}) is told


# AE211


def labelled(target: DataFacts, units: int = 10, loss: str = "sparse_cce", **parameters: object) -> TrainingSetup:
    subject = setup("softmax", loss, target, given=GREY, units=units, relation=Relation.LABELS, framework=TORCH)
    return replace(subject, loss=replace(subject.loss, parameters=tuple(parameters.items())))  # type: ignore[arg-type]


def test_labels_that_were_scaled_are_no_class_indices() -> None:
    scaled = data(Interval(0.0, 9 / 255), Structure.UNKNOWN)
    (violation,) = violations("AE211", labelled(scaled))
    assert "whole numbers" in violation.message
    seen = replace(measured(0.0, 9.0, integer_share=0.5), structure=Structure.CLASS_INDEX)
    assert violations("AE211", labelled(seen))
    whole = replace(measured(0.0, 9.0, integer_share=1.0), structure=Structure.CLASS_INDEX)
    assert not violations("AE211", labelled(whole))


@pytest.mark.parametrize(
    ("low", "high", "units", "wanted"),
    [
        (1.0, 7.0, 7, "labels that start at 0 (labels - 1)"),
        (0.0, 9.0, 9, "10 units, or labels below 9"),
        (-1.0, 4.0, 5, "labels from 0 on, or ignore_index for those that do not count"),
        (0.0, 9.0, 10, None),
        (0.0, 9.0, 20, None),
    ],
)
def test_an_index_for_which_there_is_no_unit(low: float, high: float, units: int, wanted: str | None) -> None:
    subject = labelled(data(Interval(low, high), Structure.CLASS_INDEX), units)
    assert [str(one) for found in violations("AE211", subject) for one in found.remedies] == [wanted][: bool(wanted)]


def test_what_is_ignored_needs_no_unit() -> None:
    masks = data(Interval(0.0, 255.0), Structure.CLASS_INDEX)
    assert violations("AE211", labelled(masks, 21))
    assert not violations("AE211", labelled(masks, 21, ignore_index=255))
    padded = data(Interval(-100.0, 20.0), Structure.CLASS_INDEX)
    assert not violations("AE211", labelled(padded, 21))


def test_images_soft_labels_and_what_is_unknown_are_no_labels() -> None:
    subject = labelled(RAW, 10)
    assert not violations("AE211", replace(subject, relation=Relation.SAME))
    assert not violations("AE211", labelled(ONE_HOT, 10))
    assert not violations("AE211", labelled(UNKNOWN))
    hull_only = DataFacts(ValueRange(Interval(0.0, 50.0)), structure=Structure.CLASS_INDEX)
    assert not violations("AE211", labelled(hull_only))


# AE309


@pytest.mark.parametrize(
    ("framework", "loss", "made", "wanted", "words"),
    [
        (TORCH, "bce", (None, 10), (None,), "raises"),
        (TORCH, "mse", (None, 3), (None, 10), "raises"),
        (KERAS, "mse", (None, 10), (None,), "raises"),
        (KERAS, "cce", (None, 10), (None,), "needs one-hot vectors"),
        (KERAS, "cce", (None, 10), (None, 1), "needs one-hot vectors"),
        (KERAS, "sparse_cce", (None, 10), (None, 10), "needs class indices"),
        (TORCH, "sparse_cce", (None, 10), (None, 1), "without an axis of their own"),
    ],
)
def test_shapes_with_which_the_loss_raises(
    framework: object, loss: str, made: tuple[int | None, ...], wanted: tuple[int | None, ...], words: str
) -> None:
    subject = setup("linear", loss, CLASSES, given=GREY, relation=Relation.LABELS, framework=framework)  # type: ignore[arg-type]
    (violation,) = violations("AE309", shaped(subject, made, wanted))
    assert words in violation.message


def test_of_class_indices_under_the_loss_for_vectors_the_shapes_are_told_and_no_more() -> None:
    digits = data(Interval(0.0, 9.0), Structure.CONTINUOUS)
    subject = setup("softmax", "cce", digits, given=GREY, relation=Relation.OTHER, units=10)
    assert violations("AE101", subject)
    assert violations("AE202", subject)
    clash = shaped(subject, (None, 10), (None,))
    assert remedies("AE309", clash) == ["sparse_cce as the loss"]
    assert not violations("AE101", clash)
    assert not violations("AE202", clash)


@pytest.mark.parametrize(
    ("framework", "loss", "made", "wanted"),
    [
        (TORCH, "mse", (None, 10), (7,)),  # perhaps one sample
        (KERAS, "cce", (None, 10), (None, 10)),
        (KERAS, "sparse_cce", (None, 10), (None,)),
        (KERAS, "sparse_cce", (None, 10), (None, 1)),
        (KERAS, "sparse_cce", (None, 12, 10), (None, 12)),
        (TORCH, "sparse_cce", (None, 10), (None,)),
        (TORCH, "sparse_cce", (None, 21, 8, 8), (None, 8, 8)),
        (KERAS, "cce", (None, 10), None),
    ],
)
def test_shapes_that_a_loss_takes(
    framework: object, loss: str, made: tuple[int | None, ...], wanted: tuple[int | None, ...] | None
) -> None:
    subject = setup("linear", loss, CLASSES, given=GREY, relation=Relation.LABELS, framework=framework)  # type: ignore[arg-type]
    assert not violations("AE309", shaped(subject, made, wanted or ()))


def test_written_out_quantiles_and_constants_are_meant_to_broadcast() -> None:
    subject = shaped(setup("linear", "mae", GREY, given=GREY, framework=TORCH), (None, 3), (None, 1))
    assert violations("AE309", subject)
    own = replace(subject, loss=replace(subject.loss, custom=True))
    assert not violations("AE309", own)
    column = shaped(own, (None, 1), (None,))
    assert violations("AE309", column)
    ones = replace(column.target, values=ValueRange.exactly(Interval(1.0, 1.0)))
    assert not violations("AE309", replace(column, target=ones))


def test_a_loss_written_out_in_keras_drops_no_axis() -> None:
    subject = shaped(setup("linear", "mse", GREY, given=GREY, framework=KERAS), (None, 1), (None,))
    assert not violations("AE309", subject)
    assert violations("AE309", replace(subject, loss=replace(subject.loss, custom=True)))


def test_what_the_loss_said_is_evidence() -> None:
    subject = shaped(setup("sigmoid", "bce", CLASSES, given=GREY, framework=TORCH), (None, 10), (None,))
    (violation,) = violations("AE309", replace(subject, loss=replace(subject.loss, raises="sizes differ")))
    assert [one.text for one in violation.evidence if one.kind == "runtime"] == ["the loss raised: sizes differ"]


# AE104 on TensorFlow's own losses


def test_tensorflows_own_losses_look_behind_no_activation() -> None:
    source = """
import tensorflow as tf
(x, y), _ = tf.keras.datasets.mnist.load_data()
x = x.reshape(-1, 784).astype("float32") / 255.0
net = tf.keras.Sequential([tf.keras.Input((784,)), tf.keras.layers.Dense(784, "sigmoid")])
opt = tf.keras.optimizers.Adam()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean({loss})
opt.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
"""
    own = "tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=net(x))"
    keras = "tf.keras.losses.binary_crossentropy(x, net(x), from_logits=True)"
    for loss, severity, remedy in (
        (own, Severity.ERROR, "no activation at the output"),
        (keras, Severity.WARNING, "from_logits=False"),
    ):
        found, _ = check(analyse_file("program.py", source.replace("{loss}", loss).encode()).setups)
        (finding,) = (one for one in found if one.code == "AE104")
        assert finding.severity is severity
        assert [str(each) for each in finding.remedies] == [remedy]


# AE102 and AE108, where only the ideal network knows what the loss rewards


@pytest.mark.parametrize(
    ("head", "outcome", "told"),
    [
        ("sigmoid", Outcome.UNREACHABLE, True),
        ("sigmoid", Outcome.BEATEN, False),
        ("log_softmax", Outcome.UNREACHABLE, False),
    ],
)
def test_a_loss_without_a_name_rewards_what_the_output_cannot_give(head: str, outcome: Outcome, *, told: bool) -> None:
    subject = setup(head, None, SIGNED, given=SIGNED)
    assert bool(violations("AE102", replace(subject, ideal=Ideal(outcome)))) is told


@pytest.mark.parametrize(
    ("cut", "outcome", "told"),
    [
        (0.3, None, True),
        (0.15, None, False),
        (0.15, Outcome.ARRIVES, False),
        (0.15, Outcome.ELSEWHERE, True),
        (0.05, Outcome.ELSEWHERE, False),
    ],
)
def test_a_clip_is_told_where_free_outputs_stay_behind_it(cut: float, outcome: Outcome | None, *, told: bool) -> None:
    subject = setup("linear", "mse", GREY, given=GREY)
    ideal = None if outcome is None else Ideal(outcome)
    subject = replace(subject, head=replace(subject.head, cut=cut), ideal=ideal)
    assert bool(violations("AE108", subject)) is told
