"""``python -m ae_audit`` is ``ae-audit``."""

import sys

from ae_audit.cli import main

if __name__ == "__main__":
    sys.exit(main())
