"""What was durable of a RocksDB last, kept in a second place: beside its folder, in one small file.

RocksDB takes a log that was cut or deleted for one that was never written, and a MANIFEST that ends early for the whole
one; so it opens cleanly without what was acknowledged. The witness tells: it has the number of the newest change that
was synced, and the sizes that MANIFEST and logs had by then. The number is put into memory that outlives a killed
process after every sync (0.9 µs), and onto the disk about once a second, off the way of commits.

Must always hold: the witness is never ahead of what a power cut leaves of the RocksDB, so that it never refuses a whole
one; nothing here changes the folder.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

import msgspec

from nimbus.base.errors import DirectoryDamaged
from nimbus.base.slots import Slots, read_slots

WITNESS_NAME: Final = "rocksdb.durable"
KEEP_S: Final = 1.0  # between two looks at the files, each with a sync of its own
LOGS_MAX: Final = 16  # of which the oldest are needed first; there are two or three

DAMAGE_ADVICE: Final = "Its metadata is damaged; restore it from a backup or a replica."

_MANIFEST: Final = re.compile(r"MANIFEST-(\d+)\Z")
_LOG: Final = re.compile(r"(\d+)\.log\Z")

_logger = logging.getLogger(__name__)


class Files(msgspec.Struct, frozen=True, array_like=True):
    """The files that a RocksDB is read from first."""

    manifest: int  # its number
    manifest_size_bytes: int
    logs: tuple[tuple[int, int], ...]  # number and size of those that are not empty


class Durable(msgspec.Struct, frozen=True, array_like=True):
    """What the witness says."""

    sequence: int  # the newest change
    files: Files


_encoder: Final = msgspec.msgpack.Encoder()


def recorded(path: Path) -> Durable | None:
    """What the witness says; None when there is none that can be read."""
    try:
        record = read_slots(path)
        return None if record is None else msgspec.msgpack.decode(record, type=Durable)
    except (OSError, DirectoryDamaged, msgspec.MsgspecError) as error:
        _logger.warning("Nothing tells whether the metadata is whole: %s", error)
        return None


def has_database(directory: Path) -> bool:
    """Whether a RocksDB was ever completely made in this folder; what is left of one counts."""
    if not directory.is_dir():
        return False
    for entry in directory.iterdir():
        manifest = _MANIFEST.match(entry.name)
        if entry.name == "CURRENT" or entry.suffix == ".sst" or (manifest is not None and int(manifest[1]) > 1):
            return True
        if entry.suffix == ".log" and entry.stat().st_size:
            return True
    return False


def files_of(directory: Path) -> Files:
    """The files as they are now. Raises OSError, `DirectoryDamaged`."""
    manifest = _MANIFEST.match((directory / "CURRENT").read_text("ascii", "replace").rstrip("\n"))
    if manifest is None:
        raise DirectoryDamaged(f"{directory / 'CURRENT'} names no MANIFEST. {DAMAGE_ADVICE}")
    size_bytes = (directory / manifest[0]).stat().st_size
    logs = [(int(log[1]), entry.stat().st_size) for entry in os.scandir(directory) if (log := _LOG.match(entry.name))]
    return Files(int(manifest[1]), size_bytes, tuple(sorted(log for log in logs if log[1])[:LOGS_MAX]))


def missing_of(directory: Path, durable: Durable | None) -> str:
    """What is missing of the files that were there: a clause, or empty. Raises `DirectoryDamaged`."""
    try:
        now = files_of(directory)
    except OSError as error:
        raise DirectoryDamaged(f"{error.filename}: {error.strerror}. {DAMAGE_ADVICE}") from None
    known = now if durable is None else durable.files
    if now.manifest < known.manifest:
        return (
            f"its MANIFEST has the number {now.manifest}, but {known.manifest} was there already: it is an older copy"
        )
    if now.manifest > known.manifest or now.manifest_size_bytes > known.manifest_size_bytes:
        return ""  # logs may have become tables since
    if now.manifest_size_bytes < known.manifest_size_bytes:
        return f"its MANIFEST has {now.manifest_size_bytes} bytes of {known.manifest_size_bytes}"
    sizes = dict(now.logs)
    for number, size_bytes in known.logs:
        if sizes.get(number, 0) < size_bytes:
            return f"its log {number:06}.log has {sizes.get(number, 0)} bytes of {size_bytes}"
    return ""


def check_tables(directory: Path, tables: Iterable[Mapping[str, Any]]) -> None:
    """Refuse when a table is gone or has another size, which RocksDB would notice when somebody reads it.

    Raises `DirectoryDamaged`.
    """
    for table in tables:
        path, size_bytes = directory / table["name"].lstrip("/"), table["size"]
        found = path.stat().st_size if path.exists() else 0
        if found != size_bytes:
            raise DirectoryDamaged(f"{path} has {found} bytes of {size_bytes}. {DAMAGE_ADVICE}")


class Witness:
    """The witness of an open RocksDB."""

    def __init__(self, path: Path, directory: Path, sequence: int) -> None:
        """Begin anew with what is durable now. Raises OSError, `DirectoryDamaged`."""
        self._directory = directory
        self._sequence = sequence
        self._files = files_of(directory)
        self._manifest = self._files.manifest, self._files.manifest_size_bytes  # as of the last look
        self._slots = Slots(path, self._record())
        self._slots.put(self._record())
        self._slots.sync()
        self._wake = Event()
        self._stopping = Event()
        self._thread: Thread | None = None
        self._has_failed = False

    def start(self, lock: Lock, is_synced: Callable[[], bool]) -> None:
        """Keep the witness on the disk from now on. `note` is called under `lock`."""
        self._thread = Thread(target=self._run, args=(lock, is_synced), name="metadata witness", daemon=True)
        self._thread.start()

    def note(self, sequence: int) -> None:
        """Every change up to `sequence` is synced."""
        self._sequence = sequence
        self._slots.put(self._record())
        if not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """Look no more at the files. Without the lock."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def close(self, *, is_clean: bool) -> None:
        """The RocksDB was closed, cleanly or not. After `stop`."""
        try:
            if is_clean:
                self._files = files_of(self._directory)
                self._slots.put(self._record())
            self._slots.sync()
        except (OSError, DirectoryDamaged) as error:
            self._tell(error)
        self._slots.close()

    def _record(self) -> bytes:
        return _encoder.encode(Durable(self._sequence, self._files))

    def _run(self, lock: Lock, is_synced: Callable[[], bool]) -> None:
        while True:
            self._wake.wait()
            if self._stopping.is_set():
                return
            self._wake.clear()
            try:
                self._look(lock, is_synced)
                self._slots.sync()
            except (OSError, DirectoryDamaged) as error:
                self._wake.set()  # what stands in the way may pass
                self._tell(error)
            self._stopping.wait(KEEP_S)

    def _look(self, lock: Lock, is_synced: Callable[[], bool]) -> None:
        """Take the sizes of the files in, at a moment at which all of that is synced."""
        with lock:
            files = files_of(self._directory) if is_synced() else None
        if files is not None and (files.manifest, files.manifest_size_bytes) != self._manifest:
            self._manifest = files.manifest, files.manifest_size_bytes
            files = msgspec.structs.replace(files, logs=())  # some became tables and are about to be deleted
        if files is None or files != self._files:
            self._wake.set()  # look once more: what follows a write, follows it soon
        if files is not None:
            _sync(self._directory / f"MANIFEST-{files.manifest:06}")
            if files.manifest != self._files.manifest:
                _sync(self._directory)  # CURRENT names it
            with lock:
                self._files = files
                self._slots.put(self._record())

    def _tell(self, error: Exception) -> None:
        """Once. An old witness is safe: it only tells less. Connections take descriptors away, and give them back."""
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return
        if not self._has_failed:
            _logger.warning("What is durable of the metadata cannot be kept beside it any more: %s", error)
        self._has_failed = True


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def open_witness(path: Path, directory: Path, sequence: int) -> Witness | None:
    """A witness of what is there now; None when the disk has no room for it, which tells less and harms nothing."""
    try:
        try:
            return Witness(path, directory, sequence)
        except DirectoryDamaged:
            path.unlink()
            return Witness(path, directory, sequence)
    except OSError as error:
        _logger.warning("What is durable of the metadata cannot be kept beside it: %s", error)
        return None
