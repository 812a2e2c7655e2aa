"""Prebuilt signed requests and the C load generator that sends them.

Requests are signed once by botocore, written to a file and sent again and again: a signature stays good for
15 minutes. The generator is compiled on first use; it throws bodies away inside the kernel, so that it never is
the bottleneck.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from botocore.auth import HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from bench.servers import compiled

CREDENTIALS = Credentials("test", "test")
SECONDS_MAX = 120


class Load(msgspec.Struct, frozen=True):
    """What one run of the generator saw."""

    requests: int
    errors: int
    bytes: int
    wall_s: float
    cpu_s: float
    p50_us: float
    p99_us: float
    max_us: float


def run(port: int, requests: Path, *, connections: int, requests_max: int) -> Load:
    """Send `requests_max` requests from the file, in turn, over `connections` kept-alive connections."""
    command = [
        str(compiled("loadgen.c")),
        "127.0.0.1",
        str(port),
        str(connections),
        str(SECONDS_MAX),
        str(requests_max),
    ]
    done = subprocess.run([*command, str(requests)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return msgspec.json.decode(done.stdout, type=Load)


def signed(
    method: str,
    port: int,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    signs_payload: bool = True,
) -> bytes:
    """The bytes of one request, SigV4 in the header.

    Its body's SHA-256 is signed as boto3 does over plain HTTP, or left out as most clients do over TLS.
    """
    request = AWSRequest(method, f"http://127.0.0.1:{port}{path}", headers=headers or {}, data=body)
    request.context["client_config"] = Config(s3={"payload_signing_enabled": signs_payload})
    request.headers["Host"] = f"127.0.0.1:{port}"
    S3SigV4Auth(CREDENTIALS, "s3", "us-east-1").add_auth(request)
    return _raw(method, path, dict(request.headers.items()), body)


def signed_v2(port: int, path: str) -> bytes:
    """A GET with SigV2 in the header, which is the application's to check."""
    request = AWSRequest("GET", f"http://127.0.0.1:{port}{path}", headers={"Host": f"127.0.0.1:{port}"})
    HmacV1Auth(CREDENTIALS).add_auth(request)
    return _raw("GET", path, dict(request.headers.items()), b"")


def plain(method: str, port: int, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The same without a signature, for peers that check none."""
    return _raw(method, path, {"Host": f"127.0.0.1:{port}", **(headers or {})}, body)


def _raw(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    if body or method == "PUT":
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """Write requests in the generator's format."""
    with path.open("wb") as out:
        for request in requests:
            out.write(len(request).to_bytes(8, "little"))
            out.write(request)
    return path


def median(values: Sequence[float]) -> float:
    """The middle value (the upper one of two)."""
    return sorted(values)[len(values) // 2]
