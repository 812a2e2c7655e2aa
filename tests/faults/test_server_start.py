"""A start that cannot succeed says one helpful line, touches nothing and ends with status 1."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from nimbus.base.config import Address
from nimbus.server.sockets import bind
from tests.faults.server_process import DATA_PLANES, SERVE, environment, refused, started

ANY_PORT = ("--listen", "127.0.0.1:0")


def test_a_start_says_one_line_on_standard_output_and_a_stop_is_clean(tmp_path: Path) -> None:
    with started([*SERVE, *ANY_PORT, "--data", "d"], cwd=tmp_path) as server:
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10)
        assert answer.value.code == 403
        answer.value.close()
        server.signal(signal.SIGTERM)
        status, rest, said = server.ended()
    assert (status, rest) == (0, "")
    assert "the access key is test, the secret key is test" in said


def test_a_stopped_server_starts_again_on_its_data(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with started([*SERVE, *ANY_PORT, "--data", "d"], cwd=tmp_path) as server:
            server.signal(number)
            assert server.ended()[0] == 0


def test_an_ipv6_address_is_served(tmp_path: Path) -> None:
    with started([*SERVE, "--listen", "[::1]:0", "--data", "d"], cwd=tmp_path) as server:
        assert server.host == "[::1]"
        connection = http.client.HTTPConnection("::1", server.port, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 403
        connection.close()
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_real_credentials_open_an_address_that_others_reach(tmp_path: Path) -> None:
    keys = {"NIMBUS_ACCESS_KEY": "AK", "NIMBUS_SECRET_KEY": "hush-hush"}
    with started([*SERVE, "--listen", "0.0.0.0:0", "--data", "d"], cwd=tmp_path, **keys) as server:
        server.signal(signal.SIGTERM)
        status, _, said = server.ended()
    assert status == 0
    assert "hush-hush" not in said


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = refused("--listen", address, cwd=tmp_path)
    assert f"{address} is in use" in said
    assert "--listen" in said
    assert list(tmp_path.iterdir()) == []


def test_a_unix_socket_that_is_alive_is_in_use_and_a_dead_one_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s3.sock"
    address = f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    for data_plane in DATA_PLANES:
        options = ("--listen", address, "--data-plane", data_plane)
        process = subprocess.Popen(
            [*SERVE, *options, "--data", "d"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline().decode() == f"NimbusStore is ready at {address}\n"
            assert f"{address} is in use" in refused(*options, "--data", "other", cwd=tmp_path)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))  # it was not harmed
            process.kill()
        assert path.is_socket()  # left behind, and no obstacle to the next one
    assert not (tmp_path / "other").exists()


def test_a_unix_socket_whose_file_was_replaced_leaves_the_new_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "s3.sock"
    bound = bind(Address(host=str(path), port=0, is_unix=True))
    path.unlink()
    other = bind(Address(host=str(path), port=0, is_unix=True))
    bound.close()
    assert path.is_socket()
    other.close()
    assert not path.exists()


def test_a_file_that_is_no_socket_is_never_taken_away(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    assert "unix:precious is there already and no socket" in refused("--listen", "unix:precious", cwd=tmp_path)
    assert (tmp_path / "precious").read_text() == "data"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:missing/s3.sock", "there is no such folder"),
        ("unix:" + "n" * 108, "longer than the 107 bytes"),
        ("unix:", "is not HOST:PORT"),
        ("203.0.113.7:80", "is not an address of this machine"),
        ("no-such-host.invalid:80", "is not a host name or address known here"),
        ("8080", "is not HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_served_is_refused(tmp_path: Path, address: str, why: str) -> None:
    assert why in refused("--listen", address, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_well_known_keys_are_refused_where_others_reach_them(tmp_path: Path) -> None:
    said = refused("--listen", "0.0.0.0:0", cwd=tmp_path)
    assert "NIMBUS_ACCESS_KEY" in said
    assert list(tmp_path.iterdir()) == []


def test_a_locked_data_directory_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    with started([*SERVE, *ANY_PORT, "--data", "d"], cwd=tmp_path) as server:
        said = refused(*ANY_PORT, "--data", "d", cwd=tmp_path)
        assert f"process {server.process.pid}" in said
        assert "--data" in said
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_damaged_metadata_is_refused(tmp_path: Path) -> None:
    with started([*SERVE, *ANY_PORT, "--data", "d"], cwd=tmp_path) as server:
        server.signal(signal.SIGTERM)
        server.ended()
    (current,) = (tmp_path / "d").rglob("CURRENT")
    current.write_bytes(b"\xff" * 64)
    assert "damaged" in refused(*ANY_PORT, "--data", "d", cwd=tmp_path)


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    assert "choose another with --data" in refused(*ANY_PORT, "--data", "d", cwd=tmp_path)


def test_a_wrong_key_in_the_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nimbus.toml").write_text("[limits]\nconections = 1\n")
    said = refused(*ANY_PORT, "--config", "nimbus.toml", cwd=tmp_path)
    assert "did you mean 'limits.connections'" in said


def test_a_missing_configuration_file_is_refused(tmp_path: Path) -> None:
    assert "nowhere.toml: no such file" in refused(*ANY_PORT, "--config", "nowhere.toml", cwd=tmp_path)
    assert "nowhere.toml: no such file" in refused(*ANY_PORT, cwd=tmp_path, NIMBUS_CONFIG="nowhere.toml")


@pytest.mark.parametrize("table", ["METADATA", "DATA"])
def test_an_unknown_backend_is_refused_with_the_known_ones(tmp_path: Path, table: str) -> None:
    said = refused(*ANY_PORT, cwd=tmp_path, **{f"NIMBUS_{table}__BACKEND": "papyrus"})
    assert "'papyrus'" in said
    assert "memory" in said


@pytest.mark.parametrize("table", ["METADATA", "DATA"])
def test_an_unknown_option_of_a_backend_is_refused(tmp_path: Path, table: str) -> None:
    said = refused(*ANY_PORT, cwd=tmp_path, **{f"NIMBUS_{table}__OPTIONS__COLOUR": "red"})
    assert "colour" in said
