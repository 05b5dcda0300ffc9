"""Keras: recording a program's trainings, reading live and saved models, fitting variants."""
