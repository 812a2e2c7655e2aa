"""SIGHUP compares what a restart would read with what the server runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus.base.config import Config, Limits, UserEntry
from nimbus.server.hangup import Hangup, changed

ALICE = UserEntry(id="alice", access_key="A", secret_key="hush")


def test_what_differs_is_named_and_no_value_is() -> None:
    after = Config(limits=Limits(requests=3), users=(ALICE,))
    assert list(changed(Config(), after)) == ["limits.requests", "the new user 'alice'"]
    again = Config(users=(UserEntry(id="alice", access_key="A", secret_key="other"),))
    assert list(changed(Config(users=(ALICE,)), again)) == ["the changed user 'alice'"]
    assert list(changed(after, after)) == []


def test_a_renewed_certificate_awaits_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Most programs that renew certificates send SIGHUP afterwards."""
    cert, key = tmp_path / "store.crt", tmp_path / "store.key"
    for path in (cert, key):
        path.write_text("old")
    config = Config(tls_cert=str(cert), tls_key=str(key))
    hangup = Hangup(config, lambda: config, None)
    cert.write_text("renewed")
    hangup()
    assert caplog.messages == ["SIGHUP changes nothing; restart the server to use what is new: the file of tls_cert"]


def test_a_server_inside_another_program_says_so_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Hangup(Config(), None, None)()
    assert caplog.messages == ["SIGHUP changes nothing; the configuration is the one of the start"]
