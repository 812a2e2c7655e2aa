"""The nimbus command, run in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus import __version__
from nimbus.base.config_reference import reference
from nimbus.cli.main import main, parser


def test_version_is_printed_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"nimbus {__version__}\n"
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"nimbus {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (["--help"], ["serve", "config", "version", "examples:", "NIMBUS_ACCESS_KEY", "NIMBUS_DEBUG=1"]),
        (
            ["serve", "--help"],
            [
                "--data DIR",
                "--listen ADDRESS",
                "HOST:PORT or unix:PATH",
                "--config FILE",
                "--data-plane",
                "--log-level",
                "examples:",
            ],
        ),
        (["config", "--help"], ["--check FILE"]),
    ],
)
def test_help_shows_every_option_and_examples(
    arguments: list[str], mentioned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert [word for word in mentioned if word not in text] == []
    assert max(map(len, text.splitlines())) <= 120


def test_no_option_takes_a_secret() -> None:
    assert "secret" not in parser().format_help().replace("NIMBUS_SECRET_KEY", "")
    with pytest.raises(SystemExit):
        main(["serve", "--secret-key", "hush"])


@pytest.mark.parametrize(
    "arguments",
    [[], ["srv"], ["serve", "--port", "1"], ["serve", "--data-plane", "maybe"], ["serve", "--log-level", "loud"]],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("nimbus: ")
    assert said.err.count("\n") == 1
    assert "--help" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["serve", "--lisen", "x"],
            "there is no option '--lisen'; did you mean '--listen'?; see `nimbus serve --help`",
        ),
        (["serve", "--secret-key=hush"], "there is no option '--secret-key'; see `nimbus serve --help`"),
        (["serve", "here"], "there is no argument 'here'; see `nimbus serve --help`"),
        (["config", "--chek", "x"], "there is no option '--chek'; did you mean '--check'?; see `nimbus config --help`"),
        (["version", "x"], "there is no argument 'x'; see `nimbus version --help`"),
        (["--versoin"], "the following arguments are required: COMMAND; see `nimbus --help`"),
    ],
)
def test_what_nobody_knows_is_refused_by_the_command_it_was_given_to(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err == f"nimbus: {said}\n"


def test_config_prints_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out == reference()


def test_config_check_says_that_a_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nimbus.toml"
    path.write_text(reference())
    assert main(["config", "--check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is a valid configuration\n"


def test_config_check_refuses_a_wrong_file_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nimbus.toml"
    path.write_text("[limits]\nconections = 1\n")
    assert main(["config", "--check", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "did you mean 'limits.connections'" in said.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBUS_DEBUG", "1")
    assert main(["config", "--check", "/nonexistent.toml"]) == 1
    assert "Traceback" in capsys.readouterr().err
