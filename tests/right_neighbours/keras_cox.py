import numpy as np, tensorflow as tf, keras
from keras import layers

x = np.random.normal(size=(256, 5)).astype("float32")
tt = np.exp(-x[:, 0]) * np.random.rand(256)
e = (np.random.rand(256) < 0.7).astype("float32")
o = np.argsort(-tt)
x, e = x[o], e[o]


def cox(t, p):
    p = tf.squeeze(p, -1)
    t = tf.squeeze(t, -1) if len(t.shape) > 1 else t
    return -tf.reduce_sum((p - tf.math.log(tf.cumsum(tf.exp(p)))) * t) / (tf.reduce_sum(t) + 1e-6)


m = keras.Sequential([keras.Input((5,)), layers.Dense(16, activation="selu"), layers.Dense(1)])
m.compile("adam", cox)
m.fit(x, e[:, None], batch_size=256, epochs=3, shuffle=False)
