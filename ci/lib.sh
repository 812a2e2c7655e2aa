# What ci/serve and ci/test share: system packages, Python, virtual environments, the native build.
# Sourced, with the repository root as working directory. Each step says what it does and how long it took,
# on standard error; a step whose inputs have not changed since the last run is skipped by its stamp.

PYTHON_VERSION_MIN="3.11"

fail() {
    echo "ci: $*" >&2
    exit 1
}

# step TEXT COMMAND...: run a command, with a line before and its duration after. A command that fails ends the
# script, and the last line says in which step. (`command || fail` would switch off `set -e` inside functions.)
STEP=""
set -E
trap '[ -z "$STEP" ] || echo "ci: failed in: ${STEP}" >&2' ERR
step() {
    local began=$SECONDS
    STEP="$1"
    shift
    echo "── ${STEP}" >&2
    "$@"
    echo "   ${STEP}: $((SECONDS - began)) s" >&2
    STEP=""
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root or sudo is needed for: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# system_packages STAGE...: install what ci/system-packages.txt names for these stages and the machine lacks
system_packages() {
    local stage package _ missing=()
    while read -r stage package _; do
        case " $* " in *" ${stage} "*) is_installed "$package" || missing+=("$package") ;; esac
    done < <(grep -v '^#' ci/system-packages.txt)
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "please install what Debian calls: ${missing[*]}"
    echo "   installing ${missing[*]}" >&2
    as_root apt-get update -qq >&2
    without_services as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# without_services COMMAND...: packages installed meanwhile do not start their daemons (nginx, on port 80)
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}

# find_python: print the first Python that is new enough and can make virtual environments
find_python() {
    local python
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$python" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (${PYTHON_VERSION_MIN/./, }))" \
            2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    fail "Python ${PYTHON_VERSION_MIN} or newer with venv is needed; on Ubuntu 22.04: apt install python3.11-dev" \
        "python3.11-venv; or name one: PYTHON=/path/to/python3 $0"
}

# virtual_environment DIRECTORY GROUP...: make it, with these dependency groups of pyproject.toml
virtual_environment() {
    local directory="$1" groups=() group stamp wanted
    shift
    for group in "$@"; do groups+=(--group "$group"); done
    wanted="$(sha256sum pyproject.toml | cut -d' ' -f1) $*"
    stamp="${directory}/.stamp-$1"
    if "${directory}/bin/python" -c "" 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    if ! "${directory}/bin/python" -m pip --version >/dev/null 2>&1; then
        local python
        python="$(find_python)"
        "$python" -m venv --clear "$directory"
    fi
    "${directory}/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --upgrade "pip>=25.1"
    "${directory}/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --upgrade "${groups[@]}"
    echo "$wanted" >"$stamp"
}

# editable: install nimbus itself into .venv, so that `nimbus` runs from this checkout
editable() {
    local wanted
    wanted="$(cat pyproject.toml setup.py | sha256sum)"
    [ -x .venv/bin/nimbus ] && [ "$(cat .venv/.stamp-editable 2>/dev/null)" = "$wanted" ] && return 0
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-build-isolation --editable .
    echo "$wanted" >.venv/.stamp-editable
}

# native_leaves: compile what has changed. `--build-lib .` and not `--inplace`, which has objects of its own and
# would compile everything a second time after an editable install.
native_leaves() {
    .venv/bin/python setup.py -q build_ext --build-lib .
}
