"""What an estimator that needs activations, not counts, has to look like to a monitor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Extra(ABC):
    """A further estimator for `InformationPlaneMonitor(extra=...)`: a small frozen value.

    It is called with the readings of at most 2048 samples, the same ones in every epoch.
    """

    every: int = 1
    """Called at the first point and then at every so many-th."""

    @property
    @abstractmethod
    def quantities(self) -> tuple[str, ...]:
        """First parts of the tags that it gives, e.g. ``("V_TY", "V_TY_se")``."""

    @abstractmethod
    def __call__(
        self, activations: NDArray[np.floating[Any]], labels: NDArray[np.int64]
    ) -> dict[str, float]:
        """A number for each of `quantities`.

        Args:
            activations: A layer's reading ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.
        """
