"""User metadata in headers: encoded words (RFC 2047), read and written as S3 does.

"User-defined object metadata" of S3's user guide: a value is decoded before it is stored and encoded before it is
returned, when there is more in it than printable ASCII. Which of the two encodings is taken, and where a long value is
cut into words, is as AWS has it, so that a program that compares texts sees the same ones.

Pure. A text is bytes read as Latin-1, as everywhere in headers; what is kept is UTF-8, whatever came.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

_WORD = re.compile(r"=\?([!->@-~]+)\?([BbQq])\?([!->@-~]*)\?=")
_TEXT_SIZE_MAX: Final = 75 - len("=?UTF-8?Q??=")  # of one word (RFC 2047, section 2)
_CHARSETS: Final = frozenset({"utf-8", "us-ascii", "iso-8859-1"})
_PLAIN = re.compile(r"[\t -~]*")
_AS_IT_IS: Final = frozenset(range(0x21, 0x7F)) - frozenset(b"=?_")
_Q_FORM = re.compile(r"(?:[^=]|=[0-9A-Fa-f]{2})*")


def decoded(text: str) -> str:
    """A value as it is kept. A word that is none, or is in an unknown charset, stays as it came."""
    if "=?" not in text:
        return text if text.isascii() else _utf8(_characters(text))
    pieces: list[str] = []
    blank, is_behind_word = "", False
    for piece in re.split(r"([ \t]+)", text):
        if not piece.strip(" \t"):
            blank += piece
            continue
        word = _decoded_word(piece)
        if not is_behind_word or word is None:  # a blank between two words only holds them apart
            pieces.append(blank)
        pieces.append(_characters(piece) if word is None else word)
        blank, is_behind_word = "", word is not None
    return _utf8("".join([*pieces, blank]))


def encoded(text: str) -> str:
    """A value as it goes out."""
    if _PLAIN.fullmatch(text):
        return text
    characters = _characters(text)
    is_mostly_plain = 2 * sum(map(_is_plain, characters)) > len(characters)
    return " ".join(_words(characters, "Q" if is_mostly_plain else "B"))


def _utf8(characters: str) -> str:
    return characters.encode().decode("latin-1")


def _characters(text: str) -> str:
    """What the bytes mean; what is not UTF-8 is Latin-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return text


def _is_plain(character: str) -> bool:
    return _PLAIN.fullmatch(character) is not None


def _decoded_word(piece: str) -> str | None:
    """The characters of an encoded word; None when it is none."""
    match = _WORD.fullmatch(piece)
    if match is None or match[1].lower() not in _CHARSETS:
        return None
    try:
        return _raw(match[2].upper(), match[3]).decode(match[1])
    except ValueError:  # of an encoding, or of a charset
        return None


def _raw(kind: str, text: str) -> bytes:
    """The bytes behind an encoding. Raises `ValueError`."""
    if kind == "B":
        return binascii.a2b_base64(text, strict_mode=True)
    if not _Q_FORM.fullmatch(text):
        raise ValueError(text)
    return binascii.a2b_qp(text, header=True)


def _words(characters: str, kind: str) -> Iterator[str]:
    """One word, or the words of both halves when it would be too long."""
    raw = characters.encode()
    text = binascii.b2a_base64(raw, newline=False).decode() if kind == "B" else _quoted(raw)
    if len(text) <= _TEXT_SIZE_MAX or len(characters) == 1:
        yield f"=?UTF-8?{kind}?{text}?="
        return
    half = len(characters) // 2
    yield from _words(characters[:half], kind)
    yield from _words(characters[half:], kind)


def _quoted(raw: bytes) -> str:
    return "".join("_" if byte == 0x20 else chr(byte) if byte in _AS_IT_IS else f"={byte:02X}" for byte in raw)
