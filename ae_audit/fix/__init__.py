"""Remedies as edits of the user's source."""

from ae_audit.fix.propose import propose
from ae_audit.fix.source import diff
from ae_audit.source.edits import apply

__all__ = ["apply", "diff", "propose"]
