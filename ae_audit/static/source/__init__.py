"""Text and syntax trees of a program and of what it imports."""
