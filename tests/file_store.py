"""A logger that stores metrics as MLflow's default file store does."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from typing_extensions import override

Stored = dict[str, list[tuple[int, float]]]
"""For each metric, steps and values in the order in which they came."""

_NAME = re.compile(r"[/\w.\- ]+")
_LONGEST = 250


class Client:
    """Appends metric ``a/b`` to file ``b`` in folder ``a``; a name that is both raises an OSError.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log_batch(self, metrics: Mapping[str, float], step: int | None) -> None:
        """Store metrics at a step."""
        for name in metrics:
            _check(name)
        for name, value in metrics.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{step} {float(value)!r}\n")

    def stored(self) -> Stored:
        """Everything that was logged."""
        return {
            path.relative_to(self.folder).as_posix(): [
                (int(step), float(value))
                for step, value in map(str.split, path.read_text().splitlines())
            ]
            for path in self.folder.rglob("*")
            if path.is_file()
        }


class FileStoreLogger(Logger):
    """A logger over a `Client`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.experiment = Client(folder)  # type: ignore[misc] # a property there

    @property
    @override
    def name(self) -> str:
        return "files"

    @property
    @override
    def version(self) -> int:
        return 0

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.experiment.log_batch(metrics, step)

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


def _check(name: str) -> None:
    """Raise a ValueError on what MLflow does not take for a metric's name."""
    if (
        len(name) > _LONGEST
        or not _NAME.fullmatch(name)
        or posixpath.normpath(name) != name
        or name.startswith(("/", ".."))
        or name == "."
    ):
        raise ValueError(f"no name for a metric: {name!r}")


def folders_among(names: Iterable[str]) -> set[str]:
    """The names that are also a folder of another one.

    Example:
        >>> folders_among(["a", "a/b", "ab/c"])
        {'a'}
    """
    names = set(names)
    return {name for name in names if any(other.startswith(f"{name}/") for other in names)}
