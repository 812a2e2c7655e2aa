"""The judgement over two halves of a store: a pure function of what both show, for identity.py.

    the bytes' stamp    the metadata           judgement
    none, no bytes      names no bytes         new
    none, bytes         no identity, names     adopted: both were made before there were identities
                        some of these bytes
    never complete      as for none            as for none: the first start was cut off
    paired              has the same number    known
    anything else                              strange

Metadata in memory starts with bytes that nothing durable ever named, bytes in memory with metadata that never named
durable ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import islice
from typing import Final

from nimbus.base.errors import NotSupported
from nimbus.base.ids import ID_SIZE_BYTES
from nimbus.data.traces import Traces
from nimbus.meta import keys
from nimbus.meta.api import OrderedMap
from nimbus.meta.envelope import PORTABLE
from nimbus.store.records import Pairing, Stamp, unpack
from nimbus.store.recovery.naming import NAMING_TABLES, are_bytes_named, locations_in

FLEETING_DATA_ID: Final = bytes(ID_SIZE_BYTES)  # stands for every data engine that forgets
SAMPLE_LOCATIONS: Final = (
    64  # of each table, of which one must be there for metadata without identity to belong to the bytes
)


class Judgement(Enum):
    """What two halves are to each other."""

    NEW = "new"
    KNOWN = "known"
    ADOPTED = "adopted"
    STRANGE = "strange"


class EmptyMap:
    """Stands for metadata that does not exist yet, so that nothing need be made to judge it."""

    capabilities = PORTABLE

    def get(self, key: bytes) -> bytes | None:
        return None

    def range(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        return []

    def txn(self, checks: Mapping[bytes, bytes | None], ops: Mapping[bytes, bytes | None]) -> bool:
        raise NotSupported("There is no metadata to change.")

    def close(self) -> None:
        pass


class MapSide:
    """What the metadata shows."""

    def __init__(self, map: OrderedMap, name: str) -> None:
        self._map = map
        self.name = f"the metadata (backend {name!r})"
        self.is_durable = map.capabilities.durable
        self.is_shared = map.capabilities.shared
        self.store_id = map.get(keys.IDENTITY) or b""

    def pairing(self, data_id: bytes) -> Pairing | None:
        row = self._map.get(keys.pairing(data_id))
        return None if row is None else unpack(Pairing, row)

    def is_empty(self) -> bool:
        """Whether it has not even a bucket."""
        return not self._map.range(keys.BUCKETS, keys.after_prefix(keys.BUCKETS), 1)

    def names_bytes(self) -> bool:
        """Whether an object or an upload has bytes that must be here, not in the data directory of another node."""
        return not self.is_shared and are_bytes_named(self._map)

    def sample(self) -> Iterator[bytes]:
        """Some of the locations that each table names, garbage included: of one table, all may be dropped by now."""
        for table in NAMING_TABLES:
            yield from islice(locations_in(self._map, (table,)), SAMPLE_LOCATIONS)


Finding = tuple[Judgement, str]  # the sentence is for a strange one
_NEW: Final[Finding] = (Judgement.NEW, "")
_KNOWN: Final[Finding] = (Judgement.KNOWN, "")
_ADOPTED: Final[Finding] = (Judgement.ADOPTED, "")


def judge(stamp: Stamp | None, map: MapSide, data: Traces) -> Finding:
    """The judgement, and for a strange pair why it is."""
    if data.stamp_path is None:
        return _of_fleeting_data(map)
    place = f"the bytes in {data.stamp_path.parent}"
    if not map.is_durable:
        return _of_fleeting_map(stamp, map, data, place)
    if stamp is None:
        return _of_unstamped(map, data, place)
    if stamp.is_volatile:
        return _of_unnamed(map, data, place)
    return _of_stamped(stamp, map, data, place)


def _strange(sentence: str) -> Finding:
    return Judgement.STRANGE, sentence[0].upper() + sentence[1:]


def _of_fleeting_data(map: MapSide) -> Finding:
    if map.is_durable and map.pairing(FLEETING_DATA_ID) is None and map.names_bytes():
        return _strange(f"{map.name} names bytes of another data backend than the one configured.")
    return _KNOWN


def _of_fleeting_map(stamp: Stamp | None, map: MapSide, data: Traces, place: str) -> Finding:
    if stamp is None:
        return _strange(f"{place} were named by metadata that {map.name} has nothing of.") if data.has_bytes() else _NEW
    if stamp.is_volatile:
        return _NEW
    if not stamp.current and not data.has_bytes():
        return _NEW
    return _strange(f"{map.name} is empty at every start, but {place} have metadata of the backend {stamp.metadata!r}.")


def _of_unstamped(map: MapSide, data: Traces, place: str) -> Finding:
    has_bytes = data.has_bytes()
    if map.store_id:
        if has_bytes:
            return _strange(f"{place} say nothing of the store that they belong to, but {map.name} has an identity.")
        if map.names_bytes():
            return _strange(f"{map.name} names bytes of objects, but {place} are another folder's, or gone.")
        return _NEW
    if has_bytes is None:
        return _ADOPTED
    if not has_bytes:
        return _strange(f"{map.name} names bytes of objects, but {place} are gone.") if map.names_bytes() else _NEW
    if any(data.holds(location) for location in map.sample()):
        return _ADOPTED
    return _strange(
        f"{map.name} {'is empty and so' if map.is_empty() else ''} names none of {place}.".replace("  ", " ")
    )


def _of_unnamed(map: MapSide, data: Traces, place: str) -> Finding:
    """Bytes whose metadata was kept in memory."""
    if data.has_bytes() is not False:
        return _strange(f"{place} were written with metadata that was kept in memory and is gone.")
    return _strange(f"{map.name} names bytes of objects, and {place} are none.") if map.names_bytes() else _NEW


def _of_stamped(stamp: Stamp, map: MapSide, data: Traces, place: str) -> Finding:
    pairing = map.pairing(stamp.data_id)
    is_same_store = map.store_id == stamp.store_id
    if pairing is not None and is_same_store and pairing.nonce in (stamp.current, stamp.pending):
        if data.has_bytes() is False and map.names_bytes():
            return _strange(f"{map.name} names bytes of objects, but {place} are gone.")
        return _KNOWN
    if not stamp.current:
        return _of_unstamped(map, data, place)
    if not map.store_id:
        empty = "is empty" if map.is_empty() else "says nothing of the store that it belongs to"
        return _strange(f"{map.name} {empty}, but {place} have metadata of the backend {stamp.metadata!r}.")
    if not is_same_store:
        return _strange(f"{map.name} is of the store {_short(map.store_id)}, {place} are of {_short(stamp.store_id)}.")
    if pairing is None:
        return _strange(f"{map.name} is of the same store but does not know {place}: it is an older copy, or they are.")
    if pairing.starts < stamp.starts:
        return _strange(f"{map.name} is an older copy than {place}.")
    if pairing.starts > stamp.starts:
        return _strange(f"{place} are an older copy than {map.name}.")
    return _strange(f"{map.name} and {place} are of two copies of one store.")


def _short(store_id: bytes) -> str:
    return store_id[:4].hex()
