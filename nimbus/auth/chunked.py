"""The aws-chunked decoder: takes the framing off a streamed body, sans I/O, and checks the chain of signatures.

    [ size[;chunk-signature=hex] CRLF  bytes CRLF ]...  0[;chunk-signature=hex] CRLF
    [ name:value CRLF ]...  [ x-amz-trailer-signature:hex CRLF ]  CRLF

A signed chunk is held back whole until its signature was checked, which bounds what is in memory by the largest
chunk; the bytes of an unsigned one are released as they come.

Must always hold: a released byte of a signed body was verified; how the body is cut into pieces changes nothing;
`finish` answers only for a body whose every chunk, length and trailer was there and right.

Source: "Signature calculations for the Authorization header: Transferring payload in multiple chunks" and
"... Including trailing headers", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from collections.abc import Callable
from typing import Final

from nimbus._native.sigv4 import sign
from nimbus.auth.api import AuthFailure, BodyForm, ChunkDecoder, ChunkSeed, Verified
from nimbus.auth.sigv4 import mismatch
from nimbus.base.limits import (
    CHUNK_HEADER_SIZE_BYTES_MAX,
    CHUNK_SIZE_BYTES_MAX,
    CHUNK_SIZE_BYTES_MIN,
    TRAILER_SIZE_BYTES_MAX,
)

_EMPTY_SHA256: Final = hashlib.sha256().hexdigest()
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"
_SIGNED_HEADER: Final = re.compile(rb"([0-9a-fA-F]{1,15});chunk-signature=([^\r\n]{64})\r\n")
_UNSIGNED_HEADER: Final = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")
_TRAILER: Final = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*")

_TOO_SMALL: Final = "Only the last chunk is allowed to have a size less than 8192 bytes"
_TOO_LARGE: Final = f"A signed chunk has at most {CHUNK_SIZE_BYTES_MAX} bytes"

_Step = Callable[[bytes, int, list[bytes]], int]


def chunk_decoder(verified: Verified) -> ChunkDecoder:
    """The decoder for the body of a head that was verified to come in chunks."""
    assert verified.decoded_length is not None, f"not a chunked body: {verified.body}"
    chain = None
    if verified.body is not BodyForm.CHUNKED_UNSIGNED_TRAILER:
        assert verified.seed is not None, "signed chunks without a seed"
        chain = Chain(verified.seed, verified.user.access_key if verified.user is not None else "")
    return AwsChunkedDecoder(chain, verified.body, verified.decoded_length, verified.trailers)


def chunk_failure(fault: str, access_key: str, string_to_sign: bytes, signature: bytes) -> AuthFailure:
    """The error for a fault that the native decoder found; see `AWS_FAULTS` of nimbus/_native/plane.pyi."""
    match fault:
        case "chunk-too-small":
            return _bad_chunk_size(_TOO_SMALL)
        case "chunk-too-large":
            return _bad_chunk_size(_TOO_LARGE)
        case "trailer-malformed":
            return _malformed_trailer()
        case "mismatch":
            return mismatch(access_key, string_to_sign, signature.decode("latin-1"))
        case _:
            return _incomplete()


class Chain:
    """The chain of signatures: each one signs the one before it."""

    def __init__(self, seed: ChunkSeed, access_key: str) -> None:
        self._seed = seed
        self._access_key = access_key
        self._previous = seed.signature

    def check_chunk(self, sha256: str, signature: bytes) -> None:
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY_SHA256}\n{sha256}", signature)

    def check_trailers(self, trailers: dict[str, str], signature: bytes) -> None:
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines.encode()).hexdigest(), signature)

    def _check(self, algorithm: str, hashes: str, signature: bytes) -> None:
        seed = self._seed
        text = f"{algorithm}\n{seed.timestamp}\n{seed.scope}\n{self._previous}\n{hashes}".encode()
        expected = sign(seed.signing_key, text)
        if not hmac.compare_digest(expected.encode(), signature):
            raise mismatch(self._access_key, text, signature.decode("latin-1"))
        self._previous = expected


class AwsChunkedDecoder:
    """Decodes one body. Each step takes bytes from an offset on and says how far it came."""

    def __init__(self, chain: Chain | None, form: BodyForm, decoded_length: int, declared: tuple[str, ...]) -> None:
        self._chain = chain
        self._has_trailers = form is not BodyForm.CHUNKED_SIGNED
        self._has_trailer_signature = form is BodyForm.CHUNKED_SIGNED_TRAILER
        self._declared = declared
        self._unseen = decoded_length  # payload bytes that no chunk header has announced yet
        self._step: _Step = self._take_header
        self._line = bytearray()  # the part of a line that came so far
        self._previous_size = CHUNK_SIZE_BYTES_MIN
        self._left = 0  # bytes to come in the present chunk
        self._signature = b""
        self._hash = hashlib.sha256()
        self._held = io.BytesIO()  # the present chunk of a signed body
        self._trailers: dict[str, str] = {}
        self._trailer_room = TRAILER_SIZE_BYTES_MAX
        self._line_was_bare = False
        self._done = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payload that `data` completes. After an `AuthFailure` every further call fails too."""
        released: list[bytes] = []
        offset = 0
        try:
            while offset < len(data):
                offset = self._step(data, offset, released)
        except AuthFailure:
            self._step = self._refuse
            self._done = False
            raise
        return released

    def finish(self) -> dict[str, str]:
        """The verified trailers of a body that has come to its end."""
        if not self._done:
            raise _incomplete()
        return self._trailers

    # --- steps ---

    def _take_line(self, data: bytes, offset: int, size_max: int) -> tuple[int, bytes | None]:
        """The line that ends in this data, with its end, or None while it is still coming."""
        end = data.find(b"\n", offset, offset + size_max) + 1
        stop = end or len(data)
        if len(self._line) + stop - offset > size_max:
            raise _incomplete()
        self._line += data[offset:stop]
        if not end:
            return stop, None
        line = bytes(self._line)
        self._line.clear()
        return stop, line

    def _take_header(self, data: bytes, offset: int, released: list[bytes]) -> int:
        offset, line = self._take_line(data, offset, CHUNK_HEADER_SIZE_BYTES_MAX)
        if line is not None:
            self._begin_chunk(line)
        return offset

    def _take_unsigned(self, data: bytes, offset: int, released: list[bytes]) -> int:
        piece = data[offset : offset + self._left]
        released.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = self._take_chunk_end
        return offset + len(piece)

    def _take_signed(self, data: bytes, offset: int, released: list[bytes]) -> int:
        piece = data[offset : offset + self._left]
        self._hash.update(piece)
        self._left -= len(piece)
        if self._left or self._held.tell():
            self._held.write(piece)
        if not self._left:
            assert self._chain is not None
            self._chain.check_chunk(self._hash.hexdigest(), self._signature)
            released.append(self._held.getvalue() if self._held.tell() else piece)
            self._held = io.BytesIO()
            self._step = self._take_chunk_end
        return offset + len(piece)

    def _take_chunk_end(self, data: bytes, offset: int, released: list[bytes]) -> int:
        offset, line = self._take_line(data, offset, 2)
        if line is not None:
            if line != b"\r\n":
                raise _incomplete()
            self._step = self._take_header
        return offset

    def _take_trailer(self, data: bytes, offset: int, released: list[bytes]) -> int:
        offset, line = self._take_line(data, offset, self._trailer_room)
        if line is not None:
            self._trailer_room -= len(line)
            self._add_trailer(line)
        return offset

    def _refuse(self, data: bytes, offset: int, released: list[bytes]) -> int:
        """Nothing may come any more."""
        raise _incomplete()

    # --- chunks ---

    def _begin_chunk(self, line: bytes) -> None:
        found = (_SIGNED_HEADER if self._chain is not None else _UNSIGNED_HEADER).fullmatch(line)
        if found is None:
            raise _incomplete()
        size = int(found[1], 16)
        self._check_size(size)
        self._previous_size = size
        self._unseen -= size
        self._left = size
        if self._chain is not None:
            self._signature = found[2]
            self._hash = hashlib.sha256()
        if size:
            self._step = self._take_signed if self._chain is not None else self._take_unsigned
        else:
            self._end_chunks()

    def _check_size(self, size: int) -> None:
        if size and self._previous_size < CHUNK_SIZE_BYTES_MIN:
            raise _bad_chunk_size(_TOO_SMALL)
        if self._chain is not None and size > CHUNK_SIZE_BYTES_MAX:
            raise _bad_chunk_size(_TOO_LARGE)
        if size > self._unseen:
            raise _incomplete()

    def _end_chunks(self) -> None:
        if self._unseen:
            raise _incomplete()
        if self._chain is not None:
            self._chain.check_chunk(_EMPTY_SHA256, self._signature)
        self._step = self._take_trailer

    # --- trailers ---

    def _add_trailer(self, line: bytes) -> None:
        """One line behind the last chunk; an empty one ends the body."""
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        if not text:
            self._take_empty_line()
            return
        found = _TRAILER.fullmatch(text)
        if found is None or not self._has_trailers:
            raise _malformed_trailer()
        name = found[1].decode().lower()
        if name in self._trailers or _TRAILER_SIGNATURE in self._trailers:
            raise _malformed_trailer()
        self._trailers[name] = found[2].decode()
        self._line_was_bare = not line.endswith(b"\r\n")

    def _take_empty_line(self) -> None:
        # Clients of the MinIO family end a trailer with LF, and put CRLF between it and the signature.
        awaits_signature = self._has_trailer_signature and _TRAILER_SIGNATURE not in self._trailers
        if awaits_signature and self._line_was_bare:
            self._line_was_bare = False
            return
        self._check_trailers()
        self._step = self._refuse
        self._done = True

    def _check_trailers(self) -> None:
        signature = self._trailers.pop(_TRAILER_SIGNATURE, None)
        if set(self._trailers) != set(self._declared) or (signature is not None) is not self._has_trailer_signature:
            raise _malformed_trailer()
        if signature is not None:
            assert self._chain is not None
            self._chain.check_trailers(self._trailers, signature.encode())


def _incomplete() -> AuthFailure:
    return AuthFailure("IncompleteBody", "The request body terminated unexpectedly")


def _bad_chunk_size(message: str) -> AuthFailure:
    return AuthFailure("InvalidChunkSizeError", message)


def _malformed_trailer() -> AuthFailure:
    return AuthFailure(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
