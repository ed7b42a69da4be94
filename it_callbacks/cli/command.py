"""Declare commands, report what is wrong with one, and read the runs that it is given."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from it_callbacks.checks import nearest
from it_callbacks.cli.waiting import waiting
from it_callbacks.log_folders import as_place, is_url, readable

if TYPE_CHECKING:  # the log's reader brings TensorBoard, which the help can do without
    from it_callbacks.runs import Run

Commands = Any
"""What `ArgumentParser.add_subparsers` returns; argparse names its type in private."""


class Wrong(Exception):  # noqa: N818 # printed as "error: ...", never raised at a user
    """The command line or its input is at fault; the message explains it in one line."""


def declare(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], None],
    *,
    help: str,  # argparse's own word
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """A new command's parser; `run` is called with what it has read."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def whole_number(least: int, most: int = 2**32 - 1) -> Callable[[str], int]:
    """What reads whole numbers from `least` to `most`, as argparse's `type=`."""

    def reader(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"need a whole number from {least} to {most}, got {text!r}"
            )
        return number

    return reader


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """The arguments that `read` reads."""
    parser.add_argument(
        "logdirs", nargs="+", metavar="LOGDIR", help="folder of runs, or one run's; or its URL"
    )
    parser.add_argument(
        "--run",
        dest="patterns",
        action="append",
        default=[],
        metavar="GLOB",
        help="only runs of this name, e.g. 'version_*'; may be repeated",
    )


def file_path(text: str) -> Path:
    """A path of this machine, as argparse's `type=`; a `Path` would take a URL apart."""
    if is_url(text):
        raise argparse.ArgumentTypeError(f"need a path of this machine, got the URL {text}")
    return Path(as_place(text))


def read(logdirs: Sequence[str], patterns: Sequence[str]) -> list[Run]:
    """Return the runs below the folders, each once and under a name of its own.

    What is lost or left out is printed, to standard error.

    Args:
        logdirs: The folders or URLs.
        patterns: Globs; a run is taken if one of them matches its name. All, if there is none.

    Raises:
        Wrong: A folder is missing, not to be read, or holds nothing of ours; or no run matches.
    """
    from it_callbacks.logs import LogError, once, read_folders

    # From the last to the first, so that the first way to name a folder is the one that stays.
    folders = [*{_resolved(folder): as_place(folder) for folder in reversed(logdirs)}.values()][
        ::-1
    ]
    try:
        with waiting(f"reading {', '.join(folders)}"):
            found, notes = read_folders(folders)
    except (LogError, OSError) as error:
        raise Wrong(f"argument LOGDIR: {error}") from error
    found = [
        each._replace(
            run=replace(each.run, name=_named(each.run.name, each.place, len(folders) > 1))
        )
        for each in found
    ]
    names = [each.run.name for each in found]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise Wrong(
                f"argument --run: no run is called {pattern!r}; {there_are(pattern, names)}"
            )
    wanted = [
        each
        for each in found
        if not patterns or any(fnmatchcase(each.run.name, pattern) for pattern in patterns)
    ]
    runs = [each.run for each in once(wanted, notes)]
    for note in notes:
        print(f"it-callbacks: {note}", file=sys.stderr)
    return runs


def _resolved(folder: str) -> str:
    return folder if is_url(folder) else os.path.realpath(as_place(folder))


def _named(run: str, folder: str, several: bool) -> str:
    """TensorBoard calls the run of the folder itself ``.``, which means nothing on a page."""
    own, _, rest = run.partition(" ")  # a logger's prefix stands behind
    if own == ".":
        name = folder if several else readable(Path(_resolved(folder)).name)
        return f"{name} {rest}".rstrip()
    return f"{folder}/{run}" if several else run


def there_are(wanted: str, names: Iterable[str]) -> str:
    """What there is instead of `wanted`, and which of it is most like it."""
    known = list(dict.fromkeys(names))
    listed = ", ".join(map(repr, known[:8])) + (", ..." if len(known) > 8 else "")
    return f"there are {listed or 'none'}{nearest(wanted, known)}"
