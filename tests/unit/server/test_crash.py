"""A part that nothing works without takes the process with it; other ends do not."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nimbus.server.crash import EXIT_CRASHED, fail_stop, vital


def fail() -> None:
    raise ValueError("the very\nreason")


def run_thread(target: object, name: str) -> None:
    thread = threading.Thread(target=target, name=name)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_a_thread_that_raises_ends_the_process_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    before = threading.excepthook
    with fail_stop(ended.append):
        run_thread(fail, "commit")
    assert ended == [EXIT_CRASHED]
    said = capsys.readouterr().err
    assert "Z ERROR nimbus: the thread 'commit' has ended (ValueError in test_crash.py:" in said
    assert said.endswith(": the very reason); the server cannot go on, restart it\n")
    assert said.count("\n") == 1
    assert threading.excepthook is before


def test_the_traceback_shows_on_demand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBUS_DEBUG", "1")
    with fail_stop(lambda status: None):
        run_thread(fail, "commit")
    assert "in fail\n" in capsys.readouterr().err


def test_a_thread_that_returns_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    with fail_stop(ended.append):
        run_thread(lambda: None, "sweep")
    assert (ended, capsys.readouterr().err) == ([], "")


async def raising() -> None:
    fail()


async def returning() -> None:
    pass


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("job", "reason"),
    [(raising, "ValueError"), (returning, "without an error"), (cancelled, "CancelledError")],
)
async def test_a_vital_task_may_not_end(job: object, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    task: asyncio.Task[object] = asyncio.create_task(job(), name="collector")  # type: ignore[operator]
    with vital({task}, ended.append):
        await asyncio.wait({task})
        await asyncio.sleep(0)  # callbacks of a task run after it
    assert ended == [EXIT_CRASHED]
    assert f"nimbus: the task 'collector' has ended ({reason}" in capsys.readouterr().err


async def test_a_task_that_ends_after_the_order_to_stop_ends_nothing() -> None:
    ended: list[int] = []
    release = asyncio.Event()
    task: asyncio.Task[object] = asyncio.create_task(release.wait())
    with vital({task}, ended.append):
        await asyncio.sleep(0)
    release.set()
    await task
    await asyncio.sleep(0)
    assert ended == []
