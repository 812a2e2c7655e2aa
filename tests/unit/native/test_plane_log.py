"""The access log: what a line may hold and what it may not, and a file that fails costs its lines alone."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus._native.plane import AccessLog, log_request, log_subject

SUBJECT = log_subject(b"trainer", b"AK", b"GetObject", b"", b"bucket")
FIELDS = ("key", "method", "target", "user_agent", "referer")


def request_of(**fields: bytes) -> dict[str, str]:
    """What a reader of the log gets back of these fields."""
    members = log_request(*(fields.get(name, b"") for name in FIELDS))
    assert all(0x20 <= byte < 0x7F for byte in members), members
    line: dict[str, str] = json.loads(b"{" + members + b"}")
    assert tuple(line) == FIELDS
    return line


def write(log: AccessLog, number: int) -> None:
    log.write(1_700_000_000_123_456, b"::1", b"ID%d" % number, 200, 1, 2, 3, 4, SUBJECT, log_request(*([b""] * 5)))


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold: the thread of the log works by itself."""
    for _ in range(1000):
        if holds():
            return True
        threading.Event().wait(0.01)
    return False


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# --- lines ----------------------------------------------------------------------------------------------


@given(st.binary(max_size=1024))
def test_any_key_is_printable_ascii_and_comes_back_as_it_was(key: bytes) -> None:
    found = request_of(key=key)["key"]
    try:
        assert found == key.decode()
    except UnicodeDecodeError:
        assert "\ufffd" in found


@given(st.dictionaries(st.sampled_from(FIELDS), st.binary(max_size=20_000)))
def test_whatever_a_client_sends_is_one_bounded_line(fields: dict[str, bytes]) -> None:
    request_of(**fields)


def test_the_longest_key_is_never_cut_and_other_fields_say_that_they_are() -> None:
    key = b"\x00" * 1024
    found = request_of(key=key, target=b"/" * 5000, user_agent=b"a" * 5000)
    assert found["key"] == key.decode()
    assert found["target"] == "/" * 2048 + "..."
    assert found["user_agent"] == "a" * 512 + "..."


@pytest.mark.parametrize(
    "name",
    [
        b"X-Amz-Signature",
        b"x-amz-signature",
        b"Signature",
        b"X-Amz-Security-Token",
        b"X-Amz-%53ignature",
        b"%58%2d%41mz-Signatur%65",
        b"x-amz-server-side-encryption-customer-key",
        b"n" * 100,  # no parameter of ours
    ],
)
def test_secrets_of_a_query_are_withheld_however_their_names_are_written(name: bytes) -> None:
    for before, after in ((b"/b/k?", b""), (b"/b/k?a=b&", b"&c=d"), (b"/b/k?a&", b"&&=")):
        url = before + name + b"=5ec4e7" + after
        found = request_of(target=url, referer=b"https://example.org" + url)
        expected = (before + name + b"=***" + after).decode()
        assert (found["target"], found["referer"]) == (expected, "https://example.org" + expected)


def test_what_is_no_secret_of_a_query_stays() -> None:
    target = b"/b?list-type=2&continuation-token=abc&prefix=Signature&X-Amz-Credential=AK%2F2026&flag&=x&"
    assert request_of(target=target)["target"] == target.decode()


def test_a_line_has_every_field_in_order(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    log.write(1_700_000_000_123_456, b"127.0.0.1", b"ID", 206, 5, 10, 40, 77, SUBJECT, log_request(*([b"x"] * 5)))
    log.write(0, b"", b"", 0, 0, 0, -1, 0, SUBJECT, log_request(*([b""] * 5)))
    log.close()
    first, second = lines_of(tmp_path / "log")
    assert list(first.items()) == [
        ("time", "2023-11-14T22:13:20.123Z"),
        ("peer", "127.0.0.1"),
        ("request_id", "ID"),
        ("via", "granian"),
        ("status", 206),
        ("received_bytes", 5),
        ("sent_bytes", 10),
        ("first_byte_us", 40),
        ("total_us", 77),
        ("user", "trainer"),
        ("access_key", "AK"),
        ("operation", "GetObject"),
        ("error", ""),
        ("bucket", "bucket"),
        *((name, "x") for name in FIELDS),
    ]
    assert (second["time"], second["status"], second["first_byte_us"]) == ("1970-01-01T00:00:00.000Z", 0, None)


# --- the file -------------------------------------------------------------------------------------------


def test_lines_are_written_in_order_and_all_of_them_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"before": true}\n')
    log = AccessLog(str(path))
    for number in range(2000):
        write(log, number)
    log.close()
    log.close()
    before, *written = lines_of(path)
    assert before == {"before": True}
    assert [line["request_id"] for line in written] == [f"ID{number}" for number in range(2000)]


def test_a_line_is_written_soon_without_another_one(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    write(log, 1)
    assert eventually(lambda: log.counters() == (1, 0))
    assert lines_of(tmp_path / "log")[0]["request_id"] == "ID1"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640 & ~_umask()
    log.close()


def test_a_moved_file_is_left_when_the_log_is_told(tmp_path: Path) -> None:
    path, moved = tmp_path / "log", tmp_path / "log.1"
    log = AccessLog(str(path))
    write(log, 1)
    assert eventually(lambda: log.counters() == (1, 0))
    path.rename(moved)
    write(log, 2)
    assert eventually(lambda: log.counters() == (2, 0))
    log.reopen()
    assert eventually(path.exists)
    write(log, 3)
    log.close()
    log.reopen()  # too late, and no error
    assert [line["request_id"] for line in lines_of(moved)] == ["ID1", "ID2"]
    assert [line["request_id"] for line in lines_of(path)] == ["ID3"]


def test_a_removed_file_comes_back_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))
    path.unlink()
    assert eventually(path.exists)
    write(log, 1)
    log.close()
    assert len(lines_of(path)) == 1


def test_a_folder_that_went_away_costs_lines_and_one_notice(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    log = AccessLog(str(folder / "log"))
    (folder / "log").unlink()
    folder.rmdir()
    for number in range(3):
        write(log, number)
        assert eventually(lambda number=number: log.counters()[0] == number + 1)  # type: ignore[misc]
    log.close()
    assert capfd.readouterr().err.count("cannot be opened anew") == 1


def test_a_reader_that_takes_nothing_costs_lines_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(path))
    for number in range(20_000):
        write(log, number)
    assert log.counters()[1] > 0  # at once: nobody waited for the pipe
    log.close()  # and neither does the end, for longer than its bound
    os.close(reader)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "log", tmp_path / ("n" * 5000)):
        with pytest.raises(OSError, match=r"(Is a directory|No such file|File name too long)"):
            AccessLog(str(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
