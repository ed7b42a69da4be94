"""Find runs: folders with event files, below a folder of this machine or below a URL.

A name can lead to a run that another leads to as well: by a link, or as one folder lies in another.
So a run is known by its files, whatever they are called.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from it_callbacks.runs import natural


class LogError(ValueError):
    """A folder holds no log of a monitor; says what is there instead."""


class Folder(NamedTuple):
    """A folder with event files."""

    name: str
    """Below the folder in which it was found; ``.`` for that itself."""
    path: str
    files: tuple[str, ...]
    """In the order in which they were begun."""
    identity: Hashable
    """The same for every name that leads to the same files."""
    is_link: bool
    """Whether a link leads here."""


def is_url(place: str) -> bool:
    """Whether a place is not of this machine.

    Example:
        >>> is_url("s3://bucket/runs"), is_url("runs"), is_url("file:///home/me/runs")
        (True, False, False)
    """
    return "://" in place and not place.startswith("file://")


def found_below(place: str, notes: list[str]) -> list[Folder]:
    """Return all folders with event files, in the order of their names.

    Args:
        place: Of `as_place`: a folder, or a URL that TensorBoard can read.
        notes: Gets what was passed over, and why.

    Raises:
        LogError: There is no such folder, or it cannot be opened.
    """
    folders = _remote(place) if is_url(place) else _local(place, notes)
    return sorted(folders, key=lambda folder: natural(folder.name))


def as_place(place: str | os.PathLike[str]) -> str:
    """Return a folder as its path, a URL as it stands; ``file://`` leads to this machine.

    Example:
        >>> as_place("runs/"), as_place("file:///home/me"), as_place("s3://bucket/runs/")
        ('runs', '/home/me', 's3://bucket/runs')
    """
    text = str(place)  # a class of others may be a path, and write URLs as they are
    return text.rstrip("/") if is_url(text) else str(Path(text.removeprefix("file://")))


def _is_event_file(name: str) -> bool:
    # TensorBoard's profiler marks folders with empty files of that end.
    return "tfevents" in name and not name.endswith(".profile-empty")


def _local(top: str, notes: list[str]) -> Iterator[Folder]:
    check(top)
    pending: list[tuple[str, bool, frozenset[str]]] = [(top, os.path.islink(top), frozenset())]
    while pending:
        path, is_link, above = pending.pop()
        here = os.path.realpath(path)
        if here in above:  # a link that leads back
            continue
        try:
            entries = sorted(os.scandir(path), key=lambda entry: natural(entry.name))
        except OSError as error:
            notes.append(f"{readable(path)}: cannot be read ({error.strerror}); passed over")
            continue
        files: dict[str, tuple[int, int]] = {}
        for entry in entries:
            try:
                about = os.stat(entry.path)  # of Windows, an entry's own has no identity
            except OSError as error:
                if entry.is_symlink():
                    notes.append(f"{readable(entry.path)}: a link that leads nowhere; passed over")
                elif _is_event_file(entry.name):
                    notes.append(f"{readable(entry.path)}: {error.strerror}; passed over")
                continue
            if stat.S_ISDIR(about.st_mode):
                linked = is_link or entry.is_symlink()
                pending.append((entry.path, linked, above | {here}))
            elif stat.S_ISREG(about.st_mode) and _is_event_file(entry.name):
                files[entry.path] = about.st_dev, about.st_ino
                is_link = is_link or entry.is_symlink()
        if files:
            name = readable(os.path.relpath(path, top))
            yield Folder(name, path, tuple(files), frozenset(files.values()), is_link)


def check(path: str) -> None:
    """Raise unless `path` is a folder of this machine, and may be read.

    Raises:
        LogError: It is not, or may not.
    """
    if not os.path.exists(path):
        first, colon, rest = path.partition(":/")
        if colon and not rest.startswith("/") and "/" not in first:
            raise LogError(
                f"no such folder: {path}; if {first}://{rest} is meant, pass it as text: a Path "
                "has one slash of it only"
            )
        raise LogError(f"no such folder: {readable(path)}")
    if not os.path.isdir(path):
        raise LogError(f"not a folder but a file: {readable(path)}; name the folder that holds it")
    if not os.access(path, os.R_OK | os.X_OK):
        raise LogError(f"no permission to read {readable(path)}")


def readable(path: str) -> str:
    r"""Return a path as text that can be printed, what is no text in it as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _remote(url: str) -> list[Folder]:
    with _explained(url):
        from tensorboard.compat import tf  # only URLs need it

        if not tf.io.gfile.exists(url):
            raise LogError(f"no such folder: {url}")
        if not tf.io.gfile.isdir(url):
            raise LogError(f"not a folder but a file: {url}; name the folder that holds it")
        found = []
        for path, _, names in tf.io.gfile.walk(url):
            mine = sorted(filter(_is_event_file, names), key=natural)
            if mine:
                files = tuple(f"{path.rstrip('/')}/{name}" for name in mine)
                name = path.removeprefix(url).strip("/") or "."
                found.append(Folder(name, path, files, files, is_link=False))
        return found


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn whatever a file system of others raises into one line."""
    try:
        yield
    except LogError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LogError(
            f"cannot read the remote folder {url}: {reason}. Install or set up what that needs, or "
            "copy the folder to this machine"
        ) from error


@contextmanager
def opened(path: str) -> Iterator[Callable[[int], bytes]]:
    """What returns the next bytes of an event file.

    Raises:
        OSError: It cannot be opened.
    """
    if is_url(path):
        from tensorboard.compat import tf

        with _explained(path), tf.io.gfile.GFile(path, "rb") as remote:
            yield remote.read
    else:
        with open(path, "rb") as file:
            yield file.read
