"""The records of a point in; metrics and loggers told, each tag by one owner only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.callbacks.faults import Faults
from it_callbacks.callbacks.loggers import Fault, log_image, log_json, log_layout, log_point
from it_callbacks.records import Quantity, Record, Value

Reading = Value


class Teller:
    """Tells one monitor's points, and knows what it has told in this run.

    A resumed run writes into a folder of its own and is told everything anew, so that nothing
    here is stored.

    Args:
        faults: Hears of loggers that fail and of tags that somebody else logs.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.own: tuple[Quantity, ...] = ()
        self._charted: set[str] = set()
        self._described: set[str] = set()
        self._n_warned: dict[str, int] = {}
        self._in_metrics: dict[str, Tensor] = {}

    def has_described(self, set_: str) -> bool:
        """Whether the settings of a set have been told."""
        return set_ in self._described

    def forget_settings(self, set_: str) -> None:
        """They have changed: the next point tells them again."""
        self._described.discard(set_)

    def tell_point(
        self, trainer: Any, records: Sequence[Record], step: int, tellers: Iterable[Teller]
    ) -> None:
        """Put the finite numbers into `trainer.callback_metrics`, and give all to every logger.

        Args:
            trainer: Whose metrics and loggers.
            records: All of one point.
            step: Where loggers put it.
            tellers: Those of all monitors: a logger has one layout, which is written for all.

        Raises:
            Exception: A logger failed or a tag is taken, and `faults` was asked to raise.
        """
        records = self.tell_metrics(trainer, records)
        self._report(log_point(trainer.loggers, {r.tag: r.bits for r in records}, step))
        charted = {record.tag for record in records if _is_finite(record.bits)}
        if not charted <= self._charted:
            self._charted |= charted
            tellers = list(tellers)
            everything = set().union(*(teller._charted for teller in tellers))
            own = [row for teller in tellers for row in teller.own]
            self._report(log_layout(trainer.loggers, everything, own))

    def tell_metrics(self, trainer: Any, records: Sequence[Record]) -> list[Record]:
        """Put the finite numbers into `trainer.callback_metrics` only.

        Returns:
            The records whose tags nobody else logs.
        """
        records = self._without_collisions(trainer.callback_metrics, records)
        finite = {r.tag: r.bits for r in records if _is_finite(r.bits)}
        # All in one tensor, which is several times faster than one tensor for each.
        in_metrics = dict(zip(finite, torch.tensor(list(finite.values())).unbind(), strict=True))
        self._in_metrics |= in_metrics
        trainer.callback_metrics.update(in_metrics)
        return records

    def tell_settings(
        self, trainer: Any, group: str, set_: str, settings: Mapping[str, Any], step: int
    ) -> None:
        """Give loggers how the numbers of a set are measured."""
        self._described.add(set_)
        self.tell_text(trainer, f"{group}/{set_}/settings", settings, step)

    def tell_warnings(self, trainer: Any, group: str, set_: str, step: int) -> None:
        """Give loggers all that was warned of, if there is more of it than they have."""
        texts = self._faults.texts(set_)
        if len(texts) > self._n_warned.get(set_, 0):
            self._n_warned[set_] = len(texts)
            self.tell_text(trainer, f"{group}/{set_}/warnings", texts, step)

    def tell_text(self, trainer: Any, tag: str, value: object, step: int) -> None:
        """Give loggers `value` as JSON, for a reader of their files."""
        self._report(log_json(trainer.loggers, tag, value, step))

    def tell_image(
        self, trainer: Any, tag: str, draw: Callable[[], NDArray[np.uint8]], step: int
    ) -> None:
        """Give loggers an image; only the process that logs draws it."""
        if not trainer.is_global_zero:
            return
        try:
            faults = log_image(trainer.loggers, tag, draw, step)
        except Exception as error:
            told = f"{tag} cannot be drawn ({type(error).__name__}: {error}); its points are kept"
            self._faults.tell(error, told, cause=f"image {tag}")
        else:
            self._report(faults)

    def _without_collisions(
        self, metrics: Mapping[str, Any], records: Sequence[Record]
    ) -> list[Record]:
        """Those whose tags nobody else logs, as far as `callback_metrics` tell."""
        taken = {
            r.tag
            for r in records
            if r.tag in metrics and metrics[r.tag] is not self._in_metrics.get(r.tag)
        }
        if taken:
            told = (
                f"{', '.join(sorted(taken))}: something else logs under this tag; pass name=, or "
                "log yours under another"
            )
            self._faults.tell(
                ValueError(told),
                f"{told} (until then the monitor's values are in .history only)",
            )
        return [record for record in records if record.tag not in taken]

    def _report(self, faults: Iterable[Fault]) -> None:
        """What loggers raised: it is no reason to lose the point elsewhere, or the training."""
        for logger, error in faults:
            cause = error.__cause__ or error  # TensorBoardLogger wraps what its writer raises
            self._faults.tell(
                error,
                f"{logger} has not taken a point ({type(cause).__name__}: {cause}); all points "
                "are in .history",
                cause=f"logger {logger}",
            )


def _is_finite(value: float) -> bool:
    return value - value == 0
