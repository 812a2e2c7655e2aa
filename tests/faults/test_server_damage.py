"""What may become of the files under a running server, in both data planes: S3's own error, told once, and counted.

A file that is put back is read again without a restart; objects in other files never suffer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus._native.blocks import FOOTER_SIZE_BYTES
from tests.faults.busy_writers import BUCKET, KIB, MIB
from tests.faults.damaged_store import DamagedStore, damaged_store
from tests.faults.server_process import DATA_PLANES
from tests.wire.page_cache import evict

pytestmark = pytest.mark.serial

SIZES = [3 * MIB, 9 * MIB, 100 * KIB]  # the frame last: its segment is one that the server still writes to


@pytest.fixture(params=DATA_PLANES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DamagedStore]:
    with damaged_store(tmp_path, tmp_path / "store", request.param) as running:
        yield running


def cut_short(path: Path, at: int) -> None:
    os.truncate(path, at + 10 * KIB)


def emptied(path: Path, at: int) -> None:
    os.truncate(path, 0)


def gone(path: Path, at: int) -> None:
    path.unlink()


def a_directory(path: Path, at: int) -> None:
    path.unlink()
    path.mkdir()


def a_link_to_nowhere(path: Path, at: int) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_hole(path: Path, at: int) -> None:
    """Blocks that the disk has lost, which come back as zeros."""
    with path.open("r+b") as file:
        file.seek(at + 4 * KIB)
        file.write(bytes(8 * KIB))


def another_one_of_the_same_size(path: Path, at: int) -> None:
    """As of an older copy; its name now leads to another file."""
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.rename(path)


def its_folder_became_a_file(path: Path, at: int) -> None:
    """ENOTDIR, not ENOENT."""
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.touch()


DAMAGE = [
    cut_short,
    emptied,
    gone,
    a_directory,
    a_link_to_nowhere,
    a_hole,
    another_one_of_the_same_size,
    its_folder_became_a_file,
]


def put_back(path: Path, copy: Path) -> None:
    if path.parent.is_file():
        path.parent.unlink()
        path.parent.with_name("moved").rename(path.parent)
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    shutil.copyfile(copy, path)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_an_error_until_it_is_put_back(
    store: DamagedStore, tmp_path: Path, damage: Callable[[Path, int], None]
) -> None:
    for size in SIZES:
        key = f"{damage.__name__}/{size}"
        content = store.put(key, size)
        path, at = store.place_of(content)
        assert store.get(key) == content
        copy = tmp_path / "copy"
        shutil.copyfile(path, copy)
        damage(path, at)
        answers = {store.get(key), store.get(key, Range=f"bytes={size - 100}-"), store.get(key)}
        assert answers <= {None, content, content[-100:]}, "right bytes, or an error"  # an open file outlives its name
        put_back(path, copy)
        assert store.get(key) in (None, content)  # whoever still had the damaged file has closed it now
        assert store.get(key) == content
    store.ends()


def test_damage_is_told_once_with_its_place_and_counted(store: DamagedStore) -> None:
    content, other = store.put("rotten", 3 * MIB), store.put("sound", 3 * MIB)
    path, _ = store.place_of(content)
    assert store.get("rotten") == content
    os.truncate(path, MIB)
    before = store.damaged_reads()
    for _ in range(5):
        assert store.get("rotten") is None
    assert store.get("sound") == other
    assert store.damaged_reads() == before + 5
    said = [line for line in store.ends().splitlines() if path.stem in line]
    assert 1 <= len(said) <= 2, said  # what was met first, and that the file has another size
    assert f"{BUCKET}/rotten" in said[-1]


def test_damage_in_the_middle_of_a_long_answer_is_told_with_its_place(store: DamagedStore) -> None:
    content = store.put("long", 12 * MIB)
    path, _ = store.place_of(content)
    with path.open("r+b") as file:
        file.seek(10 * MIB)
        file.write(b"rot")
    evict(path)
    for _ in range(3):
        assert store.get("long") is None
    assert store.damaged_reads() >= 3
    said = [line for line in store.ends().splitlines() if path.stem in line]
    assert len(said) == 1, said


def test_a_copy_of_damaged_bytes_is_refused_and_leaves_nothing(store: DamagedStore) -> None:
    content = store.put("source", 6 * MIB)
    path, at = store.place_of(content)
    with path.open("r+b") as file:
        file.seek(at + 3 * MIB)
        file.write(b"rot")
    failed = store.s3.exceptions.ClientError
    with pytest.raises(failed, match="InternalError"):
        store.s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/source")
    upload = store.s3.create_multipart_upload(Bucket=BUCKET, Key="copy")["UploadId"]
    with pytest.raises(failed, match="InternalError"):
        store.s3.upload_part_copy(
            Bucket=BUCKET, Key="copy", UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/source"
        )
    assert "Parts" not in store.s3.list_parts(Bucket=BUCKET, Key="copy", UploadId=upload)
    listed = store.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [found["Key"] for found in listed] == ["source"]
    assert path.stem in store.ends()


def test_a_footer_that_nobody_needs_for_reading_does_not_matter(store: DamagedStore) -> None:
    content = store.put("footer", 3 * MIB)
    path, _ = store.place_of(content)
    with path.open("r+b") as file:
        file.seek(-FOOTER_SIZE_BYTES, os.SEEK_END)
        file.write(bytes(FOOTER_SIZE_BYTES))
    assert store.get("footer") == content


def test_a_table_of_hashes_that_is_zeroed_is_an_error(store: DamagedStore) -> None:
    content = store.put("table", 3 * MIB)
    path, _ = store.place_of(content)
    with path.open("r+b") as file:
        file.seek(3 * MIB)
        file.write(bytes(16))
    assert store.get("table") is None
    assert path.stem in store.ends()
