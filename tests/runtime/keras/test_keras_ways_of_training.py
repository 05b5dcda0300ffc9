"""Every way of handing data to Keras ends in the same capture."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.schema.training_setup import Relation, Structure

layers = keras.layers
WIDTH = 24


@pytest.fixture(scope="module")
def data():
    """Three hidden factors, so that there is something to learn."""
    random = np.random.default_rng(0)
    factors = random.random((640, 3)) @ random.random((3, WIDTH))
    return (factors / factors.max()).astype("float32")


def small(activation="sigmoid", loss="mse", **arguments):
    model = keras.Sequential(
        [keras.Input((WIDTH,)), layers.Dense(8, activation="relu"), layers.Dense(WIDTH, activation=activation)]
    )
    model.compile("adam", loss, **arguments)
    return model


def batches_of(data, size=32):
    return [data[start : start + size] for start in range(0, len(data), size)]


class Pairs(keras.utils.PyDataset):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return len(self.data) // 32

    def __getitem__(self, index):
        part = self.data[32 * index : 32 * index + 32]
        return part, part


def as_generator(data):
    def generate():
        while True:
            for part in batches_of(data):
                yield part, part

    return {"x": generate(), "steps_per_epoch": 20}


def as_tf_data(data):
    tf = pytest.importorskip("tensorflow")
    return {"x": tf.data.Dataset.from_tensor_slices((data, data)).shuffle(100, seed=1).batch(32).repeat(), "epochs": 1}


def as_mapped_tf_data(data):
    tf = pytest.importorskip("tensorflow")
    inputs = tf.data.Dataset.from_tensor_slices(data)
    pairs = tf.data.Dataset.zip((inputs, inputs)).map(lambda x, y: (x, y)).batch(32, drop_remainder=True)
    return {"x": pairs.prefetch(1)}


def as_torch_loader(data):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(data)
    return {"x": torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tensor, tensor), batch_size=32)}


@pytest.mark.parametrize(
    "way",
    [
        lambda data: {"x": data, "y": data},
        lambda data: {"x": data, "y": data.copy()},
        lambda data: {"x": Pairs(data)},
        as_generator,
        as_tf_data,
        as_mapped_tf_data,
        as_torch_loader,
    ],
    ids=["array", "copy", "PyDataset", "generator", "tf.data", "zipped and mapped", "DataLoader"],
)
def test_ways(way, data, catch):
    arguments = way(data)
    result = {}

    def program():
        result["history"] = small().fit(**arguments)

    caught = catch(program)
    assert caught.problems == []
    (capture,) = caught.captures
    setup = capture.setup
    assert setup.relation is Relation.SAME
    assert setup.target.structure is Structure.CONTINUOUS
    assert 0 <= setup.target.values.hull.lo < setup.target.values.hull.hi <= 1
    assert capture.batch_size == 32
    assert capture.targets.shape[1:] == (WIDTH,)
    assert "loss" in result["history"].history
    first = capture.trial((), 0)
    assert first.advance(20) > first.advance(60)


def test_a_history_answers_to_the_names_of_every_release(data, catch):
    told = {}

    def program():
        rates = keras.callbacks.ReduceLROnPlateau()
        model = small(metrics=["acc", "mae", keras.metrics.AUC(name="auc_7")])
        told.update(history=model.fit(data, data, epochs=3, callbacks=[rates], validation_split=0.1).history)

    catch(program)
    history = told["history"]
    for name in ("acc", "accuracy", "val_acc", "mean_absolute_error", "val_mae", "auc", "val_auc_1", "lr"):
        assert len(history[name]) == 3, name
    with pytest.raises(KeyError):
        history["val_lr"]
    with pytest.raises(KeyError):
        history["precision"]


def test_what_a_checkpoint_would_have_kept_is_loaded(data, catch, tmp_path):
    def program():
        model = small()
        kept = keras.callbacks.ModelCheckpoint(tmp_path / "best-{epoch:02d}-{loss:.2f}.keras", save_best_only=True)
        model.fit(data, data, epochs=3, callbacks=[kept])
        model.load_weights(str(tmp_path / "best-03-0.11.keras"))
        assert keras.models.load_model(tmp_path / "best-03-0.11.keras") is model
        with pytest.raises(ValueError, match="File not found"):
            keras.models.load_model(str(tmp_path / "other.keras"))

    caught = catch(program)
    assert caught.problems == []
    with pytest.raises(ValueError, match="File not found"):
        keras.models.load_model(str(tmp_path / "best-03-0.11.keras"))


def test_train_on_batch(data, catch):
    returned = []

    def program():
        model = small(metrics=["mae"])
        for part in batches_of(data)[:12]:
            returned.append(model.train_on_batch(part, part))

    (capture,) = catch(program).captures
    assert len(capture.targets) == 8 * 32
    assert capture.batch_size == 32
    assert capture.setup.relation is Relation.SAME
    assert len(returned) == 12
    assert all(len(values) == 2 for values in returned)


def test_a_batch_tells_the_loss_of_each_output_and_a_test_takes_few_samples(data, catch):
    """As GANs print them (``g_loss[1]``), and as loops test on a whole data set each hundredth step."""
    returned, tested, plain_test = [], [], keras.Model.test_on_batch

    def model_of(losses):
        inputs = keras.Input((WIDTH,))
        outputs = [layers.Dense(WIDTH, name="picture")(inputs), layers.Dense(1, "sigmoid", name="valid")(inputs)]
        model = keras.Model(inputs, outputs)
        model.compile("sgd", losses, loss_weights=[0.9, 0.1])
        return model

    def program():
        model, valid = model_of(["mse", "binary_crossentropy"]), np.ones((len(data), 1))
        returned.append(model.train_on_batch(data[:16], [data[:16], valid[:16]]))
        tested.append(len(model.test_on_batch(data, [data, valid])))
        assert keras.Model.test_on_batch is not plain_test

    assert catch(program).captures
    real = model_of(["mse", "mse"]).train_on_batch(data[:16], [data[:16], np.ones((16, 1))])
    assert [len(values) for values in returned] == [len(real)] == tested


def test_a_short_train_on_batch_loop_is_handed_on_at_the_end(data, catch):
    def program():
        small().train_on_batch(data[:16], data[:16])

    (capture,) = catch(program).captures
    assert len(capture.targets) == 16


def test_every_output_is_handed_on_though_the_first_ends_the_program(data):
    from ae_audit.runtime.interception import StopProgram
    from ae_audit.runtime.keras.recorder import KerasRecorder

    captures = []

    def keep(capture):
        captures.append(capture)
        raise StopProgram

    recorder = KerasRecorder(__file__, keep)
    recorder.attach()
    try:
        inputs = keras.Input((data.shape[1],))
        outputs = [layers.Dense(data.shape[1], name="image")(inputs), layers.Dense(1, name="score")(inputs)]
        model = keras.Model(inputs, outputs)
        model.compile("adam", "mse")
        with pytest.raises(StopProgram):
            model.fit(data, [data, data[:, :1]])
    finally:
        recorder.detach()
    assert [capture.setup.head.units for capture in captures] == [data.shape[1], 1]


def test_a_second_training_is_a_second_capture_and_the_first_keeps_its_loss(data, catch, fitted):
    def program():
        model = small(loss="mae")
        model.fit(data, data)
        model.compile("sgd", "mse")
        model.fit(data, data * 2)

    first, second = catch(program).captures
    assert [capture.setup.loss.name for capture in (first, second)] == ["mae", "mse"]
    assert [capture.setup.optimizer for capture in (first, second)] == ["Adam", "SGD"]
    assert second.setup.relation is Relation.RESCALED
    alone = first.trial((), 0).advance(5)
    second.trial((), 0).advance(5)
    assert first.trial((), 0).advance(5) == alone


def test_predict_and_evaluate_still_work(data, catch):
    shapes = []

    def program():
        model = small()
        model.fit(data, data)
        shapes.append(model.predict(data[:4], verbose=0).shape)
        shapes.append(np.shape(model.evaluate(data, data, verbose=0)))

    catch(program)
    assert shapes == [(4, WIDTH), ()]


def test_predictions_of_what_was_not_trained_cost_little(data, catch):
    class Batches(keras.callbacks.Callback):
        count = 0

        def on_predict_batch_end(self, batch, logs=None):
            self.count += 1

        def on_test_batch_end(self, batch, logs=None):
            self.count += 1

    long, predicted, evaluated, endless = np.tile(data, (8, 1)), Batches(), Batches(), Batches()
    shapes = []

    def batches():
        while True:
            yield data, data

    def program():
        model = small()
        model.fit(long, long)
        outputs = model.predict(long, verbose=0, callbacks=[predicted])
        shapes.append(outputs.shape)
        model.evaluate(long, long, verbose=0, callbacks=[evaluated])
        model.evaluate(batches(), verbose=0, callbacks=[endless])

    caught = catch(program)
    assert shapes == [(5120, WIDTH)]
    assert (predicted.count, evaluated.count, endless.count) == (32, 32, 8)
    assert len(caught.captures) == 1


def test_labels_and_sample_weights(data, catch, r2):
    labels = np.arange(len(data)) % 5

    def program():
        model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(5, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(data, labels, class_weight={0: 1.0, 1: 2.0, 2: 1.0, 3: 1.0, 4: 1.0})

    (capture,) = catch(program).captures
    assert capture.setup.relation is Relation.LABELS
    assert capture.setup.target.structure is Structure.CLASS_INDEX
    assert (capture.setup.head.activation, capture.setup.head.units) == ("softmax", 5)
    trial = capture.trial((), 0)
    trial.advance(10)
    assert r2(trial.evaluate()) < 1


def test_denoising(data, catch):
    random = np.random.default_rng(1)
    clean = random.random((640, WIDTH), dtype=np.float32)

    def program(target, source):
        def run():
            small().fit(source, target)

        return run

    masked = np.where(random.random(clean.shape) < 0.3, 0, clean).astype("float32")
    assert catch(program(clean, masked)).captures[0].setup.relation is Relation.NOISED_INPUT
    noisy = np.clip(clean + random.normal(0, 0.2, clean.shape), 0, 1).astype("float32")
    assert catch(program(clean, noisy)).captures[0].setup.relation is Relation.UNKNOWN  # values prove no addition


def test_data_that_cannot_be_read_is_a_problem_and_no_crash(catch):
    def program():
        small().fit(np.array(["a", "b"]), np.array(["a", "b"]))

    caught = catch(program)
    assert caught.captures == []
    assert "cannot be captured" in caught.problems[0]


def test_the_programs_own_fault_comes_through(data, catch):
    def program():
        small().fit(data, data[:, :5])

    with pytest.raises(Exception, match=r"shape|size|dimension"):
        catch(program).captures[0].trial((), 0).advance(1)


def test_an_uncompiled_model_fails_as_it_would(data, catch):
    def program():
        keras.Sequential([keras.Input((WIDTH,)), layers.Dense(3)]).fit(data, data)

    with pytest.raises(ValueError, match="compile"):
        catch(program)


def test_an_image_data_generator_that_gives_its_input_as_target(catch, fitted):
    image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    pictures = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1)).astype("float32")
    frame = image.ImageDataGenerator(rescale=1 / 255.0)

    def program():
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(1, 3, padding="same", activation="tanh")])
        model.compile("adam", "mse")
        model.fit(frame.flow(pictures, pictures / 255.0, batch_size=32), epochs=2)

    (capture,) = catch(program).captures
    assert capture.setup.relation is Relation.SAME
    assert capture.setup.input.values.hull.hi <= 1
    assert capture.batch_size == 32
    assert fitted(capture, steps=30) > fitted(capture, steps=1)


def test_a_folder_of_images_with_the_input_as_target(catch, tmp_path):
    image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    picture = pytest.importorskip("PIL.Image")
    (tmp_path / "all").mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        picture.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "all" / f"{number}.png")
    arguments = {"target_size": (8, 8), "color_mode": "grayscale", "class_mode": "input", "batch_size": 8}

    def program():
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(1, 3, padding="same", activation="sigmoid")])
        model.compile("adam", "mse")
        model.fit(image.ImageDataGenerator().flow_from_directory(tmp_path, **arguments), epochs=1)

    (capture,) = catch(program).captures
    assert capture.setup.relation is Relation.SAME
    assert capture.setup.target.values.hull.hi > 200
    assert capture.trial((), 0).advance(2) != 0


def test_several_outputs_with_weighted_losses(data, catch, fitted):
    labels = np.arange(len(data)) % 3

    def program():
        inputs = keras.Input((WIDTH,))
        code = layers.Dense(8, activation="relu")(inputs)
        image = layers.Dense(WIDTH, activation="sigmoid", name="image")(code)
        kind = layers.Dense(3, activation="softmax", name="kind")(code)
        model = keras.Model(inputs, [image, kind])
        losses = ["mse", "sparse_categorical_crossentropy"]
        model.compile("adam", losses, loss_weights=[1.0, 0.25])
        model.fit(data, [data, labels])

    image, kind = catch(program).captures
    assert (image.setup.loss.name, image.setup.loss.weight, image.setup.relation) == ("mse", 1.0, Relation.SAME)
    assert (kind.setup.loss.name, kind.setup.loss.weight) == ("sparse_cce", 0.25)
    assert kind.setup.relation is Relation.LABELS
    assert fitted(image, steps=60) > fitted(image, steps=1)
    assert kind.trial((), 0).evaluate().predictions.shape[1:] == (3,)
