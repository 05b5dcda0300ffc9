"""The dense autoencoder of the threads: captured facts, and arms that behave as the measured programs do."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from ae_audit.runtime.capture import CannotApply
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Relation, Structure
from ae_audit.theory.activations import Constraint
from ae_audit.theory.ranges import Tri

layers = keras.layers
on_tensorflow = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="needs TensorFlow")


def dense(activation, *, width=784, loss="binary_crossentropy", **compile_arguments):
    model = keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(width, activation=activation),
        ]
    )
    model.compile("adam", loss, **compile_arguments)
    return model


@pytest.fixture(scope="module")
def softmax_on_raw(raw_digits):
    from ae_audit.runtime.keras.recorder import KerasRecorder

    captures = []
    recorder = KerasRecorder(__file__, captures.append)
    recorder.attach()
    try:
        model = dense("softmax", metrics=["accuracy"])
        history = model.fit(raw_digits, raw_digits, epochs=5, batch_size=100, validation_split=0.1)
    finally:
        recorder.detach()
    (capture,) = captures
    return model, history, capture


def test_the_setup_is_what_the_program_says(softmax_on_raw):
    setup = softmax_on_raw[2].setup
    assert setup.framework is Framework.KERAS
    assert setup.backend == keras.config.backend()
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("softmax", -1, 784)
    assert setup.head.range.constraint is Constraint.SIMPLEX
    assert setup.head.logits_recoverable is Tri.of(keras.config.backend() == "tensorflow")
    assert (setup.loss.name, setup.loss.written, setup.loss.from_logits) == ("bce", '"binary_crossentropy"', Tri.NO)
    assert setup.relation is Relation.SAME
    assert setup.target.structure is Structure.CONTINUOUS
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 255.0)
    assert setup.validation_target.values.hull.hi == 255.0
    assert setup.optimizer == "Adam"
    assert [metric.name for metric in setup.metrics] == ["accuracy"]
    assert setup.model.first_layers[0] == "Dense"
    assert setup.model.normalises_input is Tri.NO
    assert setup.seen_by == ("runtime",)


def test_places_are_those_of_the_source(softmax_on_raw):
    with open(__file__) as source:
        lines = source.read().splitlines()
    setup = softmax_on_raw[2].setup
    assert "model.fit(raw_digits" in lines[setup.location.line - 1]
    assert "model.compile(" in lines[setup.loss.location.line - 1]
    assert "layers.Dense(width" in lines[setup.head.location.line - 1]


def test_fit_returns_a_history_that_can_be_plotted(softmax_on_raw):
    model, history, _ = softmax_on_raw
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 5 for values in history.history.values())
    assert history.epoch == [0, 1, 2, 3, 4]
    assert model.history is history


def test_softmax_explains_nothing_whatever_the_scale(softmax_on_raw, fitted):
    capture = softmax_on_raw[2]
    if keras.config.backend() == "torch":
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            fitted(capture)
    else:
        assert fitted(capture) < 0
    assert fitted(capture, (Rescale(1 / 255),)) < 0
    assert fitted(capture, (Rescale(1 / 255), SwapActivation("sigmoid"))) > 0.1


@on_tensorflow
def test_on_tensorflow_the_loss_of_a_softmax_looks_like_that_of_a_sigmoid(softmax_on_raw):
    capture = softmax_on_raw[2]
    losses = []
    for remedies in ((Rescale(1 / 255),), (Rescale(1 / 255), SwapActivation("sigmoid"))):
        trial = capture.trial(remedies, 0)
        losses.append([trial.advance(25) for _ in range(4)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_same_seed_gives_the_same_figures(softmax_on_raw):
    capture = softmax_on_raw[2]
    remedies = (Rescale(1 / 255), SwapActivation("sigmoid"))
    runs = {}
    for name, seed in (("first", 3), ("other", 4), ("again", 3)):
        trial = capture.trial(remedies, seed)
        runs[name] = (trial.advance(20), trial.evaluate().predictions)
    assert runs["first"][0] == runs["again"][0]
    assert np.array_equal(runs["first"][1], runs["again"][1])
    assert runs["first"][0] != runs["other"][0]


def test_trials_may_alternate(softmax_on_raw):
    capture = softmax_on_raw[2]
    scaled = (Rescale(1 / 255), SwapActivation("sigmoid"))
    alone = capture.trial(scaled, 1)
    expected = [alone.advance(10), alone.advance(10)]
    one, other = capture.trial(scaled, 1), capture.trial((Rescale(1 / 255),), 2)
    seen = [one.advance(10)]
    other.advance(10)
    seen.append(one.advance(10))
    assert seen == expected


def test_the_model_is_as_it_was_after_closing(softmax_on_raw):
    model, _, capture = softmax_on_raw
    before = capture._program.captured
    capture.trial((Rescale(1 / 255),), 0).advance(5)
    capture.close()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=False))
    assert model.layers[-1].activation is keras.activations.softmax


def test_remedies_that_cannot_be_applied_say_so(softmax_on_raw):
    capture = softmax_on_raw[2]
    with pytest.raises(CannotApply, match="metric"):
        capture.trial((DropMetric("accuracy"),), 0)
    with pytest.raises(CannotApply, match="no loss"):
        capture.trial((SwapLoss("no_such_loss"),), 0)
    with pytest.raises(CannotApply, match="activation"):
        capture.trial((SwapActivation("no_such_activation"),), 0)


def test_a_logit_head_is_evaluated_through_its_link(catch, digits):
    def program():
        dense(None, loss=keras.losses.BinaryCrossentropy(from_logits=True)).fit(digits, digits, batch_size=100)

    (capture,) = catch(program).captures
    assert (capture.setup.head.activation, capture.setup.loss.from_logits) == ("linear", Tri.YES)
    predictions = capture.trial((), 0).evaluate().predictions
    assert predictions.min() > 0
    assert predictions.max() < 1
    unlinked = capture.trial((ExpectLogits(False),), 0).evaluate().predictions
    assert unlinked.min() < 0


def test_linear_before_a_probability_loss(catch, digits, fitted):
    def program():
        dense(None).fit(digits, digits, batch_size=100)

    (capture,) = catch(program).captures
    assert capture.setup.head.activation == "linear"
    assert fitted(capture) < fitted(capture, (SwapActivation("sigmoid"),))
    assert fitted(capture) < fitted(capture, (SwapLoss("bce", from_logits=True),))


def test_sigmoid_with_from_logits_depends_on_the_backend(catch, digits, fitted):
    def program():
        model = dense("sigmoid", loss=keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(digits, digits, batch_size=100)

    (capture,) = catch(program).captures
    as_written, fixed = fitted(capture), fitted(capture, (ExpectLogits(False),))
    assert fixed > 0.1
    if keras.config.backend() == "tensorflow":
        assert capture.setup.head.logits_recoverable is Tri.YES
        assert as_written == pytest.approx(fixed, abs=0.02)
    else:
        assert capture.setup.head.logits_recoverable is Tri.NO
        assert as_written < fixed - 0.3


def test_rescaling_only_one_side(catch, raw_digits, digits, r2):
    def program():
        dense("sigmoid", loss="mse").fit(digits, raw_digits, batch_size=100)

    (capture,) = catch(program).captures
    assert capture.setup.relation is Relation.RESCALED
    assert capture.setup.relation_scale == pytest.approx((255.0, 0.0), abs=1e-2)
    trial = capture.trial((Rescale(1 / 255, input=False),), 0)
    evaluation = trial.evaluate()
    assert evaluation.targets.max() == pytest.approx(1.0)
    assert math.isfinite(trial.advance(5))
    assert r2(evaluation) < 1


def test_raw_targets_are_summarised_whole(catch):
    values = np.zeros((5000, 16), dtype="float32")
    values[4999, 3] = 7.0
    values[1234, 2] = -3.0

    def program():
        dense("linear", width=16, loss="mse").fit(values, values)

    (capture,) = catch(program).captures
    assert len(capture.targets) == 2048
    hull = capture.setup.target.values.hull
    assert (hull.lo, hull.hi) == (-3.0, 7.0)
