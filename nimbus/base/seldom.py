"""What is worth a line to the operator, but not one for each request that meets it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

SILENCE_S: Final = 60.0
TEXTS_MAX: Final = 1024  # more at a time are said more often


class Seldom:
    """Says of a text whether it is due again. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when it was said, and how often it came since

    def due(self, text: str, now_s: float) -> int | None:
        """How often the text came since it was said last; None: not a minute ago, so not now."""
        with self._lock:
            said_s, count = self._said.pop(text, (-SILENCE_S, 0))
            is_due = now_s - said_s >= SILENCE_S
            self._said[text] = (now_s, 0) if is_due else (said_s, count + 1)
            while len(self._said) > TEXTS_MAX:
                self._said.popitem(last=False)
        return count if is_due else None
