"""Builds the native leaves: every nimbus/_native/*.pyx, with the C sources and libraries named here."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("nimbus/_native")
# Beside <name>.pyx a module may need C sources and system libraries.
SOURCES: dict[str, list[str]] = {
    "blocks": ["blocks_core.c", "xxh3.c", "xxh3_avx2.c", "xxh3_avx512.c"],
    "sigv4": ["sigv4_claim.c", "sigv4_canonical.c"],
    "plane": [
        *sorted(str(source.relative_to(NATIVE)) for source in NATIVE.glob("plane/*.c")),
        *("blocks_core.c", "xxh3.c", "xxh3_avx2.c", "xxh3_avx512.c", "sigv4_claim.c", "sigv4_canonical.c"),
    ],
}
LIBRARIES: dict[str, list[str]] = {
    "sigv4": ["crypto"],
    "plane": ["crypto", "isal", "xxhash"],
}
# A header that each library needs, and the Debian package that has it.
HEADERS: dict[str, tuple[str, str]] = {
    "crypto": ("openssl/evp.h", "libssl-dev"),
    "isal": ("isa-l.h", "libisal-dev"),
    "xxhash": ("xxhash.h", "libxxhash-dev"),
}

# A change in one of these compiles every leaf again.
HEADERS_OF_OURS = sorted(
    str(path) for pattern in ("*.h", "*.pxd", "*.pxi", "plane/*.h") for path in NATIVE.glob(pattern)
)

FLAGS = ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]


def extension(path: Path) -> Extension:
    name = path.stem
    sanitized = bool(os.environ.get("NIMBUS_SANITIZE"))
    return Extension(
        f"nimbus._native.{name}",
        [str(path), *(str(NATIVE / source) for source in SOURCES.get(name, []))],
        include_dirs=[str(NATIVE)],
        depends=HEADERS_OF_OURS,
        libraries=LIBRARIES.get(name, []),
        extra_compile_args=(FLAGS[1:] + SANITIZE) if sanitized else FLAGS,
        extra_link_args=["-fsanitize=address,undefined"] if sanitized else [],
    )


def has_header(compiler: list[str], header: str) -> bool:
    """Whether the compiler finds the header."""
    command = [*compiler, f"-I{sysconfig.get_path('include')}", "-E", "-x", "c", "-"]
    return subprocess.run(command, input=f"#include <{header}>\n".encode(), capture_output=True).returncode == 0


def check_tools() -> None:
    """Say in one line what the build misses, and how to get it."""
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc" if shutil.which("cc") else "gcc"]
    if not shutil.which(compiler[0]):
        sys.exit("nimbusstore: building needs a C compiler; on Debian or Ubuntu: apt install build-essential")
    needed = [HEADERS[library] for name in sorted(LIBRARIES) for library in LIBRARIES[name] if library in HEADERS]
    missing = {header: package for header, package in needed if not has_header(compiler, header)}
    if not has_header(compiler, "Python.h"):
        missing["Python.h"] = "python3-dev"
    if missing:
        sys.exit(
            f"nimbusstore: building needs the headers {', '.join(missing)}; "
            f"on Debian or Ubuntu: apt install {' '.join(sorted(set(missing.values())))}"
        )


class BuildExt(build_ext):
    """Compiles the leaves side by side, after a look at what the machine has."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        check_tools()
        super().run()


setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=cythonize(
        [extension(path) for path in sorted(NATIVE.glob("*.pyx"))],
        build_dir="build/cython",
        compiler_directives={"language_level": "3", "boundscheck": True, "wraparound": False, "embedsignature": True},
    ),
)
