"""The key ring: access keys, whom they belong to, and the signing keys derived from their secrets.

The set of users is replaced whole and at once, so a request sees either the old set or the new one, and a signing
key derived from an old secret goes with it. A signing key is kept only once it has verified a request, so nobody
without a secret can push out the keys of others.

Must always hold: a secret shows in no repr; what is kept for a user is bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from nimbus._native.sigv4 import derive_signing_key
from nimbus.auth.api import User

SECRET_SIZE_BYTES_MAX: Final = 1024  # what the C core derives from
SIGNING_KEYS_PER_USER_MAX: Final = 16  # a day's key for a region, two days around midnight, a few regions


class Secret:
    """The secret half of a key pair. Its repr does not show it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        assert len(text.encode()) <= SECRET_SIZE_BYTES_MAX, "the secret is too long"
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


class KeyHolder:
    """A user with a secret and the signing keys derived from it that have verified something."""

    __slots__ = ("_lock", "_secret", "_signing_keys", "user")

    def __init__(self, user: User, secret: Secret) -> None:
        self.user = user
        self._secret = secret
        self._signing_keys: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def secret(self) -> Secret:
        return self._secret

    def peek_signing_key(self, scope: str) -> bytes | None:
        """The key kept for a scope such as 20130524/us-east-1/s3/aws4_request."""
        return self._signing_keys.get(scope)

    def derive(self, date: str, region: str) -> bytes:
        """The signing key of a day and region for the service s3."""
        return derive_signing_key(self._secret.reveal(), date, region)

    def keep_signing_key(self, scope: str, key: bytes) -> None:
        with self._lock:
            while len(self._signing_keys) >= SIGNING_KEYS_PER_USER_MAX:
                del self._signing_keys[next(iter(self._signing_keys))]
            self._signing_keys[scope] = key


class KeyRing:
    """Finds the holder of an access key. `region` is the one that scopes must name; "" accepts every region."""

    def __init__(self, users: Iterable[tuple[User, Secret]], region: str = "us-east-1") -> None:
        self.region = region
        self._holders: dict[str, KeyHolder] = {}
        self.replace(users)

    def replace(self, users: Iterable[tuple[User, Secret]]) -> None:
        """Take another set of users; the keys of those not in it are void from the next request on."""
        holders: dict[str, KeyHolder] = {}
        for user, secret in users:
            assert user.access_key not in holders, f"two users have the access key {user.access_key}"
            holders[user.access_key] = KeyHolder(user, secret)
        self._holders = holders

    def peek(self, access_key: str) -> KeyHolder | None:
        return self._holders.get(access_key)
