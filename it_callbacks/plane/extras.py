"""Call further estimators, those of this package and a user's own, on the rows of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.extra import Extra
from it_callbacks.observation.instrument import Notice, Occasion
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.positions import MOST_POSITIONS
from it_callbacks.observation.sampling import hashed
from it_callbacks.own_quantities import check_own
from it_callbacks.records import Value


class ExtraPoint(NamedTuple):
    """What further estimators give at one point.

    Args:
        values: The numbers to log.
        about: For the settings: by estimator and layer, in words.
        notices: What went wrong.
    """

    values: list[Value]
    about: dict[str, dict[str, str]]
    notices: list[Notice]


@dataclass(frozen=True)
class Extras:
    """Further estimators.

    Args:
        estimators: What a user passed as ``extra=``.
    """

    estimators: Sequence[Extra]

    def __bool__(self) -> bool:
        return bool(self.estimators)

    def not_due(self, n_earlier: int) -> frozenset[str]:
        """The quantities that are measured at other points only.

        Args:
            n_earlier: Points of the set at earlier moments.
        """
        return frozenset(
            quantity.name
            for extra in self.estimators
            if n_earlier % extra.every
            for quantity in check_own(extra.quantities)
        )

    def measured(
        self,
        observed: Observed,
        labels: NDArray[np.int64] | None,
        tags: Mapping[str, str],
        on: Occasion,
    ) -> ExtraPoint:
        """What those that are due give, and what went wrong.

        Args:
            observed: What the pass has left.
            labels: Class numbers ``(n_samples,)``; None where there is no Y.
            tags: What tags call each layer.
            on: When and on what the pass was made.
        """
        if labels is None:
            text = f"set {on.set!r}: there is no Y, so no extra= estimator is called"
            return ExtraPoint([], {}, [Notice("extra", text)] if self.estimators else [])
        point = ExtraPoint([], {}, [])
        for extra in self.estimators:
            if on.n_earlier % extra.every:
                continue
            for name, (rows, of_rows) in _rows_for(extra, observed, labels).items():
                try:
                    bits, about = extra(rows, of_rows), extra.about(rows, of_rows)
                except Exception as error:  # only this estimator's own value is missing
                    fault = f"layer {name!r}, {extra!r}: {error}"
                    wrapped = RuntimeError(fault)
                    wrapped.__cause__ = error
                    text = f"{fault}; this value is not logged"
                    point.notices.append(Notice("extra", text, name, wrapped))
                    continue
                point.values.extend(
                    Value(quantity, tags[name], float(value), len(rows))
                    for quantity, value in bits.items()
                )
                if about:
                    point.about.setdefault(type(extra).__name__, {})[tags[name]] = about
        return point


def _rows_for(
    extra: Extra, observed: Observed, labels: NDArray[np.int64]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """For each layer, the rows that an estimator takes, and their labels.

    The samples that were left out of all other values are left out of these.
    """
    if extra.rows == "sketched":
        apart = _one_of_each_group(observed)
        rows = {name: of_layer[apart] for name, of_layer in observed.sketches.items()}
        labels = labels[apart]
    else:
        rows = {name: kept.double().numpy() for name, kept in observed.kept.items()}
        labels = labels[np.searchsorted(observed.indices, observed.kept_indices)]
    found = {}
    for name, of_layer in rows.items():
        finite = np.isfinite(of_layer).all(axis=1)
        found[name] = of_layer[finite].astype(np.float64), labels[finite]
    return found


def _one_of_each_group(observed: Observed) -> NDArray[np.int64]:
    """Samples that do not depend on each other: one position of each row, of equal inputs one."""
    indices = np.arange(len(observed.indices))
    if observed.by_position:
        rows = observed.indices // MOST_POSITIONS
        order = np.lexsort((hashed(observed.indices, 0), rows))  # at another place in each row
        return np.sort(order[np.unique(rows[order], return_index=True)[1]])
    if observed.inputs is not None:
        return np.sort(np.unique(observed.inputs, axis=0, return_index=True)[1])
    return indices
