"""The benchmark session: shared servers, the contests, and the check against the committed baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import servers
from bench.contest import Contests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--baseline",
        choices=["check", "write", "show"],
        default="show",
        help="check: fail when a ratio is worse than bench/baseline.json by more than the margin; write: keep them",
    )
    parser.addoption("--bench-data", default=None, help="directory on the disk to measure (default: pytest's own)")


_contests = Contests()


@pytest.fixture(scope="session")
def contests(request: pytest.FixtureRequest) -> Contests:
    _contests.is_checking = request.config.getoption("--baseline") == "check"
    return _contests


@pytest.fixture(scope="session")
def bench_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = request.config.getoption("--bench-data")
    return Path(chosen) if chosen else tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="session", params=["off", "on"], ids=["granian", "native"])
def nimbus_server(request: pytest.FixtureRequest, bench_dir: Path) -> Iterator[servers.Server]:
    """Our server without and with the native data plane in front."""
    with servers.nimbus(bench_dir / f"nimbus-{request.param}", data_plane=request.param) as server:
        yield server


@pytest.fixture(scope="session")
def native_server(bench_dir: Path) -> Iterator[servers.Server]:
    with servers.nimbus(bench_dir / "native", data_plane="on") as server:
        yield server


@pytest.fixture(scope="session")
def nginx_server(bench_dir: Path) -> Iterator[servers.Server]:
    with servers.nginx(bench_dir / "nginx", dav=True) as server:
        yield server


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    choice = session.config.getoption("--baseline")
    if choice == "write" and exitstatus == 0:
        _contests.write_baseline()
    if choice == "check" and _contests.regressions():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _contests.figures:
        return
    terminalreporter.section("contests: server CPU per request, ours against the peer, same run")
    for line in _contests.table():
        terminalreporter.write_line(line)
    if terminalreporter.config.getoption("--baseline") == "check":
        for line in _contests.regressions():
            terminalreporter.write_line(f"REGRESSION {line}", red=True)
