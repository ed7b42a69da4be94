"""Keep what one monitor has measured: in its history, in checkpoints, in logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from it_callbacks.callbacks.faults import Faults
from it_callbacks.callbacks.moments import Moment
from it_callbacks.callbacks.publishing import Publisher
from it_callbacks.columns import Columns
from it_callbacks.drawing import Picture, Pictures, panels_of, run_of
from it_callbacks.figures import Panel
from it_callbacks.history import History, from_state, to_state
from it_callbacks.observation.instrument import Measured, Notice
from it_callbacks.quantities import Quantity
from it_callbacks.records import Record
from it_callbacks.runs import Run


class Journal:
    """The points of one monitor, kept, stored and published.

    Args:
        group: Root of the tags of settings and warnings.
        faults: What `add` warns through.
        own_quantities: What a user's own estimators declare.
        pictures: Draws the points, where a user asked for that.
    """

    def __init__(
        self,
        group: str,
        faults: Faults,
        *,
        own_quantities: tuple[Quantity, ...] = (),
        pictures: Pictures | None = None,
    ) -> None:
        self.history = History()
        self.settings: dict[str, dict[str, Any]] = {}
        """For each set, how its values were measured."""
        self.faults = faults
        self._group = group
        self._own_quantities = own_quantities
        self._pictures = pictures
        self._publisher = Publisher(group, faults, own_quantities)

    def published_settings(self, set_: str) -> Mapping[str, Any]:
        """The settings of a set as published in this run; empty before its first point."""
        return self._publisher.settings(set_)

    def settings_of(self, set_: str) -> Mapping[str, Any]:
        """The settings of a set, of this run or of the one that it resumes; empty before both."""
        return self.published_settings(set_) or self.settings.get(set_, {})

    def add(self, trainer: Any, measured: Measured, set_: str, at: Moment) -> bool:
        """Keep and publish a point, unless it is there already.

        Returns:
            Whether the point is new.
        """
        n_samples = measured.n_samples
        point = Columns.of(measured.values, set_, step=at.step, epoch=at.epoch, n_samples=n_samples)
        if not at.fitting and self.history.has_point(set_, at.place):
            if self.history.holds(point):  # the last validation of a training, once more
                self._publisher.metrics(trainer, point, not_due=measured.not_due)
                self._publisher.carry(trainer, self._last_of(set_, measured.not_due))
                return False
            self.faults.warn(
                f"set {set_!r}: was already measured at step {at.step} with other results (other "
                "weights or another data set?); both are kept",
                cause="twice",
                set_=set_,
            )
        if measured.taken:
            self.faults.inform(measured.taken)
        for notice in measured.notices:
            self.notice(notice, set_)
        self._compare_sizes(set_, n_samples)
        if set_ not in self.settings or self.published_settings(set_) != measured.settings:
            self.settings[set_] = dict(measured.settings)
        self.history.add(point)
        self._publisher.point(trainer, point, not_due=measured.not_due)
        if not at.fitting:  # a loop of its own begins without the metrics of the training
            self._publisher.carry(trainer, self._last_of(set_, measured.not_due))
        self._publisher.publish_settings(trainer, set_, measured.settings, at.step)
        self._publisher.publish_warnings(trainer, set_, at.step)
        if self._pictures is not None and self._pictures.are_due(set_, at.epoch, at.step):
            self._show(trainer, set_, at.step)
        return True

    def complete(self, trainer: Any, measured: Measured, set_: str, at: tuple[int, int]) -> None:
        """Add values to the last point of a set, since training has ended there.

        Args:
            trainer: Whose metrics and loggers.
            measured: What is added.
            set_: To a point of which set.
            at: Its epoch and step.
        """
        epoch, step = at
        n_samples = measured.n_samples
        point = Columns.of(measured.values, set_, step=step, epoch=epoch, n_samples=n_samples)
        for notice in measured.notices:
            self.notice(notice, set_)
        self.settings[set_] = dict(measured.settings)
        self.history.add(point)
        others = frozenset(record.name for record in self.history.latest)
        self._publisher.point(trainer, point, not_due=others)
        self._publisher.publish_settings(trainer, set_, measured.settings, step)

    def resume(self, trainer: Any) -> None:
        """Training goes on: what is not due at once has its last value in the Trainer's metrics."""
        self._publisher.carry(trainer, self.history.latest)

    def skip(self, trainer: Any, set_: str, not_due: Callable[[str, int], frozenset[str]]) -> None:
        """A point that was due could not be measured.

        Args:
            trainer: In whose metrics the values are NaN now.
            set_: Of which set; "" for all.
            not_due: From a set and its number of earlier points to the quantities that are
                measured at other points only.
        """
        for each in [set_] if set_ else self.history.sets:
            n_earlier = self.history.n_points(each)
            self._publisher.skip(trainer, each, not_due=not_due(each, n_earlier))

    def notice(self, notice: Notice, set_: str = "") -> None:
        """Warn of a notice, or raise its error where a user asked for that."""
        if notice.error is None:
            self.faults.warn(notice.text, cause=notice.cause, set_=set_, layer=notice.layer)
        else:
            self.faults.handle(
                notice.error, notice.text, cause=notice.cause, set_=set_, layer=notice.layer
            )

    def end(self, trainer: Any, texts: Mapping[str, Mapping[str, Any]]) -> None:
        """Training is over: publish what only its end can say.

        Args:
            trainer: Whose loggers.
            texts: By set and by the last part of its tag.
        """
        for set_ in self.settings:
            self._publisher.publish_warnings(trainer, set_, trainer.global_step)
            for kind, value in texts.get(set_, {}).items():
                self._publisher.text(trainer, set_, kind, value, trainer.global_step)
        if self._pictures is not None:
            for set_, step in self._pictures.missing().items():
                self._show(trainer, set_, step)

    def run(self, texts: Mapping[str, Mapping[str, Any]]) -> Run:
        """What was measured, as a run for tables.

        Args:
            texts: As for `end`.
        """
        verdicts = {set_: of_set.get("verdicts", {}) for set_, of_set in texts.items()}
        return run_of(
            self.history.records,
            self.settings,
            self._group,
            verdicts=verdicts,
            warnings=self.faults.texts(),
        )

    def panels(self, default_set: str) -> list[Panel]:
        """One panel for each set that has points; of `default_set` where there are none."""
        sets = self.history.sets or [default_set]
        return panels_of(self.history.records, self.settings, self._group, sets=sets)

    def state(self) -> dict[str, Any]:
        """History and settings as plain Python and tensors."""
        return to_state(self.history, self.settings)

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; raises a ValueError on any other form."""
        self.history, self.settings = from_state(state)

    def reset(self) -> None:
        """Forget everything: another training begins."""
        self.history, self.settings = History(), {}
        self.faults.forget()
        self._publisher = Publisher(self._group, self.faults, self._own_quantities)
        if self._pictures is not None:
            self._pictures.forget()

    def _last_of(self, set_: str, quantities: frozenset[str]) -> list[Record]:
        if not quantities:
            return []
        return [r for r in self.history.latest if r.set == set_ and r.name in quantities]

    def _compare_sizes(self, set_: str, n_samples: int) -> None:
        usual = self.settings.get(set_, {}).get("n_samples", n_samples)
        if n_samples != usual:
            self.faults.warn(
                f"set {set_!r}: a point from {n_samples} samples, where others have {usual}; "
                "these are not directly comparable; see n_samples in the history",
                cause="size",
                set_=set_,
            )

    def _show(self, trainer: Any, set_: str, step: int) -> None:
        if self._pictures is not None:
            of_set = [record for record in self.history.records if record.set == set_]
            panels = panels_of(of_set, self.settings, self._group, sets=[set_])
            self._publisher.image(trainer, set_, Picture(panels), step)
