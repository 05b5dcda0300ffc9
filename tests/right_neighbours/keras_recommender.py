import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
users, items = rng.integers(0, 100, 3000), rng.integers(0, 50, 3000)
ratings = rng.integers(1, 6, 3000).astype("float32")
user, item = keras.Input((1,)), keras.Input((1,))
u = layers.Flatten()(layers.Embedding(100, 8)(user))
v = layers.Flatten()(layers.Embedding(50, 8)(item))
score = layers.Dot(axes=1)([u, v])
model = keras.Model([user, item], score)
model.compile("adam", "mse")
model.fit([users, items], ratings, epochs=2, batch_size=64)
