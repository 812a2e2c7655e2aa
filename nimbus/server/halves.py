"""The two halves of a store, metadata and bytes, opened as one: only if they belong together.

The order is: see what the bytes say of themselves, look at the metadata, judge (store/recovery/identity.py), and only
then make or change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from nimbus.base.config import Config
from nimbus.data import registry as data_engines
from nimbus.data.api import DataStore
from nimbus.meta import registry as metadata_engines
from nimbus.meta.api import OrderedMap
from nimbus.store.recovery.identity import ACCEPTED, Identity
from nimbus.store.recovery.quarantine import Custody


class Consent(msgspec.Struct, frozen=True):
    """What the operator has agreed to, for one start: nothing of this belongs into a file."""

    accepts_loss: bool = False  # go on with halves that do not belong together, or metadata that is not whole
    empties_quarantine: bool = False


class Halves(msgspec.Struct, frozen=True):
    """The opened engines, and what the store must know to drop what no row names."""

    map: OrderedMap
    data: DataStore
    custody: Custody


@contextmanager
def open_halves(config: Config, directory: Path, consent: Consent) -> Iterator[Halves]:
    """Both engines, open and paired. Raises `StrangersMet`, and what opening raises."""
    metadata, data = config.metadata, config.data
    identity = Identity(data_engines.traces_of(data.backend, data.options, directory), metadata.backend)
    check = partial(identity.check, accepts_loss=consent.accepts_loss)
    if metadata_engines.is_there(metadata.backend, metadata.options, directory) is False:
        check(None)
    with ExitStack() as parts:
        map = metadata_engines.open_map(
            metadata.backend, metadata.options, directory, check, accepts_loss=consent.accepts_loss
        )
        parts.callback(map.close)
        store = data_engines.open_store(data.backend, data.options, directory)
        parts.callback(store.close)
        identity.pair(map)
        parts.callback(identity.end)
        custody = Custody(
            data_id=identity.data_id,
            quarantine_s=data.quarantine_s,
            is_in_doubt=bool(identity.doubt) or not map.capabilities.durable,
            is_emptied=consent.empties_quarantine,
            holds_garbage=identity.doubt == ACCEPTED and not consent.empties_quarantine,
            on_settled=partial(identity.settle, is_emptied=consent.empties_quarantine),
        )
        yield Halves(map, store, custody)
