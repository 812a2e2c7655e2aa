"""Servers under measurement: ours and nginx, each a process tree on loopback whose CPU time can be read.

CPU time comes from the kernel's per-process clock (clock_getcpuclockid(3)), in nanoseconds, so that a round of
a second is exact to far better than a scheduler tick.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

READY_S_MAX = 30
STOP_S_MAX = 15


class Server(msgspec.Struct, frozen=True):
    """A running server."""

    name: str
    port: int
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """User and system seconds that its processes have used so far."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in self.pids)

    def resident_bytes(self) -> int:
        """Memory that its processes hold now."""
        return sum(_resident_bytes(pid) for pid in self.pids)


def _cpu_clock(pid: int) -> int:
    return (~pid << 3) | 2  # CPUCLOCK_SCHED of the whole process, as clock_getcpuclockid(3) makes it


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def nimbus(data_dir: Path, *, data_plane: str = "off", options: tuple[str, ...] = ()) -> Iterator[Server]:
    """Our server with its embedded defaults and the credentials test/test."""
    command = [sys.executable, "-m", "nimbus", "serve", "--data", str(data_dir), "--listen", "127.0.0.1:0"]
    command += ["--data-plane", data_plane, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "is ready at http://" in line, f"the server did not start: {line!r}"
        yield Server(
            {"off": "granian", "on": "native"}[data_plane], int(line.strip().rpartition(":")[2]), (process.pid,)
        )
    finally:
        _stop(process)


@contextmanager
def bare(file: Path, *, threads: int = 2) -> Iterator[Server]:
    """The bare epoll and sendfile responder of bare.c, which answers everything with one file."""
    port = free_port()
    process = subprocess.Popen([str(compiled("bare.c", "-pthread")), str(port), str(threads), str(file)])
    try:
        _wait_for(port, process)
        yield Server("bare", port, (process.pid,))
    finally:
        _stop(process)


@cache
def compiled(source: str, *flags: str) -> Path:
    """A C program of this folder, compiled once for each version of its source."""
    path = Path(__file__).with_name(source)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    binary = Path(tempfile.gettempdir()) / f"nimbus-bench-{path.stem}-{digest}"
    if not binary.exists():
        partial = binary.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", *flags, "-o", str(partial), str(path)], check=True)
        partial.rename(binary)
    return binary


NGINX_CONF = """
worker_processes 2; daemon off; error_log {root}/error.log; pid {root}/nginx.pid; user root;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
  open_file_cache max=100000; open_file_cache_valid 600s;
  client_body_temp_path {root}/tmp; client_max_body_size 0; {buffering}
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}/www; location / {{ {dav} }} }}
}}
"""


@contextmanager
def nginx(root: Path, *, dav: bool = False) -> Iterator[Server]:
    """nginx serving root/www with sendfile and an open-file cache; with `dav` it also takes PUTs."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    (root / "www").mkdir(parents=True, exist_ok=True)
    port = free_port()
    conf = root / "nginx.conf"
    methods = "dav_methods PUT; create_full_put_path on;" if dav else ""
    conf.write_text(NGINX_CONF.format(root=root, port=port, dav=methods, buffering=""))
    process = subprocess.Popen([binary, "-p", str(root), "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server("nginx", port, tuple(int(pid) for pid in children))
    finally:
        _stop(process)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server exited with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port} after {READY_S_MAX} s")


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
