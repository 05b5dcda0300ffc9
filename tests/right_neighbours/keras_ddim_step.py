import keras
import tensorflow as tf
from keras import layers

(images, _), _ = keras.datasets.fashion_mnist.load_data()
images = images[:2000, ..., None].astype("float32") / 127.5 - 1.0


class Diffusion(keras.Model):
    def __init__(self):
        super().__init__()
        self.network = keras.Sequential(
            [
                layers.Conv2D(16, 3, padding="same", activation="swish"),
                layers.Conv2D(1, 3, padding="same"),
            ]
        )

    def train_step(self, batch):
        noise = tf.random.normal(tf.shape(batch))
        angle = tf.random.uniform((tf.shape(batch)[0], 1, 1, 1), 0.1, 1.5)
        noisy = tf.cos(angle) * batch + tf.sin(angle) * noise
        with tf.GradientTape() as tape:
            predicted = self.network(noisy, training=True)
            loss = tf.reduce_mean(tf.square(noise - predicted))
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights))
        return {"loss": loss}


model = Diffusion()
model.compile("adam")
model.fit(images, epochs=1, batch_size=64)
