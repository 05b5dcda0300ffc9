"""Knowledge of Keras and TensorFlow."""
