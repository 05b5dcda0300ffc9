import numpy as np, keras
from keras import layers, backend as K, ops

g = np.linspace(-1, 1, 32)
c = np.random.rand(100, 2, 1, 1) - 0.5
y = (((g[None, :, None] - c[:, 0]) ** 2 + (g[None, None] - c[:, 1]) ** 2) < 0.15).astype("float32")[..., None]
x = y + 0.3 * np.random.normal(size=y.shape)


def dice_coef(t, p, smooth=1.0):
    t, p = ops.reshape(t, (-1,)), ops.reshape(p, (-1,))
    return (2.0 * ops.sum(t * p) + smooth) / (ops.sum(t) + ops.sum(p) + smooth)


def dice_loss(t, p):
    return 1 - dice_coef(t, p)


def bce_dice(t, p):
    return keras.losses.binary_crossentropy(t, p) + dice_loss(t, p)


i = keras.Input((32, 32, 1))
a = layers.Conv2D(8, 3, padding="same", activation="relu")(i)
b = layers.MaxPooling2D()(a)
b = layers.Conv2D(16, 3, padding="same", activation="relu")(b)
u = layers.UpSampling2D()(b)
u = layers.Concatenate()([u, a])
o = layers.Conv2D(1, 1, activation="sigmoid")(u)
m = keras.Model(i, o)
m.compile("adam", bce_dice, metrics=[dice_coef])
m.fit(x, y, batch_size=16, epochs=1)
