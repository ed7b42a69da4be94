"""What differs between the monitors: an instrument observes a model and measures each pass.

An instrument knows nothing of a Trainer or a logger. `measure` changes nothing; `keep` is called
only for a point that was accepted; `state` is a pure read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from torch import nn

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.listening import Listener
from it_callbacks.observation.stages import Stage
from it_callbacks.records import Value


class Notice(NamedTuple):
    """One thing that the reader of a point should know, said once.

    Args:
        cause: What kind of thing it is, in a word or two; said once for each layer.
        text: In plain words, with the remedy.
        layer: Which layer it is about; "" for the whole set.
        error: What went wrong, where something did; None for a property of the numbers.
    """

    cause: str
    text: str
    layer: str = ""
    error: Exception | None = None


def shift_notice(set_: str) -> Notice:
    """What to say where the labels of a sequence are the tokens that go in."""
    text = (
        f"set {set_!r}: the labels are the inputs themselves, so what is measured at a position "
        "is measured beside the label of the next one; pass target= for other labels"
    )
    return Notice("shift", text)


class Cost(NamedTuple):
    """The time that observing takes.

    Args:
        share: Of the time since the latest point, in [0, 1].
        share_in_all: Of the time since training began, in [0, 1].
        seconds: That it took since training began.
    """

    share: float
    share_in_all: float
    seconds: float


@dataclass(frozen=True)
class Occasion:
    """When and on what a pass was made.

    Args:
        set: What the set is called.
        epoch: Finished epochs.
        step: Optimizer steps done.
        fitting: Whether it is part of a training, not a later validation or test.
        is_last: Whether training ends here, as far as its arguments say.
        n_earlier: Points of the set at earlier moments.
        same_samples: Whether every pass over the set takes the same samples in the same order.
        settings: What this run has published of the set so far; empty before.
        weights: Which weights the model had, in words.
        is_training: Whether training has begun.
        cost: Gives the time that observing takes.
    """

    set: str
    epoch: int
    step: int
    fitting: bool
    is_last: bool
    n_earlier: int
    same_samples: bool
    settings: Mapping[str, Any]
    weights: str
    is_training: bool
    cost: Callable[[], Cost]


@dataclass(frozen=True)
class Measured:
    """What a pass has given.

    Args:
        values: The numbers; none where there is no point, for the reason that the notices give.
        n_samples: How many samples they are of.
        settings: How they were measured.
        notices: What their reader should know.
        taken: What was found to be measured, in a line for the console; "" for nothing to say.
        not_due: Quantities that are measured at other points only.
        detail: Whatever the instrument needs to keep the point.
    """

    values: Sequence[Value]
    n_samples: int
    settings: Mapping[str, Any]
    notices: Sequence[Notice] = ()
    taken: str = ""
    not_due: frozenset[str] = field(default_factory=frozenset)
    detail: Any = None


class Completion(NamedTuple):
    """What is added to the last point of a set, since training has ended there.

    Args:
        set: What the set is called.
        place: Epoch and step of the point.
        measured: What is added; its settings are all of the set's.
    """

    set: str
    place: tuple[int, int]
    measured: Measured


P_contra = TypeVar("P_contra", contravariant=True)
P = TypeVar("P")


class Observer(Protocol[P_contra]):
    """Observes one model while a batch runs."""

    listener: Listener

    @property
    def is_inside_fused(self) -> bool:
        """Whether anything that the user named is part of a module with a fused path."""

    def attach(self, *, eager: bool = False) -> None:
        """From now on observe batches. Safe to call twice.

        Args:
            eager: Whether compiled parts of the model run eagerly.
        """

    def detach(self) -> None:
        """Observe no more. Safe to call twice."""

    def begin(self, batch: Batch, current: P_contra) -> None:
        """A batch of a pass begins."""

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was observed."""


class Instrument(ABC, Generic[P]):
    """What a monitor measures. The type argument is that of a pass."""

    group: str
    """The root of the tags of its settings and warnings."""

    @abstractmethod
    def observe(self, model: nn.Module) -> Observer[P]:
        """Begin to observe `model`; raises on misuse."""

    @abstractmethod
    def dry_run(self, set_: str) -> P:
        """A pass of which nothing is kept: what cannot be observed is found in time."""

    @abstractmethod
    def explored(self) -> None:
        """The dry runs before a training are over; with several processes all call this."""

    @abstractmethod
    def new_pass(self, set_: str, stage: Stage) -> P:
        """A pass over a set begins.

        Args:
            set_: What the set is called.
            stage: How far the training is.
        """

    def observes_as(self, other: Instrument[Any]) -> bool:
        """Whether the next pass of `other` may serve this one, too: it would observe the same."""
        return False

    def join(self, current: P) -> None:
        """A pass of another one, which has met no batch yet, serves this one, too."""

    @abstractmethod
    def ahead(self) -> list[Notice]:
        """What a user should know before more is observed, since a batch has shown it."""

    @abstractmethod
    def check_determinism(self, first: P, run_first_batch: Callable[[Sequence[P]], None]) -> bool:
        """After the first pass over a fixed set: may run its first batch for more passes.

        Returns:
            Whether that is known now of all that is observed.
        """

    def check_ahead(self, run_batch: Callable[[Sequence[P]], None]) -> None:
        """In a dry run before a training: may run its batch again, once for each pass given.

        Raises:
            Exception: It cannot be run again.
        """

    @property
    @abstractmethod
    def may_draw(self) -> bool:
        """Whether `measure` runs a user's code, which may draw random numbers."""

    @abstractmethod
    def measure(self, finished: P, on: Occasion) -> Measured:
        """The numbers of a finished pass. Changes nothing.

        With several processes all of them call this.

        Raises:
            Exception: Nothing can be measured.
        """

    @abstractmethod
    def not_due(
        self, set_: str, n_earlier: int, place: tuple[int, int], *, is_end: bool
    ) -> frozenset[str]:
        """The quantities that are measured at other points only.

        Args:
            set_: What the set is called.
            n_earlier: Points of the set at earlier moments.
            place: Epoch and step of this one.
            is_end: Whether it is the last of a training, or stands alone.
        """

    @abstractmethod
    def keep(self, measured: Measured, on: Occasion) -> None:
        """The point was accepted: remember what later points need."""

    @abstractmethod
    def completions(self, settings: Callable[[str], Mapping[str, Any]]) -> list[Completion]:
        """Training has ended: what was to be measured of the last points later is measured now.

        With several processes all of them call this.

        Args:
            settings: Gives the settings of a set as they are.
        """

    @abstractmethod
    def texts(self) -> dict[str, dict[str, Any]]:
        """What the end of a training has to say, by set and by the last part of its tag."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as plain Python and tensors. A pure read."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> list[Notice]:
        """Take back what `state` gave; returns what a user should know.

        Raises:
            Exception: The state is not of this form.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget everything: another training begins."""
