"""How the file descriptors of this process are shared out, so that it never runs out of them by its own doing.

Whoever may hold many has a share, of which every bound follows; what is left is for connections, each of which is one
descriptor as long as nothing is asked. A part takes its share of what the system grants at that time, so the limit is
raised before anything is opened.
"""

from __future__ import annotations

import resource
from typing import Final

import msgspec

# Standard streams, listeners, event loops, logs, segments being written, connections that are turned away.
OTHERS: Final = 256
# What a running request may hold besides its connection: both ends of a relay and, of four relays, a fifth that waits
# for the next request; a file that is read and one that is written.
PER_REQUEST: Final = 5
# Files that the plane's cache has forgotten while they are being sent: a quarter of it, and so many in any case.
NATIVE_FILES_SENT_MIN: Final = 64
# The most that each part has use for; of a low limit they get a part each.
TABLES_MAX: Final = 512  # of 64 MiB: enough for a hundred million objects
FILES_MAX: Final = 1024
NATIVE_FILES_MAX: Final = 4096
_PART: Final = 16
# Fewer than this are hardly ever meant: half of them is what is left for connections.
FEW: Final = 4096


class Shares(msgspec.Struct, frozen=True):
    """How many descriptors are for what, or how many of what there may be."""

    tables: int  # of the metadata engine
    files: int  # that the data engine keeps open for reading
    native_files: int  # the same of the native plane's cache
    requests: int  # running at once
    connections: int


def shares(limit: int, requests_wanted: int = 1) -> Shares:
    """The shares in so many descriptors. A limit too low for anything still lets one connection in."""
    part = limit // _PART
    tables, files, native_files = min(TABLES_MAX, part), min(FILES_MAX, part), min(NATIVE_FILES_MAX, part)
    requests = max(1, min(requests_wanted, limit // 4 // PER_REQUEST))
    taken = tables + files + native_files + native_files // 4 + NATIVE_FILES_SENT_MIN + requests * PER_REQUEST + OTHERS
    return Shares(tables, files, native_files, requests, max(1, limit - taken))


def descriptors_granted() -> int:
    """How many file descriptors this process may have now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int:
    """Take as many file descriptors as the system grants; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return descriptors_granted()
