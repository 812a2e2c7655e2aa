"""The one verifier: every request passes here, whatever form its signature has.

The head is read once in C, which says how the request is signed; the table below names the rules for each form.
A form that is not in the table is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nimbus._native.sigv4 import FORMS, STATUSES, Claim
from nimbus.auth import sigv2, sigv4
from nimbus.auth.api import AuthFailure, Head, Verified
from nimbus.auth.keys import KeyRing
from nimbus.auth.payload import verdict

# Statuses that say that the head itself is bad; the later ones belong to SigV4 and are judged by its rules.
_HEAD_STATUS_LAST: Final = STATUSES.index("PARAMETER_REPEATED")

# The other ways of asking, none of which is taken.
_REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "CONFLICT": (
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified",
    ),
    "SIGV4A_HEADER": ("NotImplemented", "In the header Authorization AWS4-ECDSA-P256-SHA256 is not implemented."),
}
_NO_SPACE: Final = "Authorization header is invalid -- one and only one ' ' (space) required"
_SIGV2_OFF: Final = (
    "InvalidRequest",
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
)

_Rule = Callable[[Claim, Head, str, int], Verified]


class HeadVerifier:
    """Checks heads against the users of a key ring. `sigv2` False refuses the old form."""

    def __init__(self, ring: KeyRing, *, sigv2: bool = True) -> None:
        self._ring = ring
        rules: dict[str, _Rule] = {
            "ANONYMOUS": self._anonymous,
            "SIGV4_HEADER": self._sigv4,
            "SIGV4_QUERY": self._sigv4,
            "SIGV2_HEADER": self._sigv2_header if sigv2 else _refuse(*_SIGV2_OFF),
            "SIGV2_QUERY": self._sigv2_query if sigv2 else _refuse(*_SIGV2_OFF),
        }
        rules["UNKNOWN"] = _unknown
        rules |= {form: _refuse(*refusal) for form, refusal in _REFUSALS.items()}
        self._rules: tuple[_Rule, ...] = tuple(rules[form] for form in FORMS)

    def verify(self, head: Head, *, virtual_bucket: str, now_ms: int) -> Verified:
        """Who asks; see `nimbus.auth.api.Verifier`."""
        claim = Claim(head.method, head.raw_path, head.raw_query, head.headers)
        now_s = now_ms // 1000
        if 0 < claim.status <= _HEAD_STATUS_LAST:
            raise sigv4.failure(claim.status, claim, self._ring.region, now_s)
        return self._rules[claim.form](claim, head, virtual_bucket, now_s)

    def _anonymous(self, claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
        return verdict(None, claim, head)

    def _sigv4(self, claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
        return sigv4.verify(claim, head, self._ring, now_s)

    def _sigv2_header(self, claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
        return sigv2.verify_header(claim, head, self._ring, virtual_bucket, now_s)

    def _sigv2_query(self, claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
        return sigv2.verify_query(claim, head, self._ring, virtual_bucket, now_s)


def _unknown(claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
    """S3 shows the kind that it does not know, and the whole of what has none."""
    given = dict(head.headers).get(b"authorization", b"").decode("latin-1")
    kind, space, _ = given.partition(" ")
    message = "Unsupported Authorization Type" if space else _NO_SPACE
    raise AuthFailure("InvalidArgument", message, ArgumentName="Authorization", ArgumentValue=kind)


def _refuse(code: str, message: str) -> _Rule:
    def refuse(claim: Claim, head: Head, virtual_bucket: str, now_s: int) -> Verified:
        raise AuthFailure(code, message, ArgumentName="Authorization")

    return refuse
