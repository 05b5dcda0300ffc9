import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
images = rng.uniform(0, 1, (200, 32, 32, 3)).astype("float32")
masks = (images.mean(axis=-1, keepdims=True) > 0.5).astype("float32")
inputs = keras.Input((32, 32, 3))
c1 = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
p1 = layers.MaxPooling2D()(c1)
c2 = layers.Conv2D(32, 3, padding="same", activation="relu")(p1)
u1 = layers.concatenate([layers.UpSampling2D()(c2), c1])
outputs = layers.Conv2D(1, 1, activation="sigmoid")(u1)
model = keras.Model(inputs, outputs)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(images, masks, batch_size=16, epochs=2, validation_split=0.1)
