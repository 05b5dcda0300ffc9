"""The rules: one file each, found by :mod:`ae_audit.rules.registry`, run by :mod:`ae_audit.rules.runner`."""
