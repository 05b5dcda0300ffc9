"""Remedies as edits of the user's source."""

from ae_audit.fix.propose import propose
from ae_audit.fix.source import apply, diff

__all__ = ["apply", "diff", "propose"]
