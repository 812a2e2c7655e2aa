"""nimbus config: the configuration reference, and the check of a file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from nimbus.base.config_reference import reference
from nimbus.base.config_sources import load
from nimbus.server.refusals import check

DESCRIPTION = """\
Prints every key of the configuration file with its meaning and its default, as a file that works as it is.
With --check, reads FILE together with the environment, as `nimbus serve --config FILE` would, and says
whether it is right: what a start refuses before it opens anything (keys, users, addresses, certificates,
engines and their options, paths) is refused here with the same words.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "config",
        help="print every configuration key, or check a file",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--check", metavar="FILE", type=Path, help="check this file instead of printing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the reference, or check a file. Raises a `NimbusError` that says what is wrong with it."""
    if arguments.check is None:
        sys.stdout.write(reference())
        return
    loaded = load(arguments.check, os.environ, {})
    for notice in (*loaded.notices, *check(loaded.config).notices):
        print(f"nimbus: {notice}", file=sys.stderr)
    print(f"{arguments.check} is a valid configuration")
