"""Decide when layers are read at any width, and remember what later readings need."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.wide import WideReading
from it_callbacks.observation.instrument import Notice, Occasion
from it_callbacks.observation.labels import LabelKind
from it_callbacks.observation.passes import DryRun, Pass
from it_callbacks.observation.processes import together
from it_callbacks.observation.sketched import Sketched
from it_callbacks.observation.stages import Stage
from it_callbacks.observation.wide_sampling import WideChoice, WideSampling, most_frequent
from it_callbacks.plane.wide import WidePoint, gathered
from it_callbacks.schedules import was_due

Place = tuple[int, int]
"""Finished epochs and optimizer steps."""


@dataclass(frozen=True)
class Postponed:
    """What may still be read of a point, if training ends here.

    Args:
        sketched: What this process has kept of the pass.
        kind: What kind of labels the set has.
        tags: What tags call each layer, in order.
        n_classes: How many classes the set has; 0 where there is no Y.
        place: Where the point lies.
        fault: What went wrong as the user's schedule was asked.
    """

    sketched: Sketched
    kind: LabelKind
    tags: Mapping[str, str]
    n_classes: int
    place: Place
    fault: Exception | None = None

    def notices(self, set_: str) -> list[Notice]:
        """What a reader of the point should know.

        Args:
            set_: What the set is called.
        """
        if self.fault is None:
            return []
        text = f"set {set_!r}: schedule of wide=: the function failed ({self.fault}); not read"
        return [Notice("schedule", text, error=self.fault)]


class WideInstrument:
    """Reads layers at any width, at some of the points.

    Args:
        reading: How; None for not at all.
        choice: How samples are chosen and sketched, for the reading or for further estimators.
    """

    def __init__(self, reading: WideReading | None, choice: WideChoice) -> None:
        self.reading = reading
        self.choice = choice
        self._read: dict[str, Place] = {}
        """By set, where it was read last."""
        self._classes: dict[str, tuple[int, ...]] = {}
        """By set, the classes that the label is read among; of "" those of the first batches."""
        self._ranks: dict[str, tuple[float, float]] = {}
        self._postponed: dict[str, Postponed] = {}
        self._dry_runs: list[DryRun] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_postponed": {}, "_dry_runs": []}

    def dry_run(self) -> DryRun:
        """A pass that finds out which layers and classes there are."""
        self._dry_runs.append(DryRun())
        return self._dry_runs[-1]

    def explored(self) -> None:
        """The dry runs are over; all processes call this, and agree on classes."""
        first = [np.zeros(0, np.int64), *(run.first_classes for run in self._dry_runs)]
        self._dry_runs = []
        numbers = np.concatenate(together(lambda: np.concatenate(first)))
        self._classes.setdefault("", most_frequent(numbers, self.choice.n_classes))

    def sampling(self, set_: str, stage: Stage) -> WideSampling:
        """Chooses the samples of a pass over a set."""
        if not stage.is_fitting:  # on its own, a loop may have other samples
            return WideSampling(self.choice, self._classes.get(set_) or self._classes.get("", ()))
        ranks = self._ranks.get(set_, (np.inf, np.inf))
        if set_ in self._classes:
            return WideSampling(self.choice, self._classes[set_], ranks, is_settled=True)
        return WideSampling(self.choice, self._classes.get("", ()), ranks)

    def is_due(self, set_: str, place: Place) -> bool:
        """Whether a reading was due since the last one of a set; not if nobody can tell."""
        with suppress(Exception):
            return self._asked(set_, place)
        return False

    def point(
        self, finished: Pass, on: Occasion, kind: LabelKind, n_classes: int, tags: Mapping[str, str]
    ) -> WidePoint | Postponed | None:
        """Read a finished pass if that is due; else keep what may be the last one.

        Of several processes all call this, and do what the first one's schedule says.
        """
        sketched = finished.sketched()
        if self.reading is None or sketched is None:
            return None
        later = Postponed(sketched, kind, tags, n_classes, (on.epoch, on.step))
        try:
            is_due = together(lambda: self._asked(on.set, later.place))[0]
        except Exception as error:  # of a user's function; all else of the point can be measured
            return replace(later, fault=error)
        return self._point(later) if is_due or on.is_last or not on.fitting else later

    def _asked(self, set_: str, place: Place) -> bool:
        if self.reading is None:
            return False
        last = self._read.get(set_)
        return last is None or was_due(self.reading.schedule, after=last, until=place)

    def keep(self, set_: str, found: WidePoint | Postponed | None, on: Occasion) -> None:
        """The point was accepted."""
        self._postponed.pop(set_, None)
        if isinstance(found, Postponed):
            self._postponed[set_] = found
        if isinstance(found, WidePoint):
            self._note(set_, found, (on.epoch, on.step))

    def postponed(self) -> list[tuple[str, Postponed, WidePoint]]:
        """Training has ended: read the last point of each set that was not. As `point`."""
        found = []
        for set_, later in self._postponed.items():
            point = self._point(later)
            self._note(set_, point, later.place)
            found.append((set_, later, point))
        self._postponed = {}
        return found

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as plain Python."""
        return {
            "reading": self.method,
            "read": {set_: list(place) for set_, place in self._read.items()},
            "classes": {set_: list(classes) for set_, classes in self._classes.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Take back what `state` gave.

        Returns:
            Whether it was read in the same way.

        Raises:
            Exception: The state is not of this form.
        """
        read = {str(set_): (int(at[0]), int(at[1])) for set_, at in state["read"].items()}
        classes = {str(set_): tuple(map(int, of)) for set_, of in state["classes"].items()}
        if state["reading"] != self.method:
            return False
        self._read, self._classes = read, classes
        return True

    @property
    def method(self) -> str:
        """How layers are read, whenever that is."""
        return "None" if self.reading is None else self.reading.method

    def _point(self, later: Postponed) -> WidePoint:
        if self.reading is None:
            raise RuntimeError("there is no reading")
        kept = gathered(later.sketched, self.choice)
        classes: NDArray[np.int64] | None = later.kind.classes(kept.samples.targets)
        return WidePoint.read(self.reading, kept, classes, later.tags)

    def _note(self, set_: str, point: WidePoint, place: Place) -> None:
        self._read[set_] = place
        chosen = point.kept.choice.classes
        if len(chosen) == self.choice.n_classes:
            self._classes[set_] = chosen
        else:  # it has few classes, or has lost some: the next pass looks for all
            self._classes.pop(set_, None)
        self._ranks[set_] = point.kept.choice.ranks
