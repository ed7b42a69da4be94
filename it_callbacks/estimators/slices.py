"""Measure what random directions of a layer, one at a time, hold about the label.

The information of one binned direction does not saturate, whatever the width of the layer: sliced
mutual information (Goldfeld & Greenewald 2021, arXiv 2110.05279). It is not I(T;Y), and may be far
below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from it_callbacks.checks import whole
from it_callbacks.estimators.extra import Extra, checked, own_generator
from it_callbacks.estimators.univariate import are_too_few, binned, middle, read, shuffled
from it_callbacks.records import QUANTITIES, Quantity

_Floats = NDArray[np.floating[Any]]


class Sliced(NamedTuple):
    """Bits of a slice, on average over random directions.

    Attributes:
        information: About the label, minus what permuted labels show.
        information_se: Its standard error.
        entropy: Of the binned slice.
    """

    information: float
    information_se: float
    entropy: float


def sliced(
    rows: _Floats,
    classes: NDArray[np.int64],
    *,
    n_directions: int = 64,
    bins: int = 30,
    range_of: Literal["slice", "all"] = "slice",
    n_permutations: int = 4,
    seed: int = 0,
) -> Sliced:
    """Read binned projections onto random directions: information about the label, and entropy.

    Nothing depends on the layer's scale: `bins` of equal width cover the middle 99.8 % of each
    slice, and what lies beyond has a state at each end. A slice that never varies has 0 bits.

    Args:
        rows: ``(n_samples, n_units)``.
        classes: Class numbers ``(n_samples,)``, 0, 1, ... without gaps.
        n_directions: Random directions, at least 2.
        bins: In the range that sets the width.
        range_of: ``"slice"``: each slice has a width of its own. ``"all"``: one width for all of
            them, from the middle 99.8 % of all slices about their means, so that entropies of
            slices that spread differently differ.
        n_permutations: Of the labels, at least 2; their mean is the chance level taken off.
        seed: Of directions and permutations.

    Returns:
        NaN where a row is not finite.

    Example:
        A layer of one unit that is the label has it in each direction:

        >>> labels = np.arange(1000) % 2
        >>> found = sliced(labels[:, None] + 0.0, labels)
        >>> round(found.information, 2), found.entropy
        (1.0, 1.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        slices = _slices(rows, n_directions, seed)
    if not np.isfinite(slices).all():
        return Sliced(math.nan, math.nan, math.nan)
    ends = middle(slices)
    if range_of == "all":
        low, high = middle((slices - slices.mean(axis=1, keepdims=True)).reshape(1, -1))
    else:
        low, high = ends
    states = binned(slices, ends, np.broadcast_to((high - low) / bins, n_directions))
    labels = shuffled(classes, n_permutations, own_generator(seed, "permuted labels"))
    found = read(states, labels)
    given, permuted = found.informations[0], found.informations[1:]
    excess = given - permuted.mean(axis=0)
    over_directions = excess.std(ddof=1) / math.sqrt(n_directions)
    # At independence the given labels are one more draw of what the permutations draw. In a narrow
    # layer all directions share that error.
    over_labels = permuted.mean(axis=1).std(ddof=1) * math.sqrt(1 + 1 / n_permutations)
    return Sliced(
        float(excess.mean()),
        math.hypot(over_directions, over_labels),
        float(found.entropies.mean()),
    )


def _slices(rows: _Floats, n_directions: int, seed: int) -> _Floats:
    """Each sample's place along each direction, ``(n_directions, n_samples)``."""
    rows = np.asarray(rows)
    if rows.dtype.itemsize < 4 or rows.dtype.kind != "f":
        rows = rows.astype(np.float64)
    # Any number near the mean will do, so it may be summed in float32.
    centred = rows - rows.mean(axis=0)
    # The mean of a thousand times 0.1 is not 0.1, and a constant unit has nothing to show.
    centred[:, rows.max(axis=0) == rows.min(axis=0)] = 0
    largest = max(centred.max(), -centred.min())
    if largest > 0:  # neither tiny nor huge numbers then leave the range of floats
        centred /= largest
    directions = own_generator(seed, "slices").standard_normal((n_directions, rows.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    slices: _Floats = directions.astype(rows.dtype) @ centred.T
    return slices


@dataclass(frozen=True)
class SlicedInformation(Extra):
    """I(bin θᵀT; Y) and H(bin θᵀT), the means over random directions θ of the whole layer.

    Sliced mutual information (Goldfeld & Greenewald 2021, arXiv 2110.05279): the binned
    information that does not saturate, from all samples. A monitor calls it with each sample's
    sketch, since a random direction of the sketch is one of the layer. Bins follow the layer: 30 of
    them cover the middle 99.8 % of all slices about their means, so that nothing depends on the
    scale. What four permutations of the labels show is taken off.

    It is not I(T;Y): a direction sees how far the classes lie apart along it against how far each
    is spread. Two unit Gaussians four widths apart, .91 bit, show .20 in 10 dimensions and .04 in
    64. In collapsed classes it grows, and unlike I(T;Y) it may grow with depth.

    Args:
        n_directions: How many, at least 2.
        bins: In the range, at least 2.
        every: Called at the first point and then at every so many-th.
        seed: Of directions and permutations, the same in every epoch.

    Example:
        Two collapsed classes lie apart in nearly all directions:

        >>> labels = np.arange(1000) % 2
        >>> value = SlicedInformation()(np.outer(labels, np.ones(50)), labels)
        >>> bool(0.9 < value["all_sliced_I_TY"] <= 1), bool(0.9 < value["all_sliced_H"] <= 1)
        (True, True)
    """

    n_directions: int = 64
    bins: int = 30
    every: int = 5
    seed: int = 0

    rows = "sketched"

    def __post_init__(self) -> None:
        for name, least in (("n_directions", 2), ("bins", 2), ("every", 1), ("seed", 0)):
            object.__setattr__(self, name, whole(name, getattr(self, name), at_least=least))

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        names = ("all_sliced_I_TY", "all_sliced_I_TY_se", "all_sliced_H")
        return tuple(QUANTITIES[name] for name in names)

    @override
    def __call__(self, activations: ArrayLike, labels: ArrayLike) -> dict[str, float]:
        """The three numbers in bits.

        The information is NaN where there are fewer samples than cells of bin and class: far too
        low.

        Args:
            activations: ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.

        Raises:
            ValueError: No samples, unequal lengths, NaN or infinity.
        """
        points, classes = checked(activations, labels)
        found = sliced(
            points,
            classes,
            n_directions=self.n_directions,
            bins=self.bins,
            range_of="all",
            seed=self.seed,
        )
        few = are_too_few(classes, self.bins)
        return {
            "all_sliced_I_TY": math.nan if few else found.information,
            "all_sliced_I_TY_se": math.nan if few else found.information_se,
            "all_sliced_H": found.entropy,
        }
