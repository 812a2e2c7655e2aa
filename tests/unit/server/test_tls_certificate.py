"""The files of a certificate: what is wrong with them is said in one line, before anything starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nimbus.base.config import Config
from nimbus.base.errors import ConfigInvalid
from nimbus.server.refusals import check
from nimbus.server.tls import Certificate, certificate_of


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one.crt` with `one.key` (PKCS#8), `one.sec1` (SEC 1) and `one.locked`; `two.crt` with `two.key`."""
    made = tmp_path_factory.mktemp("certificates")
    for name in ("one", "two"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", made / f"{name}.key", "-out", made / f"{name}.crt"),
        )
        (made / f"{name}.key").chmod(0o600)
    openssl("pkey", "-in", made / "one.key", "-traditional", "-out", made / "one.sec1")
    openssl("pkey", "-in", made / "one.key", "-aes256", "-passout", "pass:secret", "-out", made / "one.locked")
    (made / "one.sec1").chmod(0o600)
    (made / "empty").touch()
    (made / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return made


def of(cert: Path, key: Path) -> Certificate | None:
    return certificate_of(Config(tls_cert=str(cert), tls_key=str(key)))


def test_without_a_certificate_there_is_none() -> None:
    assert certificate_of(Config()) is None


@pytest.mark.parametrize("key", ["one.key", "one.sec1"])
def test_a_certificate_with_its_key_is_taken(folder: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert of(folder / "one.crt", folder / key) == Certificate(folder / "one.crt", folder / key)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("none.crt", "one.key", r"tls_cert: .*/none.crt: no such file or directory"),
        ("one.crt", "none.key", r"tls_key: .*/none.key: no such file or directory"),
        (".", "one.key", r"tls_cert: .*: is a directory"),
        ("empty", "one.key", r"tls_cert: .*/empty has no certificate in PEM form"),
        ("one.crt", "empty", r"tls_key: .*/empty has no private key in PEM form"),
        ("one.key", "one.crt", r"tls_cert: .*/one.key has no certificate in PEM form"),
        ("one.crt", "two.key", r"tls_key: .*/two.key is not the key of .*/one.crt"),
        ("one.crt", "one.locked", r"tls_key: .*/one.locked has a password; write it without one: openssl pkey"),
        ("broken.crt", "one.key", r"tls_cert: .*/broken.crt with .*/one.key: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, cert: str, key: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said) as refused:
        of(folder / cert, folder / key)
    assert "\n" not in str(refused.value)
    assert "PRIVATE KEY-----M" not in str(refused.value)


def test_a_key_that_everybody_can_read_is_told(folder: Path) -> None:
    key = folder / "open.key"
    key.write_bytes((folder / "one.key").read_bytes())
    key.chmod(0o644)
    checked = check(Config(tls_cert=str(folder / "one.crt"), tls_key=str(key), data_dir=str(folder / "data")))
    assert checked.notices == (f"{key} is readable by everybody; run: chmod 600 {key}",)
