"""The abstract interpreter: statements, expressions, calls, branches, imports."""
