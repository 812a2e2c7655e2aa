"""What a trainer does with s3torchconnector: data sets, loaders, readers, checkpoints; run by test_torch.py.

The connector lists with `x-amz-optional-object-attributes: RestoreStatus`, reads everything as `bytes=0-8388607`
first and an empty object by its part 1: what works here works for Mountpoint too, whose client it is.
"""

from __future__ import annotations

import io
import os
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from s3torchconnector import S3Checkpoint, S3IterableDataset, S3MapDataset, S3ReaderConstructor
from s3torchconnector._s3client import S3Client
from s3torchconnector.dcp import S3StorageReader, S3StorageWriter
from s3torchconnector.dcp.s3_file_system import S3FileSystem
from torch.utils.data import DataLoader

BUCKET = os.environ["BUCKET"]
AT: dict[str, Any] = {"region": "us-east-1", "endpoint": os.environ["ENDPOINT"]}
# Around the borders: nothing at all, one byte, the connector's first range, its parts of 8 MiB.
SIZES = [0, 1, 65_537, 8 * 2**20 - 1, 8 * 2**20, 8 * 2**20 + 1, 20_000_000]


def body(number: int, size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 2))[number : number + size]


def write_samples() -> dict[str, bytes]:
    """One object for each size, by the connector's own writer; what was written, by key."""
    checkpoint = S3Checkpoint(**AT)
    samples = {f"samples/{number:03}": body(number, size) for number, size in enumerate(SIZES)}
    for key, sample in samples.items():
        with checkpoint.writer(f"s3://{BUCKET}/{key}") as out:
            out.write(sample)
    return samples


def read_whole(item: Any) -> tuple[str, bytes]:
    return item.key, item.read()


def check_data_sets(samples: dict[str, bytes]) -> None:
    for constructor in (S3ReaderConstructor.sequential(), S3ReaderConstructor.range_based()):
        whole: dict[str, Any] = {"transform": read_whole, "reader_constructor": constructor, **AT}
        mapped = S3MapDataset.from_prefix(f"s3://{BUCKET}/samples/", **whole)
        assert len(mapped) == len(samples)
        assert dict(mapped[index] for index in range(len(mapped))) == samples
        assert dict(S3IterableDataset.from_prefix(f"s3://{BUCKET}/samples/", **whole)) == samples
        uris = [f"s3://{BUCKET}/{key}" for key in samples]
        assert dict(S3IterableDataset.from_objects(uris, **whole)) == samples


def check_more_than_a_page() -> None:
    """The objects below `many/` were there before: more than one page of a listing."""
    data_set = S3MapDataset.from_prefix(f"s3://{BUCKET}/many/", transform=read_whole, **AT)
    last = int(os.environ["MANY"]) - 1
    assert len(data_set) == last + 1
    assert data_set[last] == (f"many/{last:05}", b"%d" % last)


def check_loader(samples: dict[str, bytes]) -> None:
    """Two worker processes share the objects out; batches come back whole."""
    data_set = S3IterableDataset.from_prefix(
        f"s3://{BUCKET}/samples/", transform=read_whole, enable_sharding=True, **AT
    )
    loader = DataLoader(data_set, batch_size=2, num_workers=2, collate_fn=list, multiprocessing_context="spawn")
    assert dict(item for batch in loader for item in batch) == samples


def check_seeks(samples: dict[str, bytes]) -> None:
    """A reader that jumps about, as safetensors and zip readers do."""
    key, sample = next(reversed(samples.items()))
    reader = S3MapDataset.from_objects([f"s3://{BUCKET}/{key}"], **AT)[0]
    for start, size in ((19_000_000, 1_000), (5, 70_000), (8 * 2**20 - 3, 6)):
        reader.seek(start)
        assert reader.read(size) == sample[start : start + size]
    reader.seek(-10, io.SEEK_END)
    assert reader.read() == sample[-10:]


def check_checkpoints() -> None:
    state = {"weights": torch.arange(3_000_000, dtype=torch.float32), "step": 7}
    checkpoint = S3Checkpoint(**AT)
    with checkpoint.writer(f"s3://{BUCKET}/checkpoints/one.pt") as out:
        torch.save(state, out)
    with checkpoint.reader(f"s3://{BUCKET}/checkpoints/one.pt") as source:
        loaded = torch.load(source)
    assert loaded["step"] == 7
    assert torch.equal(loaded["weights"], state["weights"])


def check_distributed_checkpoints() -> None:
    """torch.distributed.checkpoint writes shards and, last, its metadata, and reads them back.

    Its storage classes take no endpoint (s3torchconnector 1.5.0), so their file system is put in.
    """
    state = {"model": {"weights": torch.arange(1_000_000, dtype=torch.float32)}}
    place: dict[str, Any] = {"region": AT["region"], "path": f"s3://{BUCKET}/checkpoints/step-1"}
    writer, reader = S3StorageWriter(**place), S3StorageReader(**place)
    writer.fs = reader.fs = S3FileSystem(AT["region"], s3_client=S3Client(**AT))
    dcp.save(state, storage_writer=writer, no_dist=True)
    loaded = {"model": {"weights": torch.zeros(1_000_000, dtype=torch.float32)}}
    dcp.load(loaded, storage_reader=reader, no_dist=True)
    assert torch.equal(loaded["model"]["weights"], state["model"]["weights"])


def main() -> None:
    samples = write_samples()
    check_data_sets(samples)
    check_more_than_a_page()
    check_loader(samples)
    check_seeks(samples)
    check_checkpoints()
    check_distributed_checkpoints()
    print("all well")


if __name__ == "__main__":
    main()
