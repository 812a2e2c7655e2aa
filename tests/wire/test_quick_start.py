"""The README's quick start, word for word: its configuration and its commands, against a server as it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.clients import AWS, ROOT, run

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks() -> list[tuple[str, str]]:
    """Language and text of every block of the section between `## Start` and the next section."""
    section = README.read_text().split("\n## Start\n", 1)[1].split("\n## ", 1)[0]
    return BLOCK.findall(section)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the reader stands: the repository's README and sources, and a server on the default address."""
    folder = tmp_path_factory.mktemp("quick-start")
    shutil.copy(README, folder)
    shutil.copytree(ROOT / "nimbus", folder / "nimbus")
    server = subprocess.Popen(
        [sys.executable, "-m", "nimbus", "serve"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stderr is not None
    line = server.stdout.readline()
    assert line == "NimbusStore is ready at http://127.0.0.1:8080\n", server.stderr.read()
    yield folder
    server.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0
    server.stdout.close()
    server.stderr.close()


def _shell(folder: Path, script: str) -> str:
    path = f"{AWS.parent}:{os.environ['PATH']}"
    return run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env={"PATH": path, "HOME": str(folder)})


def test_the_section_shows_how_to_start_and_three_clients() -> None:
    languages = [language for language, _ in _blocks()]
    assert languages == ["sh", "ini", "sh", "python", "sh"]
    assert "ci/serve" in _blocks()[0][1]


def test_the_clients_of_the_quick_start_work_word_for_word(folder: Path) -> None:
    _, config, s3cmd, boto3, aws = (text for _, text in _blocks())
    (folder / "s3cfg").write_text(config)
    assert "s3://data/README.md" in _shell(folder, s3cmd)
    assert (folder / "copy-of-README.md").read_bytes() == README.read_bytes()
    assert run([sys.executable, "-c", boto3]) == "b'hello world'\n"
    assert "upload: nimbus/__init__.py to s3://training/nimbus/__init__.py" in _shell(folder, aws)
