"""The floors: a room imports only from below, and each engine library has one importer."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.style.tree import ROOT

# Library -> the one file that may import it.
IMPORTERS = {
    "awscrt": "nimbus/s3/checksums.py",
    "granian": "nimbus/server/listener.py",
    "lxml": "nimbus/s3/xml.py",
    "rocksdict": "nimbus/meta/rocksdb.py",
    "uvloop": "nimbus/server/run.py",
    "xxhash": "nimbus/s3/checksums.py",
}


def test_every_contract_of_the_floors_holds() -> None:
    # In a process of its own: import-linter switches off the loggers that other tests listen to.
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_engine_library_has_a_contract_that_names_its_importer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    ignored = {edge for contract in contracts for edge in contract.get("ignore_imports", ())}
    forbidden = {module for contract in contracts for module in contract.get("forbidden_modules", ())}
    for library, importer in IMPORTERS.items():
        module = str(Path(importer).with_suffix("")).replace("/", ".")
        assert library in forbidden
        assert {edge for edge in ignored if edge.endswith(f" -> {library}")} == {f"{module} -> {library}"}


def test_every_library_that_the_store_needs_is_named_here_or_is_ours_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {requirement.split(">")[0].split("=")[0] for requirement in project["dependencies"]}
    assert needed == set(IMPORTERS) | {"msgspec"}
