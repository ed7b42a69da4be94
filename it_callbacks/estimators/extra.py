"""Define the estimators that need activations, not counts, as a monitor calls them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.arrays import as_array
from it_callbacks.records import Quantity


class Extra(ABC):
    """A further estimator for `InformationPlaneMonitor(extra=...)`: a small frozen value."""

    every: int = 1
    """Called at the first point and then at every so many-th."""

    # Not annotated: who reads signatures resolves annotations where a subclass is defined.
    rows = "kept"
    """Which rows of a layer a monitor calls it with.

    ``"kept"``: the reduced rows of at most 2048 samples, the same ones in every epoch.
    ``"sketched"``: all samples of the pass, each sketched to at most 128 numbers, as
    `WideReading` sketches them.
    """

    @property
    @abstractmethod
    def quantities(self) -> tuple[Quantity | str, ...]:
        """What it gives: names, ``("knn_I_TY",)``, or with unit, symbol and more `Quantity` values.

        A name alone is a quantity in bits. They travel in the settings of the run, so that the
        tab, the report and tables know them.
        """

    @abstractmethod
    def __call__(
        self, activations: NDArray[np.floating[Any]], labels: NDArray[np.int64]
    ) -> dict[str, float]:
        """Return a value for the name of each of `quantities`.

        Args:
            activations: A layer's rows, ``(n_samples, n_units)``: those that `rows` names.
            labels: Class numbers ``(n_samples,)``.
        """

    def about(self, activations: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> str:
        """Return what no number says of a layer, for the settings text; empty if there is nothing.

        It is called with what `__call__` was called with, where the settings are written: so it
        may take longer.
        """
        return ""


def checked(
    activations: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Activations as float64 ``(n_samples, n_units)``, labels as classes 0, 1, ... without gaps.

    Lists, arrays and torch tensors (on any device) are accepted.

    Raises:
        ValueError: No samples or units, a wrong shape, unequal lengths, labels that are not
            integers, NaN or infinity.

    Example:
        >>> checked([[0.5], [1.5]], [7, 3])[1].tolist()
        [1, 0]
    """
    points = as_array(activations).astype(np.float64, copy=False)
    classes = as_array(labels)
    if points.ndim != 2 or not points.size:
        raise ValueError(
            f"activations: need (n_samples, n_units), at least one of each, got shape "
            f"{points.shape}"
        )
    if classes.shape != (len(points),) or classes.dtype.kind not in "iub":
        raise ValueError(
            f"labels: need {len(points)} integer class numbers, got {classes.dtype} of shape "
            f"{classes.shape}"
        )
    if not np.isfinite(points).all():
        raise ValueError(f"activations: {(~np.isfinite(points)).sum()} values are NaN or infinite")
    return points, np.unique(classes, return_inverse=True)[1].astype(np.int64, copy=False)


def own_generator(seed: int, stream: str = "") -> np.random.Generator:
    """Random numbers by seed that are not those of ``numpy.random.default_rng(seed)``.

    Users seed their data with 0 as well, and noise that equals the noise in the data, number for
    number, adds to it instead of hiding it. For the same reason each use has a `stream` of its own.
    """
    return np.random.default_rng([seed, *b"it_callbacks", *stream.encode()])
