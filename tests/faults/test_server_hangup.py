"""SIGHUP says what of a changed configuration a restart would bring, and names no value."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.server_process import SECONDS_MAX, SERVE, started, untimed

USER = '[[users]]\nid = "{0}"\naccess_key = "{0}"\nsecret_key = "hush-{0}"\n'


def said_on_hangup(folder: Path, *arguments: str, change: Callable[[Path], object]) -> str:
    """What a server says when its file was changed after the start and SIGHUP came."""
    config, errors = folder / "nimbus.toml", folder / "errors"
    config.write_text('region = "eu-west-1"\n' + USER.format("alice"))
    config.chmod(0o600)
    command = [*SERVE, "--listen", "127.0.0.1:0", "--data", "d", "--config", str(config), *arguments]
    with errors.open("w") as stderr, started(["sh", "-c", 'exec "$@" 2>errors', "sh", *command], cwd=folder) as server:
        change(config)
        server.signal(signal.SIGHUP)
        deadline = time.monotonic() + SECONDS_MAX
        while "SIGHUP" not in errors.read_text() and "--access-log" not in arguments:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0
        assert not stderr.closed
    said = untimed(errors.read_text())
    assert "hush" not in said
    return said


def test_a_new_user_and_changed_keys_are_named(tmp_path: Path) -> None:
    def change(config: Path) -> None:
        text = USER.format("alice").replace("hush-alice", "hush-again") + USER.format("bob")
        config.write_text(text + "[limits]\nrequests = 7\n[metadata.options]\nblock_cache_size_bytes = 2_000_000\n")

    said = said_on_hangup(tmp_path, change=change)
    assert (
        "nimbus: SIGHUP changes nothing; restart the server to use what is new: region, limits.requests, "
        "metadata.options, the changed user 'alice', the new user 'bob'\n"
    ) in said


def test_a_user_who_was_taken_away_is_named_as_still_served(tmp_path: Path) -> None:
    said = said_on_hangup(tmp_path, change=lambda config: config.write_text(USER.format("bob")))
    assert "region, without the user 'alice', the new user 'bob'" in said


def test_a_file_that_became_wrong_is_told(tmp_path: Path) -> None:
    said = said_on_hangup(tmp_path, change=lambda config: config.write_text("regoin = 1\n"))
    assert "SIGHUP changes nothing; a restart would be refused now: " in said
    assert "did you mean 'region'?" in said


def test_an_unchanged_file_is_the_one_of_the_start(tmp_path: Path) -> None:
    assert "nimbus: SIGHUP changes nothing; the configuration is the one of the start\n" in said_on_hangup(
        tmp_path, change=lambda config: None
    )


@pytest.mark.parametrize("is_changed", [False, True])
def test_with_an_access_log_only_changes_are_told(tmp_path: Path, is_changed: bool) -> None:
    """Logrotate sends SIGHUP every night."""
    text = USER.format("bob") if is_changed else 'region = "eu-west-1"\n' + USER.format("alice")
    said = said_on_hangup(tmp_path, "--access-log", "log", change=lambda config: config.write_text(text))
    assert ("SIGHUP" in said) == is_changed
