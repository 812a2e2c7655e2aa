"""The hot functions inside a request, each against a bare piece of work in the same run, so that no clock counts.

SigV4 verification against the SHA-256 that it cannot do without; the codec against msgspec's JSON encoder on the
same data; both on one core, in this process.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench import load
from bench.contest import Contests
from nimbus.auth.api import Head, User
from nimbus.auth.keys import KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier
from nimbus.s3 import codec, router
from nimbus.s3.model import WIRES, GetObjectOutput, ListObjectsV2Output
from nimbus.s3.model import Object as ListedObject

CALLS = 3000


def _round(call: Callable[[], Any], calls: int = CALLS) -> Callable[[], float]:
    def run() -> float:
        before = time.process_time()
        for _ in range(calls):
            call()
        return (time.process_time() - before) / calls

    return run


def _signed_head() -> Head:
    """A GET as boto3 sends it."""
    raw = load.signed("GET", 8080, "/bucket/some/key%20with%20escapes", headers={"User-Agent": "Boto3/1.44 x/y"})
    lines = raw.split(b"\r\n\r\n")[0].split(b"\r\n")
    headers = [(name.lower(), value) for name, value in (line.split(b": ", 1) for line in lines[1:])]
    return Head("GET", lines[0].split(b" ")[1], b"", headers)


def bench_sigv4_verification(benchmark: Any, contests: Contests) -> None:
    verifier = HeadVerifier(KeyRing([(User("test", "test", "", "test"), Secret("test"))]))
    head = _signed_head()
    now_ms = time.time_ns() // 1_000_000
    assert verifier.verify(head, virtual_bucket="", now_ms=now_ms).user is not None
    key, canonical, text = b"k" * 32, b"c" * 400, b"s" * 133

    def bare_hash() -> None:
        hashlib.sha256(canonical).hexdigest()
        hmac.digest(key, text, "sha256")

    contests.run(
        benchmark,
        "SigV4 verification",
        _round(lambda: verifier.verify(head, virtual_bucket="", now_ms=now_ms)),
        _round(bare_hash),
        peer_name="hashlib: one SHA-256 and one HMAC",
    )


def bench_codec_of_get_object(benchmark: Any, contests: Contests) -> None:
    head = _signed_head()
    wire = next(wire for wire in WIRES if wire.name == "GetObject")
    output = GetObjectOutput(
        content_length=1024,
        etag='"d41d8cd98f00b204e9800998ecf8427e"',
        last_modified="Sat, 31 Jan 2026 12:34:56 GMT",
        accept_ranges="bytes",
        content_type="application/octet-stream",
    )
    query = router.Query.parse(b"")

    def both_ways() -> None:
        codec.decode(wire, "bucket", "some/key with escapes", query, head.headers, None)
        codec.encode(wire, output)

    encoder = msgspec.json.Encoder()
    contests.run(
        benchmark,
        "codec GetObject, request and reply",
        _round(both_ways),
        _round(lambda: encoder.encode(output)),
        peer_name="msgspec.json of the reply alone",
    )


def bench_codec_of_a_listing_page(benchmark: Any, contests: Contests) -> None:
    wire = next(wire for wire in WIRES if wire.name == "ListObjectsV2")
    contents = [
        ListedObject(
            key=f"train/shard-{index:06}/sample-{index:09}.jpg",
            last_modified="2026-01-31T12:34:56.789Z",
            etag=f'"{index:032x}"',
            size=100_000 + index,
            storage_class="STANDARD",
        )
        for index in range(1000)
    ]
    output = ListObjectsV2Output(
        is_truncated=True, contents=contents, name="bucket", prefix="train/", max_keys=1000, key_count=1000
    )
    assert codec.encode(wire, output).body.count(b"<Contents>") == 1000
    encoder = msgspec.json.Encoder()
    contests.run(
        benchmark,
        "codec listing of 1,000 keys",
        _round(lambda: codec.encode(wire, output), 30),
        _round(lambda: encoder.encode(output), 30),
        peer_name="msgspec.json of the same page",
    )
