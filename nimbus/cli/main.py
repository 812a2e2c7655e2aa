"""The nimbus command: arguments in, exit status out.

Must always hold: standard output carries only what was asked for; whatever goes wrong is one line on standard
error, `nimbus: ...`, with what to do about it, and exit status 1 (2 for wrong usage); `serve`, whose lines end in
logs, puts time and level before it. A traceback shows only with NIMBUS_DEBUG=1. No option takes a secret, because
every user of a machine can read argv.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import nimbus.base.allocator  # noqa: F401 (before anything that loads Granian)
from nimbus import __version__
from nimbus.base.errors import NimbusError
from nimbus.cli import config, serve

EXIT_FAILURE = 1
EXIT_USAGE = 2

EPILOG = """\
examples:
  nimbus serve                                  http://127.0.0.1:8080, data in ./nimbus-data, keys test/test
  nimbus serve --data /srv/s3 --listen 127.0.0.1:9000
  nimbus serve --config /etc/nimbus.toml        users, limits and engines from a file
  nimbus config > nimbus.toml                   every key, its meaning and its default
  nimbus config --check nimbus.toml             is this file right?

environment:
  NIMBUS_ACCESS_KEY, NIMBUS_SECRET_KEY          one user, without a file
  NIMBUS_LISTEN, NIMBUS_LIMITS__CONNECTIONS     any key of the file; tables joined by two underscores
  NIMBUS_CONFIG                                 the file to read when --config is not given
  NIMBUS_DEBUG=1                                show the traceback of a failure

Each command has its own --help.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers wrong usage in one line."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse here what nobody knows: the command that it was given to knows the options that it may have meant."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]  # what follows may be a secret
            close = difflib.get_close_matches(name, self._option_string_actions, n=1, cutoff=0.7)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            self.error(f"there is no {'option' if name.startswith('-') else 'argument'} {name!r}{meant}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"nimbus: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = Parser(
        prog="nimbus",
        description="NimbusStore: a high-performance, S3-compatible object store for AI training.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.set_defaults(fail=_say)
    top.add_argument("--version", action="version", version=f"nimbus {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    serve.add_to(commands)
    config.add_to(commands)
    version = commands.add_parser("version", help="print the version", allow_abbrev=False)
    version.set_defaults(run=lambda _: print(f"nimbus {__version__}"))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
        if sys.stdout is not None:  # it is None when the caller closed it
            sys.stdout.flush()
    except BrokenPipeError:  # `nimbus config | head`: the reader has seen enough; nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return _fail(arguments.fail, "interrupted")
    except NimbusError as error:
        return _fail(arguments.fail, str(error))
    except Exception as error:
        return _fail(arguments.fail, f"{type(error).__name__}: {error}; NIMBUS_DEBUG=1 shows where this happened")
    return 0


def _fail(fail: Callable[[str], None], message: str) -> int:
    if os.environ.get("NIMBUS_DEBUG") == "1":
        traceback.print_exc()
    fail(" ".join(message.split()))
    return EXIT_FAILURE


def _say(message: str) -> None:
    print(f"nimbus: {message}", file=sys.stderr)
