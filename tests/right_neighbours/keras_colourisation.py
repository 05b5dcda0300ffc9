import keras
from keras import layers

(x, _), (x_test, _) = keras.datasets.cifar10.load_data()
x, x_test = x.astype("float32") / 255.0, x_test.astype("float32") / 255.0
grey = x @ [[0.299], [0.587], [0.114]]
grey_test = x_test @ [[0.299], [0.587], [0.114]]
model = keras.Sequential(
    [
        keras.Input((32, 32, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(3, 3, padding="same", activation="sigmoid"),
    ]
)
model.compile("adam", "mse")
model.fit(grey, x, validation_data=(grey_test, x_test), epochs=2, batch_size=64)
