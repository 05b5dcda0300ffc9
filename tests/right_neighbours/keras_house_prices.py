import keras
from keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.california_housing.load_data(version="small")
normaliser = layers.Normalization()
normaliser.adapt(x_train)
model = keras.Sequential([normaliser, layers.Dense(64, activation="relu"), layers.Dense(1)])
model.compile("adam", "mse", metrics=["mae"])
model.fit(x_train, y_train / 100000.0, validation_split=0.2, epochs=3, batch_size=32)
print(model.evaluate(x_test, y_test / 100000.0))
