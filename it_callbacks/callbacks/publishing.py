"""Publish the points of a monitor: to the Trainer's metrics and its loggers, each tag once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.callbacks.faults import Faults
from it_callbacks.callbacks.loggers import Fault, log_image, log_layout, log_point, log_text
from it_callbacks.quantities import ROOTS, Quantity
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
        self._metrics: dict[str, tuple[Record, Tensor]] = {}
        """What stands in the Trainer's metrics under each tag of ours, and for which record."""
        self._layout: frozenset[str] = frozenset()

    def settings(self, set_: str) -> Mapping[str, Any]:
        """The settings of a set as published in this run; empty before."""
        return self._settings.get(set_, {})

    def point(
        self, trainer: Any, records: Sequence[Record], *, not_due: frozenset[str] = frozenset()
    ) -> None:
        """Publish the values of one point.

        A value that is not finite goes to no logger; in `trainer.callback_metrics` it is NaN, and
        so is a value of an earlier point that is missing at this one.

        Args:
            trainer: Whose metrics and loggers.
            records: All of one point.
            not_due: Quantities that are measured at other points only: they keep their value.

        Raises:
            Exception: A logger failed or a tag is taken, and `faults` raises.
        """
        records = self.metrics(trainer, records, not_due=not_due)
        finite = {record.tag: record.bits for record in records if math.isfinite(record.bits)}
        step = records[0].step if records else 0
        self._report(log_point(trainer.loggers, finite, step, trainer.logged_metrics))
        # A logger has one layout for all monitors: of every tag of ours that has had a value.
        is_new = not self._layout.issuperset(finite)
        self._layout |= _finite_tags(trainer.callback_metrics)
        if is_new:
            self._report(log_layout(trainer.loggers, self._layout, self._own_quantities))

    def metrics(
        self, trainer: Any, records: Sequence[Record], *, not_due: frozenset[str] = frozenset()
    ) -> list[Record]:
        """Put the values into `trainer.callback_metrics` only.

        Returns:
            The records whose tags nobody else logs.
        """
        metrics, sets = trainer.callback_metrics, {record.set for record in records}
        taken = self._taken(metrics, records)
        records = [record for record in records if record.tag not in taken]
        present = {record.tag for record in records}
        self._put(metrics, [*records, *self._missing(sets, taken | present, not_due)])
        return records

    def carry(self, trainer: Any, records: Sequence[Record]) -> None:
        """Put values of earlier points into `trainer.callback_metrics`, and nothing else."""
        taken = self._taken(trainer.callback_metrics, records)
        self._put(trainer.callback_metrics, [r for r in records if r.tag not in taken])

    def skip(self, trainer: Any, set_: str, *, not_due: frozenset[str]) -> None:
        """A point of a set is missing: its values become NaN in `trainer.callback_metrics`."""
        metrics = trainer.callback_metrics
        self._put(metrics, self._missing({set_}, self._taken(metrics, ()), not_due))

    def _missing(self, sets: set[str], but: set[str], not_due: frozenset[str]) -> list[Record]:
        """NaN for each tag that has had a value, and should have one now."""
        return [
            replace(record, bits=math.nan)
            for tag, (record, _) in self._metrics.items()
            if record.set in sets and record.name not in not_due and tag not in but
        ]

    def _put(self, metrics: dict[str, Any], records: Sequence[Record]) -> None:
        # All in one tensor, which is several times faster than one tensor for each.
        values = torch.tensor([record.bits for record in records]).unbind()
        ours = {record.tag: (record, value) for record, value in zip(records, values, strict=True)}
        self._metrics |= ours
        metrics.update({tag: value for tag, (_, value) in ours.items()})

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

    def image(
        self, trainer: Any, set_: str, draw: Callable[[], NDArray[np.uint8]], step: int
    ) -> None:
        """Give loggers a picture of a set; only the process that logs draws it."""
        if not trainer.is_global_zero:
            return
        tag = f"{self._group}/{set_}/plane"
        try:
            faults = log_image(trainer.loggers, tag, draw, step)
        except Exception as error:
            text = f"could not draw {tag} ({type(error).__name__}: {error}); its points are kept"
            self._faults.handle(error, text, cause="picture", set_=set_)
        else:
            self._report(faults)

    def _taken(self, metrics: Mapping[str, Any], records: Sequence[Record]) -> set[str]:
        """The tags that somebody else logs, as far as `callback_metrics` show."""
        tags = {*self._metrics, *(record.tag for record in records)}
        taken = {tag for tag in tags if tag in metrics and metrics[tag] is not self._ours(tag)}
        if taken:
            text = (
                f"{', '.join(sorted(taken))}: this tag is already in use by another logging call; "
                "pass name= or rename that metric"
            )
            self._faults.handle(
                ValueError(text), f"{text} (the values are in .history)", cause="tag taken"
            )
        return taken

    def _ours(self, tag: str) -> Tensor | None:
        return self._metrics[tag][1] if tag in self._metrics else None

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


def _finite_tags(metrics: Mapping[str, Any]) -> frozenset[str]:
    roots = tuple(f"{root}/" for root in ROOTS)
    return frozenset(
        tag for tag, value in metrics.items() if tag.startswith(roots) and math.isfinite(value)
    )
