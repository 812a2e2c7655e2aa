"""A process that commits without end and prints the number of each commit once it was acknowledged, or seen.

    python -m tests.faults.metadata_writer DIRECTORY FIRST COUNT

Each commit writes three rows in one mutation, so that a reader can tell a half one. Eight threads commit at
once, so that groups form; one more reads the last commit that there is, and prints `seen` and its number. Ends by
itself when commits are refused, telling why, or after COUNT of them.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import count
from pathlib import Path
from threading import Thread

from nimbus.base.errors import NimbusError
from nimbus.meta.api import OrderedMap, View
from nimbus.meta.committer import OwnedCommitter
from nimbus.meta.rocksdb import open_rocksdb

OPTIONS = {"ballast_size_bytes": 1 << 20, "write_buffer_size_bytes": 1 << 20}
TABLES = (b"A", b"B", b"C")
VALUE = bytes(range(256)) * 2


def rows_of(number: int) -> list[bytes]:
    return [table + b"%08d" % number for table in TABLES]


def found_numbers(map: OrderedMap) -> list[set[int]]:
    """For each of the three tables, the numbers in it."""
    return [{int(key[1:]) for key, _ in map.range(table, table + b"\xff", 10_000_000)} for table in TABLES]


def main() -> None:
    directory, first, wanted = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    map = open_rocksdb(OPTIONS, directory)
    committer = OwnedCommitter(map)
    numbers = count(first)

    def read_on() -> None:
        last = first - 1
        while True:
            for key, _ in map.range(TABLES[0] + b"%08d" % (last + 1), TABLES[0] + b"\xff", 1, True):
                last = int(key[1:])
                os.write(1, f"seen {last}\n".encode())
            time.sleep(0.0002)

    def commit_on() -> None:
        for number in numbers:
            if number >= first + wanted:
                return

            def mutation(view: View, number: int = number) -> None:
                for row in rows_of(number):
                    view.put(row, VALUE)

            try:
                committer.commit_now(mutation)
            except NimbusError as error:
                os.write(1, f"refused {number} {type(error).__name__}\n".encode())
                return
            os.write(1, f"{number}\n".encode())

    threads = [Thread(target=commit_on) for _ in range(8)]
    Thread(target=read_on, daemon=True).start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)  # without closing: a clean end is not what is tested here


if __name__ == "__main__":
    main()
