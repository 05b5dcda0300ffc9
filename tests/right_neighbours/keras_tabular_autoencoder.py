import keras
import numpy as np
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
transactions = rng.lognormal(2.0, 1.0, (2000, 12))
scaled = StandardScaler().fit_transform(transactions)
model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(12)])
model.compile("adam", "mse")
model.fit(scaled, scaled, epochs=3, batch_size=64, validation_split=0.1)
error = np.mean((scaled - model.predict(scaled, verbose=0)) ** 2, axis=1)
print("anomalies", np.sum(error > np.quantile(error, 0.99)))
