"""The admin listener: a small server of its own, so that no load on S3 and no limit of it stands in its way."""

from __future__ import annotations

from typing import Final

from nimbus.admin.app import AdminAsgi
from nimbus.admin.readiness import Readiness
from nimbus.base.config import Limits
from nimbus.metrics.api import Source
from nimbus.server.listener import Listener
from nimbus.server.sockets import Bound

# Scrapers and probes are few; the next one waits until one of these has its answer.
CONNECTIONS_MAX: Final = 64
HEADER_TIMEOUT_S: Final = 5.0


def admin_listener(bound: Bound, sources: tuple[Source, ...], readiness: Readiness | None) -> Listener:
    """A listener that answers with these metrics and this readiness."""
    assert readiness is not None, "a node that is watched says whether it is ready"
    app = AdminAsgi(sources, readiness)
    return Listener(bound, app, Limits(header_timeout_s=HEADER_TIMEOUT_S), CONNECTIONS_MAX)
