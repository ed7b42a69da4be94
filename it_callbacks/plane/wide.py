"""Read every layer of a set at any width: the values, settings and notices of its plane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.wide import (
    MOST_CLASSES,
    Rows,
    Wide,
    WideReading,
    caution_of_slices,
    one_thread,
)
from it_callbacks.observation.instrument import Notice
from it_callbacks.observation.processes import n_processes, rank, together
from it_callbacks.observation.sketched import Sketched, WideSet, merged
from it_callbacks.observation.wide_sampling import WideChoice
from it_callbacks.plane.notices import uneven_notices
from it_callbacks.plane.point import label_entropy
from it_callbacks.quantities import OF_LABELS
from it_callbacks.records import Status, Value

_MISSED = Wide({}, 0, 0, 0, "not read: did not run on every sample, or gave other shapes", "")


def choice_of(reading: WideReading | None, max_samples: int | None, seed: int) -> WideChoice:
    """How a monitor chooses and sketches the samples of a reading.

    Args:
        reading: The reading; None without any, where only spreads are wanted.
        max_samples: The most samples that the monitor measures; None for all.
        seed: Seed of its subsets.
    """
    like = reading or WideReading()
    size = like.n_samples if max_samples is None else min(like.n_samples, max_samples)
    return WideChoice(size, 0 if reading is None else MOST_CLASSES, like.sketch, seed)


def gathered(sketched: Sketched, choice: WideChoice) -> WideSet:
    """What all processes have kept of a pass; all of them call this.

    Args:
        sketched: What this one has kept.
        choice: How samples were chosen and sketched.
    """
    return merged(together(lambda: sketched), choice)


@dataclass(frozen=True)
class WidePoint:
    """The layers of one set at one moment, at any width.

    Args:
        reading: How they were read.
        kept: The samples that they were read on.
        classes: Their class numbers, of all samples kept; None where there is no Y.
        by_tag: What each layer shows.
    """

    reading: WideReading
    kept: WideSet
    classes: NDArray[np.int64] | None
    by_tag: Mapping[str, Wide]

    @classmethod
    def read(
        cls,
        reading: WideReading,
        kept: WideSet,
        classes: NDArray[np.int64] | None,
        tags: Mapping[str, str],
    ) -> WidePoint:
        """Read the layers; of several processes all call this, and each reads its share.

        Args:
            reading: How.
            kept: What all processes have kept.
            classes: Class numbers of all samples kept; None where there is no Y.
            tags: What tags call each layer, in order.
        """
        names = [name for name in tags if name in kept.rows]
        chosen = _chosen(kept, classes)
        missed = {tag: _MISSED for name, tag in tags.items() if name not in kept.rows}

        def share() -> dict[str, Wide]:
            with one_thread():
                return {
                    name: _read(reading, kept, classes, chosen, kept.rows[name])
                    for name in names[rank() :: n_processes()]
                }

        found = {name: wide for part in together(share) for name, wide in part.items()}
        by_tag = {tags[name]: found[name] for name in names}
        return cls(reading, kept, classes, by_tag | missed)

    def values(self, epoch: int) -> list[Value]:
        """The numbers to log.

        Args:
            epoch: Finished epochs.
        """
        values = []
        for tag, wide in self.by_tag.items():
            n = wide.n_samples
            values += [
                Value(name, tag, bits, wide.n_labels if name in OF_LABELS else n)
                for name, bits in wide.values.items()
            ]
            if wide is _MISSED:
                continue
            status = Status.CAUTION if wide.caution else Status.OK
            values.append(Value("wide_status", tag, float(status), n))
        return [*values, Value("information_plane", "wide_epoch", float(epoch))]

    def settings(self, n_classes: int) -> dict[str, Any]:
        """How they were measured.

        Args:
            n_classes: How many classes the set has; 0 where there is no Y.
        """
        choice, classes = self.kept.choice, self.classes
        of_y = None if classes is None else classes[choice.of_y]
        return {
            "reading": self.reading.method,
            "schedule": re.sub(" at 0x[0-9a-fA-F]+", "", repr(self.reading.schedule)),
            "n_samples": len(choice.of_x),
            "n_samples_of_labels": 0 if of_y is None else len(of_y),
            "cap": self.reading.cap,
            "H_Y": None if of_y is None or not len(of_y) else label_entropy(of_y),
            "n_classes": n_classes,
            "among": None if of_y is None else len(choice.classes) or None,
            "classes": list(choice.classes),
            "sketch": f"{self.reading.sketch!r} of all positions, channels last in sequences",
            "sliced_I_TY": ""
            if of_y is None
            else caution_of_slices(self._n_groups, len(np.unique(of_y))),
            "layers": {
                tag: {
                    "samples": wide.n_samples,
                    "labels": wide.n_labels,
                    "numbers": wide.n_numbers,
                    "caution": wide.caution,
                    "uneven": wide.uneven,
                }
                for tag, wide in self.by_tag.items()
            },
        }

    @property
    def _n_groups(self) -> int:
        """Samples of the label that do not depend on each other."""
        of_y, groups = self.kept.choice.of_y, self.kept.samples.groups
        return len(of_y) if groups is None else len(np.unique(groups[of_y], axis=0))

    def notices(self, set_: str) -> list[Notice]:
        """What a reader of the point should know.

        Args:
            set_: What the set is called.
        """
        return uneven_notices(set_, {tag: wide.uneven for tag, wide in self.by_tag.items()})


_Chosen: TypeAlias = list[tuple[NDArray[np.int64], Rows]]
"""Which samples are read of X and of Y, with numbers of groups and classes, but none of a layer."""


def _chosen(
    kept: WideSet, classes: NDArray[np.int64] | None, finite: NDArray[np.bool_] | None = None
) -> _Chosen:
    """Those of all samples kept, or of some of them."""
    groups, found = kept.samples.groups, []
    for of_all in (kept.choice.of_x, kept.choice.of_y):
        which = of_all if finite is None else of_all[finite[of_all]]
        labels = None if classes is None else classes[which]
        of_groups = None if groups is None else groups[which]
        found.append((which, Rows.of(np.empty((len(which), 0)), labels, of_groups)))
    return found


def _read(
    reading: WideReading,
    kept: WideSet,
    classes: NDArray[np.int64] | None,
    chosen: _Chosen,
    rows: NDArray[np.floating[Any]],
) -> Wide:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        chosen = _chosen(kept, classes, finite)
    n, n_chosen = len(chosen[0][0]), len(kept.choice.of_x)
    if n < 2 or 2 * n < n_chosen:
        few = f"not read: {n} of {n_chosen} rows are finite"
        return Wide({}, n, 0, rows.shape[1], few, "")
    about_x, about_y = (some._replace(rows=rows[which]) for which, some in chosen)
    try:
        return reading.read(about_x, about_y)
    except Exception as error:  # the other layers can be read
        fault = f"not read: {type(error).__name__}: {error}"
        return Wide({}, n, 0, rows.shape[1], fault, "")
