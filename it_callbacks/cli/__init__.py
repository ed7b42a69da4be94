"""Run a command line and return its exit code: `it-callbacks demo | view | report | export`.

Exit codes: 0, done; 2, the command line, its input or the installation is at fault, and standard
error explains it; 130, interrupted. Nothing heavy is imported before the command line is parsed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from it_callbacks import __version__
from it_callbacks.cli import demo, export, report, view
from it_callbacks.cli.command import Wrong

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (by default the process's own) and return its exit code.

    Example:
        ```
        main(["demo", "--task", "digits", "--epochs", "5"])
        main(["report", "runs/digits", "-o", "report.html"])
        ```
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as exit_:  # argparse has printed the reason
        return exit_.code if isinstance(exit_.code, int) else 2
    try:
        arguments.run(arguments)
    except Wrong as wrong:
        print(f"it-callbacks {arguments.command}: error: {wrong}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nit-callbacks: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="it-callbacks",
        description="Watch, in TensorBoard, the information plane of a network while it trains.",
        epilog="example: it-callbacks demo",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"it_callbacks {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in (demo, view, report, export):
        command.add_to(commands)
    return parser
