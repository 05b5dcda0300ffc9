"""How much the runs of one program may do before they stop."""

MAX_STEPS = 36_000
"""evaluated syntax nodes in all runs of a program together: less than half a second"""
SHARE = MAX_STEPS // 3
"""steps that entering one function may take that nothing calls, so that the others get their turn"""
FINISHING_STEPS = 2_000
"""what closing a run may take where its steps are spent"""
PARTS_A_STEP = 32
"""parts of a list, a dictionary or a history of data whose copying counts as one step, so that size is bounded too"""
MAX_SITES = 64
"""comparisons reported by one run"""


class BudgetSpentError(Exception):
    """The run used up its steps: the program is too large or loops in a way that the interpreter does not bound."""
