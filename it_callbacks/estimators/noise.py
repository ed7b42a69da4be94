"""A layer's activations and labels in; mutual information after added noise, with bounds, out.

The information in a deterministic layer about a continuous input is infinite; in the layer plus
Gaussian noise it is finite and means something: how many inputs can be told apart at the scale
of the noise. No bins, no symbols, so wide layers do not saturate for lack of resolution (they
still do for lack of samples: log2 N is the most that N samples can show).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from typing_extensions import override

from it_callbacks.estimators.extra import Extra

_Floats = NDArray[np.float64]

# Rows of pairwise distances held at once: 256 x 2048 doubles are 4 MB.
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class NoiseInjected(Extra):
    """I(X; T + σZ) and I(T + σZ; Y), Z standard Gaussian, by Monte Carlo, with kernel bounds.

    T takes the values of the given samples with equal probability, so T + σZ is a mixture of N
    Gaussians, and (Goldfeld et al. 2019, sec. 4)

        I(X; T+σZ) = log2 N - mean_i log2 sum_j exp(-(|t_i + σz_i - t_j|² - |σz_i|²) / 2σ²)

    with one draw z_i per sample: unbiased for that mixture, its error falls with the root of N.
    The bounds replace the draw: upper exp(-d²/2σ²), lower exp(-d²/8σ²) (Kolchinsky & Tracey
    2017, eqs. 10 and 11). For I(T+σZ; Y) = I(X; T+σZ) - sum_c p(c) I(X; T+σZ | Y=c) the bounds
    are those of the difference, rigorous and therefore wide.

    Args:
        sigma: Standard deviation of the noise, in the units of the activations. It is part of
            what is measured: a result without it says nothing.
        every: Called at the first point and then at every so many-th.
        seed: Seed of the noise, the same in every epoch.

    Example:
        Two points four noise widths apart are told apart almost surely:

        >>> far = NoiseInjected(sigma=1.0)(np.array([[0.0], [4.0]] * 500), np.array([0, 1] * 500))
        >>> far["noise_I_XT_low"] <= 0.91 <= far["noise_I_XT_high"]
        True
    """

    sigma: float = 0.1
    every: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.sigma, (int, float)) and 0 < self.sigma < math.inf):
            raise ValueError(f"sigma: need a finite number > 0, got {self.sigma!r}")
        check_every(self.every)

    @property
    @override
    def quantities(self) -> tuple[str, ...]:
        return tuple(
            f"noise_{quantity}{end}"
            for quantity in ("I_XT", "I_TY")
            for end in ("", "_low", "_high")
        )

    @override
    def __call__(
        self, activations: NDArray[np.floating[Any]], labels: NDArray[np.int64]
    ) -> dict[str, float]:
        """The six numbers in bits, I(X; T+σZ) in [0, log2 n_samples] up to Monte Carlo error.

        Args:
            activations: ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.

        Raises:
            ValueError: No samples, unequal lengths, NaN or infinity.
        """
        points, labels = checked(activations, labels)
        noise = np.random.default_rng(self.seed).standard_normal(points.shape)
        points = points / self.sigma
        # Differences only matter, and centred numbers lose less in the squares.
        points = points - points.mean(axis=0)
        of_all = _log_mean_kernels(points, noise, np.arange(len(points)))
        within = np.empty_like(of_all)
        for label in np.unique(labels):
            inside = np.flatnonzero(labels == label)
            within[:, inside] = _log_mean_kernels(points, noise, inside)
        drawn, upper, lower = (-of_all.mean(axis=1)).tolist()
        drawn_within, upper_within, lower_within = (-within.mean(axis=1)).tolist()
        return {
            "noise_I_XT": drawn,
            "noise_I_XT_low": lower,
            "noise_I_XT_high": upper,
            "noise_I_TY": drawn - drawn_within,
            "noise_I_TY_low": lower - upper_within,
            "noise_I_TY_high": upper - lower_within,
        }


def _log_mean_kernels(points: _Floats, noise: _Floats, inside: NDArray[np.int64]) -> _Floats:
    """log2 of the mean kernel to the others, for each sample `inside`: drawn, upper, lower."""
    others = points[inside]
    squares = (others**2).sum(axis=1)
    out = np.empty((3, len(inside)))
    for start in range(0, len(inside), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        rows, shift = others[block], noise[inside[block]]
        distances = squares[block, None] + squares - 2 * rows @ others.T
        np.maximum(distances, 0, out=distances)
        # A sample's distance to itself is rounding only, and carries most of the sum.
        distances[np.arange(len(rows)), np.arange(start, start + len(rows))] = 0
        along = 2 * ((shift * rows).sum(axis=1)[:, None] - shift @ others.T)
        along[np.arange(len(rows)), np.arange(start, start + len(rows))] = 0
        for kernel, exponent in enumerate(
            (-(distances + along) / 2, -distances / 2, -distances / 8)
        ):
            out[kernel, block] = logsumexp(exponent, axis=1)
    return (out - math.log(len(inside))) / math.log(2)


def checked(
    activations: NDArray[np.floating[Any]], labels: NDArray[np.int64]
) -> tuple[_Floats, NDArray[np.int64]]:
    """Activations as float64 ``(n_samples, n_units)`` and labels ``(n_samples,)``; else raises."""
    points = np.asarray(activations, dtype=np.float64)
    labels = np.asarray(labels)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"activations: need (n_samples, n_units), got shape {points.shape}")
    if labels.shape != (len(points),) or labels.dtype.kind not in "iub":
        raise ValueError(
            f"labels: need {len(points)} integer class numbers, got {labels.dtype} of shape "
            f"{labels.shape}"
        )
    if not np.isfinite(points).all():
        raise ValueError(f"activations: {(~np.isfinite(points)).sum()} values are NaN or infinite")
    return points, labels


def check_every(every: object) -> None:
    """Raise unless `every` is a whole number of points."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every: need a whole number >= 1, got {every!r}")
