"""Requests as botocore signs them, as the bytes that go over a socket."""

from __future__ import annotations

import datetime

import msgspec
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Key(msgspec.Struct, frozen=True):
    access_key: str
    secret: str
    user_id: str


ALICE = Key("ALICE", "secret-of-alice", "alice")
BOB = Key("BOB", "secret-of-bob", "bob")


def signed(
    path: str,
    *,
    method: str = "GET",
    key: Key = ALICE,
    presigned: bool = False,
    host: str = "localhost",
    **headers: str,
) -> bytes:
    """A request as botocore signs it."""
    request = AWSRequest(method, f"http://{host}{path}", headers={n.replace("_", "-"): v for n, v in headers.items()})
    request.context["timestamp"] = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    signer = S3SigV4QueryAuth if presigned else S3SigV4Auth
    signer(Credentials(key.access_key, key.secret), "s3", "us-east-1").add_auth(request)
    target = request.url.removeprefix(f"http://{host}")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{n}: {v}" for n, v in request.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
