import keras
import numpy as np
from sklearn.preprocessing import MinMaxScaler

series = 100 + 20 * np.sin(np.arange(1500) / 25) + np.random.default_rng(0).normal(0, 2, 1500)
scaled = MinMaxScaler().fit_transform(series.reshape(-1, 1))
window = 30
X = np.array([scaled[i : i + window] for i in range(len(scaled) - window)])
y = scaled[window:]
model = keras.Sequential([keras.Input((window, 1)), keras.layers.LSTM(32), keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mean_squared_error")
model.fit(X[:1200], y[:1200], epochs=3, batch_size=32, validation_data=(X[1200:], y[1200:]), verbose=0)
