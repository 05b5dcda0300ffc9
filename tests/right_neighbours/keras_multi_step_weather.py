import keras
import numpy as np

rng = np.random.default_rng(1)
hours = np.arange(4000)
table = np.stack(
    [10 + 8 * np.sin(hours / 24), 1010 + 5 * rng.normal(size=4000), 60 + 10 * rng.normal(size=4000)], axis=1
)
mean, std = table[:3000].mean(axis=0), table[:3000].std(axis=0)
table = (table - mean) / std
train = keras.utils.timeseries_dataset_from_array(
    table[:-24], table[24:, 0], sequence_length=24, batch_size=64, end_index=3000
)
model = keras.Sequential(
    [keras.Input((24, 3)), keras.layers.Conv1D(16, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(1)]
)
model.compile(keras.optimizers.Adam(1e-3), keras.losses.Huber())
model.fit(train, epochs=2)
