"""Listening sockets: bound before anything else starts, so that what cannot be is refused in one line.

A TCP address is an IPv4 or IPv6 one; port 0 has a number once it is bound. A second process that asks for the same
address is refused, which is why no socket here shares its port (SO_REUSEPORT).

A unix socket is a file that its owner alone may connect to (mode 0600). A file that a killed server left behind is
taken away; one that somebody listens at is in use. Looking, taking away, binding and listening are one step among
processes that do the same, by a lock on the folder, so that no two of them believe in the same file. Whoever connects
before the server is ready waits for it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from nimbus.base.config import Address
from nimbus.base.errors import NimbusError

REFUSALS: Final = {
    errno.EADDRINUSE: "is in use; stop the program that uses it, or choose another with {option}",
    errno.EACCES: "needs privileges that this process lacks; choose a port of 1024 or above",
    errno.EADDRNOTAVAIL: "is not an address of this machine; see `ip address`",
}
UNIX_REFUSALS: Final = {
    **REFUSALS,
    errno.EACCES: "cannot be made; this user may not write to the folder",
    errno.ENOENT: "cannot be made; there is no such folder",
    errno.EEXIST: "is there already and no socket; choose another path with {option}",
}
UNIX_MODE: Final = 0o600
UNIX_PATH_SIZE_BYTES_MAX: Final = 107  # of the kernel's address
UNIX_BACKLOG: Final = 128  # until the server is ready


class AddressRefused(NimbusError):
    """The address to listen on cannot be used."""


class Bound(msgspec.Struct, frozen=True):
    """A bound socket that does not accept yet, and the address at which clients reach it."""

    socket: socket.socket
    address: Address
    is_loopback: bool
    option: str = "--listen"  # the one that chooses another address
    file: tuple[int, int] = (0, 0)  # device and inode of a unix socket

    def listen(self, backlog: int) -> None:
        """Let connections come. Raises `AddressRefused` when another program came first."""
        try:
            self.socket.listen(backlog)
        except OSError as error:
            raise _refusal(self.address, self.option, error) from error

    def close(self) -> None:
        """Let go of the address: the file of a unix socket goes away, unless it is somebody else's by now."""
        self.socket.close()
        if self.address.is_unix:
            with contextlib.suppress(OSError):
                if _identity(self.address.host) == self.file:
                    os.unlink(self.address.host)


class Place(msgspec.Struct, frozen=True):
    """Where an address would be, without binding it."""

    address: Address
    host: str  # the IP address; the path
    is_loopback: bool


def option_of(key: str) -> str:
    """The option that chooses the address which stands under `key` in the configuration."""
    return "--" + key.replace("_", "-")


def check_place(address: Address, option: str) -> Place:
    """Whether this machine has the address, whatever else uses it; raises `AddressRefused` in one line when not."""
    if address.is_unix:
        path = _unix_path(address)
        try:
            os.stat(Path(path).parent)
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise _refusal(address, option, FileExistsError(errno.EEXIST, ""))
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or not Path(path).parent.is_dir():
                raise _refusal(address, option, error) from error
        return Place(address, path, is_loopback=True)
    bound = _bind_tcp(address, option, port=0)
    try:
        return Place(address, _ip_of(bound.socket), bound.is_loopback)
    finally:
        bound.close()


def bind(address: Address, option: str = "--listen") -> Bound:
    """Bind the address; raises `AddressRefused` in one line when that cannot be."""
    return _bind_unix(address, option) if address.is_unix else _bind_tcp(address, option, address.port)


def bind_private(path: str) -> Bound:
    """Bind a unix socket in a folder that is ours alone."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(path)
    os.chmod(path, UNIX_MODE)
    return Bound(bound, Address(host=path, port=0, is_unix=True), is_loopback=True, file=_identity(path))


def _bind_tcp(address: Address, option: str, port: int) -> Bound:
    try:
        found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{address.host!r} is not a host name or address known here") from error
    family, _, _, _, endpoint = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(endpoint)
    except OSError as error:
        bound.close()
        raise _refusal(address, option, error) from error
    return Bound(
        socket=bound,
        address=Address(host=address.host, port=bound.getsockname()[1]),
        is_loopback=ipaddress.ip_address(_ip_of(bound)).is_loopback,
        option=option,
    )


def _ip_of(bound: socket.socket) -> str:
    host: str = bound.getsockname()[0]
    return host.partition("%")[0]


def _unix_path(address: Address) -> str:
    path = os.path.expanduser(address.host)
    if len(os.fsencode(path)) > UNIX_PATH_SIZE_BYTES_MAX:
        raise AddressRefused(f"{address.text} is longer than the {UNIX_PATH_SIZE_BYTES_MAX} bytes of a unix socket")
    return path


def _bind_unix(address: Address, option: str) -> Bound:
    path = _unix_path(address)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _locked(Path(path).parent):
            _take_away_what_is_dead(path)
            bound.bind(path)
            file = _identity(path)
            os.chmod(path, UNIX_MODE)  # nobody can connect before it listens
            bound.listen(UNIX_BACKLOG)
    except OSError as error:
        bound.close()
        raise _refusal(address, option, error) from error
    return Bound(bound, Address(host=path, port=0, is_unix=True), is_loopback=True, option=option, file=file)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone among processes that bind in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _take_away_what_is_dead(path: str) -> None:
    """Remove a socket that nobody listens at. One that is alive stays, and binding says that it is there."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _refusal(address: Address, option: str, error: OSError) -> AddressRefused:
    number = error.errno or 0
    known = UNIX_REFUSALS if address.is_unix else REFUSALS
    reason = known.get(number, f"cannot be bound: {os.strerror(number).lower()}")
    return AddressRefused(f"{address.text} {reason.format(option=option)}")
