"""What the operator reads: a time and a level before every line, and nothing below the level that was chosen."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator

import pytest

from nimbus._native.plane import set_notice_level
from nimbus.server.notices import StandardError, fail, say, speak_from, warn
from tests.style.tree import name, sources

TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+) nimbus: (.*)")


@pytest.fixture
def speaking() -> Iterator[None]:
    """The process's own logging as it was, afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    set_notice_level(logging.INFO)


def lines(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Level and text of each line on standard error."""
    found = [TIMED.fullmatch(line) for line in capsys.readouterr().err.splitlines()]
    assert all(found), found
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize(
    ("level", "heard"),
    [("debug", "IWE"), ("info", "IWE"), ("warning", "WE"), ("error", "E")],
)
def test_a_level_is_the_least_grave_notice_that_is_heard(
    level: str, heard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speak_from(level)  # type: ignore[arg-type]
    say("known")
    warn("seen")
    fail("over")
    all_of_them = [("INFO", "known"), ("WARNING", "seen"), ("ERROR", "over")]
    assert lines(capsys) == [line for line in all_of_them if line[0][0] in heard]


@pytest.mark.usefixtures("speaking")
def test_every_line_of_a_text_has_its_time_so_that_none_can_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    speak_from("info")
    logging.getLogger("nimbus.anywhere").error("one\n2026-01-01T00:00:00.000Z INFO nimbus: two\rthree")
    try:
        raise ValueError("four")
    except ValueError as error:
        logging.getLogger("nimbus.anywhere").error("it failed", exc_info=error)
    said = lines(capsys)
    assert {level for level, _ in said} == {"ERROR"}
    assert said[1][1] == "2026-01-01T00:00:00.000Z INFO nimbus: two"
    assert [text for _, text in said[2:5]] == ["three", "it failed", "Traceback (most recent call last):"]
    assert said[-1][1] == "ValueError: four"


@pytest.mark.usefixtures("speaking")
def test_what_went_wrong_before_a_level_was_chosen_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    assert not any(isinstance(handler, StandardError) for handler in logging.getLogger().handlers)
    fail("no start")
    assert lines(capsys) == [("ERROR", "no start")]


@pytest.mark.usefixtures("speaking")
def test_nobody_is_told_and_nothing_fails_where_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    speak_from("info")
    say("unheard")


def test_nobody_else_writes_to_standard_error() -> None:
    """`-` of the access log is not a notice, and the command line answers its own user."""
    allowed = {
        "nimbus/server/notices.py",
        "nimbus/cli/main.py",
        "nimbus/cli/config.py",
        "nimbus/_native/plane/notice.c",
    }
    writing = re.compile(r"sys\.stderr|fprintf\(stderr|perror\(|\bdprintf\(")
    writers = {name(path) for path in sources(".py", ".c", ".h", ".pyx", ".pxi") if writing.search(path.read_text())}
    assert writers - allowed == set()
