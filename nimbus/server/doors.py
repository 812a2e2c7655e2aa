"""The addresses of one server: S3, S3 over TLS, and the admin listener; bound before anything else is opened.

Must always hold: what cannot be bound, or a certificate that cannot be served, is refused in one line while nothing
is open yet; the sockets are closed however the server ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import msgspec

from nimbus.base.config import Config, parse_listen
from nimbus.server.sockets import Bound, bind, option_of
from nimbus.server.tls import Certificate, certificate_of


class Doors(msgspec.Struct, frozen=True):
    """Bound sockets; at least one of the first two is there."""

    plain: Bound | None
    tls: Bound | None
    admin: Bound | None
    certificate: Certificate | None


@contextmanager
def open_doors(config: Config) -> Iterator[Doors]:
    """Bind every configured address. Raises `ConfigInvalid`, `AddressRefused`."""
    with ExitStack() as sockets:

        def door(text: str, key: str) -> Bound | None:
            if not text:
                return None
            bound = bind(parse_listen(text, key, unix=key == "listen"), option_of(key))
            sockets.enter_context(closing(bound))
            return bound

        certificate = certificate_of(config)
        yield Doors(
            plain=door(config.listen, "listen"),
            tls=door(config.tls_address, "tls_listen"),
            admin=door(config.admin_address, "admin"),
            certificate=certificate,
        )
