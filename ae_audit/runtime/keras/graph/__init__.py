"""Keras: training steps written by hand, recorded operation by operation."""
