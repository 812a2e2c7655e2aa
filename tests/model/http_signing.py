"""Requests of S3 to the byte, in every way in which a client may sign and frame one.

The signers are written out here, because a client's library would not sign what is odd, and because they are an oracle
for the two of the server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote, unquote

import msgspec

from tests.wire.serving import DOMAIN, OWNER

REGION = "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
FORMS = ("header", "query", "v2", "v2-query")
EMPTY_SHA256 = hashlib.sha256().hexdigest()
_TRAILER = "x-amz-checksum-crc32"
_EXPIRES_S = 900
# Parameters that the old signature covers, as far as these tests use them.
_SUBRESOURCES = (
    *("acl", "attributes", "delete", "location", "partNumber", "tagging", "uploadId", "uploads", "versionId"),
    *("response-cache-control", "response-content-type", "response-expires"),
)


class Signature(msgspec.Struct, frozen=True):
    """Who signs, when, and how well."""

    access_key: str = OWNER.access_key
    secret_key: str = OWNER.secret_key
    form: str = "header"  # or another of FORMS, or "none"
    age_s: int = 0
    is_broken: bool = False


class Request(msgspec.Struct, frozen=True):
    """A request before it is signed. `{upload0}` in the query stands for an upload's id, which each server chooses."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    payload: str = UNSIGNED  # what x-amz-content-sha256 says
    chunk_size: int = 0  # of the body in aws-chunked framing, as `payload` has it; 0: it is not framed
    is_framed_badly: bool = False  # in the signature of a chunk, or in a trailer
    signature: Signature = Signature()
    is_chunked: bool = False
    is_virtual: bool = False  # the bucket stands in the name of the host
    is_absolute: bool = False  # the target names the host, too, as to a proxy


def rendered(request: Request, uploads: list[str], now: datetime) -> bytes:
    """The bytes of a request; the ids are those of this server."""
    query = request.query
    for number, upload_id in enumerate(uploads):
        query = query.replace(f"{{upload{number}}}", upload_id)
    host, path = DOMAIN, request.path
    if request.is_virtual:
        bucket, _, key = path.removeprefix("/").partition("/")
        host, path = f"{bucket}.{DOMAIN}", f"/{key}"
    request = msgspec.structs.replace(request, query=query, headers=(("Host", host), *_with_framing(request)))
    when = now - timedelta(seconds=request.signature.age_s)
    if request.signature.form.startswith("v2"):
        query, headers, body = _signed_v2(request, path, when)
    elif request.signature.form == "none":
        query, headers, body = request.query, list(request.headers), request.body
    else:
        query, headers, body = _signed_v4(request, path, when)
    if request.is_chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif body or request.method in ("PUT", "POST"):
        headers.append(("Content-Length", str(len(body))))
    target = f"{path}?{query}" if query else path
    if request.is_absolute:
        target = f"http://{host}{target}"
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _with_framing(request: Request) -> tuple[tuple[str, str], ...]:
    if not request.chunk_size:
        return request.headers
    named = (("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(len(request.body))))
    if request.payload.endswith("-TRAILER"):
        named += (("x-amz-trailer", _TRAILER),)
    return request.headers + named


# --- Signature Version 4 ----------------------------------------------------------------------------------


class _Signer:
    """A key of one day, and what it signed last."""

    def __init__(self, secret: str, stamp: str) -> None:
        self.stamp = stamp
        self.scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        self._key = f"AWS4{secret}".encode()
        for word in self.scope.split("/"):
            self._key = hmac.digest(self._key, word.encode(), "sha256")

    def sign(self, *lines: str) -> str:
        """Of an algorithm and what belongs to it, with time and scope between them."""
        text = "\n".join([lines[0], self.stamp, self.scope, *lines[1:]])
        return hmac.digest(self._key, text.encode("latin-1"), "sha256").hex()


def _signed_v4(request: Request, path: str, when: datetime) -> tuple[str, list[tuple[str, str]], bytes]:
    """Query, headers and body."""
    who, query, headers = request.signature, request.query, list(request.headers)
    signer = _Signer(who.secret_key, when.strftime("%Y%m%dT%H%M%SZ"))
    in_query = who.form == "query"
    if not in_query:
        headers += [("x-amz-date", signer.stamp), ("x-amz-content-sha256", request.payload)]
    names = sorted({name.lower() for name, _ in headers})
    if in_query:
        parts = [query] if query else []
        parts += ["X-Amz-Algorithm=AWS4-HMAC-SHA256", f"X-Amz-Credential={who.access_key}%2F{quote(signer.scope, '')}"]
        parts += [f"X-Amz-Date={signer.stamp}", f"X-Amz-Expires={_EXPIRES_S}"]
        query = "&".join([*parts, f"X-Amz-SignedHeaders={'%3B'.join(names)}"])
    values = {name: ",".join(value for other, value in headers if other.lower() == name) for name in names}
    canonical = "\n".join(
        [
            request.method,
            path,
            "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)),
            *(f"{name}:{' '.join(values[name].split())}" for name in names),
            "",
            ";".join(names),
            request.payload,
        ]
    )
    seed = signer.sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode("latin-1")).hexdigest())
    shown = _damaged(seed) if who.is_broken else seed
    if in_query:
        return f"{query}&X-Amz-Signature={shown}", headers, request.body
    credential = f"Credential={who.access_key}/{signer.scope}, SignedHeaders={';'.join(names)}, Signature={shown}"
    headers.append(("Authorization", f"AWS4-HMAC-SHA256 {credential}"))
    return query, headers, _framed(request, signer, seed) if request.chunk_size else request.body


def _damaged(signature: str) -> str:
    return "0" * 8 + signature[8:]


def _framed(request: Request, signer: _Signer, seed: str) -> bytes:
    """The body in chunks, each signed behind the one before it, and its trailer, as far as `payload` promises them."""
    body, size, is_signed = request.body, request.chunk_size, request.payload != UNSIGNED_TRAILER
    pieces = [*(body[at : at + size] for at in range(0, len(body), size)), b""]
    framed, last = [], seed
    for piece in pieces:
        line = f"{len(piece):x}"
        if is_signed:
            last = signer.sign("AWS4-HMAC-SHA256-PAYLOAD", last, EMPTY_SHA256, hashlib.sha256(piece).hexdigest())
            line += f";chunk-signature={_damaged(last) if request.is_framed_badly else last}"
        framed.append(line.encode() + b"\r\n" + (piece + b"\r\n" if piece else b""))
    if request.payload.endswith("-TRAILER"):
        checksum = zlib.crc32(body + b"x" if request.is_framed_badly else body)
        trailer = f"{_TRAILER}:{base64.b64encode(checksum.to_bytes(4)).decode()}"
        framed.append(trailer.encode() + b"\r\n")
        if is_signed:
            digest = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
            framed.append(
                b"x-amz-trailer-signature:%b\r\n" % signer.sign("AWS4-HMAC-SHA256-TRAILER", last, digest).encode()
            )
    return b"".join(framed) + b"\r\n"


# --- Signature Version 2 ----------------------------------------------------------------------------------


def _signed_v2(request: Request, path: str, when: datetime) -> tuple[str, list[tuple[str, str]], bytes]:
    """Query, headers and body."""
    who, query, headers = request.signature, request.query, list(request.headers)
    in_query = who.form == "v2-query"
    if in_query:
        date = str(int(when.timestamp()) + _EXPIRES_S)
    else:
        date = format_datetime(when.astimezone(UTC), usegmt=True)
        headers.append(("Date", date))
    named: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        named[name] = f"{named[name]},{value.strip()}" if name in named else value.strip()
    amz = "".join(f"{name}:{value}\n" for name, value in sorted(named.items()) if name.startswith("x-amz-"))
    pairs = sorted(
        pair.partition("=")[::2] for pair in query.split("&") if unquote(pair.partition("=")[0]) in _SUBRESOURCES
    )
    signed = "&".join(f"{name}={unquote(value, 'latin-1')}" if value else name for name, value in pairs)
    resource = f"/{named['host'].removesuffix(f'.{DOMAIN}')}{path}" if request.is_virtual else path
    resource += f"?{signed}" if signed else ""
    kept = "\n".join([request.method, named.get("content-md5", ""), named.get("content-type", ""), date])
    digest = hmac.digest(who.secret_key.encode(), f"{kept}\n{amz}{resource}".encode("latin-1"), "sha1")
    signature = base64.b64encode(bytes(4) + digest[4:] if who.is_broken else digest).decode()
    if not in_query:
        headers.append(("Authorization", f"AWS {who.access_key}:{signature}"))
        return query, headers, request.body
    query = f"{query}&" if query else ""
    query += f"AWSAccessKeyId={who.access_key}&Expires={date}&Signature={quote(signature, '')}"
    return query, headers, request.body
