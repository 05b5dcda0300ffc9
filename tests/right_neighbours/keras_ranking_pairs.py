import numpy as np, keras
from keras import layers

base = keras.Sequential([keras.Input((10,)), layers.Dense(16, activation="relu"), layers.Dense(1)])
a, b = keras.Input((10,)), keras.Input((10,))
out = layers.Activation("sigmoid")(layers.Subtract()([base(a), base(b)]))
m = keras.Model([a, b], out)
m.compile("adam", "binary_crossentropy")
A, B = np.random.normal(size=(300, 10)), np.random.normal(size=(300, 10))
m.fit([A, B], (A[:, 0] > B[:, 0]).astype("float32"), epochs=2)
