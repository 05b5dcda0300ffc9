"""``python -m ae_audit`` is ``ae-audit``."""

from ae_audit.cli.start import run

if __name__ == "__main__":
    run()
