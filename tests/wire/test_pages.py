"""Every code block of the README and of docs/ is run, or checked where it cannot be: what a reader copies works.

Must always hold: a block that no test here claims fails, so that nobody adds one unseen.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import pytest

from tests.faults.server_process import untimed
from tests.wire.clients import AWS, ROOT, run

README = "README.md"
BACKENDS, DAMAGE, DISKS, HTTPS, MEASURED, OPERATE, SUITES = (
    f"docs/{name}.md" for name in ("backends", "damage", "disks", "https", "measured", "operate", "suites")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVING = re.compile(r"^(nimbus|python my_store\.py) serve", re.MULTILINE)
STOP_S_MAX = 20
# Every block of every page, by its language and how it begins, in order.
BLOCKS = {
    README: [
        ("sh", "git clone"),
        ("ini", "[default]"),
        ("sh", "s3cmd"),
        ("python", "import boto3"),
        ("sh", "export AWS_ACCESS_KEY_ID"),
        ("sh", "sign()"),
        ("sh", "nimbus config"),
        ("toml", "listen"),
        ("", " 11  __main__"),
        ("sh", "ci/test"),
    ],
    OPERATE: [
        ("yaml", "scrape_configs:"),
        ("json", '{"time"'),
        ("text", "2026-"),
    ],
    HTTPS: [
        ("sh", "nimbus serve --tls-cert"),
        ("toml", "listen"),
        ("sh", "openssl req"),
    ],
    DAMAGE: [],
    DISKS: [],
    MEASURED: [],
    BACKENDS: [
        ("python", "# my_store.py"),
        ("toml", "# mine.toml"),
        ("sh", "python my_store.py config"),
        ("toml", "# pyproject.toml"),
        ("python", "# my_options.py"),
        ("python", "# test_my_store.py"),
        ("python", "# my_data.py"),
        ("toml", "# pyproject.toml"),
        ("python", "# test_my_data.py"),
    ],
    SUITES: [],
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every block of a page."""
    return BLOCK.findall((ROOT / page).read_text())


def block(page: str, language: str, start: str) -> str:
    """The first block that begins so."""
    return next(text for found, text in blocks(page) if found == language and text.startswith(start))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the reader stands: the README and the sources."""
    shutil.copy(ROOT / README, tmp_path)
    shutil.copytree(ROOT / "nimbus", tmp_path / "nimbus", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIMBUS_", "AWS_"))}
    path = f"{Path(sys.executable).parent}:{AWS.parent}:{os.environ['PATH']}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**kept, **keys, "PATH": path, "HOME": str(folder)}


@contextmanager
def serving(folder: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    """The server that the command starts, once it says that it is ready."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for _ in range(2 if "--tls-cert" in command else 1):
            line = process.stdout.readline()
            assert line.startswith("NimbusStore is ready at "), (line, process.stderr.read())
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=STOP_S_MAX)
    assert (process.returncode, out) == (0, ""), errors
    assert untimed(errors).endswith("nimbus: stopped\n")


def shell(folder: Path, script: str) -> str:
    """What a block of commands prints; a server that it starts runs until its last command."""
    printed = ""
    with ExitStack() as servers:
        lines = script.replace("\\\n", " ").splitlines()
        while lines:
            before = next((index for index, line in enumerate(lines) if SERVING.match(line)), len(lines))
            if before:
                commands = "\n".join(lines[:before])
                printed += run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment(folder))
            if before < len(lines):
                servers.enter_context(serving(folder, lines[before]))
            lines = lines[before + 1 :]
    return printed


@pytest.mark.parametrize("page", BLOCKS)
def test_every_block_is_claimed_by_a_test(page: str) -> None:
    found = blocks(page)
    assert len(found) == len(BLOCKS[page]), [(language, text[:40]) for language, text in found]
    for (language, text), (expected, start) in zip(found, BLOCKS[page], strict=True):
        assert (language, text.startswith(start)) == (expected, True), text


def test_every_page_is_known_and_linked() -> None:
    pages = {README, *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))}
    assert pages == set(BLOCKS)
    for page in pages:
        for target, section in re.findall(r"\]\((?!https?:)([^)#]+)#?([^)]*)", (ROOT / page).read_text()):
            path = (ROOT / page).parent / target
            assert path.exists(), (page, target)
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE) if section else [section]
            assert section in [heading.lower().replace(" ", "-") for heading in headings], (page, target, section)


def test_scripts_that_pages_name_are_there() -> None:
    for page in BLOCKS:
        for script in re.findall(r"\bci/[a-z_]+\b", (ROOT / page).read_text()):
            assert os.access(ROOT / script, os.X_OK), (page, script)


def test_the_clients_of_the_quick_start_work_word_for_word(folder: Path) -> None:
    (folder / "s3cfg").write_text(block(README, "ini", "[default]"))
    readme = (folder / README).read_bytes()
    with serving(folder, "nimbus serve"):
        assert "s3://data/README.md" in shell(folder, block(README, "sh", "s3cmd"))
        assert (folder / "copy-of-README.md").read_bytes() == readme
        assert run([sys.executable, "-c", block(README, "python", "import boto3")]) == "b'hello world'\n"
        said = shell(folder, block(README, "sh", "export AWS_ACCESS_KEY_ID"))
        assert "upload: nimbus/__init__.py to s3://training/nimbus/__init__.py" in said
        assert shell(folder, block(README, "sh", "sign()")).encode() == readme


def test_the_configuration_that_is_printed_is_served(folder: Path) -> None:
    said = shell(folder, block(README, "sh", "nimbus config"))
    assert said == "nimbus.toml is a valid configuration\n"


@pytest.mark.parametrize("page", [README, HTTPS])
def test_configurations_are_right(folder: Path, page: str) -> None:
    shell(folder, block(HTTPS, "sh", "openssl").partition("nimbus serve")[0])
    text = block(page, "toml", "listen").replace("/srv", str(folder)).replace("/etc/nimbus", str(folder))
    if "[[users]]" not in text:
        text += '[[users]]\nid = "a"\naccess_key = "a"\nsecret_key = "b"\n'
    (folder / "right.toml").write_text(text)
    (folder / "right.toml").chmod(0o600)
    assert shell(folder, "nimbus config --check right.toml") == "right.toml is a valid configuration\n"


def test_https_is_served_and_read_as_the_page_says(folder: Path) -> None:
    text = block(HTTPS, "sh", "openssl req")
    (folder / "store.toml").write_text("")
    shell(folder, text.replace("s3 ls", "s3 mb s3://over-tls") + text[text.index("aws ") :])
    (folder / "nimbus.toml").write_text("")
    assert shell(folder, block(HTTPS, "sh", "nimbus serve --tls-cert") + text[text.index("aws ") :]).endswith(
        "over-tls\n"
    )


def test_examples_of_output_have_the_form_of_the_real_ones(folder: Path) -> None:
    example = json.loads(block(OPERATE, "json", '{"time"'))
    with serving(folder, "nimbus serve --access-log real.json --listen 127.0.0.1:8080"):
        shell(folder, "curl -s http://127.0.0.1:8080/")
    (line,) = (folder / "real.json").read_text().splitlines()
    assert list(json.loads(line)) == list(example)
    assert untimed(block(OPERATE, "text", "2026-")).startswith("nimbus: ")


def test_the_scrape_configuration_names_the_address_of_the_page() -> None:
    """No YAML reader is at hand; its two-line form is what a reader copies."""
    text = block(OPERATE, "yaml", "scrape_configs:")
    assert re.fullmatch(
        r"scrape_configs:\n  - job_name: nimbus\n    static_configs: \[\{targets: \[\"127\.0\.0\.1:9100\"\]\}\]\n", text
    )


def test_the_map_names_every_room_once() -> None:
    text = block(README, "", " 11  __main__")
    names = [name for line in text.splitlines() for name in re.split(r"\s{2,}", line.strip())[1].split(" | ")]
    rooms = [path.name for path in (ROOT / "nimbus").iterdir() if (path / "__init__.py").exists()]
    assert sorted(names) == sorted([*rooms, "__main__"])


def test_backends_of_the_page_serve_and_keep_their_contracts(folder: Path) -> None:
    for _, text in blocks(BACKENDS):
        if (named := re.match(r"# (\S+)\n", text)) and named[1] != "pyproject.toml":
            (folder / named[1]).write_text(text)
    check, serve = block(BACKENDS, "sh", "python my_store.py config").splitlines()
    assert shell(folder, check) == "mine.toml is a valid configuration\n"
    for body in (b"one", b"two"):  # what the first server wrote is there for the second
        with serving(folder, serve):
            s3 = boto3.client("s3", endpoint_url="http://127.0.0.1:8080", region_name="us-east-1",
                              aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
            if body == b"one":
                s3.create_bucket(Bucket="mine")
            s3.put_object(Bucket="mine", Key=body.decode(), Body=body)
            assert s3.get_object(Bucket="mine", Key="one")["Body"].read() == b"one"
            s3.close()
    assert (folder / "nimbus-data" / "mine.sqlite").exists()
    (folder / "data.toml").write_text('[data]\nbackend = "mydata"\n')
    assert shell(folder, "python my_data.py config --check data.toml") == "data.toml is a valid configuration\n"
    tests = "python -m pytest -q -x -o asyncio_mode=auto -p no:cacheprovider test_my_store.py test_my_data.py"
    assert " passed" in shell(folder, tests)


def test_a_factory_of_the_page_says_which_options_it_takes(folder: Path) -> None:
    for name in ("my_store", "my_options"):
        (folder / f"{name}.py").write_text(block(BACKENDS, "python", f"# {name}.py"))
    (folder / "wrong.toml").write_text('[metadata]\nbackend = "mine"\n[metadata.options]\nfile_nane = "x"\n')
    script = (
        "import sys; from my_options import open_backend; from my_store import main, register\n"
        "register('mine', open_backend); sys.exit(main(['config', '--check', 'wrong.toml']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "did you mean 'file_name'?" in done.stderr) == (1, True), done.stderr


def test_entry_points_name_what_the_page_defines() -> None:
    for _, text in blocks(BACKENDS):
        if text.startswith("# pyproject.toml"):
            ((group, entries),) = tomllib.loads(text)["project"]["entry-points"].items()
            assert group in ("nimbus.metadata", "nimbus.data")
            for target in entries.values():
                assert target.endswith(":open_backend")
