import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
photos = rng.integers(0, 256, (150, 32, 32, 3)).astype("uint8")
trimaps = rng.integers(0, 3, (150, 32, 32, 1)).astype("uint8")
model = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Rescaling(1 / 255.0),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2DTranspose(16, 3, padding="same", activation="relu"),
        layers.Conv2D(3, 3, padding="same", activation="softmax"),
    ]
)
model.compile("rmsprop", "sparse_categorical_crossentropy")
model.fit(photos, trimaps, epochs=2, batch_size=16)
