"""nimbus serve: start the store and serve it until told to stop."""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any, get_args

from nimbus.base.config import LogLevel
from nimbus.base.config_sources import config_path, load
from nimbus.base.errors import ConfigInvalid
from nimbus.server.graph import node
from nimbus.server.halves import Consent
from nimbus.server.notices import fail
from nimbus.server.run import serve

DESCRIPTION = """\
Serves S3 until SIGTERM or SIGINT, then lets running requests finish (limits.shutdown_s; a second signal cuts
them off) and stops. One line on standard output,
`NimbusStore is ready at http://HOST:PORT`, says when requests are answered, and with a certificate a second one
the same of https; everything else goes to standard error, each line with its time and level. `--listen ''` leaves
HTTPS alone.

Without a user in the configuration the key pair is test/test, and only loopback addresses are served.
"""

EPILOG = """\
examples:
  nimbus serve
  nimbus serve --data /srv/s3 --listen 127.0.0.1:0
  NIMBUS_ACCESS_KEY=... NIMBUS_SECRET_KEY=... nimbus serve --listen 0.0.0.0:8080
  nimbus serve --tls-cert store.crt --tls-key store.key --tls-listen 0.0.0.0:8443 --config nimbus.toml
  nimbus serve --admin 9100 --access-log /var/log/nimbus/access.log

Each option overrides its key of the configuration file; `nimbus config` prints them all.
"""

# option, metavar, key of the file, help
OPTIONS = (
    ("--data", "DIR", "data_dir", "directory that holds everything stored (default: nimbus-data)"),
    ("--listen", "ADDRESS", "listen", "HOST:PORT or unix:PATH (default: 127.0.0.1:8080); port 0: any free one"),
    ("--tls-cert", "FILE", "tls_cert", "PEM file with the certificate and its chain; with --tls-key it turns HTTPS on"),
    ("--tls-key", "FILE", "tls_key", "PEM file with the key of the certificate"),
    ("--tls-listen", "HOST:PORT", "tls_listen", "address for HTTPS (default: port 8443 on the host of --listen)"),
    ("--access-log", "FILE", "access_log", "file that gets a line of JSON for each request; -: standard error"),
    ("--admin", "[HOST:]PORT", "admin", "address for /metrics and /health, on loopback unless HOST is given"),
)

# What the operator agrees to for one start; option, help
CONSENTS = (
    ("--accept-loss", "start although metadata is missing or not that of the data; deletes nothing (docs/damage.md)"),
    ("--empty-quarantine", "drop at once, not after a time, what no metadata names (docs/damage.md)"),
)


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="start the store",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for option, metavar, key, text in OPTIONS:
        parser.add_argument(option, metavar=metavar, dest=key, help=text)
    parser.add_argument("--config", metavar="FILE", help="configuration file in TOML (default: NIMBUS_CONFIG, or none)")
    parser.add_argument(
        "--data-plane", choices=("on", "off"), dest="data_plane", help="native listener in front (default: on)"
    )
    parser.add_argument(
        "--log-level",
        choices=get_args(LogLevel),
        dest="log_level",
        help="least grave notice on standard error (default: info)",
    )
    for option, text in CONSENTS:
        parser.add_argument(option, action="store_true", help=text)
    parser.set_defaults(run=run, fail=fail)


def run(arguments: argparse.Namespace) -> None:
    """Serve until told to stop. Raises a `NimbusError` when that cannot begin."""
    named = {key: getattr(arguments, key) for key in (*(row[2] for row in OPTIONS), "data_plane", "log_level")}
    overrides = {key: value for key, value in named.items() if value is not None}
    path = config_path(arguments.config, os.environ)
    loaded = load(path, os.environ, overrides)
    if arguments.accept_loss and arguments.empty_quarantine:
        raise ConfigInvalid(
            "--empty-quarantine would delete what --accept-loss leaves without a name; start with one, look, and start "
            "with the other"
        )
    consent = Consent(accepts_loss=arguments.accept_loss, empties_quarantine=arguments.empty_quarantine)
    serve(
        loaded.config,
        loaded.notices,
        partial(node, consent=consent),
        reread=lambda: load(path, os.environ, overrides).config,
    )
