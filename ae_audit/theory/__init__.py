"""Theory: activation ranges, losses and their algebra (standard library); summaries, bounds, floors (NumPy)."""
