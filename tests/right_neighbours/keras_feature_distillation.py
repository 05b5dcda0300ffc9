import keras
import numpy as np
from keras import layers

x = np.random.default_rng(0).normal(size=(500, 20)).astype("float32")
teacher = keras.Sequential([keras.Input((20,)), layers.Dense(64, activation="relu"), layers.Dense(10)])
wanted = teacher.predict(x, verbose=0)
student = keras.Sequential([keras.Input((20,)), layers.Dense(16, activation="relu"), layers.Dense(10)])
student.compile("adam", "mse")
student.fit(x, wanted, epochs=3)
