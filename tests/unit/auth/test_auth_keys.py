"""The key ring: who holds a key, what is kept, and that secrets do not show."""

from __future__ import annotations

import pytest

from nimbus.auth.api import AuthFailure, User
from nimbus.auth.dates import error_text, parse_date, timestamp_text
from nimbus.auth.keys import SECRET_SIZE_BYTES_MAX, SIGNING_KEYS_PER_USER_MAX, KeyRing, Secret
from nimbus.auth.verifier import HeadVerifier
from tests.unit.auth.sigv4_oracle import ACCESS_KEY, NOW_MS, SCOPE, SECRET, USER, sign_header, signing_key


def ring(secret: str = SECRET) -> KeyRing:
    return KeyRing([(USER, Secret(secret))])


def test_a_secret_does_not_show() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret!r} {secret} {[secret]}"
    assert secret.reveal() == "hush"


def test_a_secret_fits_the_core_that_derives_from_it() -> None:
    keys = ring("s" * SECRET_SIZE_BYTES_MAX)
    assert HeadVerifier(keys).verify(sign_header(secret="s" * 1024), virtual_bucket="", now_ms=NOW_MS).user == USER
    with pytest.raises(AssertionError, match="too long"):
        Secret("s" * (SECRET_SIZE_BYTES_MAX + 1))


def test_a_signing_key_is_kept_once_it_has_verified_something() -> None:
    keys = ring()
    verifier = HeadVerifier(keys)
    holder = keys.peek(ACCESS_KEY)
    assert holder is not None
    with pytest.raises(AuthFailure):
        verifier.verify(sign_header(secret="wrong"), virtual_bucket="", now_ms=NOW_MS)
    assert holder.peek_signing_key(SCOPE) is None
    for _ in range(2):
        verifier.verify(sign_header(), virtual_bucket="", now_ms=NOW_MS)
        assert holder.peek_signing_key(SCOPE) == signing_key()


def test_the_number_of_kept_signing_keys_is_bounded() -> None:
    holder = ring().peek(ACCESS_KEY)
    assert holder is not None
    for number in range(SIGNING_KEYS_PER_USER_MAX + 3):
        holder.keep_signing_key(f"scope {number}", b"k" * 32)
    kept = [number for number in range(SIGNING_KEYS_PER_USER_MAX + 3) if holder.peek_signing_key(f"scope {number}")]
    assert kept == list(range(3, SIGNING_KEYS_PER_USER_MAX + 3))


def test_another_set_of_users_takes_the_place_of_the_old_one_with_its_keys() -> None:
    keys = ring()
    verifier = HeadVerifier(keys)
    verifier.verify(sign_header(), virtual_bucket="", now_ms=NOW_MS)
    keys.replace([(USER, Secret("new"))])
    with pytest.raises(AuthFailure) as caught:
        verifier.verify(sign_header(), virtual_bucket="", now_ms=NOW_MS)
    assert caught.value.code == "SignatureDoesNotMatch"
    assert verifier.verify(sign_header(secret="new"), virtual_bucket="", now_ms=NOW_MS).user == USER
    keys.replace([])
    with pytest.raises(AuthFailure) as caught:
        verifier.verify(sign_header(secret="new"), virtual_bucket="", now_ms=NOW_MS)
    assert caught.value.code == "InvalidAccessKeyId"


def test_two_users_cannot_have_one_access_key() -> None:
    with pytest.raises(AssertionError, match="two users"):
        KeyRing([(USER, Secret("a")), (User("u2", "Other", "", ACCESS_KEY), Secret("b"))])


DATES = {
    b"Fri, 24 May 2013 00:00:00 GMT": 1_369_353_600,
    b"Fri, 24 May 2013 00:00:00 +0000": 1_369_353_600,
    b"Fri, 24 May 2013 02:00:00 +0200": 1_369_353_600,
    b"Thu, 23 May 2013 19:30:00 -0430": 1_369_353_600,
    b"24 May 2013 00:00:00 UTC": 1_369_353_600,
    b"20130524T000000Z": 1_369_353_600,
}
NO_DATES = [
    b"", b"Fri, 24 May 2013 00:00:00", b"Fri, 31 Feb 2013 00:00:00 GMT", b"Fri, 24 May 2013 24:00:00 GMT",
    b"Fri, 24 May 2013 00:00:00 GMT\n", b"fri, 24 may 2013 00:00:00 gmt", b"Fri, 24 May 1_13 00:00:00 GMT",
    b"Fri, 24 May 2013 00:00:00 +9999", b"Fri, 24 May 2013 00:00:00 +2400", b"Thu, 01 Jan 1969 00:00:00 GMT",
    b"Fri, 24 May 0000 00:00:00 GMT", b"Fri, 31 Dec 9999 23:59:59 -2359", b"Mon, 01 Jan 0001 00:00:00 +2359",
]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), DATES.items())
def test_a_date_of_a_signature_is_seconds_since_the_epoch(text: bytes, seconds: int) -> None:
    assert parse_date(text) == seconds


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_not_exactly_a_date_is_none(text: bytes) -> None:
    assert parse_date(text) is None


def test_times_are_spelt_as_s3_spells_them() -> None:
    assert timestamp_text(1_369_353_600) == b"20130524T000000Z"
    assert error_text(1_369_353_600) == "2013-05-24T00:00:00Z"
