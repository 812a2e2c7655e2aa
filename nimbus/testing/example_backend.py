"""A complete metadata backend of one's own: the six methods over SQLite.

This is the example of the documentation; it is tested with the same suite as the built-in engines. Name it
in the configuration after `register("sqlite", open_sqlite)`, or offer it as an entry point of the group
`nimbus.metadata`.

Must always hold: what `put`, `delete` or `batch_put` returned from survives a power cut (`synchronous=FULL`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from threading import Lock

from nimbus.base.errors import EngineError
from nimbus.base.registry import NoOptions, takes


class SqliteBackend:
    """A `MetadataBackend` in one file."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()  # one connection, used by one thread at a time
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._run("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")

    def put(self, key: bytes, value: bytes) -> None:
        self.batch_put({key: value})

    def get(self, key: bytes) -> bytes | None:
        found = self._run("SELECT value FROM rows WHERE key = ?", key)
        return found[0][0] if found else None

    def delete(self, key: bytes) -> None:
        self.batch_put({key: None})

    def exists(self, key: bytes) -> bool:
        return self.get(key) is not None

    def batch_put(self, items: Mapping[bytes, bytes | None]) -> None:
        with self._lock:
            cursor = self._connection.execute("BEGIN IMMEDIATE")
            try:
                for key, value in items.items():
                    if value is None:
                        cursor.execute("DELETE FROM rows WHERE key = ?", (key,))
                    else:
                        cursor.execute("REPLACE INTO rows VALUES (?, ?)", (key, value))
                cursor.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise EngineError(str(error)) from error

    def scan(self, prefix: bytes, limit: int, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        first = max(prefix, start)  # keys that share a prefix stand together, beginning at the prefix itself
        rows = self._run("SELECT key, value FROM rows WHERE key >= ? ORDER BY key LIMIT ?", first, limit)
        return takewhile(lambda row: row[0].startswith(prefix), rows)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _run(self, query: str, *values: bytes | int) -> list[tuple[bytes, bytes]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise EngineError(str(error)) from error


@takes(NoOptions)
def open_sqlite(options: Mapping[str, object], data_dir: Path) -> SqliteBackend:
    """The factory to register. This backend has no options."""
    return SqliteBackend(data_dir / "metadata.sqlite")
