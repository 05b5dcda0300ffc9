import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(0)
x = rng.normal(size=(600, 5)).astype("float32")
bins = 10
when = rng.integers(0, bins, 600)
dead = rng.random(600) < 0.7
survived = (np.arange(bins) < when[:, None]).astype("float32")
died = np.eye(bins, dtype="float32")[when] * dead[:, None]
y = np.concatenate([survived, died], axis=1).astype("float32")


def likelihood(y_true, y_pred):
    alive, dies = y_true[:, :bins], y_true[:, bins:]
    hazard = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    return -ops.sum(alive * ops.log(1 - hazard) + dies * ops.log(hazard), axis=-1)


model = keras.Sequential(
    [keras.Input((5,)), layers.Dense(16, activation="relu"), layers.Dense(bins, activation="sigmoid")]
)
model.compile("adam", likelihood)
model.fit(x, y, epochs=3)
