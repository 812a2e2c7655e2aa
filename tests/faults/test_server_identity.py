"""Metadata and bytes that do not belong together are refused in one line, and whatever is accepted, no byte is deleted.

Every test ends with the right halves in their places and all objects read back, byte for byte.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nimbus.meta import keys
from nimbus.meta.rocksdb import open_rocksdb
from tests.faults.busy_writers import client_of
from tests.faults.server_process import SERVE, Started, refused, started

DATA = "store"
ANY = ("--listen", "127.0.0.1:0", "--data", DATA)
MEMORY = {"NIMBUS_METADATA__BACKEND": "memory"}
BUCKET = "bodies"
BODIES = {f"object/{number}": random.Random(number).randbytes(300_000 if number % 3 else 5000) for number in range(12)}


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[tuple[Started, Any]]:
    with started([*SERVE, *ANY, *options], cwd=folder, **variables) as server:
        client = client_of(server.port)
        yield server, client
        client.close()


def stop(server: Started) -> str:
    server.signal(signal.SIGTERM)
    status, _, said = server.ended()
    assert (status, "Traceback" in said) == (0, False), said
    return said


def fill(folder: Path, *, is_killed: bool) -> None:
    with serving(folder) as (server, client):
        client.create_bucket(Bucket=BUCKET)
        for key, body in BODIES.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=body)
        if is_killed:
            server.process.kill()
        else:
            stop(server)


def check_bodies(folder: Path, *options: str) -> None:
    with serving(folder, *options) as (server, client):
        assert bodies(client) == BODIES
        stop(server)


def bodies(client: Any) -> dict[str, bytes]:
    listed = [row["Key"] for row in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in listed}


def contents(folder: Path) -> dict[str, bytes]:
    """All files, but for the process number in the lock and what only takes up room."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".ballast"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def stored(folder: Path) -> dict[str, bytes]:
    """The files that hold bytes of objects."""
    found = contents(folder / DATA / "data")
    return {name: body for name, body in found.items() if name.endswith((".seg", ".blob"))}


def check_refused(folder: Path, said: str, *options: str, **variables: str) -> None:
    """Twice, in one line that says what to do, and not a byte is another one afterwards."""
    before, names = contents(folder), sorted(folder.rglob("*"))
    for _ in range(2):
        line = refused(*ANY, *options, cwd=folder, **variables)
        assert said in line
        assert "--accept-loss" in line
        assert contents(folder) == before
        assert sorted(folder.rglob("*")) == names


# --- metadata that is not the one ------------------------------------------------------------------------


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "stopped"])
def test_an_empty_metadata_backend_is_refused_beside_bytes_of_another(tmp_path: Path, is_killed: bool) -> None:
    fill(tmp_path, is_killed=is_killed)
    check_refused(tmp_path, "do not belong together", **MEMORY)
    check_bodies(tmp_path)


def test_a_metadata_folder_that_is_missing_is_not_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    rocksdb, witness = tmp_path / DATA / "rocksdb", tmp_path / DATA / "rocksdb.durable"
    rocksdb.rename(tmp_path / "aside")
    check_refused(tmp_path, "do not belong together")
    witness.rename(tmp_path / "witness")
    check_refused(tmp_path, "do not belong together")
    (tmp_path / "aside").rename(rocksdb)
    (tmp_path / "witness").rename(witness)
    check_bodies(tmp_path)


def test_older_copies_of_either_half_are_refused_and_of_both_accepted(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=False)
    store, copy = tmp_path / DATA, tmp_path / "copy"
    shutil.copytree(store, copy)
    check_bodies(tmp_path)
    for names, said in (
        (("rocksdb",), "older copy"),
        (("rocksdb", "rocksdb.durable"), "older copy than the bytes"),
        (("data",), "older copy than the metadata"),
    ):
        for name in names:
            (store / name).rename(tmp_path / name)
            (shutil.copytree if (copy / name).is_dir() else shutil.copy)(copy / name, store / name)
        check_refused(tmp_path, said)
        for name in names:
            (shutil.rmtree if (store / name).is_dir() else Path.unlink)(store / name)
            (tmp_path / name).rename(store / name)
    store.rename(tmp_path / "newer")
    copy.rename(store)
    check_bodies(tmp_path)


def test_halves_of_a_clone_and_of_another_store_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=False)
    store, clone = tmp_path / DATA, tmp_path / "clone"
    shutil.copytree(store, clone / DATA)
    check_bodies(clone)
    check_bodies(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    fill(other, is_killed=False)
    for stranger, said in ((clone, "two copies of one store"), (other, "is of the store")):
        for half in (("data",), ("rocksdb", "rocksdb.durable")):
            for name in half:
                (store / name).rename(tmp_path / name)
                (stranger / DATA / name).rename(store / name)
            assert said in refused(*ANY, cwd=tmp_path)
            for name in half:
                (store / name).rename(stranger / DATA / name)
                (tmp_path / name).rename(store / name)
    check_bodies(tmp_path)
    check_bodies(clone)


def test_a_folder_that_was_moved_is_the_same_store(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / DATA).rename(moved / DATA)
    check_bodies(moved)


# --- bytes that are not the ones -------------------------------------------------------------------------


def test_bytes_that_are_gone_are_refused_and_nothing_is_made_in_their_place(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    store = tmp_path / DATA
    (store / "data").rename(tmp_path / "aside")
    check_refused(tmp_path, "gone")
    assert "another data backend" in refused(*ANY, cwd=tmp_path, NIMBUS_DATA__BACKEND="memory")
    (tmp_path / "aside").rename(store / "data")
    check_bodies(tmp_path)


def test_bytes_whose_identity_was_taken_away_or_damaged_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    stamp = tmp_path / DATA / "data" / "IDENTITY"
    whole = stamp.read_bytes()
    stamp.write_bytes(b"damaged")
    check_refused(tmp_path, "IDENTITY")
    stamp.unlink()
    check_refused(tmp_path, "do not belong together")
    stamp.write_bytes(whole)
    check_bodies(tmp_path)


def test_stores_in_memory_start_again_as_often_as_they_like(tmp_path: Path) -> None:
    for variables in (MEMORY, MEMORY, MEMORY | {"NIMBUS_DATA__BACKEND": "memory"}):
        with serving(tmp_path, **variables) as (server, client):
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="key", Body=b"body")
            server.process.kill()
    check_refused(tmp_path, "kept in memory")


# --- stores from before there were identities ------------------------------------------------------------


def forget_identity(folder: Path) -> None:
    """Leave what an earlier version left: no row, no stamp, no witness."""
    map = open_rocksdb({"ballast_size_bytes": 0}, folder / DATA)
    map.txn({}, {row: None for row, _ in map.range(keys.IDENTITY, keys.after_prefix(keys.IDENTITY), 10)})
    map.close()
    (folder / DATA / "rocksdb.durable").unlink()
    (folder / DATA / "data" / "IDENTITY").unlink()


def test_a_store_of_an_earlier_version_is_adopted_once_and_only_with_its_metadata(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    forget_identity(tmp_path)
    rocksdb = tmp_path / DATA / "rocksdb"
    rocksdb.rename(tmp_path / "aside")
    check_refused(tmp_path, "names none of")
    (tmp_path / "aside").rename(rocksdb)
    check_bodies(tmp_path)
    check_refused(tmp_path, "do not belong together", **MEMORY)
    check_bodies(tmp_path)


# --- what is accepted ------------------------------------------------------------------------------------


def test_an_accepted_stranger_deletes_nothing_and_the_right_metadata_comes_back(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    before = stored(tmp_path)
    rocksdb, witness = tmp_path / DATA / "rocksdb", tmp_path / DATA / "rocksdb.durable"
    for path in (rocksdb, witness):
        path.rename(tmp_path / path.name)
    with serving(tmp_path, "--accept-loss", "--admin", "0", NIMBUS_DATA__QUARANTINE_S="0") as (server, client):
        assert client.list_buckets()["Buckets"] == []
        assert quarantine(server, held=len(BODIES))[0] == len(BODIES)
        server.process.kill()
    with serving(tmp_path, "--admin", "0", NIMBUS_DATA__QUARANTINE_S="0") as (server, _):
        assert quarantine(server, held=len(BODIES))[0] == len(BODIES)
        stop(server)
    assert stored(tmp_path).items() >= before.items()
    shutil.rmtree(rocksdb)
    witness.unlink()
    for path in (rocksdb, witness):
        (tmp_path / path.name).rename(path)
    check_refused(tmp_path, "do not belong together")
    check_bodies(tmp_path, "--accept-loss")
    check_bodies(tmp_path)


def test_the_metadata_of_a_clone_frees_nothing_that_its_original_names(tmp_path: Path) -> None:
    """All is deleted in the clone, which is killed before its collector came to that."""
    fill(tmp_path, is_killed=False)
    store, clone = tmp_path / DATA, tmp_path / "clone"
    shutil.copytree(store, clone / DATA)
    with serving(clone) as (server, client):
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in BODIES]})
        server.process.kill()
    for name in ("rocksdb", "rocksdb.durable"):
        (store / name).rename(tmp_path / name)
        (clone / DATA / name).rename(store / name)
    before = stored(tmp_path)
    with serving(tmp_path, "--accept-loss", "--admin", "0", NIMBUS_DATA__QUARANTINE_S="0") as (server, client):
        assert bodies(client) == {}
        assert quarantine(server, held=len(BODIES))[0] == len(BODIES)
        stop(server)
    assert stored(tmp_path) == before
    for name in ("rocksdb", "rocksdb.durable"):
        (store / name).rename(clone / name)
        (tmp_path / name).rename(store / name)
    check_bodies(tmp_path, "--accept-loss")


def test_a_log_that_was_cut_is_refused_and_costs_no_bytes_when_it_is_accepted(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    before = stored(tmp_path)
    log = max((tmp_path / DATA / "rocksdb").glob("*.log"))
    os.truncate(log, log.stat().st_size // 2)
    check_refused(tmp_path, "on the disk already")
    with serving(tmp_path, "--accept-loss", "--admin", "0", NIMBUS_DATA__QUARANTINE_S="0") as (server, client):
        left = bodies(client)
        assert left.items() < BODIES.items()
        lost = len(BODIES) - len(left)
        assert quarantine(server, held=lost)[0] == lost
        stop(server)
    assert stored(tmp_path) == before


def test_the_quarantine_is_emptied_when_the_operator_says_so(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    for name in ("rocksdb", "rocksdb.durable"):
        (tmp_path / DATA / name).rename(tmp_path / name)
    with serving(tmp_path, "--accept-loss", "--admin", "0") as (server, _):
        assert quarantine(server, held=len(BODIES))[1] >= sum(map(len, BODIES.values()))
        stop(server)
    assert "start with one" in refused(*ANY, "--accept-loss", "--empty-quarantine", cwd=tmp_path)
    with serving(tmp_path, "--empty-quarantine", "--admin", "0") as (server, _):
        assert quarantine(server, held=0) == (0, 0)
        stop(server)
    assert stored(tmp_path) == {}


def test_what_was_accepted_and_what_was_emptied_is_told_once(tmp_path: Path) -> None:
    fill(tmp_path, is_killed=True)
    for name in ("rocksdb", "rocksdb.durable"):
        (tmp_path / DATA / name).rename(tmp_path / name)
    with serving(tmp_path, "--accept-loss") as (server, _):
        assert stop(server).count("A loss was accepted: ") == 1
    for dropped in (len(BODIES), 0):
        with serving(tmp_path, "--empty-quarantine") as (server, _):
            assert server.process.stderr is not None
            told = next(line for line in server.process.stderr if "Dropped" in line)
            assert f"Dropped {dropped} writes out of the quarantine." in told
            assert "Dropped" not in stop(server)


def quarantine(server: Started, *, held: int) -> tuple[int, int]:
    """Locations and bytes that are held, once there are so many."""
    assert server.process.stderr is not None
    line = next(line for line in server.process.stderr if "metrics and health" in line)
    found = re.search(r"http://\S+/metrics", line)
    assert found is not None
    for _ in range(200):
        with urllib.request.urlopen(found[0], timeout=10) as answer:
            text = answer.read().decode()
        count, size_bytes = (
            int(float(re.findall(rf'nimbus_quarantine_{what}{{state="held"}} (\S+)', text)[0]))
            for what in ("locations", "bytes")
        )
        if count == held:
            break
    return count, size_bytes
