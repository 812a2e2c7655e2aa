"""User metadata beyond ASCII: what was recorded from AWS, and RFC 2047."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nimbus.s3.encoded_words import decoded, encoded

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def on_the_wire(text: str) -> str:
    """UTF-8 as everything in this room has it: bytes read as Latin-1."""
    return text.encode().decode("latin-1")


# Answers of AWS to HeadObject, recorded by a public suite.
RECORDED = {
    "test_—_file%E2%80%94_é_2?.pdf": "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
    "test_—_file%E2%80%94_é_2👑.pdf": "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=F0=9F=91=91.pdf?=",
    "non-ascii-%E2%80%94_—_é_": "=?UTF-8?Q?non-ascii-%E2%80%94=5F=E2=80=94=5F=C3=A9=5F?=",
    "ÄMÄZÕÑ S3": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
    "\x00\x01\x02\x03": "=?UTF-8?B?AAECAw==?=",
    "\ufffd" * 7: "=?UTF-8?B?77+977+977+977+977+977+977+9?=",
}


@pytest.mark.parametrize("text", RECORDED)
def test_a_text_comes_back_as_aws_returns_it(text: str) -> None:
    assert encoded(on_the_wire(text)) == RECORDED[text]
    assert decoded(RECORDED[text]) == on_the_wire(text)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("=?UTF-8?Q?actually-ascii?=", "actually-ascii"),
        ("=?UTF-8?B?YWJj?=", "abc"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?us-ascii?Q?a=62?=", "ab"),
        ("=?iso-8859-1?Q?caf=E9?=", on_the_wire("café")),
        # blanks between words hold them apart, others belong to the text (section 6.2)
        ("=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab"),
        ("=?UTF-8?Q?a?= b  =?UTF-8?Q?c?=", "a b  c"),
        ("plain =?UTF-8?B?w6k=?= plain", on_the_wire("plain é plain")),
        # what is no encoded word stays as it came
        *[
            (text, text)
            for text in (
                "plain",
                "=?",
                "=?UTF-8?Q?",
                "=?UTF-8?X?abc?=",
                "=?UTF-8?B?=GGG?=",
                "=?UTF-8?B?/w==?=",
                "=?UTF-8?Q?=G1?=",
                "=?UTF-8?Q?=ff?=",
                "=?UTF-8?Q?a b?=",
                "x=?UTF-8?Q?a?=",
                "=?unicode_escape?Q?\\x41?=",
                "=?no-such-charset?Q?a?=",
                "a ?= =? b",
            )
        ],
    ],
)
def test_words_that_a_client_encoded_are_kept_as_what_they_mean(sent: str, kept: str) -> None:
    assert decoded(sent) == kept


@pytest.mark.parametrize("raw", [b"caf\xc3\xa9", b"caf\xe9"])
def test_raw_bytes_are_utf_8_and_else_latin_1(raw: bytes) -> None:
    assert encoded(decoded(raw.decode("latin-1"))) == "=?UTF-8?Q?caf=C3=A9?="
    assert encoded(raw.decode("latin-1")) == "=?UTF-8?Q?caf=C3=A9?=", "as older versions kept it"


def test_ascii_is_presented_as_it_is() -> None:
    text = "".join(map(chr, range(0x20, 0x7F))) + "\t"
    assert decoded(text) == encoded(text) == text


def test_a_long_text_is_cut_into_halves_as_aws_cuts_it() -> None:
    text = "Congratulations! You just completed the “Finding Vocal Freedom Workout”. Make sure you drink some water"
    words = encoded(on_the_wire(text)).split(" ")
    assert words[0] == "=?UTF-8?Q?Congratulations!_You_just_completed_the_=E2=80=9CFinding_Vo?="
    assert all(len(word) <= 75 for word in words)


@given(TEXTS)
@example("\r\nx-injected: 1")
@example("=?UTF-8?Q?a?=\x00")
@example(" é  é ")
def test_any_text_goes_out_as_ascii_and_comes_back_as_it_was(text: str) -> None:
    sent = encoded(on_the_wire(text))
    assert sent.isascii()
    assert sent.replace("\t", " ").isprintable()
    if sent != text:
        assert decoded(sent) == on_the_wire(text)
        assert str(make_header(decode_header(sent))) == text, "as Python's own reader has it"
