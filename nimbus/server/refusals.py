"""What a start refuses before it opens anything: one path for `nimbus serve` and `nimbus config --check`.

Must always hold: nothing is made, bound or locked for longer than the question takes, so that the configuration of
a running server can be checked beside it. What only the moment can tell (a port in use, a locked or damaged
directory, a full disk) is left to the start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import msgspec

from nimbus.base.config import DEFAULT_USER, Config, UserEntry, parse_listen
from nimbus.base.errors import ConfigInvalid
from nimbus.data import registry as data_engines
from nimbus.meta import registry as metadata_engines
from nimbus.server.access_log import check_access_log
from nimbus.server.directory import check_directory
from nimbus.server.graph import register_engines
from nimbus.server.sockets import Place, check_place, option_of
from nimbus.server.tls import certificate_of, is_open_to_all


class Checked(msgspec.Struct, frozen=True):
    """A configuration that may be opened: who may come in, and what the operator should be told."""

    users: tuple[UserEntry, ...]
    notices: tuple[str, ...]


def check(config: Config) -> Checked:
    """Whether this can be started. Raises `ConfigInvalid`, `AddressRefused`, `DirectoryDamaged`, in one line each."""
    certificate = certificate_of(config)
    places = dict(_places(config))
    _check_apart(places)
    s3 = [place for key, place in places.items() if key != "admin"]
    users = users_for(config, is_loopback=all(place.is_loopback for place in s3))
    notices = list(_check_engines(config))
    check_access_log(config)
    check_directory(Path(config.data_dir))
    if certificate is not None and is_open_to_all(certificate.key):
        notices.append(f"{certificate.key} is readable by everybody; run: chmod 600 {certificate.key}")
    admin = places.get("admin")
    if admin is not None and not admin.is_loopback:
        notices.append(f"admin: {admin.address.text} can be reached from other machines and asks nobody who they are")
    return Checked(users, tuple(notices))


def users_for(config: Config, *, is_loopback: bool) -> tuple[UserEntry, ...]:
    """Who may come in; raises `ConfigInvalid` when the well-known keys would be open to other machines."""
    users = config.users or (DEFAULT_USER,)
    well_known = (DEFAULT_USER.access_key, DEFAULT_USER.secret_key)
    reached = " or ".join(filter(None, (config.listen, config.tls_address)))
    if not is_loopback and any((user.access_key, user.secret_key) == well_known for user in users):
        raise ConfigInvalid(
            f"listen: {reached} can be reached from other machines, and the keys test/test are known to "
            "everybody; set NIMBUS_ACCESS_KEY and NIMBUS_SECRET_KEY, or add [[users]] to a file named by --config"
        )
    return users


def _places(config: Config) -> Iterator[tuple[str, Place]]:
    """Where it would listen, by key."""
    for key, text in (("listen", config.listen), ("tls_listen", config.tls_address), ("admin", config.admin_address)):
        if text:
            yield key, check_place(parse_listen(text, key, unix=key == "listen"), option_of(key))


def _check_apart(places: dict[str, Place]) -> None:
    """Refuse two listeners at one address."""
    for (key, one), (other_key, other) in combinations(places.items(), 2):
        if one.address.port and one.address.port == other.address.port and _covers(one.host, other.host):
            raise ConfigInvalid(
                f"{other_key}: {other.address.text} is what {key} has ({one.address.text}); choose another port"
            )


def _covers(one: str, other: str) -> bool:
    """Whether two IP addresses contain a common one: `::` contains all, 0.0.0.0 all of IPv4."""
    hosts = (ipaddress.ip_address(one), ipaddress.ip_address(other))
    if hosts[0] == hosts[1]:
        return True
    return any(host.is_unspecified and (host.version == 6 or hosts[0].version == hosts[1].version) for host in hosts)


def _check_engines(config: Config) -> Iterator[str]:
    """Refuse unknown engines, and options that they do not have; yields what cannot be told before they open."""
    register_engines()
    metadata, data = config.metadata, config.data
    for key, check_options, chosen in (
        ("metadata", metadata_engines.check_options, metadata),
        ("data", data_engines.check_options, data),
    ):
        if not check_options(chosen.backend, chosen.options):
            yield f"{key}.options: only the backend {chosen.backend!r} itself knows its options, once it opens"
