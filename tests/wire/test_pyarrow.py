"""pyarrow's S3FileSystem (the AWS C++ SDK: chunked uploads with checksum trailers), against a real server."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs


@pytest.fixture
def filesystem(server) -> fs.S3FileSystem:
    return fs.S3FileSystem(
        access_key=server.access_key,
        secret_key=server.secret_key,
        endpoint_override=f"{server.host}:{server.port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )


def test_parquet_round_trip_with_column_reads(filesystem: fs.S3FileSystem) -> None:
    filesystem.create_dir("arrow-parquet")
    table = pa.table({"id": list(range(200_000)), "text": [f"row {index}" for index in range(200_000)]})
    pq.write_table(table, "arrow-parquet/data/t.parquet", filesystem=filesystem, row_group_size=20_000)
    back = pq.read_table("arrow-parquet/data/t.parquet", filesystem=filesystem)
    assert back.equals(table)
    column = pq.read_table("arrow-parquet/data/t.parquet", columns=["id"], filesystem=filesystem)
    assert column.column("id").equals(table.column("id"))


def test_output_stream_goes_up_in_parts(filesystem: fs.S3FileSystem) -> None:
    filesystem.create_dir("arrow-stream")
    body = bytes(range(256)) * 100_000
    with filesystem.open_output_stream("arrow-stream/big") as out:
        for start in range(0, len(body), 1_000_000):
            out.write(body[start : start + 1_000_000])
    with filesystem.open_input_file("arrow-stream/big") as source:
        assert source.size() == len(body)
        assert source.read_at(1000, 5_000_000) == body[5_000_000:5_001_000]
        assert source.read() == body


def test_directories_listing_copy_move_and_delete(filesystem: fs.S3FileSystem) -> None:
    filesystem.create_dir("arrow-dirs/a/b", recursive=True)
    with filesystem.open_output_stream("arrow-dirs/a/b/f") as out:
        out.write(b"x")
    infos = filesystem.get_file_info(fs.FileSelector("arrow-dirs", recursive=True))
    assert {info.path for info in infos} == {"arrow-dirs/a", "arrow-dirs/a/b", "arrow-dirs/a/b/f"}
    filesystem.copy_file("arrow-dirs/a/b/f", "arrow-dirs/a/g")
    filesystem.move("arrow-dirs/a/g", "arrow-dirs/a/h")
    assert filesystem.get_file_info("arrow-dirs/a/h").size == 1
    assert filesystem.get_file_info("arrow-dirs/a/g").type == fs.FileType.NotFound
    filesystem.delete_dir("arrow-dirs")
    assert filesystem.get_file_info("arrow-dirs").type == fs.FileType.NotFound
