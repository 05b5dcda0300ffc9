"""The pytest plugin; the entry point names :mod:`ae_audit.pytest_plugin.hooks`."""
