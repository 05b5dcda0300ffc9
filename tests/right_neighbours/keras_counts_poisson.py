import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 5)).astype("float32")
y = rng.poisson(np.exp(0.5 * x[:, 0] - 0.2 * x[:, 1])).astype("float32")
model = keras.Sequential(
    [keras.Input((5,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="exponential")]
)
model.compile("adam", keras.losses.Poisson())
model.fit(x, y, epochs=3)
