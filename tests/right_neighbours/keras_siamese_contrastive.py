import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(0)
left, right = rng.random((800, 30)).astype("float32"), rng.random((800, 30)).astype("float32")
same = rng.integers(0, 2, (800, 1)).astype("float32")
tower = keras.Sequential([keras.Input((30,)), layers.Dense(32, activation="relu"), layers.Dense(8)])
a, b = keras.Input((30,)), keras.Input((30,))
distance = layers.Lambda(
    lambda t: ops.sqrt(ops.sum(ops.square(t[0] - t[1]), axis=1, keepdims=True) + 1e-7), output_shape=(1,)
)([tower(a), tower(b)])
model = keras.Model([a, b], distance)


def contrastive(y_true, d):
    return ops.mean((1 - y_true) * ops.square(d) + y_true * ops.square(ops.maximum(1.0 - d, 0.0)))


model.compile("adam", contrastive)
model.fit([left, right], same, epochs=2, batch_size=32)
