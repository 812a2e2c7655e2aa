"""The configuration as it is read, checked and explained."""

from __future__ import annotations

import contextlib
import os
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.base.config import Address, Config, UserEntry, parse_listen
from nimbus.base.config_reference import description, reference
from nimbus.base.config_sources import check_keys, config_path, convert, keys, load
from nimbus.base.errors import ConfigInvalid

USER = '[[users]]\nid = "u1"\naccess_key = "AK"\nsecret_key = "hush-hush"\n'


def config_of(folder: Path, text: str, environ: dict[str, str] | None = None, **overrides: str) -> Config:
    path = folder / "nimbus.toml"
    path.write_text(text)
    return load(path, environ or {}, overrides).config


def refusal_of(folder: Path, text: str, environ: dict[str, str] | None = None, **overrides: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        config_of(folder, text, environ, **overrides)
    assert "\n" not in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    return str(caught.value)


# --- defaults and reference -----------------------------------------------------------------------------


def test_without_any_source_the_defaults_stand() -> None:
    assert load(None, {}, {}).config == Config()


def test_the_reference_is_a_file_that_says_exactly_the_defaults() -> None:
    raw = tomllib.loads(reference())
    check_keys(raw, "reference")
    assert convert(raw) == Config()


def test_every_key_is_documented_in_the_reference() -> None:
    text = reference()
    for key in keys():
        sentence = description(key.kind)
        assert sentence.endswith("."), key.name
        assert f"# {sentence}" in text, key.name
    for field in msgspec.structs.fields(UserEntry):
        assert f"#   # {description(field.type)}\n#   {field.name} = " in text


def test_every_limit_has_bounds_and_a_unit() -> None:
    for key in keys():
        if key.path[0] == "limits":
            assert key.path[-1] in ("connections", "requests") or key.path[-1].endswith(("_s", "_bytes")), key.name
            with pytest.raises(ConfigInvalid, match=key.path[-1]):
                convert({"limits": {key.path[-1]: -1}})


# --- order of sources -----------------------------------------------------------------------------------


def test_command_line_goes_over_environment_over_file_over_default(tmp_path: Path) -> None:
    text = 'listen = "127.0.0.1:1"\nregion = "file-1"\ndata_dir = "file"\n'
    environ = {"NIMBUS_LISTEN": "127.0.0.1:2", "NIMBUS_REGION": "env-1"}
    config = config_of(tmp_path, text, environ, listen="127.0.0.1:3")
    assert (config.listen, config.region, config.data_dir, config.data_plane) == ("127.0.0.1:3", "env-1", "file", "on")


def test_every_key_can_be_set_by_its_environment_variable() -> None:
    samples = {int: "7", float: "7.5", bool: "false", str: "some-text"}
    special = {
        "listen": "127.0.0.1:7",
        "tls_listen": "127.0.0.1:8",
        "admin": "9",
        "domains": "s3.example.org, example.net",
        "data_plane": "off",
        "log_level": "error",
        "metadata.damaged": "skip",
        "limits.upload_bytes": "16777216",
    }
    certificate = {"NIMBUS_TLS_CERT": "cert", "NIMBUS_TLS_KEY": "key"}
    for key in keys():
        if key.path[-1] == "options":
            continue
        text = special.get(key.name) or samples[type(key.default)]
        value: object = load(None, certificate | {key.variable: text}, {}).config
        for name in key.path:
            value = getattr(value, name)
        assert value != key.default, key.variable


def test_a_list_in_the_environment_is_separated_by_commas() -> None:
    assert load(None, {"NIMBUS_DOMAINS": "a.example, b.example"}, {}).config.domains == ("a.example", "b.example")


def test_options_of_an_engine_come_from_the_environment_as_toml_scalars() -> None:
    environ = {"NIMBUS_DATA__OPTIONS__SIZE": "12", "NIMBUS_DATA__OPTIONS__MODE": "fast"}
    assert load(None, environ, {}).config.data.options == {"size": 12, "mode": "fast"}


def test_an_unknown_environment_variable_is_told_and_ignored() -> None:
    loaded = load(None, {"NIMBUS_LISTN": "x", "OTHER": "y", "NIMBUS_DEBUG": "1"}, {})
    assert loaded.config == Config()
    assert len(loaded.notices) == 1
    assert "NIMBUS_LISTN" in loaded.notices[0]


def test_an_empty_environment_variable_counts_as_unset() -> None:
    assert load(None, {"NIMBUS_LISTEN": ""}, {}).config == Config()


def test_the_config_file_is_named_by_option_or_environment() -> None:
    assert config_path("a.toml", {"NIMBUS_CONFIG": "b.toml"}) == Path("a.toml")
    assert config_path(None, {"NIMBUS_CONFIG": "b.toml"}) == Path("b.toml")
    assert config_path(None, {}) is None
    with pytest.raises(ConfigInvalid, match="--config names no file"):
        config_path("", {"NIMBUS_CONFIG": "b.toml"})


# --- users ----------------------------------------------------------------------------------------------


def test_key_variables_make_one_user() -> None:
    users = load(None, {"NIMBUS_ACCESS_KEY": "AK", "NIMBUS_SECRET_KEY": "s"}, {}).config.users
    assert [(user.id, user.access_key, user.secret_key) for user in users] == [("AK", "AK", "s")]


def test_key_variables_replace_the_secret_of_a_user_in_the_file(tmp_path: Path) -> None:
    config = config_of(tmp_path, USER, {"NIMBUS_ACCESS_KEY": "AK", "NIMBUS_SECRET_KEY": "new"})
    assert [(user.id, user.secret_key) for user in config.users] == [("u1", "new")]


def test_half_a_key_pair_is_refused(tmp_path: Path) -> None:
    assert "NIMBUS_SECRET_KEY is not set" in refusal_of(tmp_path, "", {"NIMBUS_ACCESS_KEY": "AK"})
    assert "NIMBUS_ACCESS_KEY is not set" in refusal_of(tmp_path, "", {"NIMBUS_SECRET_KEY": "hush-hush"})


def test_a_secret_shows_in_no_repr(tmp_path: Path) -> None:
    config = config_of(tmp_path, USER)
    assert config.users[0].secret_key == "hush-hush"
    assert "hush-hush" not in repr(config)
    assert "hush-hush" not in str(config.users)


def test_two_users_with_one_access_key_are_refused(tmp_path: Path) -> None:
    assert "access_key 'AK' occurs twice" in refusal_of(tmp_path, USER + USER.replace("u1", "u2"))


def test_a_file_with_secrets_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nimbus.toml"
    path.write_text(USER)
    path.chmod(0o644)
    assert "chmod 600" in load(path, {}, {}).notices[0]
    path.chmod(0o600)
    assert load(path, {}, {}).notices == ()


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('listn = "x"', "no key 'listn'; did you mean 'listen'?"),
        ("connections = 3", "no key 'connections'; did you mean 'limits.connections'?"),
        ("[limits]\nconections = 3", "no key 'limits.conections'; did you mean 'limits.connections'?"),
        (USER + 'secrt = "hush-hush"', "no key 'users.secrt'; did you mean 'users.secret_key'?"),
        ("[limits]\nconnections = 0", "limits.connections: expected `int` >= 1"),
        ('[limits]\nconnections = "many"', "limits.connections: expected `int`, got `str`"),
        ("[limits]\nheader_timeout_s = nan", "limits.header_timeout_s"),
        ("[limits]\nheader_timeout_s = inf", "limits.header_timeout_s"),
        ("limits = 3", "limits: expected"),
        ("users = 3", "users: expected"),
        ('[[users]]\nid = "a"\naccess_key = "b"', "users[0]: object missing required field `secret_key`"),
        ('data_plane = "maybe"', "data_plane: expected one of 'off', 'on'"),
        ('listen = "8080"', "listen: '8080' is not HOST:PORT"),
        ('domains = ["a/b"]', "domains: 'a/b' is not a plain lower-case host name"),
        ("[metadata.options]\nlist = [1]", "metadata.options"),
        ("a = = 3", "not valid TOML"),
        ("[a" * 5000, "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_that_names_the_key(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal_of(tmp_path, text)


def test_a_wrong_environment_variable_is_named(tmp_path: Path) -> None:
    said = refusal_of(tmp_path, "", {"NIMBUS_LIMITS__CONNECTIONS": "many"})
    assert "NIMBUS_LIMITS__CONNECTIONS: expected `int`" in said


def test_a_file_that_is_missing_a_folder_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name, said in (("missing.toml", "no such file"), (".", "directory"), ("binary.toml", "not UTF-8")):
        with pytest.raises(ConfigInvalid, match=said):
            load(tmp_path / name, {}, {})


@given(st.text())
def test_any_text_as_a_file_is_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigInvalid):
        load(path, {}, {})


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        ("unix:/run/s3.sock", Address("/run/s3.sock", 0, is_unix=True)),
        ("unix:a:1", Address("a:1", 0, is_unix=True)),
    ],
)
def test_an_address_is_host_and_port_and_prints_as_it_was_written(text: str, address: Address) -> None:
    assert parse_listen(text, unix=True) == address
    assert address.text == text
    assert address.url("http") == (text if address.is_unix else f"http://{text}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":80",
        "host",
        "host:",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:٣",
        "::1:80",
        "[h]:80",
        "h:1_0",
        "unix:",
        "unix:\0",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_listen(text, unix=True)


def test_only_s3_itself_is_served_at_a_unix_socket() -> None:
    for key in ("tls_listen", "admin"):
        with pytest.raises(ConfigInvalid, match=f"{key}: 'unix:s' is not HOST:PORT"):
            convert({"tls_cert": "c", "tls_key": "k", key: "unix:s"})
    assert Config(listen="unix:s", tls_cert="c", tls_key="k").tls_address == "127.0.0.1:8443"


def test_the_native_listener_has_a_thread_for_each_core_unless_told_otherwise() -> None:
    assert Config().plane_threads_now == min(len(os.sched_getaffinity(0)), 64)
    assert Config(plane_threads=5).plane_threads_now == 5
    for wrong in (-1, 65):
        with pytest.raises(ConfigInvalid, match="plane_threads"):
            convert({"plane_threads": wrong})


# --- TLS and the admin listener -------------------------------------------------------------------------


def test_a_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    assert "tls_cert and tls_key belong together" in refusal_of(tmp_path, 'tls_cert = "c.pem"\n')
    assert "tls_cert and tls_key belong together" in refusal_of(tmp_path, 'tls_key = "k.pem"\n')
    assert "a certificate is missing" in refusal_of(tmp_path, 'tls_listen = "127.0.0.1:8443"\n')


def test_tls_is_on_with_a_certificate_and_off_without() -> None:
    assert Config().tls_address == ""
    assert Config(listen="0.0.0.0:1", tls_cert="c", tls_key="k").tls_address == "0.0.0.0:8443"
    assert Config(listen="[::1]:1", tls_cert="c", tls_key="k").tls_address == "[::1]:8443"
    assert Config(listen="", tls_cert="c", tls_key="k").tls_address == "127.0.0.1:8443"
    assert Config(tls_cert="c", tls_key="k", tls_listen="127.0.0.1:7").tls_address == "127.0.0.1:7"


def test_the_plain_address_may_be_empty_only_when_there_is_tls(tmp_path: Path) -> None:
    assert "listen: '' is not HOST:PORT" in refusal_of(tmp_path, 'listen = ""\n')


def test_the_admin_listener_is_off_until_it_has_an_address_and_loopback_unless_told_otherwise() -> None:
    assert Config().admin_address == ""
    assert Config(admin="9100").admin_address == "127.0.0.1:9100"
    assert Config(admin="0.0.0.0:9100").admin_address == "0.0.0.0:9100"


@pytest.mark.parametrize(("key", "text"), [("admin", "nowhere"), ("admin", "70000"), ("tls_listen", "8443")])
def test_a_wrong_address_names_its_key(tmp_path: Path, key: str, text: str) -> None:
    said = refusal_of(tmp_path, f'tls_cert = "c"\ntls_key = "k"\n{key} = "{text}"\n')
    assert f"{key}: " in said
    assert "is not HOST:PORT" in said
