"""Builds the native leaves: every nimbus/_native/*.pyx, with the C sources and libraries named here."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

NATIVE = Path("nimbus/_native")
# Beside <name>.pyx a module may need C sources and system libraries.
SOURCES: dict[str, list[str]] = {
    "blocks": ["blocks_core.c"],
    "plane": sorted(str(source.relative_to(NATIVE)) for source in NATIVE.glob("plane/*.c")),
}
LIBRARIES: dict[str, list[str]] = {
    "plane": ["crypto", "isal", "xxhash"],
}

FLAGS = ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]


def extension(path: Path) -> Extension:
    name = path.stem
    sanitized = bool(os.environ.get("NIMBUS_SANITIZE"))
    return Extension(
        f"nimbus._native.{name}",
        [str(path), *(str(NATIVE / source) for source in SOURCES.get(name, []))],
        include_dirs=[str(NATIVE)],
        libraries=LIBRARIES.get(name, []),
        extra_compile_args=(FLAGS[1:] + SANITIZE) if sanitized else FLAGS,
        extra_link_args=["-fsanitize=address,undefined"] if sanitized else [],
    )


if not (shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")):
    sys.exit("nimbusstore: building needs a C compiler; on Debian or Ubuntu: apt install build-essential")

setup(
    ext_modules=cythonize(
        [extension(path) for path in sorted(NATIVE.glob("*.pyx"))],
        build_dir=str(NATIVE / "generated"),
        compiler_directives={"language_level": "3", "boundscheck": True, "wraparound": False, "embedsignature": True},
    )
)
