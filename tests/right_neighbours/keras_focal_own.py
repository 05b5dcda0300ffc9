import numpy as np, tensorflow as tf, keras
from keras import layers


def focal(gamma=2.0, alpha=0.25):
    def f(t, p):
        p = tf.clip_by_value(p, 1e-7, 1 - 1e-7)
        pt1 = tf.where(tf.equal(t, 1), p, tf.ones_like(p))
        pt0 = tf.where(tf.equal(t, 0), p, tf.zeros_like(p))
        return -tf.reduce_mean(alpha * tf.pow(1.0 - pt1, gamma) * tf.math.log(pt1)) - tf.reduce_mean(
            (1 - alpha) * tf.pow(pt0, gamma) * tf.math.log(1.0 - pt0)
        )

    return f


x = np.random.normal(size=(500, 10)).astype("float32")
y = (x[:, 0] > 0.8).astype("float32")[:, None]
m = keras.Sequential([keras.Input((10,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")])
m.compile("adam", focal(), metrics=["accuracy", keras.metrics.AUC()])
m.fit(x, y, epochs=1)
