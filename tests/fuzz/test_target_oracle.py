"""Bucket, key and query of a request, as the native plane reads them and as the S3 room does.

The plane may leave a request to the embedded server whenever it likes. What it must never do is to understand another
object than the S3 room would: the signature of a request covers its raw path and host, so both readings are signed.
"""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nimbus._native.plane import parse_target, read_query
from nimbus.s3 import codec, model
from nimbus.s3.errors import S3Error
from nimbus.s3.moved import moved_headers
from nimbus.s3.router import Query, check_bucket_name, split_target
from tests.conftest import SCALE

DOMAINS = ("example.com", "s3.example.com", "localhost")
PATH_PIECES = (
    *("/", "//", "bucket", "b", "a.b-c", "Bucket", "..", ".", "192.168.0.1", "%2F", "%2f", "%00", "%", "%4", "%zz"),
    *("%C3%A4", "%ff", "%c0%af", "%ed%a0%80", "+", "%20", "%25", "%2e%2e", ";", ":", "@", "=", "~", "key", "k" * 200),
)
HOST_PIECES = (
    *("bucket", "b", "my.bucket", "Bucket", ".", "-", "example.com", "s3.example.com", "Example.com", "localhost"),
    *(":", ":80", ":0", ":080", ":99999", "[::1]", "127.0.0.1", "%2e", "~", "_", "..", "xexample.com"),
)
# Only bytes that the head parser lets pass: see TOKEN, HOST and parse_target of http.c.
paths = st.lists(st.sampled_from(PATH_PIECES), max_size=8).map(lambda pieces: "/" + "".join(pieces))
hosts = st.lists(st.sampled_from(HOST_PIECES), min_size=1, max_size=4).map("".join)


def is_possible(bucket: bytes, key: bytes) -> bool:
    """Whether the store can hold an object of this name at all."""
    try:
        check_bucket_name(bucket.decode())
        key.decode()
    except (S3Error, UnicodeDecodeError):
        return False
    return True


@given(paths, hosts, st.sampled_from([(), DOMAINS[:1], DOMAINS]))
@settings(max_examples=round(1000 * SCALE))
@example("/bucket/key", "photos.example.com.:80", DOMAINS)
@example("/bucket/key", "photos.example.com.:", DOMAINS)
@example("/bucket/key", "photos.example.com:80:80", DOMAINS)
@example("/bucket/key", "PHOTOS.example.com", DOMAINS)
@example("/bucket/key", "[photos.example.com]:80", DOMAINS)
@example("/bucket/" + "%41" * 1024, "localhost", DOMAINS)
def test_the_plane_names_the_object_that_the_s3_room_names(path: str, host: str, domains: tuple[str, ...]) -> None:
    native = parse_target(path.encode(), host.encode(), domains)
    if native is None:
        return
    try:
        target = split_target(path.encode(), host, domains)
    except S3Error:
        assert not is_possible(*native), native
    else:
        assert native == (target.bucket.encode(), target.key.encode())


READ = next(wire for wire in model.WIRES if wire.name == "GetObject")
FIELDS = {
    b"cache-control": "response_cache_control",
    b"content-disposition": "response_content_disposition",
    b"content-encoding": "response_content_encoding",
    b"content-language": "response_content_language",
    b"content-type": "response_content_type",
    b"expires": "response_expires",
}
NAMES = (
    "partNumber",
    "x-id",
    "X-Amz-Date",
    "X-Amz-Content-Sha256",
    "x-amz-checksum-mode",
    "X-Amz-Checksum-Mode",
    *(f"response-{name.decode()}" for name in FIELDS),
)
VALUES = (
    "1",
    "7",
    "10000",
    "10001",
    "07",
    "GetObject",
    "ENABLED",
    "a",
    "b c",
    "+",
    "%20",
    "%2B",
    "%41",
    "%",
    "%4",
    "%zz",
    "%00",
    "",
)
items = st.tuples(st.sampled_from([*NAMES, "versionId", "acl", ""]), st.lists(st.sampled_from(VALUES), max_size=3))
queries = st.lists(items.map(lambda item: f"{item[0]}={''.join(item[1])}"), max_size=5).map("&".join)


@given(queries)
@settings(max_examples=round(2000 * SCALE))
@example("partNumber=1&partNumber=1")
@example("response-expires=&response-expires=a")
@example("response-content-type=a%20b+c%2B")
@example("x-amz-checksum-mode=ENABLED&x-id=GetObject")
@example("x-amz-checksum-mode=ENABLED&X-Amz-Checksum-Mode=ENABLED")
def test_the_plane_reads_a_query_as_the_s3_room_does(query: str) -> None:
    native = read_query(query.encode(), b"GetObject")
    if native is None:
        return
    parsed = Query.parse(query.encode())
    request = codec.decode(READ, "bucket", "key", parsed, moved_headers(parsed), None)
    values = {name: getattr(request, field) for name, field in FIELDS.items()}
    wants_checksums = request.checksum_mode == "ENABLED"
    overrides = {name: text.encode() for name, text in values.items() if text}
    assert native == (request.part_number, wants_checksums, overrides)
    assert request.version_id is None
