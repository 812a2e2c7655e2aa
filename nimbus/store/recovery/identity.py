"""Whether the metadata and the bytes that a start finds belong together.

Both halves carry the same random name of the store, and a number that is new at every start and every clean stop. The
data half has it in a file beside the bytes (`Stamp`, two places in turn), the metadata in a row for each data directory
(`Pairing`). So an older copy of one half, a half of a clone, an empty half beside a full one and a half of another
store are told from the right one; a copy of both halves, or a folder that was moved, is as good as the original.

A change of the number goes: into the stamp as pending, into the row, into the stamp as current. Whatever moment the
machine stops at, the row then has one of the stamp's two. The first start goes the same way, with nothing current yet.

Halves that do not belong together are refused (`StrangersMet`) before anything is written. Whoever accepts the loss
gets a store in doubt: what such metadata does not name may have been named by what was lost, so it is never dropped
unless the operator says so (quarantine.py).

Must always hold: no byte is taken in before the halves are paired; `judge` only reads.
"""

from __future__ import annotations

import errno
import logging
from typing import Final

import msgspec

from nimbus.base.errors import DirectoryDamaged, EngineError, NimbusError, SpaceExhausted, StrangersMet
from nimbus.base.ids import ID_SIZE_BYTES, new_id
from nimbus.base.slots import Slots, read_slots
from nimbus.data.traces import Traces
from nimbus.meta import keys
from nimbus.meta.api import OrderedMap
from nimbus.store.records import Pairing, Stamp, pack, unpack
from nimbus.store.recovery.judgement import FLEETING_DATA_ID, EmptyMap, Judgement, MapSide, judge

# Why what nothing names must not be dropped after a time.
ADOPTED: Final = "adopted"  # made before there were identities: until what the last run left is in the quarantine
ACCEPTED: Final = "accepted"  # something was lost, and the operator knows: until the operator empties the quarantine

_DOUBTS_OF_MAPS: Final = {"": "", "unproved": ADOPTED, "lost": ACCEPTED}  # an engine may have a `doubt` (meta/api.py)

ADVICE: Final = (
    "Start it with the configuration that it was written with, or bring back the missing half (docs/damage.md); "
    "--accept-loss goes on with what is here, without the objects that this metadata does not name or whose bytes "
    "are not here, and deletes nothing."
)

_logger = logging.getLogger(__name__)


class Identity:
    """The pairing of one start. Its methods block; one at a time, on any thread."""

    def __init__(self, traces: Traces, metadata: str) -> None:
        """`metadata` is the name of the engine, for those who wonder later. Raises `EngineError`."""
        self._traces = traces
        self._metadata = metadata
        self._stamp: Stamp | None = None
        self._damage = ""
        self._accepted = ""
        try:
            record = None if traces.stamp_path is None else read_slots(traces.stamp_path)
            self._stamp = None if record is None else unpack(Stamp, record)
        except DirectoryDamaged as error:
            self._damage = error.detail
        except OSError as error:
            raise EngineError(f"{traces.stamp_path}: {error.strerror}.") from error
        self._map: OrderedMap | None = None
        self._store_id = b""
        self._judgement = Judgement.STRANGE

    @property
    def data_id(self) -> bytes:
        """The name of the data directory in the metadata."""
        return FLEETING_DATA_ID if self._stamp is None else self._stamp.data_id

    @property
    def doubt(self) -> str:
        """Why this metadata may not be the one that named the bytes; empty when it is."""
        return "" if self._stamp is None else self._stamp.doubt

    def check(self, map: OrderedMap | None, *, accepts_loss: bool) -> None:
        """Refuse halves that do not belong together; None: there is no metadata yet. Raises `StrangersMet`.

        A loss that is accepted is written down at once: from now on this is a store in doubt.
        """
        side = MapSide(map or EmptyMap(), self._metadata)
        judgement, finding = (
            (Judgement.STRANGE, self._damage) if self._damage else judge(self._stamp, side, self._traces)
        )
        if judgement is Judgement.STRANGE:
            if not accepts_loss:
                raise StrangersMet(f"{finding} {ADVICE}")
            if finding != self._accepted:  # an engine is looked at, then opened
                _logger.warning("A loss was accepted: %s", finding)
            self._accepted = finding
        self._judgement = judgement
        self._store_id = side.store_id
        doubt = _DOUBTS_OF_MAPS[getattr(map, "doubt", "")]
        if doubt and self._stamp is not None and self.doubt != ACCEPTED:
            self._write_stamp(msgspec.structs.replace(self._stamp, doubt=doubt))

    def pair(self, map: OrderedMap) -> None:
        """Write the identity into both halves. REQUIRES: `check` has passed, the data engine is open."""
        self._map = map
        if self._traces.stamp_path is None:
            self._write_rows(map, FLEETING_DATA_ID, Pairing(new_id(), 1, is_volatile=True))
            return
        if self._damage:
            self._traces.stamp_path.unlink()
            self._damage = ""
        old = self._stamp
        is_known = self._judgement is Judgement.KNOWN
        if old is None or not is_known:
            doubt = ACCEPTED if self._judgement is Judgement.STRANGE else self.doubt
            if self._judgement is Judgement.ADOPTED:
                doubt = doubt or ADOPTED
            self._stamp = Stamp(
                store_id=self._store_id or (new_id() if old is None else old.store_id),
                data_id=new_id() if old is None else old.data_id,
                current=b"",
                pending=b"",
                starts=0 if old is None else old.starts,
                metadata=self._metadata,
                is_volatile=not map.capabilities.durable,
                doubt=doubt,
            )
        try:
            self._renew(map)
        except SpaceExhausted as error:
            if self._judgement not in (Judgement.KNOWN, Judgement.ADOPTED):
                raise
            _logger.warning("The pairing of data and metadata stays that of the last start: %s", error)

    def end(self) -> None:
        """Renew the pairing at a clean stop, so that copies made while the store ran are told from what it left."""
        if self._map is None or self._stamp is None:
            return
        try:
            self._renew(self._map)
        except NimbusError as error:
            _logger.warning("The pairing of data and metadata stays that of the start: %s", error)

    def settle(self, *, is_emptied: bool) -> None:
        """What the last run left is in the quarantine; or, the operator had all of that dropped. Ends the doubt."""
        if self.doubt and (is_emptied or self.doubt == ADOPTED):
            assert self._stamp is not None, "only a stamp has a doubt"
            try:
                self._write_stamp(msgspec.structs.replace(self._stamp, doubt=""))
            except NimbusError as error:
                _logger.warning("The metadata stays in doubt until the next start: %s", error)

    # --- parts ---

    def _renew(self, map: OrderedMap) -> None:
        stamp, nonce = self._stamp, new_id()
        assert stamp is not None, "a stamp is renewed"
        if stamp.pending and self._judgement is Judgement.KNOWN:  # the row has one of the two: that is the current one
            row = map.get(keys.pairing(stamp.data_id))
            stamp = msgspec.structs.replace(stamp, current=stamp.current if row is None else unpack(Pairing, row).nonce)
        starts = stamp.starts + 1
        self._write_stamp(msgspec.structs.replace(stamp, pending=nonce, starts=starts))
        self._write_rows(map, stamp.data_id, Pairing(nonce, starts, is_volatile=False))
        self._judgement = Judgement.KNOWN
        self._write_stamp(msgspec.structs.replace(stamp, current=nonce, pending=b"", starts=starts))

    def _write_stamp(self, stamp: Stamp) -> None:
        path = self._traces.stamp_path
        assert path is not None, "data that is not kept has no stamp"
        try:
            slots = Slots(path, pack(stamp))
            try:
                slots.put(pack(stamp))
                slots.sync()
            finally:
                slots.close()
        except OSError as error:
            kind = SpaceExhausted if error.errno in (errno.ENOSPC, errno.EDQUOT) else EngineError
            raise kind(f"{path}: {error.strerror}.") from error
        self._stamp = stamp

    def _write_rows(self, map: OrderedMap, data_id: bytes, pairing: Pairing) -> None:
        store_id = new_id() if self._stamp is None else self._stamp.store_id
        assert len(store_id) == ID_SIZE_BYTES, store_id
        row = {keys.pairing(data_id): pack(pairing)}
        if map.get(keys.IDENTITY) is None and map.txn({keys.IDENTITY: None}, {keys.IDENTITY: store_id, **row}):
            return
        if self._stamp is not None and map.get(keys.IDENTITY) != store_id:  # another node named the store just now
            raise StrangersMet("Another node gave the metadata its name at this moment; start again.")
        map.txn({}, row)
