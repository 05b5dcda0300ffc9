"""The release, stated in code so that asking for it costs no look at the installed metadata."""

__version__ = "0.1.0"
