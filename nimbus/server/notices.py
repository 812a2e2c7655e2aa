"""What the server tells its operator: one line each, on standard error."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line for the operator; never a secret."""
    print(f"nimbus: {text}", file=sys.stderr, flush=True)
