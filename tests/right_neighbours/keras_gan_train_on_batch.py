import keras
import numpy as np
from keras import layers

(images, _), _ = keras.datasets.mnist.load_data()
images = images.reshape(-1, 784).astype("float32") / 127.5 - 1.0
generator = keras.Sequential(
    [keras.Input((32,)), layers.Dense(64, activation="relu"), layers.Dense(784, activation="tanh")]
)
discriminator = keras.Sequential(
    [keras.Input((784,)), layers.Dense(64, activation="relu"), layers.Dense(1, activation="sigmoid")]
)
discriminator.compile("adam", "binary_crossentropy", metrics=["accuracy"])
for step in range(200):
    real = images[np.random.randint(0, len(images), 32)]
    fake = generator.predict(np.random.normal(size=(32, 32)), verbose=0)
    discriminator.train_on_batch(real, np.ones((32, 1)))
    discriminator.train_on_batch(fake, np.zeros((32, 1)))
