"""A random history of S3 requests, plain and odd, against two servers at once: with the native plane and without.

Both must answer alike, to the byte, and what they answer must be what a dictionary says. A request that is as clients
send it has an answer that the dictionary knows; one that hypothesis made odd has only to be answered alike, and to be
remembered when it was a success.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.model.http_pair import Answer, Pair, pair
from tests.model.http_signing import (
    FORMS,
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    Request,
    Signature,
)
from tests.wire.serving import OTHER

BUCKETS = (f"/pair-{number}" for number in itertools.count())  # one for each history
PART_SIZE_BYTES_MIN = 5 << 20
EXAMPLES = settings().max_examples  # 100 unless a longer run was asked for

keys = st.sampled_from(["a", "a/b", "a//b", "b c", "é", "%", "d.tar.gz"])
sizes = st.sampled_from([0, 1, 1000, 8192, 8193, 65_536, 262_144, 262_145, 700_000])
methods = st.sampled_from(["GET", "GET", "GET", "HEAD"])
etag_conditions = st.sampled_from(["@", "@", '"@"', 'W/"@"', '"x"', "x", "*", '"x", "@"', "", '"@', '"x","y"'])
dates = st.sampled_from(
    [
        "Sat, 01 Jan 2000 00:00:00 GMT",
        "Fri, 01 Jan 2100 00:00:00 GMT",
        "Saturday, 01-Jan-00 00:00:00 GMT",
        "Sat Jan  1 00:00:00 2000",
        "sat, 01 jan 2000 00:00:00 gmt",
        "Sat, 32 Jan 2000 00:00:00 GMT",
        "2000-01-01T00:00:00Z",
        "0",
        "",
    ]
)
ranges = st.sampled_from(
    [
        *("0-0", "0-", "-1", "-0", "1-5", "999-1000", "5-1", "0-99999999999999999999", "262143-262145", "700000-"),
        *("-800000", "", "-", "a-b", "0-1,3-4", " 0-1", "0 - 1", "+1-2", "0-0x5"),
    ]
)
conditions = st.one_of(
    st.tuples(st.sampled_from(["If-Match", "If-None-Match", "if-none-match", "IF-MATCH"]), etag_conditions),
    st.tuples(st.sampled_from(["If-Modified-Since", "If-Unmodified-Since"]), dates),
    st.tuples(st.just("If-Range"), etag_conditions | dates),
    st.tuples(st.just("Range"), st.builds("bytes={}".format, ranges)),
    st.tuples(st.just("Range"), st.sampled_from(["bytes", "lines=0-1", "BYTES=0-1", "bytes =0-1", "bytes=0-1;q=1"])),
)
odd_headers = st.one_of(
    conditions,
    st.tuples(
        st.just("x-amz-checksum-mode"), st.sampled_from(["ENABLED", "enabled", "DISABLED", "", "ENABLED, ENABLED"])
    ),
    st.sampled_from(
        [
            ("Accept-Encoding", "gzip"),
            ("X-Custom", "  spread   out  "),
            ("X-Empty", ""),
            ("Connection", "close"),
            ("Connection", "keep-alive, close"),
            ("Expect", "100-continue"),
            ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("Content-MD5", "nonsense"),
            ("Content-Type", "text/x-odd; charset=utf-8"),
            ("Content-Encoding", "gzip"),
            ("Cache-Control", "no-cache"),
            ("Expires", "whenever"),
            ("x-amz-meta-colour", "  blue "),
            ("x-amz-meta-name", "h\u00c3\u00a9"),  # UTF-8, as some clients send it
            ("x-amz-meta-name", "h\u00e9"),  # ISO-8859-1
            ("x-amz-meta-name", "=?UTF-8?B?aMOp?= =?utf-8?q?h=C3=A9?="),
            ("x-amz-meta-name", "=?UTF-8?B?=GGG?="),
            ("x-amz-copy-source-if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            ("x-amz-meta-Colour", "red"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-acl", "public-read"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-expected-bucket-owner", "111122223333"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-sha1", "short"),
            ("x-amz-sdk-checksum-algorithm", "SHA256"),
            ("x-amz-sdk-checksum-algorithm", "MD9"),
            ("x-amz-nonsense", "1"),
        ]
    ),
)
odd_queries = st.sampled_from(
    [
        *("partNumber=1", "partNumber=2", "partNumber=0", "partNumber=x", "partNumber=1&partNumber=1"),
        *("partNumber=%2B1", "partNumber=", "partNumber=10001", "partNumber=%D9%A1", "partNumber=1_0"),
        *("versionId=null", "versionId=3", "versionId=", "uploadId=0", "attributes", "acl", "tagging"),
        *("response-content-type=text%2Fplain", "response-expires=a%0D%0Ab", "response-cache-control=a+b%20c"),
        *("response-content-disposition=%E2%82%AC", "response-content-language=%C3%A9"),
        *("response-content-type=a&response-content-type=b", "x-id=GetObject", "x-id=PutObject"),
        *("%zz", "=", "&", "a=b", "delete", "location"),
        *(
            "x-amz-meta-Moved=a+b",
            "X-Amz-Meta-Colour=red",
            "If-None-Match=%2A",
            "if-match=%22x%22",
            "range=bytes%3D0-1",
        ),
        *("x-amz-acl=public-read", "X-Amz-Storage-Class=GLACIER", "x-amz-expected-bucket-owner=111122223333"),
        *(
            "x-amz-checksum-mode=ENABLED",
            "x-amz-checksum-crc32=AAAAAA%3D%3D",
            "content-md5=nonsense",
            "X-Amz-Acl=%0D%0A",
        ),
    ]
)
signatures = st.sampled_from(
    [
        Signature(form="query"),
        Signature(form="none"),
        Signature(is_broken=True),
        Signature(form="query", is_broken=True),
        Signature(form="v2"),
        Signature(form="v2-query"),
        Signature(form="v2", is_broken=True),
        Signature(form="v2-query", is_broken=True),
        Signature(OTHER.access_key, OTHER.secret_key, form="v2"),
        Signature(form="v2", age_s=3600),
        Signature(form="v2-query", age_s=3600),
        Signature(access_key="NOSUCHKEY"),
        Signature(OTHER.access_key, OTHER.secret_key),
        Signature(OTHER.access_key, OTHER.secret_key, form="query"),
        Signature(age_s=3600),
        Signature(form="query", age_s=3600),
        Signature(age_s=-3600),
    ]
)
right_payloads = st.sampled_from([UNSIGNED, "right", UNSIGNED_TRAILER, SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER])
odd_payloads = st.one_of(right_payloads, st.sampled_from(["wrong", "nonsense", ""]))
chunk_sizes = st.sampled_from([8192, 65_536, 100_000, 1 << 20])
integers = st.sampled_from(["2", "0", "", "%2B5", "-1", "5.0", "1_0", "%D9%A3", "2147483648", "9" * 30, "x"])
# How a copy source is written: what is left as it is, and how a space is spelt.
spellings = st.sampled_from([("/-_.~", "%20"), ("", "%20"), ("/-_.~", "+"), ("", "+")])
# How a request that any client might send is sent: each is what some of them do.
ways = st.tuples(st.sampled_from(FORMS), st.booleans())


def payload_of(size: int, seed: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8)).digest(size)


def etag_of(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def with_payload(request: Request, payload: str, chunk_size: int) -> Request:
    """The same request with its body declared in another way, and framed in chunks of this size if that says so."""
    if payload == "right":
        payload = hashlib.sha256(request.body).hexdigest()
    elif payload == "wrong":
        payload = hashlib.sha256(b"another").hexdigest()
    is_framed = payload.startswith("STREAMING-")
    return msgspec.structs.replace(request, payload=payload, chunk_size=chunk_size if is_framed else 0)


class TwoServers(RuleBasedStateMachine):
    """A bucket on both servers, and the dictionary."""

    servers: Pair

    def __init__(self) -> None:
        super().__init__()
        self.servers.renew()
        self.bucket = next(BUCKETS)
        self.objects: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.uploads: dict[int, tuple[str, dict[int, bytes]]] = {}  # by number: key and parts
        self.composite: dict[int, str] = {}  # uploads that take only parts with this checksum
        self.seed = 0
        self.ways: Iterator[tuple[str, bool]] = itertools.repeat(("header", False))
        self.ask(Request("PUT", self.bucket), 200)

    def ask(self, request: Request, *expected: int) -> Answer:
        """Send it to both; the status must be one of those, when any are named."""
        (answer,) = self.servers.ask(self.on_its_way(request))
        assert not expected or answer.status in expected, (answer, request)
        assert answer.status < 500 or answer.status == 501, (answer, request)
        return answer

    @initialize(chosen=st.lists(ways, min_size=1, max_size=20))
    def choose_ways(self, chosen: list[tuple[str, bool]]) -> None:
        self.ways = itertools.cycle(chosen)

    def on_its_way(self, request: Request) -> Request:
        """The request as the next way has it, unless somebody has said how it is signed.

        A body that is signed or framed has a signature in a header.
        """
        form, is_virtual = next(self.ways)
        if request.signature != Signature() or not request.path.startswith(self.bucket):
            return request
        if request.payload != UNSIGNED:
            form = "header"
        return msgspec.structs.replace(request, signature=Signature(form=form), is_virtual=is_virtual)

    def path_of(self, key: str) -> str:
        return f"{self.bucket}/{quote(key, safe='/-_.~')}"

    def odd(self, data: Any, request: Request) -> Request:
        """The request with something about it that clients seldom or never send."""
        etag = self.etags.get(request.path, "none")
        headers = [(name, value.replace("@", etag)) for name, value in data.draw(st.lists(odd_headers, max_size=3))]
        query = [request.query] if request.query else []
        query += data.draw(st.lists(odd_queries, max_size=1))
        signature = data.draw(st.just(Signature()) | signatures)
        is_put = request.method == "PUT"
        changed = msgspec.structs.replace(
            request,
            query="&".join(query),
            headers=(*request.headers, *headers),
            signature=signature,
            is_chunked=data.draw(st.booleans()) if is_put else False,
            is_framed_badly=data.draw(st.booleans()) if is_put else False,
            is_virtual=data.draw(st.booleans()),
            is_absolute=data.draw(st.sampled_from([False, False, True])),
        )
        if signature.form != "header":
            return changed
        return with_payload(changed, data.draw(odd_payloads), data.draw(chunk_sizes | st.sampled_from([1, 5000])))

    def remember(self, key: str, body: bytes | None, etag: str = "") -> None:
        if body is None:
            self.objects.pop(key, None)
            self.etags.pop(self.path_of(key), None)
        else:
            self.objects[key] = body
            self.etags[self.path_of(key)] = etag or etag_of(body)

    def check_read(self, answer: Answer, method: str, key: str) -> None:
        if key not in self.objects:
            assert answer.status == 404
            return
        body = self.objects[key]
        assert (answer.status, answer.header("content-length")) == (200, str(len(body)))
        assert answer.header("etag") == f'"{self.etags[self.path_of(key)]}"'
        assert answer.body == (body if method == "GET" else b"")

    # --- as clients do ---

    @rule(key=keys, size=sizes, is_chunked=st.booleans(), payload=right_payloads, chunk_size=chunk_sizes)
    def put(self, key: str, size: int, is_chunked: bool, payload: str, chunk_size: int) -> None:
        self.seed += 1
        body = payload_of(size, self.seed)
        request = with_payload(Request("PUT", self.path_of(key), body=body, is_chunked=is_chunked), payload, chunk_size)
        answer = self.ask(request, 200)
        assert answer.header("etag") == f'"{etag_of(body)}"'
        self.remember(key, body)

    @rule(method=methods, key=keys)
    def read(self, method: str, key: str) -> None:
        answer = self.ask(Request(method, self.path_of(key)))
        self.check_read(answer, method, key)

    @rule(asked=st.lists(st.tuples(methods, keys), min_size=2, max_size=6))
    def read_in_one_go(self, asked: list[tuple[str, str]]) -> None:
        requests = (self.on_its_way(Request(method, self.path_of(key))) for method, key in asked)
        answers = self.servers.ask(*requests)
        for answer, (method, key) in zip(answers, asked, strict=True):
            self.check_read(answer, method, key)

    @rule(key=keys, start=st.integers(0, 800_000), length=st.sampled_from([1, 10, 8192, 9000, 300_000]))
    def read_range(self, key: str, start: int, length: int) -> None:
        answer = self.ask(
            Request("GET", self.path_of(key), headers=(("Range", f"bytes={start}-{start + length - 1}"),))
        )
        body = self.objects.get(key)
        if body is None:
            assert answer.status == 404
        elif start >= len(body):
            assert answer.status == 416
        else:
            assert (answer.status, answer.body) == (206, body[start : start + length])

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.ask(Request("DELETE", self.path_of(key)), 204)
        self.remember(key, None)

    @rule(doomed=st.lists(keys, min_size=1, max_size=4, unique=True), quiet=st.sampled_from(["true", "false"]))
    def delete_several(self, doomed: list[str], quiet: str) -> None:
        listed = "".join(f"<Object><Key>{key}</Key></Object>" for key in doomed)
        body = f"<Delete>{listed}<Quiet>{quiet}</Quiet></Delete>".encode()
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        self.ask(Request("POST", self.bucket, "delete", (("Content-MD5", md5),), body), 200)
        for key in doomed:
            self.remember(key, None)

    @rule(source=keys, key=keys, directive=st.sampled_from(["COPY", "REPLACE"]), spelling=spellings)
    def copy(self, source: str, key: str, directive: str, spelling: tuple[str, str]) -> None:
        safe, space = spelling
        named = quote(f"{self.bucket}/{source}", safe=safe).replace("%20", space)
        headers = (("x-amz-copy-source", named), ("x-amz-metadata-directive", directive))
        answer = self.ask(Request("PUT", self.path_of(key), headers=headers))
        if source not in self.objects:
            assert answer.status == 404
        elif answer.status == 200:
            self.remember(key, self.objects[source])
        else:
            assert (answer.status, source) == (400, key)  # onto itself, with nothing changed

    @rule(prefix=st.sampled_from(["", "a", "a/", "z"]), more=st.sampled_from(["", "&delimiter=%2F", "&max-keys=2"]))
    def list(self, prefix: str, more: str) -> None:
        self.ask(Request("GET", self.bucket, f"list-type=1&prefix={quote(prefix, safe='')}{more}"))
        answer = self.ask(
            Request("GET", self.bucket, f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}{more}"), 200
        )
        if not more:
            names = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
            found = [part.partition(b"</Key>")[0].decode() for part in answer.body.split(b"<Key>")[1:]]
            assert found == [quote(name, safe="/-_.~*") for name in names]

    @rule(marker=st.sampled_from(["", "a", "a/", "a/b", "a//", "a/x", "b"]), count=integers)
    def list_onwards(self, marker: str, count: str) -> None:
        where = f"prefix=a&delimiter=%2F&max-keys={count}&{{}}={quote(marker, safe='')}"
        for kind, name in (("1", "marker"), ("2", "start-after")):
            answer = self.ask(Request("GET", self.bucket, f"list-type={kind}&{where.format(name)}"))
            assert answer.status == (200 if count in ("2", "0", "") else 400), answer
        self.ask(Request("GET", self.bucket, f"uploads&max-uploads={count}&key-marker={quote(marker, safe='')}"))

    # --- uploads in parts ---

    @rule(key=keys, algorithm=st.sampled_from(["", "CRC32", "SHA256"]), kind=st.sampled_from(["", "FULL_OBJECT"]))
    def begin_upload(self, key: str, algorithm: str, kind: str) -> None:
        headers = (("x-amz-checksum-algorithm", algorithm),) if algorithm else ()
        if algorithm == "CRC32" and kind:
            headers += (("x-amz-checksum-type", kind),)
        self.servers.begin_upload(self.on_its_way(Request("POST", self.path_of(key), "uploads", headers)))
        upload = len(self.servers.native.uploads) - 1
        self.uploads[upload] = (key, {})
        if algorithm and len(headers) == 1:
            self.composite[upload] = algorithm

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), number=st.integers(1, 3), size=st.sampled_from([0, 1000, 300_000, PART_SIZE_BYTES_MIN]))
    def put_part(self, data: Any, number: int, size: int) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        key, parts = self.uploads[upload]
        self.seed += 1
        body = payload_of(size, self.seed)
        query = f"partNumber={number}&uploadId={{upload{upload}}}"
        request = Request("PUT", self.path_of(key), query, body=body, is_chunked=data.draw(st.booleans()))
        payload = data.draw(right_payloads)
        given = "CRC32" if payload.endswith("-TRAILER") else ""
        is_refused = self.composite.get(upload, given) != given
        answer = self.ask(with_payload(request, payload, data.draw(chunk_sizes)), 400 if is_refused else 200)
        if is_refused:
            return
        assert answer.header("etag") == f'"{etag_of(body)}"'
        parts[number] = body
        self.ask(Request("GET", self.path_of(key), f"uploadId={{upload{upload}}}"), 200)

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), damage=st.sampled_from(["", "", "", "etag", "order", "absent"]))
    def complete(self, data: Any, damage: str) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        key, parts = self.uploads[upload]
        named = [(number, etag_of(body)) for number, body in sorted(parts.items())]
        if damage == "etag":
            named = [(number, "0" * 32) for number, _ in named]
        elif damage == "order":
            named.reverse()
        elif damage == "absent":
            named.append((9, "0" * 32))
        listed = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag>{self.checksum_of(upload, n)}</Part>"
            for n, etag in named
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        answer = self.ask(Request("POST", self.path_of(key), f"uploadId={{upload{upload}}}", body=body), 200, 400)
        if answer.status == 200:
            del self.uploads[upload]
            digests = b"".join(bytes.fromhex(etag) for _, etag in named)
            self.remember(key, b"".join(parts[n] for n, _ in named), f"{etag_of(digests)}-{len(named)}")
            for number in (1, len(named), len(named) + 1):
                self.ask(Request("GET", self.path_of(key), f"partNumber={number}"))
                self.ask(Request("HEAD", self.path_of(key), f"partNumber={number}"))

    def checksum_of(self, upload: int, number: int) -> str:
        """The element that a composite upload wants for each part when it is completed."""
        _, parts = self.uploads[upload]
        if upload not in self.composite or number not in parts:
            return ""
        crc = zlib.crc32(parts[number]).to_bytes(4)
        return f"<ChecksumCRC32>{base64.b64encode(crc).decode()}</ChecksumCRC32>"

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def abort(self, data: Any) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        key, _ = self.uploads.pop(upload)
        self.ask(Request("DELETE", self.path_of(key), f"uploadId={{upload{upload}}}"), 204)
        self.ask(Request("DELETE", self.path_of(key), f"uploadId={{upload{upload}}}"), 404)

    # --- as nobody should ---

    @rule(data=st.data(), method=st.sampled_from(["GET", "GET", "HEAD", "DELETE", "POST"]), key=keys)
    def ask_oddly(self, data: Any, method: str, key: str) -> None:
        answer = self.ask(self.odd(data, Request(method, self.path_of(key))))
        if method == "DELETE" and answer.status == 204:
            self.remember(key, None)

    @rule(data=st.data(), key=keys, size=sizes)
    def put_oddly(self, data: Any, key: str, size: int) -> None:
        self.seed += 1
        body = payload_of(size, self.seed)
        request = self.odd(data, Request("PUT", self.path_of(key), body=body))
        answer = self.ask(request)
        if answer.status == 200 and "etag" in dict(answer.headers):
            self.remember(key, body)

    @rule(headers=st.lists(conditions, min_size=1, max_size=4), method=methods, key=keys)
    def read_on_conditions(self, headers: list[tuple[str, str]], method: str, key: str) -> None:
        etag = self.etags.get(self.path_of(key), "none")
        named = tuple((name, value.replace("@", etag)) for name, value in headers)
        answer = self.ask(Request(method, self.path_of(key), headers=named))
        if (method, answer.status) == ("GET", 200):
            assert answer.body == self.objects[key]

    @rule(
        method=st.sampled_from(["GET", "PUT", "DELETE", "HEAD"]),
        path=st.sampled_from(
            "/ @ @/ // @//a @/%61 @/%C3%A9 @/%c3%a9 @/a%2Fb @/. @/a/../b @/%zz @/%00 @/%ff "
            f"/Pair/a /no-such-bucket/a @/a? @/+ @/a;b @/a:b%40c @/~%7E @/{'k' * 1025}".split()
        ),
    )
    def ask_for_an_odd_path(self, method: str, path: str) -> None:
        if method == "DELETE" and path in ("@", "@/"):
            return  # it might work
        path = path.replace("@", self.bucket)
        answer = self.ask(Request(method, path))
        found = re.match(rf"{self.bucket}/([^?]+)", path)
        if found and method in ("PUT", "DELETE") and answer.status < 300:
            self.remember(unquote(found[1]), b"" if method == "PUT" else None)

    def teardown(self) -> None:
        for upload, (key, _) in self.uploads.items():
            self.ask(Request("DELETE", self.path_of(key), f"uploadId={{upload{upload}}}"), 204)
        for key in self.objects:
            self.check_read(self.ask(Request("GET", self.path_of(key))), "GET", key)
        listing = self.ask(Request("GET", self.bucket, "list-type=2&encoding-type=url"), 200)
        for part in listing.body.split(b"<Key>")[1:]:
            self.ask(Request("DELETE", f"{self.bucket}/{part.partition(b'</Key>')[0].decode()}"), 204)
        self.ask(Request("DELETE", self.bucket), 204)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.mark.timeout(0)
def test_both_servers_answer_alike_and_as_the_dictionary_says(servers: Pair) -> None:
    TwoServers.servers = servers
    run_state_machine_as_test(
        TwoServers,
        settings=settings(
            max_examples=max(1, EXAMPLES // 5),
            stateful_step_count=40,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
