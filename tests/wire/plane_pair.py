"""Two nodes side by side, one with the native plane in front and one without, and what is sent to both alike."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.wire.plane_front import Peer
from tests.wire.plane_node import OTHER, OWNER

EMPTY = hashlib.sha256().hexdigest()
SMALL, LARGE = b"0123456789abcdef" * 1000, bytes(range(256)) * 3000
ANSWER = tuple[int, dict[str, str], bytes]
UNLIKE = ("date", "x-amz-request-id", "x-amz-id-2")


class Node(msgspec.Struct):
    """A node for these tests."""

    host: str
    port: int
    folder: Path
    pid: int

    def blobs(self) -> set[Path]:
        """The files of large objects, whole or not."""
        return set(self.folder.rglob("*.blob"))

    def connect(self) -> Peer:
        return Peer(socket.create_connection((self.host, self.port), 20))

    def exchange(self, request: bytes) -> ANSWER:
        """The answer to one request on a connection of its own."""
        peer = self.connect()
        try:
            peer.send(request)
            return peer.response()
        finally:
            peer.close()

    def client(self, who: tuple[str, str, str] = OWNER) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.host}:{self.port}",
            aws_access_key_id=who[0],
            aws_secret_access_key=who[1],
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )

    def sign(
        self,
        path: str,
        headers: dict[str, str],
        payload: str,
        who: tuple[str, str, str] = OWNER,
        break_signature: bool = False,
    ) -> tuple[bytes, dict[str, str]]:
        """The head of a signed PUT, and its headers."""
        headers = {"Host": f"{self.host}:{self.port}", "x-amz-content-sha256": payload, **headers}
        request = AWSRequest("PUT", f"http://{self.host}:{self.port}{path}", headers=headers)
        request.context["payload_signing_enabled"] = False
        signer = _Signer(Credentials(who[0], who[1]), "s3", "us-east-1")
        signer.text = payload
        signer.add_auth(request)
        signed = dict(request.headers.items())
        if break_signature:
            at = signed["Authorization"].rindex("=") + 1
            signed["Authorization"] = signed["Authorization"][:at] + "0" * 64
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        return f"PUT {path} HTTP/1.1\r\n{lines}\r\n".encode(), signed

    def sign_v2(self, path: str, headers: dict[str, str], who: tuple[str, str, str] = OWNER) -> bytes:
        """The head of a PUT with the old signature. REQUIRES: a query is a resource's alone, and in order."""
        headers = {"Host": f"{self.host}:{self.port}", "Date": formatdate(usegmt=True), **headers}
        amz = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-amz-"))
        lines = "".join(f"{name}:{value}\n" for name, value in amz)
        kept = (headers.get(name, "") for name in ("Content-MD5", "Content-Type", "Date"))
        text = "PUT\n" + "".join(f"{value}\n" for value in kept) + lines + path
        signature = base64.b64encode(hmac.digest(who[1].encode(), text.encode(), "sha1")).decode()
        headers["Authorization"] = f"AWS {who[0]}:{signature}"
        return "".join([f"PUT {path} HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in headers.items()), "\r\n"]).encode()


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs the payload form that a test wants."""

    text = ""

    def payload(self, request: Any) -> str:
        return self.text

    def _modify_request_before_signing(self, request: Any) -> None:
        kept = request.headers["x-amz-content-sha256"]
        super()._modify_request_before_signing(request)
        del request.headers["X-Amz-Content-SHA256"]
        request.headers["x-amz-content-sha256"] = kept


@contextmanager
def node(
    mode: str,
    *more: str,
    operations: Sequence[str] = ("put", "part"),
    taken_min: int = 1,
    relayed_max: int | None = None,
) -> Iterator[Node]:
    """A node of its own, of whose requests for `operations` the plane, if there is one, answers at least so many.

    `relayed_max` is how many bytes of bodies may pass it on their way to the application.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.plane_node", folder, mode, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        host, port = address.rsplit(":", 1)
        try:
            yield Node(host, int(port), Path(folder), process.pid)
        finally:
            process.stdin.close()
            status = process.wait(30)
            taken = msgspec.json.decode(process.stdout.read(), type=dict[str, int])
            errors = process.stderr.read()
            process.stdout.close()
            process.stderr.close()
        assert (status, errors) == (0, "")
        answered = sum(taken.get(name, 0) for name in operations)
        assert answered >= taken_min if mode == "on" else answered == 0
        assert relayed_max is None or taken.get("body bytes", 0) <= relayed_max


@contextmanager
def pair_of_nodes(relayed_max: int | None = None) -> Iterator[tuple[Node, Node]]:
    """One with the plane, one without; both have the bucket `bucket`, and `foreign` of somebody else."""
    with node("on", "2", relayed_max=relayed_max) as native, node("off", "2") as plain:
        for one in (native, plain):
            one.client().create_bucket(Bucket="bucket")
            one.client(OTHER).create_bucket(Bucket="foreign")
            one.client().put_object(Bucket="bucket", Key="known", Body=b"makes the bucket known")
        yield native, plain


def normal(answer: ANSWER) -> ANSWER:
    status, headers, body = answer
    body = re.sub(rb"<(RequestId|HostId|LastModified)>[^<]*<", rb"<\1><", body)
    # These hold the time and the address.
    body = re.sub(rb"<(SignatureProvided|(?:StringToSign|CanonicalRequest)(?:Bytes)?)>[^<]*<", rb"<\1><", body)
    names = {name.lower(): value for name, value in headers.items() if name.lower() not in UNLIKE}
    if b"<Code>" in body:
        names["content-length"] = ""
    return status, names, body


def order(answer: ANSWER) -> list[str]:
    """The names of the headers as they came."""
    return [name.lower() for name in answer[1]]


def put(one: Node, path: str, headers: dict[str, str], body: bytes, payload: str, **how: Any) -> ANSWER:
    head, _ = one.sign(path, {"Content-Length": str(len(body)), **headers}, payload, **how)
    return one.exchange(head + body)


def alike(nodes: tuple[Node, Node], send: Callable[[Node], ANSWER]) -> ANSWER:
    """What both nodes answer."""
    native, plain = (send(one) for one in nodes)
    assert normal(native) == normal(plain)
    assert order(native) == order(plain)
    return normal(native)


def unsigned(nodes: tuple[Node, Node], path: str, body: bytes, **headers: str) -> ANSWER:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return alike(nodes, lambda one: put(one, path, named, body, "UNSIGNED-PAYLOAD"))


def described(one: Node, key: str) -> dict[str, Any]:
    """What HeadObject says of an object, but when it was written."""
    head = dict(one.client().head_object(Bucket="bucket", Key=key))
    del head["ResponseMetadata"], head["LastModified"]
    return head


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold within seconds."""
    for _ in range(2000):
        if holds():
            return True
        threading.Event().wait(0.005)
    return False


def is_absent(nodes: tuple[Node, Node], key: str) -> bool:
    listed = [one.client().list_objects_v2(Bucket="bucket", Prefix=key).get("KeyCount") for one in nodes]
    return listed == [0, 0]
