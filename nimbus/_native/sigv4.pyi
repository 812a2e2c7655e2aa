"""AWS Signature Version 4 for S3 in C: a claim read from a raw head, its checks, and the signing functions."""

from typing import Final

FORMS: Final[tuple[str, ...]]
"""Names of the forms in which a request can say who sent it, by the number in `Claim.form`."""
PAYLOADS: Final[tuple[str, ...]]
"""Names of what x-amz-content-sha256 can announce, by the number in `Claim.payload`."""
STATUSES: Final[tuple[str, ...]]
"""Names of what can be wrong, by the number that the checks answer; 0 is OK."""

class Claim:
    """Who a request head says it is from. Nothing in it is believed until all the checks have answered 0."""

    status: int
    """What reading the head found, an index into `STATUSES`."""

    def __init__(self, method: str, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Read a raw head: percent-encoded path, query without question mark, header names in lower case."""

    def set_timestamp(self, timestamp: bytes) -> int:
        """Give a claim whose status is DATE_MISSING its time, as 20130524T000000Z."""

    def check(self, region: bytes, now_s: int) -> int:
        """Check scope and time. An empty region accepts every region."""

    def check_signature(self, key: bytes) -> int:
        """Check with the signing key derived for this access key and scope. About 1 us."""

    def canonical_request(self) -> bytes:
        """What the signature covers; empty when it cannot be built."""

    def string_to_sign(self) -> bytes:
        """What is signed: time, scope and the hash of the canonical request."""

    @property
    def form(self) -> int:
        """Index into `FORMS`."""
    @property
    def payload(self) -> int:
        """Index into `PAYLOADS`."""
    @property
    def payload_hash(self) -> str:
        """The value that stands for the body in the canonical request."""
    @property
    def has_token(self) -> bool:
        """Whether there is a session token in the head or in the query, whatever the form."""
    @property
    def access_key(self) -> str: ...
    @property
    def scope(self) -> str:
        """20130524/us-east-1/s3/aws4_request"""
    @property
    def scope_date(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def terminal(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def timestamp(self) -> str:
        """20130524T000000Z"""
    @property
    def timestamp_s(self) -> int:
        """The same in seconds since the epoch."""
    @property
    def expires_s(self) -> int:
        """How long a presigned request is good for after `timestamp_s`."""
    @property
    def unsigned_headers(self) -> list[str]:
        """The headers behind the status HEADER_UNSIGNED, in lower case and each once."""

def derive_signing_key(secret: str, date: str, region: str, service: str = "s3") -> bytes:
    """The 32-byte key that signs for one day (20130524), region and service. ValueError above 1,024 bytes of secret."""

def sign(key: bytes, text: bytes) -> str:
    """HMAC-SHA256 as 64 lower-case hexadecimal digits."""

def parse_timestamp(text: bytes) -> int:
    """Seconds since the epoch of 20130524T000000Z, or -1 for anything that is not such a time."""
