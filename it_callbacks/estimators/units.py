"""Measure what the units of a layer, one at a time, hold about the label, and which are dead."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from it_callbacks.checks import whole
from it_callbacks.estimators.extra import Extra, checked, own_generator
from it_callbacks.estimators.univariate import are_too_few, binned, middle, read, shuffled
from it_callbacks.records import QUANTITIES, Quantity

_N_PERMUTATIONS = 4
# The least for a p-value below .05.
_N_FOR_P_VALUE = 39
_N_NAMED = 5


@dataclass(frozen=True)
class UnitInformation(Extra):
    """H(bin Tⱼ) and I(bin Tⱼ; Y) of single units, on average, and the share of dead units.

    Bins follow each unit: 30 of them cover the middle 99.8 % of its own values, so that nothing
    depends on its scale; a dead unit has one value for all samples, and 0 bits. Of maps the units
    are channels, as reduced. What four permutations of the labels show is taken off, unit by unit.

    The mean is no information of the layer: what many units share counts many times, what only
    several show together not at all. The settings text names the most informative units; the best
    of a thousand shows something by chance, so it gives the p-value of the best.

    Args:
        bins: In a unit's range, at least 2.
        every: Called at the first point and then at every so many-th.
        seed: Of the permutations, the same in every epoch.

    Example:
        The label, its square and a dead unit:

        >>> labels = np.arange(900) % 3
        >>> rows = np.stack([labels, labels**2, 0 * labels], axis=1)
        >>> value = UnitInformation()(rows, labels)
        >>> round(value["unit_H"], 3), round(value["unit_dead"], 3)  # 2/3 of log2 3, 1 of 3
        (1.057, 0.333)
    """

    bins: int = 30
    every: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("bins", 2), ("every", 1), ("seed", 0)):
            object.__setattr__(self, name, whole(name, getattr(self, name), at_least=least))

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return tuple(QUANTITIES[name] for name in ("unit_I_TY", "unit_H", "unit_dead"))

    @override
    def __call__(self, activations: ArrayLike, labels: ArrayLike) -> dict[str, float]:
        """``unit_I_TY`` and ``unit_H`` in bits, ``unit_dead`` between 0 and 1.

        The information is NaN where there are fewer samples than cells of bin and class: far too
        low.

        Args:
            activations: ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.

        Raises:
            ValueError: No samples, unequal lengths, NaN or infinity.
        """
        points, classes = checked(activations, labels)
        found = read(self._states(points), self._labellings(classes, _N_PERMUTATIONS))
        given, *permuted = found.informations.mean(axis=1).tolist()
        few = are_too_few(classes, self.bins)
        return {
            "unit_I_TY": math.nan if few else given - sum(permuted) / len(permuted),
            "unit_H": float(found.entropies.mean()),
            "unit_dead": float(np.mean(points.max(axis=0) == points.min(axis=0))),
        }

    @override
    def about(self, activations: ArrayLike, labels: ArrayLike) -> str:
        """The five most informative units, with the p-value of the best.

        Args:
            activations: ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.

        Example:
            >>> labels = np.arange(900) % 2
            >>> UnitInformation().about(np.stack([0 * labels, labels], axis=1), labels)
            'most informative units: 1 (1.00 bits), 0 (0.00 bits); the best: p = 0.025'
        """
        points, classes = checked(activations, labels)
        if are_too_few(classes, self.bins):
            return ""
        found = read(self._states(points), self._labellings(classes, _N_FOR_P_VALUE))
        excess = found.informations[0] - found.informations[1:].mean(axis=0)
        named = ", ".join(
            f"{unit} ({max(0.0, excess[unit]):.2f} bits)"
            for unit in np.argsort(-excess, kind="stable")[:_N_NAMED]
        )
        return f"most informative units: {named}; the best: p = {_p_value(found.informations)}"

    def _states(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        units = np.ascontiguousarray(points.T)
        low, high = ends = middle(units)
        return binned(units, ends, (high - low) / self.bins)

    def _labellings(self, classes: NDArray[np.int64], n_permutations: int) -> NDArray[np.int64]:
        return shuffled(classes, n_permutations, own_generator(self.seed, "permuted labels"))


def _p_value(informations: NDArray[np.float64]) -> float:
    """Share of labellings whose best unit is as good as that of the first, itself among them.

    Units differ in what they show by chance, which the mean over all labellings takes off: the
    given one counts as any other, so the p-value is exact.

    Args:
        informations: ``(n_labellings, n_units)``.
    """
    best = (informations - informations.mean(axis=0)).max(axis=1)
    return float(np.mean(best >= best[0] - 1e-9))
