"""Knowledge of Python's own types, NumPy, pandas, scikit-learn and image libraries."""
