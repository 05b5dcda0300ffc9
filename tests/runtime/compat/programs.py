"""What old Keras programs write, run in a process of its own: each line is held against what it means today.

Run as ``python programs.py``; prints the notes of the report, one a line, after ``ok``.
"""

import sys

import numpy as np

from ae_audit.runtime.compat import answer_old_names
from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.keras.trace import watching

problems = []
watch = ImportWatch(lambda name, error: problems.append((name, error)))
watch.install()
uses = answer_old_names(watch, __file__)

import keras  # noqa: E402
from keras import backend as K  # noqa: E402
from keras import objectives, regularizers  # noqa: E402
from keras.engine.topology import InputSpec, Layer  # noqa: E402
from keras.layers import Convolution2D, CuDNNLSTM, Dense, Dropout, Input, Lambda, MaxPooling2D, merge  # noqa: E402
from keras.layers.convolutional import UpSampling2D  # noqa: E402
from keras.layers.merge import concatenate  # noqa: E402
from keras.layers.normalization import BatchNormalization  # noqa: E402
from keras.losses import mse  # noqa: E402
from keras.models import Model  # noqa: E402
from keras.optimizers import SGD, adam  # noqa: E402
from keras.preprocessing.image import ImageDataGenerator  # noqa: E402
from keras.preprocessing.text import Tokenizer  # noqa: E402
from keras.utils import np_utils  # noqa: E402

assert np_utils.to_categorical is keras.utils.to_categorical
assert (Layer, InputSpec) == (keras.layers.Layer, keras.layers.InputSpec)
assert (mse, objectives.mse) == (keras.losses.mean_squared_error,) * 2
assert Tokenizer(num_words=3).num_words == 3

# a convolutional model of Keras 1
picture = Input(shape=(8, 8, 1))
x = Convolution2D(4, 3, 3, border_mode="same", activation="relu", init="he_normal", dim_ordering="tf")(picture)
assert x.shape.as_list() == [None, 8, 8, 4]
x = UpSampling2D((2, 2))(BatchNormalization(mode=0)(MaxPooling2D((2, 2), border_mode="same")(x)))
x = Dropout(p=0.25)(x)
seen = merge([x, x], mode="concat", concat_axis=3)
assert seen.shape == concatenate([x, x], axis=3).shape == (None, 8, 8, 8)
assert merge([x, x], mode="sum").shape == (None, 8, 8, 4)
model = Model(input=picture, output=Convolution2D(1, 3, 3, border_mode="same", activation="sigmoid")(seen))
assert model.layers[1].output_shape == (None, 8, 8, 4)
assert not hasattr(model.layers[1], "output_shape")
assert model.layers[1].get_config()["padding"] == "same"
assert len(model.layers[1].get_config()["kernel_initializer"]["config"]) > 0

# what a program of today writes keeps its meaning
assert keras.layers.Conv2D(4, 3, strides=2)(picture).shape == (None, 3, 3, 4)
assert float(SGD(learning_rate=0.5, momentum=0.9).learning_rate) == 0.5

optimizer = adam(lr=0.25, decay=0.5)
rates = [float(optimizer.learning_rate.numpy() if hasattr(optimizer.learning_rate, "numpy") else 0.25)]
for _ in range(2):
    optimizer.iterations.assign_add(1)
    rates.append(float(K.eval(optimizer.learning_rate)))
assert np.allclose(rates, [0.25 / (1 + 0.5 * step) for step in range(3)])

digits = np.random.default_rng(0).random((32, 8, 8, 1)).astype("float32")
model.compile(optimizer="sgd", loss="kullback_leibler_divergence")
model.compile(optimizer=SGD(lr=0.1), loss="mse")
history = model.fit(digits, digits, nb_epoch=2, batch_size=8, verbose=0, workers=2)
assert len(history.history["loss"]) == 2
flow = ImageDataGenerator(rescale=2.0).flow(digits, digits, batch_size=8)
history = model.fit_generator(flow, samples_per_epoch=32, nb_epoch=1, verbose=0)
assert len(history.history["loss"]) == 1
assert model.predict_generator(flow, 2, workers=2, verbose=0).shape == (16, 8, 8, 1)

K.set_learning_phase(K.learning_phase())
phased = keras.layers.Lambda(
    lambda x: K.in_train_phase(K.repeat_elements(x, 2, 1), lambda: K.concatenate([x, K.elu(x)]))
)
seen = [np.asarray(phased(np.full((1, 1), -1.0), training=mode))[0] for mode in (True, False)]
assert np.allclose(seen, [[-1.0, -1.0], [-1.0, np.expm1(-1.0)]]), seen
assert np.asarray(K.in_test_phase(np.zeros(1), np.ones(1), training=False)).tolist() == [0]
rows = K.switch(np.array([True, False]), np.ones((2, 2), "float32"), np.zeros((2, 2), "float32"))
assert np.asarray(K.eval(rows)).tolist() == [[1, 1], [0, 0]]
assert Dense(np.int64(3)).units == Dense(output_dim=3.0, W_regularizer=regularizers.l2(0.1)).units == 3
recurrent = CuDNNLSTM(4, batch_input_shape=(None, 3, 2))
assert type(recurrent) is keras.layers.LSTM
assert (recurrent.activation, recurrent.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
saved = keras.callbacks.ModelCheckpoint("weights.{epoch:02d}.hdf5", period=3, save_weights_only=True)
assert saved.filepath == "weights.{epoch:02d}.hdf5.weights.h5"

# a variational autoencoder whose loss is added to the model
inputs = Input(shape=(6,))
mean, log_variance = Dense(2)(inputs), Dense(2)(inputs)


def sampled(parts):
    center, spread = parts
    return K.in_train_phase(
        center + K.exp(0.5 * spread) * K.random_normal(shape=(K.shape(center)[0], 2), mean=0.0, stddev=0.0), center
    )


outputs = Dense(6, activation="sigmoid")(Lambda(sampled, output_shape=(2,))([mean, log_variance]))
vae = Model(inputs, outputs)
divergence = -0.5 * K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
vae.add_loss(K.mean(6 * objectives.binary_crossentropy(inputs, outputs) + divergence))
vae.add_metric(divergence, name="divergence")
vae.compile(optimizer="sgd")
values = np.random.default_rng(1).random((16, 6)).astype("float32")
told = vae.evaluate(values, verbose=0)
centers, spreads, given = (np.asarray(part) for part in Model(inputs, [mean, log_variance, outputs]).predict(values))
entropy = -(values * np.log(given) + (1 - values) * np.log(1 - given)).mean(axis=-1)
apart = -0.5 * (1 + spreads - centers**2 - np.exp(spreads)).sum(axis=-1)
assert np.isclose(told, (6 * entropy + apart).mean(), rtol=1e-4), told
before = [np.asarray(weight) for weight in vae.get_weights()]
vae.fit(values, epochs=1, verbose=0)
assert not any(np.array_equal(old, new) for old, new in zip(before, vae.get_weights(), strict=True))

with watching(()) as looked:
    vae(values)
(seen_loss,) = looked.losses
assert seen_loss.symbol == "keras.losses.binary_crossentropy", seen_loss.symbol
assert np.array_equal(np.asarray(seen_loss.y_true), values)

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.keras.layers import CuDNNGRU
    from tensorflow.keras.layers.experimental.preprocessing import Rescaling

    assert (CuDNNGRU, Rescaling) == (keras.layers.GRU, keras.layers.Rescaling)
    symbolic = tf.reduce_mean(tf.square(inputs - outputs), axis=1)
    assert symbolic.shape == (None,)
    errors, given = (part.numpy() for part in Model(inputs, [symbolic, outputs])(values))
    assert np.allclose(errors, ((values - given) ** 2).mean(axis=1), atol=1e-5)
    assert tf.keras.backend.sum(inputs, axis=1).shape == (None,)
    assert tf.keras.optimizers.legacy.Adam(lr=0.5).learning_rate == 0.5
    assert tf.keras.losses.mean_squared_error is mse
    assert tf.keras.metrics.mean_absolute_error is keras.losses.mean_absolute_error

# a merge by a function, sizes that NumPy gives, and the next batch of a folder
added = merge([inputs, inputs], mode=lambda pair: pair[0] + pair[1], output_shape=lambda shapes: shapes[0])
assert np.allclose(Model(inputs, added).predict(values, verbose=0), 2 * values)
assert keras.layers.Embedding(4, np.prod((2, 3))).output_dim == 6
flow = ImageDataGenerator().flow(np.zeros((4, 8, 8, 1)), batch_size=3)
assert flow.next().shape == (3, 8, 8, 1)
if keras.config.backend() == "tensorflow":
    assert K.tf.image.resize_images(np.zeros((1, 4, 4, 1)), (2, 2)).shape == (1, 2, 2, 1)
    assert not hasattr(tf.image, "resize_anything")

# initial weights from a function of the shape alone
plain = Dense(3, kernel_initializer=lambda shape: np.full(shape, 0.5))
assert float(np.asarray(keras.ops.convert_to_numpy(plain(keras.ops.ones((1, 4))))).max()) == 2.0

# one list of metrics is for each of several outputs
shared = Dense(3)(inputs)
pair = Model(inputs, [shared, Dense(3)(shared)])
pair.compile("sgd", "mse", metrics=["mae"])
assert len(pair.evaluate(values, [np.zeros((len(values), 3))] * 2, verbose=0)) == 5

# a part of a column is written in the frame, also over text; a column with a name of its own is a copy from pandas 3 on
import pandas  # noqa: E402

frame = pandas.DataFrame({"Quality": ["Good", "Bad", "Good"], "n": [1.0, 2.0, 3.0]})
frame.Quality[frame.Quality == "Good"] = 1
frame["Quality"][frame["Quality"] == "Bad"] = 2
assert list(frame["Quality"]) == [1, 2, 1], frame
if int(pandas.__version__.partition(".")[0]) >= 3:
    named = frame["n"]
    named[0] = 9.0
    assert frame["n"][0] == 1.0

monthly = pandas.Series(1.0, index=pandas.date_range("2020-01-01", periods=60, freq="D")).resample("M").sum()
assert list(monthly) == [31.0, 29.0]
daily = pandas.DataFrame({"day": pandas.date_range("2020-01-01", periods=60, freq="D"), "n": 1.0})
assert list(daily.groupby(pandas.Grouper(key="day", freq="M"))["n"].sum()) == [31.0, 29.0]

from scipy import stats  # noqa: E402

assert stats.mode([1, 2, 2])[0][0] == 2
assert stats.mode([1, 2, 2])[0] == 2
by_name = frame.select_dtypes("number").mean()
by_name[0] = by_name[0] + 1.0  # by its place
assert by_name["n"] == by_name[-1] == float(frame["n"].mean()) + 1.0
dummies = pandas.get_dummies(pandas.DataFrame({"kind": ["a", "b", "a"], "n": [1.0, 2.0, 3.0]}))
assert dummies.values.dtype == dummies.to_numpy().dtype == float
assert pandas.DataFrame({"kind": ["a"], "n": [1.0]}).values.dtype == object

assert problems == [], problems
print("ok", file=sys.stderr)
print("\n".join(uses.notes))
