#!/usr/bin/env bash
# s3torchconnector 1.5.0: its data sets and S3Checkpoint take `endpoint=`, its torch.distributed.checkpoint classes do not.
#
# S3StorageWriter hands unknown arguments on to torch's FileSystemWriter, so that `endpoint=` ends as a TypeError which names
# a class that the user never wrote; S3StorageReader refuses it in its own name. What works for a store that is not Amazon's:
# replace the `fs` of both by a S3FileSystem that was made with a client of one's own.
#
# Exit status 0: still so. 1: it behaves otherwise, read again. 2: could not be tried.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "s3torchconnector[dcp]==1.5.0" "torch==2.13.0" "numpy==2.3.5" || exit 2
"$folder/venv/bin/python" - <<'PY'
import inspect
import sys

from s3torchconnector import S3Checkpoint, S3IterableDataset, S3MapDataset
from s3torchconnector._s3client import S3Client
from s3torchconnector.dcp import S3StorageReader, S3StorageWriter
from s3torchconnector.dcp.s3_file_system import S3FileSystem

AT = {"region": "us-east-1", "endpoint": "http://127.0.0.1:9"}
takes = {
    "S3MapDataset.from_prefix": S3MapDataset.from_prefix,
    "S3IterableDataset.from_prefix": S3IterableDataset.from_prefix,
    "S3Checkpoint": S3Checkpoint.__init__,
}
for name, function in takes.items():
    if "endpoint" not in inspect.signature(function).parameters:
        sys.exit(f"{name} takes no endpoint any more")
    print(f"{name}: takes endpoint")
for kind in (S3StorageWriter, S3StorageReader):
    try:
        kind(path="s3://bucket/step-1", **AT)
    except TypeError as error:
        print(f"{kind.__name__}: TypeError: {error}")
    else:
        sys.exit(f"{kind.__name__} takes an endpoint now")
writer = S3StorageWriter(region=AT["region"], path="s3://bucket/step-1")
writer.fs = S3FileSystem(AT["region"], s3_client=S3Client(**AT))
print("S3StorageWriter.fs replaced: the endpoint is", writer.fs._client._endpoint)
PY
