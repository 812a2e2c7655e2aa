"""Sizes, names and headers of files and functions, as the house style has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.style.tree import ROOT, name, parsed, sources, tracked

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = {".py": 500, ".pyx": 500, ".pyi": 500, ".pxd": 500, ".pxi": 500, ".c": 600, ".h": 600}

# Longer on purpose: file or file:function -> why it is better in one piece.
EXCEPTIONS: dict[str, str] = {}

# Names that say nothing about what is inside.
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = {
        name(path): len(path.read_text().splitlines())
        for suffix, most in FILE_LINES_MAX.items()
        for path in tracked(suffix)
        if path in sources(suffix) or not path.is_relative_to(ROOT / "nimbus")
        if len(path.read_text().splitlines()) > most
    }
    assert {file: lines for file, lines in long.items() if file not in EXCEPTIONS} == {}


def test_every_function_fits_a_screen() -> None:
    long = {
        f"{name(path)}:{function.name}": function.end_lineno - function.lineno + 1
        for path in sources(".py")
        for function in functions(path)
        if function.end_lineno is not None and function.end_lineno - function.lineno >= FUNCTION_LINES_MAX
    }
    assert {place: lines for place, lines in long.items() if place not in EXCEPTIONS} == {}


def test_every_exception_is_still_needed() -> None:
    places = {name(path) for path in tracked(*FILE_LINES_MAX)}
    assert [place for place in EXCEPTIONS if place.partition(":")[0] not in places] == []


def test_every_file_starts_with_a_paragraph_that_says_what_it_is() -> None:
    silent = [name(path) for path in tracked(".py") if not ast.get_docstring(parsed(path))]
    # In C a feature macro may have to come first.
    c_start = re.compile(r"(#define \w+( \w+)?\n+)*(/\*|//)")
    silent += [name(path) for path in sources(".c", ".h") if not c_start.match(path.read_text())]
    silent += [
        name(path) for path in sources(".pyx", ".pxd", ".pxi", ".pyi") if not re.match(r'#|"""', path.read_text())
    ]
    assert silent == []


def test_no_name_is_empty_of_meaning() -> None:
    files = [name(path) for path in tracked(".py", ".pyx", ".c", ".h") if FORBIDDEN_WORDS & set(path.stem.split("_"))]
    rooms = {name(path.parent) for path in tracked(".py") if path.parent.name in FORBIDDEN_WORDS}
    classes = [
        f"{name(path)}:{node.name}"
        for path in sources(".py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        if FORBIDDEN_WORDS & {word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", node.name)}
    ]
    assert (files, rooms, classes) == ([], set(), [])


def test_a_room_is_opened_by_a_docstring_and_nothing_else() -> None:
    for path in sources(".py"):
        if path.name == "__init__.py" and path.parent != ROOT / "nimbus":
            body = parsed(path).body
            assert len(body) == 1, name(path)
            assert ast.get_docstring(parsed(path)), name(path)


def test_every_import_stands_at_the_top_of_its_file() -> None:
    late = [
        f"{name(path)}:{node.lineno}"
        for path in sources(".py")
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert late == []


def test_every_import_is_absolute() -> None:
    relative = [
        f"{name(path)}:{node.lineno}"
        for path in sources(".py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    left = [
        f"{name(path)}:{number}"
        for path in sources(".py", ".pyx", ".pxd", ".pxi", ".pyi", ".c", ".h")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert left == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"pytest\.(skip|importorskip|xfail)|mark\.(skip|skipif|xfail)\b")
    paths = [path for path in tracked(".py") if path.is_relative_to(ROOT / "tests") and path != Path(__file__)]
    assert [name(path) for path in paths if marks.search(path.read_text())] == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in tracked(".py") if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
