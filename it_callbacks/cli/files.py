"""Replace a file as a whole: what is there is the old one or all of the new one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from it_callbacks.cli.command import Wrong


def check_writable(path: Path) -> None:
    """Raise `Wrong` where `path` cannot become a file; better before the work than after it."""
    if path.is_dir():
        raise Wrong(f"argument -o: {path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise Wrong(f"argument -o: {path} is no ordinary file, which alone can be replaced whole")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise Wrong(f"argument -o: no such folder: {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Wrong(f"argument -o: no permission to write into {folder}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well and vanishes otherwise.

    Raises:
        Wrong: It could not be written: no room, no permission.
    """
    target = path.resolve()  # of a link, what it points to is replaced
    try:
        # A folder, not a file: what is made in it gets the permissions of any new file.
        with tempfile.TemporaryDirectory(prefix=".it-callbacks-", dir=target.parent) as folder:
            new = Path(folder, target.name)
            yield new
            if target.exists():
                shutil.copymode(target, new)
            os.replace(new, target)
    except OSError as error:
        raise Wrong(f"argument -o: cannot write {path}: {error.strerror or error}") from error
