"""Remedies as edits of the user's source."""

from ae_audit.editing import apply
from ae_audit.fix.propose import propose
from ae_audit.fix.source import diff

__all__ = ["apply", "diff", "propose"]
