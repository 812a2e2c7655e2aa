"""What foreign libraries are told about memory before they are loaded: importing this is telling them.

Granian brings jemalloc, which gives free pages back only while it is asked for others, unless a thread of its own does
it. Whoever has set the variable is left alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("_RJEM_MALLOC_CONF", "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0")
