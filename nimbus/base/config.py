"""What an operator may set: one Struct for each table of the TOML file, each key with its sentence.

The sentence of a key is its documentation everywhere (`nimbus config` prints them all), so it says what the
key does, in which unit, and what happens at the bound. Values are checked here and nowhere else: whoever
holds a `Config` holds a valid one. Where values come from is in config_sources.py.

Must always hold: a secret never appears in a repr or in a message.
"""

from __future__ import annotations

import os
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from nimbus.base.limits import MIB

LogLevel = Literal["debug", "info", "warning", "error"]
OptionValue = str | int | float | bool

DEFAULT_LISTEN: Final = "127.0.0.1:8080"
TLS_PORT: Final = 8443
UNIX: Final = "unix:"
PLANE_THREADS_MAX: Final = 64  # NB_WORKERS_MAX of nimbus/_native/plane/plane.h


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class UserEntry(Table, frozen=True, kw_only=True):
    """Somebody with an access key. Repeat the table for each user."""

    id: Annotated[
        str, Meta(min_length=1, max_length=128, description="Names the user as the owner of buckets and objects.")
    ]
    access_key: Annotated[
        str,
        Meta(pattern=r"\A[!-.0-~]{1,128}\Z", description="The public half of the key pair; no spaces and no slash."),
    ]
    secret_key: Annotated[
        str, Meta(min_length=1, max_length=256, description="The secret half; keep this file readable by you alone.")
    ]
    display_name: Annotated[str, Meta(max_length=256, description="Shown beside the id in listings.")] = ""
    email: Annotated[str, Meta(max_length=320, description="Kept with the user; not sent anywhere.")] = ""

    def __repr__(self) -> str:
        return f"UserEntry(id={self.id!r}, access_key={self.access_key!r})"


class Limits(Table, frozen=True, kw_only=True):
    """Bounds for the listener: what one client, or all of them together, may take."""

    connections: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Open client connections; further ones wait until one closes."),
    ] = 20_000
    requests: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Requests being answered at once; one more gets 503 SlowDown."),
    ] = 1_000
    header_timeout_s: Annotated[
        float,
        Meta(
            ge=1,
            le=3600,
            description="Seconds for the head of a request to arrive; an idle connection is closed after as many.",
        ),
    ] = 15.0
    body_rate_bytes_per_s: Annotated[
        int,
        Meta(ge=0, description="A client that sends or takes a body more slowly is cut off, after the grace below."),
    ] = 1024
    body_grace_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="Seconds for which a body may stay below the rate before that counts."),
    ] = 20.0
    upload_bytes: Annotated[
        int,
        Meta(
            ge=8 * MIB,
            description="Memory for the bodies of uploads on their way in; an upload for which there is no room gets "
            "503 SlowDown.",
        ),
    ] = 128 * MIB
    shutdown_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds that running requests may still take when the server is told to stop; a second signal "
            "ends them at once. Keep it 10 s below what your supervisor grants (systemd: 90 s).",
        ),
    ] = 60.0


class MetadataConfig(Table, frozen=True, kw_only=True):
    """Where buckets, names and attributes of objects are kept."""

    backend: Annotated[
        str, Meta(min_length=1, description="Name of the engine, built in or registered by an installed package.")
    ] = "rocksdb"
    options: Annotated[
        dict[str, OptionValue], Meta(description="Handed to the engine; docs/disks.md has those of rocksdb.")
    ] = {}
    damaged: Annotated[
        Literal["refuse", "skip"],
        Meta(
            description="What a listing does with metadata that cannot be read: refuse fails it, skip leaves that out; "
            "either way the log names it."
        ),
    ] = "refuse"


class DataConfig(Table, frozen=True, kw_only=True):
    """Where the bytes of objects are kept."""

    backend: Annotated[
        str, Meta(min_length=1, description="Name of the engine, built in or registered by an installed package.")
    ] = "local"
    options: Annotated[
        dict[str, OptionValue], Meta(description="Handed to the engine; docs/disks.md has those of local.")
    ] = {}
    quarantine_s: Annotated[
        float,
        Meta(
            ge=0,
            le=315_360_000,
            description="Seconds for which bytes that an unclean stop left, and that no metadata names, are kept "
            "before they are compared once more and dropped.",
        ),
    ] = 604_800.0


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    listen: Annotated[
        str,
        Meta(
            description="HOST:PORT to serve S3 on; [::1]:8080 for IPv6; port 0 lets the system choose; unix:PATH for a "
            "socket that this user alone may connect to."
        ),
    ] = DEFAULT_LISTEN
    tls_cert: Annotated[
        str, Meta(description="PEM file with the certificate and its chain; with tls_key it turns HTTPS on.")
    ] = ""
    tls_key: Annotated[
        str, Meta(description="PEM file with the key of the certificate, without a password; readable by you alone.")
    ] = ""
    tls_listen: Annotated[
        str,
        Meta(description="HOST:PORT to serve S3 on over TLS 1.2 or 1.3; empty: port 8443 on the host of listen."),
    ] = ""
    admin: Annotated[
        str,
        Meta(
            description="HOST:PORT, or a port of 127.0.0.1, for /metrics and /health, without authentication; "
            "empty: off."
        ),
    ] = ""
    data_dir: Annotated[
        str, Meta(min_length=1, description="Directory that holds everything stored; made when it is missing.")
    ] = "nimbus-data"
    region: Annotated[
        str, Meta(pattern=r"\A[a-z0-9-]{1,64}\Z", description="Region that clients sign for and buckets report.")
    ] = "us-east-1"
    domains: Annotated[
        tuple[str, ...],
        Meta(description="Host names below which a bucket may stand: BUCKET.localhost is bucket BUCKET."),
    ] = ("localhost",)
    sigv2: Annotated[
        bool, Meta(description="Whether requests with the old signature version 2 are accepted beside version 4.")
    ] = True
    data_plane: Annotated[
        Literal["off", "on"], Meta(description="Whether the native listener stands in front of the Python one.")
    ] = "on"
    plane_threads: Annotated[
        int, Meta(ge=0, le=PLANE_THREADS_MAX, description="Threads of the native listener; 0: one a core.")
    ] = 0
    access_log: Annotated[
        str,
        Meta(description="File that gets a line of JSON for each request; - for standard error; empty: none."),
    ] = ""
    log_level: Annotated[
        LogLevel,
        Meta(description="The least grave notice that standard error gets: debug, info, warning or error."),
    ] = "info"
    users: tuple[UserEntry, ...] = ()
    limits: Limits = Limits()
    metadata: MetadataConfig = MetadataConfig()
    data: DataConfig = DataConfig()

    def __post_init__(self) -> None:
        for key in ("data_dir", "tls_cert", "tls_key", "access_log"):
            if "\0" in getattr(self, key):
                raise ValueError(f"{key}: a path has no NUL in it")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together; set both")
        if self.tls_listen and not self.tls_cert:
            raise ValueError("tls_listen: a certificate is missing; set tls_cert and tls_key")
        if self.listen or not self.tls_cert:
            parse_listen(self.listen, unix=True)
        parse_listen(self.tls_listen or DEFAULT_LISTEN, "tls_listen")
        parse_listen(self.admin_address or DEFAULT_LISTEN, "admin")
        for domain in self.domains:
            if not domain or domain != domain.lower().strip(".") or any(c in domain for c in "/: "):
                raise ValueError(f"domains: {domain!r} is not a plain lower-case host name")
        for field in ("id", "access_key"):
            seen: set[str] = set()
            for user in self.users:
                value = getattr(user, field)
                if value in seen:
                    raise ValueError(f"users: the {field} {value!r} occurs twice")
                seen.add(value)

    @property
    def tls_address(self) -> str:
        """HOST:PORT to serve HTTPS on; empty without a certificate."""
        if not self.tls_cert or self.tls_listen:
            return self.tls_listen
        plain = parse_listen(self.listen or DEFAULT_LISTEN, unix=True)
        return Address((parse_listen(DEFAULT_LISTEN) if plain.is_unix else plain).host, TLS_PORT).text

    @property
    def plane_threads_now(self) -> int:
        """How many threads the native listener has on this machine."""
        return self.plane_threads or min(len(os.sched_getaffinity(0)), PLANE_THREADS_MAX)

    @property
    def admin_address(self) -> str:
        """HOST:PORT of the admin listener; empty when there is none."""
        return f"127.0.0.1:{self.admin}" if self.admin.isdigit() else self.admin


class Address(msgspec.Struct, frozen=True):
    """A host and a port, as the operator wrote them, or the path of a unix socket."""

    host: str  # without brackets; the path
    port: int
    is_unix: bool = False

    @property
    def text(self) -> str:
        """HOST:PORT, with brackets around an IPv6 host; unix:PATH."""
        if self.is_unix:
            return UNIX + self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, scheme: str) -> str:
        """Where clients find it."""
        return self.text if self.is_unix else f"{scheme}://{self.text}"


# Works until a user is configured, and only where nobody but this machine can reach the server.
DEFAULT_USER = UserEntry(id="test", access_key="test", secret_key="test", display_name="test")  # noqa: S106


def parse_listen(text: str, key: str = "listen", *, unix: bool = False) -> Address:
    """HOST:PORT taken apart, or unix:PATH where that may be; raises `ValueError` with a sentence for the operator."""
    if unix and text.startswith(UNIX) and len(text) > len(UNIX) and "\0" not in text:
        return Address(host=text.removeprefix(UNIX), port=0, is_unix=True)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not colon or not digits or int(port) > 65535 or not host or (":" in host) != bracketed:
        forms = "127.0.0.1:8080, [::1]:8080 or unix:/run/nimbus.sock" if unix else "127.0.0.1:8080 or [::1]:8080"
        raise ValueError(f"{key}: {text!r} is not HOST:PORT, as in {forms}")
    return Address(host=host[1:-1] if bracketed else host, port=int(port))
