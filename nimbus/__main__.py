"""python -m nimbus: the nimbus command."""

from __future__ import annotations

import sys

from nimbus.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
