"""S3 over TLS with real clients: the same store, TLS 1.2 and 1.3 and nothing older, and a clean refusal of the rest.

Certificates are made by the openssl command: an authority, and a server certificate that it signed.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from tests.wire.clients import AWS, run
from tests.wire.ops import Doors, doors
from tests.wire.serving import OWNER, Server

SECONDS_MAX = 15
SERVE = (sys.executable, "-m", "nimbus", "serve", "--data", "data", "--listen", "127.0.0.1:0")


class Authority(msgspec.Struct, frozen=True):
    """A certificate authority, and what it signed for localhost."""

    ca: Path
    cert: Path
    key: Path  # PKCS#8
    key_pkcs1: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--tls-cert", str(self.cert), "--tls-key", str(self.key), "--tls-listen", "127.0.0.1:0")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("certificates")
    ca, ca_key, cert, key, request = (folder / name for name in ("ca.crt", "ca.key", "s.crt", "s.key", "s.csr"))
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=Test authority", "-keyout", ca_key, "-out", ca)
    openssl(*new, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2")
    openssl(*signing, "-extfile", extensions, "-out", cert)
    openssl("pkey", "-in", key, "-traditional", "-out", folder / "s.pkcs1")
    for secret in (key, folder / "s.pkcs1"):
        secret.chmod(0o600)
    return Authority(ca, cert, key, folder / "s.pkcs1")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("tls")
    with doors(folder, "--listen", "127.0.0.1:0", *authority.options) as started:
        yield started


def client_of(server: Server, verify: str | bool, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        verify=verify,
        aws_access_key_id=OWNER.access_key,
        aws_secret_access_key=OWNER.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, **config),
    )


def handshake(server: Server, ca: Path, version: ssl.TLSVersion) -> str | None:
    """The version that a client gets which offers this one alone. Raises what the handshake raises."""
    context = ssl.create_default_context(cafile=str(ca))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((server.host, server.port), timeout=SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version()


def test_boto3_that_knows_the_authority_reads_what_it_wrote(server: Doors, authority: Authority) -> None:
    client = client_of(server.https, str(authority.ca))
    client.create_bucket(Bucket="over-tls")
    body = os.urandom(3_000_000)
    client.put_object(Bucket="over-tls", Key="large", Body=body)
    client.put_object(Bucket="over-tls", Key="small", Body=b"small")
    assert client.get_object(Bucket="over-tls", Key="large")["Body"].read() == body
    assert client.get_object(Bucket="over-tls", Key="large", Range="bytes=10-19")["Body"].read() == body[10:20]
    # The plain listener serves the same store.
    assert server.s3.client().get_object(Bucket="over-tls", Key="small")["Body"].read() == b"small"
    assert server.scrape()["nimbus_s3_requests_in_flight", ()] == 0


def test_errors_are_those_of_s3(server: Doors, authority: Authority) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client_of(server.https, str(authority.ca)).list_objects_v2(Bucket="no-such-bucket")


def test_a_presigned_url_of_https_works(server: Doors, authority: Authority) -> None:
    client = client_of(server.https, str(authority.ca))
    client.create_bucket(Bucket="presigned-tls")
    client.put_object(Bucket="presigned-tls", Key="k", Body=b"presigned")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "presigned-tls", "Key": "k"})
    assert url.startswith("https://")
    assert run(["curl", "-sS", "--cacert", authority.ca, url]) == "presigned"


def test_a_client_that_does_not_know_the_authority_does_not_trust_the_server(server: Doors) -> None:
    with pytest.raises(SSLError):
        client_of(server.https, True, retries={"total_max_attempts": 1}).list_buckets()


def test_curl_and_the_aws_command_line_work_over_tls(server: Doors, authority: Authority, tmp_path: Path) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": OWNER.access_key,
        "AWS_SECRET_ACCESS_KEY": OWNER.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    aws = [AWS, "--endpoint-url", server.https.endpoint, "--ca-bundle", authority.ca]
    (tmp_path / "file").write_bytes(os.urandom(9_000_000))  # large enough for several parts
    run([*aws, "s3", "mb", "s3://tls-cli"], env=environment)
    run([*aws, "s3", "cp", tmp_path / "file", "s3://tls-cli/file"], env=environment)
    run([*aws, "s3", "cp", "s3://tls-cli/file", tmp_path / "copy"], env=environment)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()
    listed = json.loads(run([*aws, "s3api", "list-objects-v2", "--bucket", "tls-cli"], env=environment))
    assert [entry["Key"] for entry in listed["Contents"]] == ["file"]
    curl = ["curl", "-sS", "--cacert", authority.ca, "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    assert run([*curl, f"{server.https.endpoint}/tls-cli/file"]) == "403 1.1"  # nobody signed


@pytest.mark.parametrize(("version", "got"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_modern_versions_of_tls_are_spoken(
    server: Doors, authority: Authority, version: ssl.TLSVersion, got: str
) -> None:
    assert handshake(server.https, authority.ca, version) == got


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_older_versions_of_tls_are_refused(server: Doors, authority: Authority, version: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake failure|protocol version"):
        handshake(server.https, authority.ca, ssl.TLSVersion[version])


def test_plain_http_at_the_port_of_tls_is_refused(server: Doors, authority: Authority) -> None:
    with closing(http.client.HTTPConnection(server.https.host, server.https.port, timeout=SECONDS_MAX)) as connection:
        connection.request("GET", "/")
        with pytest.raises((http.client.BadStatusLine, ConnectionError)):
            connection.getresponse()
    assert handshake(server.https, authority.ca, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def test_handshakes_that_never_end_hold_up_nobody_and_are_cut_off(server: Doors, authority: Authority) -> None:
    before = server.scrape()["process_open_fds", ()]
    address = (server.https.host, server.https.port)
    with ExitStack() as connections:
        silent = [connections.enter_context(socket.create_connection(address, timeout=SECONDS_MAX)) for _ in range(300)]
        for peer in silent[::2]:
            peer.sendall(b"\x16\x03\x01")  # the first bytes of a handshake
        assert handshake(server.https, authority.ca, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        assert server.scrape()["process_open_fds", ()] >= before + 300
        for peer in silent:
            assert peer.recv(1) == b""
        assert server.scrape()["process_open_fds", ()] < before + 10


def test_tls_may_stand_alone_and_takes_a_key_in_pkcs1(authority: Authority, tmp_path: Path) -> None:
    options = ("--tls-cert", str(authority.cert), "--tls-key", str(authority.key_pkcs1), "--tls-listen", "127.0.0.1:0")
    with doors(tmp_path, "--listen", "", *options) as started:
        assert started.plain is None
        assert client_of(started.https, str(authority.ca)).list_buckets()["Buckets"] == []


def test_a_request_that_runs_over_tls_finishes_before_a_stop(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIMBUS_LIMITS__SHUTDOWN_S", "60")
    with doors(tmp_path, "--listen", "127.0.0.1:0", *authority.options) as started:
        https = started.https
        client = client_of(https, str(authority.ca))
        client.create_bucket(Bucket="drained")
        size = 64_000_000  # far more than all buffers between the server and a client that does not read
        client.put_object(Bucket="drained", Key="large", Body=bytes(size))
        body = client.get_object(Bucket="drained", Key="large")["Body"]
        received = len(body.read(1_000_000))
        started.process.send_signal(signal.SIGTERM)
        _wait_until_refused(https.port)
        assert started.page("/health/ready") == (503, "The server is stopping.\n")
        assert received + len(body.read()) == size
        assert started.process.wait(SECONDS_MAX) == 0


def _wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it came while the socket was being closed
            continue
    pytest.fail("the server still takes connections")


def _refusal(folder: Path, *arguments: str) -> str:
    """What a start that must fail says: one line, and status 1."""
    done = subprocess.run(
        [*SERVE, *arguments], cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_certificate_that_cannot_be_served_is_refused_before_the_start(authority: Authority, tmp_path: Path) -> None:
    cert, key = str(authority.cert), str(authority.key)
    assert "no such file or directory" in _refusal(tmp_path, "--tls-cert", "none.crt", "--tls-key", key)
    assert "is not the key of" in _refusal(tmp_path, "--tls-cert", str(authority.ca), "--tls-key", key)
    assert "belong together" in _refusal(tmp_path, "--tls-cert", cert)
    assert not (tmp_path / "data").exists()


def test_an_address_of_tls_in_use_names_its_option(server: Doors, authority: Authority, tmp_path: Path) -> None:
    options = (*authority.options[:4], "--tls-listen", f"127.0.0.1:{server.https.port}")
    assert "or choose another with --tls-listen" in _refusal(tmp_path, *options)


def test_the_well_known_keys_are_not_served_to_other_machines_over_tls_either(
    authority: Authority, tmp_path: Path
) -> None:
    said = _refusal(tmp_path, *authority.options[:4], "--tls-listen", "0.0.0.0:0")
    assert "0.0.0.0:0 can be reached from other machines" in said
