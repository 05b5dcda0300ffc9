import keras
import numpy as np
import tensorflow as tf
from keras import layers

inputs = keras.Input((4,))
common = layers.Dense(32, activation="relu")(inputs)
action, critic = layers.Dense(2, activation="softmax")(common), layers.Dense(1)(common)
model = keras.Model(inputs, [action, critic])
optimizer = keras.optimizers.Adam(0.01)
huber = keras.losses.Huber()
for episode in range(10):
    states = np.random.normal(size=(20, 4)).astype("float32")
    rewards = np.random.random(20).astype("float32")
    returns = np.cumsum(rewards[::-1])[::-1]
    returns = (returns - returns.mean()) / (returns.std() + 1e-7)
    with tf.GradientTape() as tape:
        probabilities, values = model(states)
        chosen = np.array([np.random.choice(2, p=p / p.sum()) for p in probabilities.numpy()])
        log_probabilities = tf.math.log(tf.gather(probabilities, chosen, axis=1, batch_dims=1) + 1e-8)
        values = tf.squeeze(values, 1)
        advantage = returns - tf.stop_gradient(values)
        loss = -tf.reduce_sum(log_probabilities * advantage) + huber(returns[:, None], values[:, None])
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
