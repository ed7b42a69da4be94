"""Publish the points of a monitor: to the Trainer's metrics and its loggers, each tag once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from it_callbacks.callbacks.faults import Faults
from it_callbacks.callbacks.outbox import Letter, outbox_of
from it_callbacks.columns import Columns
from it_callbacks.loggers import Fault, LoggedPoint, Picture, log_picture, log_text, takes_pictures
from it_callbacks.quantities import Quantity
from it_callbacks.records import Record


class Publisher:
    """Publishes one monitor's points, and knows what it has published in this run.

    A resumed run writes into a folder of its own and publishes everything again, so nothing here
    is stored.

    Args:
        group: Root of the tags of texts.
        faults: Warns of loggers that fail and of tags that somebody else logs.
        own_quantities: What a user's own estimators declare, in addition to `records.QUANTITIES`.
    """

    def __init__(self, group: str, faults: Faults, own_quantities: Sequence[Quantity] = ()) -> None:
        self._group = group
        self._own_quantities = own_quantities
        self._faults = faults
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._n_warned: dict[str, int] = {}
        self._metrics: dict[str, Tensor] = {}
        """What stands in the Trainer's metrics under each tag of ours."""
        self._about: dict[str, tuple[str, str]] = {}
        """By tag the set, and what is measured."""
        self._charted: set[str] = set()
        """The tags of all monitors that have had a value, as far as this one knows."""

    def settings(self, set_: str) -> Mapping[str, Any]:
        """The settings of a set as published in this run; empty before."""
        return self._settings.get(set_, {})

    def point(self, trainer: Any, point: Columns, *, not_due: frozenset[str] = frozenset()) -> None:
        """Publish the values of one point.

        A value that is not finite goes to no logger; in `trainer.callback_metrics` it is NaN, and
        so is a value of an earlier point that is missing at this one.

        Args:
            trainer: Whose metrics and loggers.
            point: All of them.
            not_due: Quantities that are measured at other points only: they keep their value.

        Raises:
            Exception: A logger failed or a tag is taken, and `faults` raises.
        """
        values = self.metrics(trainer, point, not_due=not_due)
        if not_due:
            self._warn_of_patience(trainer, not_due)
        finite = {tag: bits for tag, bits in values.items() if math.isfinite(bits)}
        logged = LoggedPoint(finite, point.step)
        letter = Letter(logged, self._charted, self._own_quantities, self._report)
        outbox_of(trainer).put(letter, trainer)

    def metrics(
        self, trainer: Any, point: Columns, *, not_due: frozenset[str] = frozenset()
    ) -> dict[str, float]:
        """Put the values into `trainer.callback_metrics` only.

        Returns:
            Those whose tags nobody else logs.
        """
        metrics, names = trainer.callback_metrics, point.names
        values = dict(zip(names.tags, point.bits, strict=True))
        taken = self._taken(metrics, values)
        for tag in taken & values.keys():
            del values[tag]
        for tag in values.keys() - self._about.keys():
            self._about[tag] = names.set, names.of_tags[tag]
        missing = self._missing(names.set, taken.union(values), not_due)
        self._put(metrics, {**values, **missing})
        return values

    def carry(self, trainer: Any, records: Sequence[Record]) -> None:
        """Put values of earlier points into `trainer.callback_metrics`, and nothing else."""
        values = {record.tag: record.bits for record in records}
        taken = self._taken(trainer.callback_metrics, values)
        self._about |= {record.tag: (record.set, record.name) for record in records}
        kept = {tag: bits for tag, bits in values.items() if tag not in taken}
        self._charted.update(tag for tag, bits in kept.items() if math.isfinite(bits))
        self._put(trainer.callback_metrics, kept)

    def skip(self, trainer: Any, set_: str, *, not_due: frozenset[str]) -> None:
        """A point of a set is missing: its values become NaN in `trainer.callback_metrics`."""
        metrics = trainer.callback_metrics
        self._put(metrics, self._missing(set_, self._taken(metrics, ()), not_due))

    def _missing(self, set_: str, but: set[str], not_due: frozenset[str]) -> dict[str, float]:
        """NaN for each tag that has had a value, and should have one now."""
        others = ((tag, *self._about[tag]) for tag in self._metrics if tag not in but)
        return {tag: math.nan for tag, of, name in others if of == set_ and name not in not_due}

    def _put(self, metrics: dict[str, Any], values: Mapping[str, float]) -> None:
        # All in one tensor, which is several times faster than one tensor for each.
        tensors = torch.tensor(list(values.values())).unbind()
        ours = dict(zip(values, tensors, strict=True))
        self._metrics |= ours
        metrics.update(ours)

    def publish_settings(
        self, trainer: Any, set_: str, settings: Mapping[str, Any], step: int
    ) -> None:
        """Give loggers how a set is measured, unless they have just that."""
        if self._settings.get(set_) != settings:
            self._settings[set_] = settings
            self.text(trainer, set_, "settings", settings, step)

    def publish_warnings(self, trainer: Any, set_: str, step: int) -> None:
        """Give loggers all that was warned of, if there is more of it than they have."""
        texts = self._faults.texts(set_)
        if len(texts) > self._n_warned.get(set_, 0):
            self._n_warned[set_] = len(texts)
            self.text(trainer, set_, "warnings", texts, step)

    def text(self, trainer: Any, set_: str, kind: str, value: object, step: int) -> None:
        """Give loggers a text about a set."""
        self._report(log_text(trainer.loggers, f"{self._group}/{set_}/{kind}", value, step))

    def image(self, trainer: Any, set_: str, picture: Picture, step: int) -> None:
        """Give loggers a picture of a set; only the process that logs draws it."""
        if not trainer.is_global_zero:
            return
        if trainer.loggers and not takes_pictures(trainer.loggers):
            names = ", ".join(type(logger).__name__ for logger in trainer.loggers)
            text = f"images: {names} takes no pictures; monitor.figure() draws the plane"
            self._faults.warn(text, cause="no pictures")
        tag = f"{self._group}/{set_}/plane"
        try:
            faults = log_picture(trainer.loggers, tag, picture, step)
        except Exception as error:
            text = f"could not draw {tag} ({type(error).__name__}: {error}); its points are kept"
            self._faults.handle(error, text, cause="picture", set_=set_)
        else:
            self._report(faults)

    def _warn_of_patience(self, trainer: Any, not_due: frozenset[str]) -> None:
        """Whoever waits for a tag to improve takes a value that stays for one that does not."""
        waiting = (one for one in trainer.callbacks if hasattr(one, "patience"))
        watched = {getattr(one, "monitor", None): one for one in waiting}
        for tag in self._about.keys() & watched.keys():
            set_, name = self._about[tag]
            if name in not_due:
                text = (
                    f"{type(watched[tag]).__name__} watches {tag}, which is not measured at each "
                    "point and stays as it is in between: to it that is no improvement. Measure it "
                    "at each, with wide=WideReading(schedule=1) or every=1, or watch another tag"
                )
                self._faults.warn(text, cause="patience", set_=set_)

    def _taken(self, metrics: Mapping[str, Any], tags: Iterable[str]) -> set[str]:
        """Those of `tags`, or of ours, that somebody else logs, as far as `metrics` show."""
        ours = self._metrics
        taken = {tag for tag, value in ours.items() if metrics.get(tag, value) is not value}
        taken.update(tag for tag in tags if tag not in ours and tag in metrics)
        if taken:
            text = (
                f"{', '.join(sorted(taken))}: this tag is already in use by another logging call; "
                "pass name= or rename that metric"
            )
            self._faults.handle(
                ValueError(text), f"{text} (the values are in .history)", cause="tag taken"
            )
        return taken

    def _report(self, faults: Iterable[Fault]) -> None:
        """What loggers raised: no reason to lose the point elsewhere, or the training."""
        for logger, error in faults:
            cause = error.__cause__ or error  # TensorBoardLogger wraps what its writer raises
            self._faults.handle(
                error,
                f"{logger} failed to record a point ({type(cause).__name__}: {cause}); all points "
                "are in .history",
                cause="logger",
            )
