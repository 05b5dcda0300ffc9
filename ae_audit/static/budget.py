"""How much one run may do before it stops."""

MAX_STEPS = 60_000
"""evaluated syntax nodes in one run"""
MAX_SITES = 64
"""comparisons reported by one run"""


class BudgetSpentError(Exception):
    """The run used up its steps: the program is too large or loops in a way that the interpreter does not bound."""
