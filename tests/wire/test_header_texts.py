"""Texts in headers beyond ASCII, as they go over the wire, with the plane and without it."""

from __future__ import annotations

from email.header import decode_header, make_header
from typing import Any
from urllib.parse import quote

import obstore
import pytest
from obstore.store import S3Store

from tests.wire.serving import Server
from tests.wire.test_raw_http import Answer, Raw

# Text: what AWS returned for it in x-amz-meta-*, recorded by a public suite.
RECORDED = {
    "ÄMÄZÕÑ S3": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
    "non-ascii-%E2%80%94_—_é_": "=?UTF-8?Q?non-ascii-%E2%80%94=5F=E2=80=94=5F=C3=A9=5F?=",
    "\ufffd" * 7: "=?UTF-8?B?77+977+977+977+977+977+977+9?=",
}
LONG = "The quick brown fox jumps over the lazy dog; " * 10 + "größer und 大きい"


@pytest.fixture
def raw(server: Server, bucket: str) -> Raw:
    return Raw(server, bucket)


def put(raw: Raw, key: str, headers: dict[str, str], body: bytes = b"x") -> Answer:
    return raw.talk(raw.head("PUT", f"/{key}", {**headers, "Content-Length": str(len(body))}), body)


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("text", RECORDED)
def test_raw_utf_8_in_user_metadata_comes_back_as_encoded_words(text: str, size: int, raw: Raw) -> None:
    assert put(raw, "key", {"x-amz-meta-text": text}, b"x" * size).status == 200
    for _ in range(2):  # the second time the plane knows the object
        assert raw.talk(raw.head("GET", "/key", {"Range": "bytes=0-0"})).headers["x-amz-meta-text"] == RECORDED[text]
        assert raw.client.head_object(Bucket=raw.bucket, Key="key")["Metadata"] == {"text": RECORDED[text]}


def test_encoded_words_are_kept_as_what_they_mean(client: Any, bucket: str) -> None:
    """Recorded from AWS: what is ASCII after all is returned as it is."""
    sent = {
        **{f"recorded-{number}": words for number, words in enumerate(RECORDED.values())},
        "fake-encoded": "=?UTF-8?Q?actually-ascii?=",
        "asciib64-encoded": "=?UTF-8?B?YWJj?=",
        "binary": "=?UTF-8?B?AAECAw==?=",
        "lines": "=?UTF-8?Q?a=0D=0Ax-injected:_1?=",
        "bad": "=?UTF-8?B?=GGG?=",
        "safe": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    }
    client.put_object(Bucket=bucket, Key="key", Body=b"", Metadata=sent)
    expected = {**sent, "fake-encoded": "actually-ascii", "asciib64-encoded": "abc"}
    expected["lines"] = "=?UTF-8?Q?a=0D=0Ax-injected:_1?="
    for _ in range(2):
        answer = client.head_object(Bucket=bucket, Key="key")
        assert answer["Metadata"] == expected
        assert "x-injected" not in answer["ResponseMetadata"]["HTTPHeaders"]


def test_what_one_object_says_a_copy_and_a_multipart_object_say_too(raw: Raw) -> None:
    client, bucket = raw.client, raw.bucket
    text, words = next(iter(RECORDED.items()))
    assert put(raw, "key", {"x-amz-meta-text": text}).status == 200
    client.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key")
    replaced = {"x-amz-copy-source": f"{bucket}/key", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-text": text}
    assert raw.talk(raw.head("PUT", "/replaced", replaced)).status == 200
    begun = raw.talk(raw.head("POST", "/parts?uploads", {"x-amz-meta-text": text}))
    upload_id = begun.body.decode().partition("<UploadId>")[2].partition("<")[0]
    etag = client.upload_part(Bucket=bucket, Key="parts", UploadId=upload_id, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload_id, MultipartUpload=parts)
    for key in ("key", "copy", "replaced", "parts"):
        assert client.head_object(Bucket=bucket, Key=key)["Metadata"] == {"text": words}


def test_obstore_reads_what_it_wrote(server: Server, bucket: str) -> None:
    """It refuses an answer with anything but ASCII in its metadata, though it writes UTF-8 itself."""
    store = S3Store(
        bucket,
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    for text in (*RECORDED, LONG):
        obstore.put(store, "key", b"x", attributes={"text": text})
        for _ in range(2):
            words = obstore.get(store, "key").attributes["text"]
            assert isinstance(words, str)
            assert str(make_header(decode_header(words))) == text


def test_the_size_of_user_metadata_is_that_of_its_utf_8(raw: Raw) -> None:
    """ "User-defined object metadata": 2 KB, of names and values in UTF-8."""
    assert put(raw, "key", {"x-amz-meta-m": "é" * 1023 + "x"}).status == 200
    assert raw.client.head_object(Bucket=raw.bucket, Key="key")["ContentLength"] == 1
    refused = put(raw, "key", {"x-amz-meta-m": "é" * 1024})
    assert (refused.status, refused.code) == (400, "MetadataTooLarge")


@pytest.mark.parametrize(
    "name", ["Cache-Control", "Content-Disposition", "Content-Language", "Content-Encoding", "Expires", "Content-Type"]
)
def test_raw_bytes_in_the_other_kept_headers_come_back_as_they_were(name: str, raw: Raw) -> None:
    """Recorded from AWS for Cache-Control and Content-Disposition."""
    text = 'attachment; filename="test_—_file%E2%80%94_é_2.pdf"'
    assert put(raw, "key", {name: text}).status == 200
    for _ in range(2):
        answer = raw.talk(raw.head("GET", "/key"))
        assert answer.headers[name.lower()].encode("latin-1").decode() == text


@pytest.mark.parametrize("text", ["non-ascii-%E2%80%94_—_é_", "大", "a\r\nx-injected: 1", "a\x00b", "a\x7fb", "\u0100"])
@pytest.mark.parametrize("name", ["cache-control", "content-disposition", "content-type", "expires"])
def test_an_override_that_no_header_can_carry_is_refused(name: str, text: str, raw: Raw) -> None:
    """Recorded from AWS, whether the object is there or not; the control characters are ours to refuse."""
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    for key in ("key", "key", "absent"):
        answer = raw.talk(raw.head("GET", f"/{key}?response-{name}={quote(text, safe='')}"))
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert b"<Message>Header value cannot be represented using ISO-8859-1.</Message>" in answer.body
        assert f"<ArgumentName>response-{name}</ArgumentName>".encode() in answer.body


def test_an_override_in_latin_1_is_sent_in_it(raw: Raw) -> None:
    raw.client.put_object(Bucket=raw.bucket, Key="key", Body=b"x")
    answer = raw.talk(raw.head("GET", "/key?response-content-disposition=" + quote('filename="é"')))
    assert answer.headers["content-disposition"] == 'filename="é"'
