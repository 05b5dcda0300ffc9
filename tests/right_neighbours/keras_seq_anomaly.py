import numpy as np, keras
from keras import layers

t = np.arange(4000)
s = np.sin(t / 20) + 0.05 * np.random.normal(size=4000)
s = (s - s.mean()) / s.std()
X = np.stack([s[i : i + 64] for i in range(0, 3900, 4)])[..., None]
m = keras.Sequential(
    [
        layers.Input((64, 1)),
        layers.Conv1D(16, 7, padding="same", strides=2, activation="relu"),
        layers.Dropout(0.2),
        layers.Conv1DTranspose(16, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(1, 7, padding="same"),
    ]
)
m.compile(keras.optimizers.Adam(1e-3), "mse")
m.fit(X, X, epochs=2, batch_size=64, validation_split=0.1)
