"""The arguments that all monitors share, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from it_callbacks.callbacks.faults import OnError
from it_callbacks.checks import nearest, whole
from it_callbacks.observation.fixed_set import FixedSet
from it_callbacks.observation.positions import Samples
from it_callbacks.observation.selecting import Selector
from it_callbacks.records import slug
from it_callbacks.schedules import Schedule, check_schedule, counts_steps
from it_callbacks.texts import TRAINING_SET

Data: TypeAlias = Literal["train", "val"] | FixedSet | None
"""None listens to the validation loop; the name of a loader or a set of one's own is fixed."""


@dataclass(frozen=True)
class Options:
    """The arguments that all monitors share; their docstrings describe each.

    Raises:
        ValueError: An argument has no meaning, or two do not go together.
        TypeError: An argument is of the wrong kind.
    """

    data: Data
    schedule: Schedule
    inputs: Selector | None
    target: Selector | None
    max_samples: int | None
    on_error: OnError
    name: str | None
    seed: int
    ignore_index: int | None = None
    samples: Samples = "auto"

    def __post_init__(self) -> None:
        check_schedule(self.schedule)
        if counts_steps(self.schedule) and self.data is None:
            raise ValueError(
                "schedule: steps need data=, since a validation loop comes when it comes; pass "
                "data='train', 'val' or a set of your own, or LogSpaced(unit='epochs')"
            )
        if isinstance(self.data, str) and self.data not in ("train", "val"):
            raise ValueError(
                f"data: need 'train', 'val', a data set, a loader or tensors, got {self.data!r}"
                f"{nearest(self.data, ['train', 'val'])}"
            )
        if self.max_samples is not None:
            most = whole("max_samples", self.max_samples, at_least=2)
            object.__setattr__(self, "max_samples", most)
        if self.samples not in get_args(Samples):
            raise ValueError(
                f"samples: need 'auto', 'rows' or 'positions', got {self.samples!r}"
                f"{nearest(self.samples, get_args(Samples))}"
            )
        if self.ignore_index is not None:
            object.__setattr__(
                self, "ignore_index", whole("ignore_index", self.ignore_index, at_least=-(2**63))
            )
        if self.on_error not in ("warn", "raise"):
            raise ValueError(
                f"on_error: need 'warn' or 'raise', got {self.on_error!r}"
                f"{nearest(self.on_error, ['warn', 'raise'])}"
            )
        object.__setattr__(self, "seed", whole("seed", self.seed, at_least=0))
        if isinstance(self.name, str):  # of an enum, say, what tags would have its member's name
            object.__setattr__(self, "name", str.__str__(self.name))
        if self.name is not None and (
            not isinstance(self.name, str) or slug(self.name) != self.name
        ):
            raise ValueError(
                "name: need letters, digits, '_', '.' and '-' only (it becomes part of tags), got "
                f"{self.name!r}"
            )

    @property
    def listens(self) -> bool:
        """Whether the monitor listens to the loop that runs anyway."""
        return self.data is None

    @property
    def way(self) -> tuple[object, ...]:
        """How batches are read; a function is equal to itself only."""
        parts = (id(part) if callable(part) else part for part in (self.inputs, self.target))
        return (*parts, self.ignore_index, self.samples)

    @property
    def set(self) -> str:
        """What tags call the set that is measured while a model trains."""
        if self.name is not None:
            return self.name
        if isinstance(self.data, str):
            return self.data
        return "val" if self.listens else "data"

    @property
    def measured_on(self) -> str:
        """Where the samples come from, in words."""
        if self.data == "train":
            return TRAINING_SET
        return "the loop that runs anyway" if self.listens else "a fixed set"


class Argument:
    """An argument of a monitor that `Options` holds, readable under its name.

    Which part of a batch is which may be changed before a run; for all else, make a new monitor.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, monitor: Any, owner: type | None = None) -> Any:
        return self if monitor is None else getattr(monitor._source.bench.options, self._name)

    def __set__(self, monitor: Any, value: Any) -> None:
        if self._name not in ("inputs", "target"):
            raise AttributeError(f"{self._name}: cannot be changed; make a new monitor")
        monitor._source.bench.choose(**{self._name: value})
