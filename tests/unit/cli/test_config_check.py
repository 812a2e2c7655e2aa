"""`nimbus config --check` refuses what `nimbus serve` refuses before it opens anything, with the same words."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from nimbus.base.registry import takes
from nimbus.cli.main import main
from nimbus.meta import registry as metadata_engines
from nimbus.meta.memory import MemoryMap

REFUSED = {
    '[metadata]\nbackend = "papyrus"': "There is no metadata backend 'papyrus'; known are",
    '[data]\nbackend = "papyrus"': "There is no data backend 'papyrus'; known are",
    "[metadata.options]\nblock_cache_size = 1": "no option 'block_cache_size'; did you mean 'block_cache_size_bytes'?",
    "[data.options]\nreserve = 1": "no option 'reserve'; did you mean 'reserve_bytes'?",
    '[metadata]\nbackend = "memory"\n[metadata.options]\ncolour = "red"': "no option 'colour'; it has none",
    '[data]\nbackend = "memory"\n[data.options]\ncolour = "red"': "no option 'colour'; it has none",
    "[metadata.options]\nblock_cache_size_bytes = 1": "block_cache_size_bytes: expected `int` >= 1048576",
    f"[metadata.options]\nwrite_buffer_size_bytes = {1 << 70}": "write_buffer_size_bytes: expected `int` <=",
    '[data.options]\nreserve_bytes = "10 GB"': "reserve_bytes: expected `int | null`, got `str`",
    "[data.options]\nio_threads = 0": "io_threads: expected `int` >= 1",
    'tls_cert = "no.crt"\ntls_key = "no.key"': "tls_cert: no.crt: no such file or directory",
    'tls_cert = "not.pem"\ntls_key = "not.pem"': "tls_cert: not.pem has no certificate in PEM form",
    'tls_cert = "folder"\ntls_key = "folder"': "tls_cert: folder: is a directory",
    'listen = "0.0.0.0:0"': "set NIMBUS_ACCESS_KEY and NIMBUS_SECRET_KEY",
    'listen = "[::]:0"': "set NIMBUS_ACCESS_KEY and NIMBUS_SECRET_KEY",
    'listen = "0.0.0.0:0"\n[[users]]\nid = "a"\naccess_key = "test"\nsecret_key = "test"': "are known to everybody",
    'listen = "no-such-host.invalid:80"': "'no-such-host.invalid' is not a host name or address known here",
    'listen = "203.0.113.7:8080"': "203.0.113.7:8080 is not an address of this machine",
    'listen = "unix:nowhere/s3.sock"': "unix:nowhere/s3.sock cannot be made; there is no such folder",
    'listen = "unix:not.pem"': "unix:not.pem is there already and no socket",
    f'listen = "unix:{"n" * 108}"': "longer than the 107 bytes",
    'listen = "127.0.0.1:8080"\nadmin = "8080"': "admin: 127.0.0.1:8080 is what listen has",
    'listen = "127.0.0.1:8080"\nadmin = "[::]:8080"': "admin: [::]:8080 is what listen has",
    'access_log = "nowhere/log"': "access_log: nowhere/log: no such file or directory",
    'access_log = "folder"': "access_log: folder: is a directory",
    'access_log = "not.pem/log"': "access_log: not.pem/log: not a directory",
    'data_dir = "not.pem"': "not.pem: file exists; choose another with --data",
    'data_dir = "not.pem/below"': "not.pem/below: not a directory; choose another with --data",
    'data_dir = "a\\u0000b"': "data_dir: a path has no NUL in it",
    'region = "US East"': "region: expected text of the form [a-z0-9-]{1,64}",
    '[[users]]\nid = "a"\naccess_key = "a b"\nsecret_key = "c"': "access_key: expected text of the form [!-.0-~]",
    'log_level = "loud"': "log_level: expected one of 'debug', 'info', 'warning', 'error'",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file and a folder in it, and no configuration from outside."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("NIMBUS_")]:
        monkeypatch.delenv(variable)
    (tmp_path / "not.pem").write_text("something else")
    (tmp_path / "folder").mkdir()
    return tmp_path


def write(text: str) -> Path:
    path = Path("nimbus.toml")
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command is refused with, without its time."""
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1), said
    return said.err[said.err.index("nimbus: ") :]


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse_with_the_same_words(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(text)
    checked = refusal(["config", "--check", str(path)], capsys)
    assert REFUSED[text] in checked
    if "log_level" not in text:
        assert refusal(["serve", "--config", str(path)], capsys) == checked
    assert sorted(found.name for found in folder.iterdir()) == ["folder", "nimbus.toml", "not.pem"]


def test_a_running_server_does_not_make_its_configuration_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as running, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("s3.sock")
        unix.listen()
        for listen in (f"127.0.0.1:{running.getsockname()[1]}", "unix:s3.sock"):
            path = write(f'listen = "{listen}"')
            assert main(["config", "--check", str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_what_a_start_would_warn_of_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    path = write('admin = "0.0.0.0:0"')
    assert main(["config", "--check", str(path)]) == 0
    assert "nimbus: admin: 0.0.0.0:0 can be reached from other machines" in capsys.readouterr().err


class Options(msgspec.Struct):
    """Of somebody's engine."""

    host: str = "db"


def test_an_engine_of_somebody_else_says_which_options_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @takes(Options)
    def declaring(options: Mapping[str, object], data_dir: Path) -> MemoryMap:
        raise AssertionError("nothing is opened")

    def silent(options: Mapping[str, object], data_dir: Path) -> MemoryMap:
        raise AssertionError("nothing is opened")

    monkeypatch.setattr(metadata_engines._engines, "_factories", {})
    metadata_engines.register("declaring", declaring)
    metadata_engines.register("silent", silent)
    path = write('[metadata]\nbackend = "declaring"\n[metadata.options]\nhots = "db"')
    assert "no option 'hots'; did you mean 'host'?" in refusal(["config", "--check", str(path)], capsys)
    path = write('[metadata]\nbackend = "silent"\n[metadata.options]\nhots = "db"')
    assert main(["config", "--check", str(path)]) == 0
    assert "only the backend 'silent' itself knows its options" in capsys.readouterr().err
