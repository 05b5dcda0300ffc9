"""Reading data files that the user names with ``--data``."""
