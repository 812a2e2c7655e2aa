#!/usr/bin/env bash
# Granian 2.8.9, ASGI: `send()` never fails after the client has left; what it drops is told by a log line alone.
#
# An application streams 256 pieces of 1 MiB; the client reads a little and closes. Every `send()` returns as if the piece had
# gone out, `receive()` says http.disconnect only to who gives the event loop a turn to wait for it, and each dropped piece is
# a line "ASGI transport error" at level INFO of the logger `_granian.asgi.io`. So an application that counts what it sent
# from `send()` counts the whole answer, and one that reads from memory or the page cache reads all of it.
#
# Exit status 0: still so. 1: it behaves otherwise, read again. 2: could not be tried.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "granian==2.8.9" || exit 2
cat >"$folder/app.py" <<'PY'
import json
import logging
import os

PIECES = 256
dropped = 0


class Counter(logging.Handler):
    def emit(self, record):
        global dropped
        dropped += "transport error" in record.getMessage().lower()


logging.getLogger("_granian.asgi.io").addHandler(Counter())
logging.getLogger("_granian.asgi.io").setLevel(logging.INFO)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    returned = 0
    for _ in range(PIECES):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        returned += 1
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    with open(os.environ["SEEN"], "w") as out:
        json.dump({"returned": returned, "dropped": dropped}, out)
PY
cat >"$folder/drive.py" <<'PY'
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
seen = folder / "seen"
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
command = [folder / "venv/bin/granian", "--interface", "asgi", "--port", str(port), "--no-ws", "--http", "1", "app:app"]
server = subprocess.Popen(command, cwd=folder, env={**os.environ, "SEEN": str(seen)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            client = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.1)
    else:
        sys.exit(2)
    client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    client.recv(1)
    client.close()
    for _ in range(300):
        if seen.exists() and seen.read_text():
            break
        time.sleep(0.1)
    else:
        sys.exit("the application was stopped: it is told now that the client has left")
finally:
    server.terminate()
    server.wait(30)
result = json.loads(seen.read_text())
print(f"send() returned {result['returned']} times of 256; pieces that the log says were dropped: {result['dropped']}")
sys.exit(0 if result["returned"] == 256 and result["dropped"] > 100 else 1)
PY
"$folder/venv/bin/python" "$folder/drive.py" "$folder"
