#!/usr/bin/env bash
# rocksdict 0.3.29 (RocksDB 9.8): after a refused open the next one succeeds, without half of the rows, and deletes their table.
#
# A folder with 2,000 synced rows, 1,000 in a table and 1,000 in the log, of a process that was killed. Its file CURRENT is
# moved away, as an incomplete copy does. Opening it with the defaults (create_if_missing) is refused: "wal_dir contains
# existing log file"; but by then a new MANIFEST-000001 and CURRENT have been written. So opening it again, as a supervisor
# does after a failure, succeeds: the table that the new MANIFEST does not name is deleted, the log is replayed, and the
# newest sequence number is the one of before, 2,000, with 1,000 rows left.
# The same number stands there, without an error, after the last record of MANIFEST was cut off and the log is there: it
# says nothing of what is missing. What works: set create_if_missing to False for a folder that should have something in it.
#
# Exit status 0: still so. 1: it behaves otherwise, read again. 2: could not be tried.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "rocksdict==0.3.29" || exit 2
cd "$folder"
cat >fill.py <<'PY'
import os

from rocksdict import Options, Rdict

db = Rdict("db", Options(raw_mode=True))
for number in range(1000):
    db[b"table %04d" % number] = bytes(100)
db.flush()
for number in range(1000):
    db[b"log %04d" % number] = bytes(100)
db.flush_wal(True)
os._exit(0)  # killed
PY
cat >look.py <<'PY'
import os

from rocksdict import Options, Rdict

tables = sorted(name for name in os.listdir("db") if name.endswith(".sst"))
try:
    db = Rdict("db", Options(raw_mode=True))
except Exception as error:
    new = [name for name in ("CURRENT", "MANIFEST-000001") if os.path.exists(f"db/{name}")]
    print(f"refused: {str(error)[:70]}; there now: {', '.join(new)}")
else:
    rows = sum(1 for _ in db.keys())
    gone = [name for name in tables if not os.path.exists(f"db/{name}")]
    print(f"opened: sequence number {db.latest_sequence_number()}, rows {rows}, tables deleted {len(gone)}")
    db.close()
PY
python="$folder/venv/bin/python"
{
    "$python" fill.py
    mv db/CURRENT .
    echo "without CURRENT: $("$python" look.py)"
    echo "once more:       $("$python" look.py)"
    rm -r db
    "$python" fill.py
    manifest="$(echo db/MANIFEST-*)"
    truncate --size "$(($(stat --format %s "$manifest") - 50))" "$manifest"
    echo "MANIFEST cut:    $("$python" look.py)"
} | tee seen
cmp -s seen - <<'SEEN' && exit 0 || exit 1
without CURRENT: refused: Corruption: While creating a new Db, wal_dir contains existing log fil; there now: CURRENT, MANIFEST-000001
once more:       opened: sequence number 2000, rows 1000, tables deleted 1
MANIFEST cut:    opened: sequence number 2000, rows 1000, tables deleted 1
SEEN
