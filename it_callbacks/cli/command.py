"""Declare commands, report what is wrong with one, and read the runs that it is given."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from it_callbacks.checks import nearest

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
        "logdirs", nargs="+", metavar="LOGDIR", type=Path, help="folder of runs, or one run's"
    )
    parser.add_argument(
        "--run",
        dest="patterns",
        action="append",
        default=[],
        metavar="GLOB",
        help="only runs of this name, e.g. 'version_*'; may be repeated",
    )


def read(logdirs: Sequence[Path], patterns: Sequence[str]) -> list[Run]:
    """Return the runs below the folders, each under a name of its own.

    Args:
        logdirs: The folders; one given twice is read once.
        patterns: Globs; a run is taken if one of them matches its name. All, if there is none.

    Raises:
        Wrong: A folder is missing, not to be read, or holds nothing of ours; or no run matches.
    """
    from it_callbacks.logs import LogError, read_folder

    # From the last to the first, so that the first way to name a folder is the one that stays.
    folders = [*{folder.resolve(): folder for folder in reversed(logdirs)}.values()][::-1]
    runs: list[Run] = []
    for folder in folders:
        check_readable(folder)
        try:
            found = read_folder(folder)
        except (LogError, OSError) as error:
            raise Wrong(f"argument LOGDIR: {error}") from error
        except UnicodeError as error:
            raise Wrong(
                f"argument LOGDIR: below {folder} is a name that is no text, which TensorBoard "
                "cannot read; rename it"
            ) from error
        runs += [replace(run, name=_named(run.name, folder, len(folders) > 1)) for run in found]
    if not patterns:
        return runs
    names = [run.name for run in runs]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise Wrong(
                f"argument --run: no run is called {pattern!r}; {there_are(pattern, names)}"
            )
    return [run for run in runs if any(fnmatchcase(run.name, pattern) for pattern in patterns)]


def _named(run: str, folder: Path, several: bool) -> str:
    """TensorBoard calls the run of the folder itself ``.``, which means nothing on a page."""
    own, _, rest = run.partition(" ")  # a logger's prefix stands behind
    if own == ".":
        name = str(folder) if several else folder.resolve().name
        return f"{name} {rest}".rstrip()
    return f"{folder}/{run}" if several else run


def check_readable(folder: Path) -> None:
    """Raise `Wrong` unless `folder` is one, and may be read."""
    if not folder.exists():
        raise Wrong(f"argument LOGDIR: no such folder: {folder}")
    if not folder.is_dir():
        raise Wrong(f"argument LOGDIR: not a folder but a file: {folder}; name the one it is in")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Wrong(f"argument LOGDIR: no permission to read {folder}")


def there_are(wanted: str, names: Iterable[str]) -> str:
    """What there is instead of `wanted`, and which of it is most like it."""
    known = list(dict.fromkeys(names))
    listed = ", ".join(map(repr, known[:8])) + (", ..." if len(known) > 8 else "")
    return f"there are {listed or 'none'}{nearest(wanted, known)}"
