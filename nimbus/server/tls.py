"""The certificate of the HTTPS listener, checked before anything is opened.

The TLS itself is Granian's (rustls): TLS 1.2 and 1.3, HTTP/1.1. Keys may be PKCS#8, PKCS#1 (RSA PRIVATE KEY) or
SEC 1 (EC PRIVATE KEY), without a password. OpenSSL reads the files here first, because it can say what is wrong
with them; the listener reads them again when it starts. A renewed certificate is served after a restart.
"""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import msgspec

from nimbus.base.config import Config
from nimbus.base.errors import ConfigInvalid


class Certificate(msgspec.Struct, frozen=True):
    """A certificate with its key, by their files; both are readable and belong together."""

    cert: Path
    key: Path


def certificate_of(config: Config) -> Certificate | None:
    """The configured certificate, checked; None when there is none. Raises `ConfigInvalid`."""
    if not config.tls_cert:
        return None
    found = Certificate(Path(config.tls_cert).expanduser(), Path(config.tls_key).expanduser())
    _check_pem("tls_cert", found.cert, "CERTIFICATE")
    _check_pem("tls_key", found.key, "PRIVATE KEY")
    _check_pair(found)
    return found


def is_open_to_all(key: Path) -> bool:
    """Whether everybody on this machine can read the file."""
    return bool(key.stat().st_mode & stat.S_IROTH)


def _check_pem(key: str, path: Path, label: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"{key}: {path}: {(error.strerror or str(error)).lower()}") from error
    if f"{label}-----".encode() not in content:
        raise ConfigInvalid(f"{key}: {path} has no {label.lower()} in PEM form (-----BEGIN {label}-----)")
    if b"ENCRYPTED" in content:
        raise ConfigInvalid(f"{key}: {path} has a password; write it without one: openssl pkey -in {path} -out FILE")


def _check_pair(found: Certificate) -> None:
    """Refuse what OpenSSL cannot read, or a key that is not the certificate's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(found.cert, found.key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigInvalid(f"tls_key: {found.key} is not the key of {found.cert}") from error
        reason = (error.reason or "not understood").replace("_", " ").lower()
        raise ConfigInvalid(f"tls_cert: {found.cert} with {found.key}: {reason}") from error
