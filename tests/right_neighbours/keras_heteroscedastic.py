import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(3)
x = rng.uniform(-3, 3, (1000, 1))
y = np.sin(x) + 0.1 * (1 + np.abs(x)) * rng.normal(size=x.shape)


def negative_log_likelihood(y_true, y_pred):
    mean, log_variance = y_pred[:, :1], y_pred[:, 1:]
    return ops.mean(0.5 * log_variance + 0.5 * ops.square(y_true - mean) * ops.exp(-log_variance))


model = keras.Sequential([keras.Input((1,)), layers.Dense(32, activation="relu"), layers.Dense(2)])
model.compile("adam", negative_log_likelihood)
model.fit(x, y, epochs=5)
