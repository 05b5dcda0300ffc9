"""The rules of ae-audit, one file each."""
