"""What a user of s3fs does in a day; run by test_s3fs.py inside the s3fs environment."""

from __future__ import annotations

import os

import s3fs


def main() -> None:
    fs = s3fs.S3FileSystem(
        key=os.environ["ACCESS_KEY"],
        secret=os.environ["SECRET_KEY"],
        endpoint_url=os.environ["ENDPOINT"],
        client_kwargs={"region_name": "us-east-1"},
    )
    fs.mkdir("s3fs-session")
    fs.pipe_file("s3fs-session/dir/a b+c", b"hello")
    assert fs.cat_file("s3fs-session/dir/a b+c") == b"hello"
    body = bytes(range(256)) * 60_000
    with fs.open("s3fs-session/dir/big", "wb", block_size=5 * 2**20) as out:
        out.write(body)
    with fs.open("s3fs-session/dir/big", "rb") as source:
        source.seek(1_000_000)
        assert source.read(1000) == body[1_000_000:1_001_000]
    assert fs.cat_file("s3fs-session/dir/big", start=5, end=50) == body[5:50]
    assert sorted(fs.ls("s3fs-session/dir", detail=False)) == ["s3fs-session/dir/a b+c", "s3fs-session/dir/big"]
    fs.copy("s3fs-session/dir/a b+c", "s3fs-session/copy")
    fs.mv("s3fs-session/copy", "s3fs-session/moved")
    assert fs.exists("s3fs-session/moved")
    assert not fs.exists("s3fs-session/copy")
    assert fs.info("s3fs-session/moved")["size"] == 5
    fs.rm("s3fs-session", recursive=True)
    assert not fs.exists("s3fs-session")
    print("all well")


main()
