"""Reduce a layer's output to a few numbers per sample: maps, tokens and wide layers made readable.

The joint code of ten or more units is nearly unique per sample at any practical number of
samples. A reduction trades the layer for a smaller one whose information can be estimated; what
is then measured is information of *that* reading of the layer, a lower bound on the layer's own
(data-processing inequality). Each reduction says which reading it is in `estimand`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeGuard

import torch
from scipy.linalg import eigh
from torch import Tensor
from typing_extensions import override

from it_callbacks.checks import whole
from it_callbacks.rulers import Unstorable, few_rows, floating, real, refuse_nonfinite, wide_type


class Reduction(ABC):
    """Maps a layer's output ``(n_samples, ...)`` to a matrix ``(n_samples, n_units)``.

    Like a ruler, a reduction is a small frozen value that prints as what it is, and one that is
    fitted to the first activations can be kept in a checkpoint by `state` and `restored`.
    """

    frozen: ClassVar[bool] = True
    """Whether the reduction is ready to use, or still has to be fitted to activations."""

    keeps_range: ClassVar[bool] = True
    """Whether outputs of a bounded activation stay inside its range."""

    def freeze(self, activations: Tensor) -> Reduction:
        """The reduction to use from now on, given the first activations ``(n_samples, ...)``."""
        return self

    def operations(self, n_samples: int, n_units: int) -> float:
        """About how many additions and multiplications `freeze` takes; 0 where they do not matter.

        Args:
            n_samples: Samples that it is fitted to.
            n_units: Numbers of each of them.
        """
        return 0.0

    @property
    def storable(self) -> bool:
        """Whether a checkpoint can keep it: it is ready as given, or defines `restored`."""
        return self.frozen or type(self).restored is not Reduction.restored

    def state(self) -> dict[str, Any]:
        """Return what was fitted, as plain Python values and tensors.

        Not asked for where the reduction that was passed to the monitor is ready as given.

        Raises:
            Unstorable: The reduction does not define it.
        """
        raise Unstorable.of(self, "reduction")

    def restored(self, state: dict[str, Any]) -> Reduction:
        """Return the fitted reduction that `state` was taken from.

        Args:
            state: What its `state` gave, perhaps read from a file that somebody else wrote.

        Raises:
            Unstorable: The reduction does not define it.
            ValueError: `state` is not the state of such a reduction.
        """
        raise Unstorable.of(self, "reduction")

    @property
    @abstractmethod
    def estimand(self) -> str:
        """What is measured in place of the layer, in a few words."""

    @abstractmethod
    def __call__(self, activations: Tensor) -> Tensor:
        """The reading ``(n_samples, n_units)`` of `activations` ``(n_samples, ...)``."""


@dataclass(frozen=True)
class Joint(Reduction):
    """All numbers of a sample, side by side: no reduction.

    Example:
        >>> Joint()(torch.zeros(5, 3, 2, 2)).shape
        torch.Size([5, 12])
    """

    @property
    @override
    def estimand(self) -> str:
        return "all units jointly"

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        return side_by_side(activations)


@dataclass(frozen=True)
class MeanPool(Reduction):
    """The mean over positions: of a map over its pixels, of a token sequence over its tokens.

    A matrix ``(n_samples, n_units)`` stays as it is.

    Args:
        units_axis: Which axis counts the units: 1 as in maps ``(n_samples, channels, height,
            width)``, -1 as in sequences ``(n_samples, tokens, features)``. The mean is taken
            over all the others but the first.

    Example:
        >>> MeanPool()(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[1.5, 5.5]]
    """

    units_axis: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        if self.units_axis not in (1, -1):
            raise ValueError(f"units_axis: need 1 or -1, got {self.units_axis!r}")

    @property
    @override
    def estimand(self) -> str:
        return "units, each averaged over all positions"

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        if activations.ndim <= 2:
            return side_by_side(activations)
        if activations.dtype == wide_type(activations.dtype):  # no copy is made of it
            return self._means(real(activations))
        return torch.cat([self._means(floating(part)) for part in few_rows(activations)])

    def _means(self, activations: Tensor) -> Tensor:
        values = activations.movedim(self.units_axis, 1)
        means = values.flatten(2).mean(2)
        # A sum may be infinite where the mean is not.
        if math.isfinite(means.sum().item()) or torch.isfinite(means).all():
            return means
        exact = [part.flatten(2).double().mean(2) for part in few_rows(values)]
        return torch.cat(exact).to(means.dtype)

    def over(self, activations: Tensor, mask: Tensor) -> Tensor:
        """The mean over the steps that are no padding; as it is where `mask` does not fit.

        Args:
            activations: ``(n_samples, steps, features)``, or as `units_axis` says.
            mask: Which steps of each sample count, ``(n_samples, steps)``.

        Example:
            >>> steps = torch.tensor([[[1.0], [3.0], [100.0]]])
            >>> MeanPool(-1).over(steps, torch.tensor([[True, True, False]])).tolist()
            [[2.0]]
        """
        steps_axis = 1 if self.units_axis == -1 else -1
        if activations.ndim != 3 or activations.shape[steps_axis] != mask.shape[1]:
            return activations
        parts = few_rows(activations)
        masks = torch.split(mask.to(activations.device), [part.shape[0] for part in parts])
        return torch.cat([self._over(*both) for both in zip(parts, masks, strict=True)])

    def _over(self, activations: Tensor, mask: Tensor) -> Tensor:
        values = floating(activations).movedim(self.units_axis, 1).double()
        counted = mask[:, None]
        sums = torch.where(counted, values, 0.0).sum(2)
        # A sample without any step has no mean: NaN, which is left out and counted.
        return (sums / counted.sum(2)).to(wide_type(activations.dtype))


@dataclass(frozen=True)
class RandomProjection(Reduction):
    """`k` random directions of the flattened output, drawn once from a seed.

    Directions are Gaussian with variance 1 / n_units, so the reading keeps the scale of one
    unit. They depend on `k`, the seed and the number of units only: equal in every epoch,
    process and run.

    Args:
        k: Number of directions, at least 1.
        seed: Seed of the directions.

    Example:
        >>> RandomProjection(2)(torch.zeros(5, 3, 2, 2)).shape
        torch.Size([5, 2])
    """

    k: int
    seed: int = 0

    keeps_range: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole("k", self.k, at_least=1))
        object.__setattr__(self, "seed", whole("seed", self.seed, at_least=0))

    @property
    @override
    def estimand(self) -> str:
        return f"{self.k} random projections of all units"

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        n_units = math.prod(activations.shape[1:])
        generator = torch.Generator().manual_seed(self.seed)
        directions = torch.randn(n_units, self.k, generator=generator, dtype=torch.float64)
        return _project(activations, directions / max(n_units, 1) ** 0.5)


@dataclass(frozen=True)
class PCA(Reduction):
    """The first `k` principal components, fitted once to the first activations and then frozen.

    With the bins that are calibrated on them, they are those of the network at that moment: a ReLU
    network that grows in training soon leaves such bins. `Calibrated(bins, at=1)` fits both later.

    Args:
        k: Number of components, at least 1; a layer with fewer units has as many as it has units.
            Where the first activations vary in fewer directions (dead units, say) the rest are
            constantly 0.

    Example:
        >>> line = torch.arange(4.0).reshape(4, 1) * torch.tensor([[3.0, 4.0]])
        >>> PCA(1).freeze(line)(line).abs().flatten().round(decimals=6).tolist()
        [7.5, 2.5, 2.5, 7.5]
    """

    k: int

    frozen: ClassVar[bool] = False
    keeps_range: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole("k", self.k, at_least=1))

    @property
    @override
    def estimand(self) -> str:
        return f"first {self.k} principal components, fitted once"

    @override
    def freeze(self, activations: Tensor) -> Reduction:
        values = side_by_side(floating(activations)).double()
        refuse_nonfinite(values)
        if min(self.k, values.shape[1]) > len(values):
            raise ValueError(
                f"k: {self.k} components need at least as many samples, got activations of shape "
                f"{tuple(values.shape)}"
            )
        mean = values.mean(0)
        centred = values - mean
        scale = centred.abs().max() if centred.numel() else 0.0
        if scale > 0:
            centred /= scale  # whose squares neither overflow nor vanish
        strengths, components = strongest(centred, self.k)
        # A component as weak as the rounding of the activations, or of the decomposition, is noise,
        # which a ruler calibrated on it would read as information: it becomes constant.
        of_input = torch.finfo(wide_type(activations.dtype)).eps
        rounding = max(of_input, max(values.shape) * torch.finfo(torch.float64).eps)
        components[strengths <= rounding * torch.linalg.matrix_norm(centred)] = 0.0
        # A component's sign is arbitrary; its largest entry is made positive.
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        directions = (components * largest.sign()).T
        return Projection(directions.cpu(), (mean @ directions).cpu())

    @override
    def operations(self, n_samples: int, n_units: int) -> float:
        smaller, larger = sorted((n_samples, n_units))
        # The Gram matrix and the components, and what leads to its eigenvectors.
        return 2.0 * smaller * larger * (smaller + self.k) + 2.0 * smaller**3

    @override
    def restored(self, state: dict[str, Any]) -> Projection:
        """The `Projection` whose state it is."""
        stored = state if isinstance(state, dict) else {}
        directions, origin = stored.get("directions"), stored.get("origin")
        if not (_is_matrix(directions, 2) and _is_matrix(origin, 1)):
            raise ValueError("state: need 'directions' and 'origin', finite tensors of float64")
        n_components = min(self.k, len(directions))
        if directions.shape[1] != n_components or len(origin) != n_components:
            raise ValueError(
                f"state: need {n_components} components for {self!r}, got directions of shape "
                f"{tuple(directions.shape)} and an origin of shape {tuple(origin.shape)}"
            )
        return Projection(directions.cpu(), origin.cpu())

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        return self.freeze(activations)(activations)


@dataclass(frozen=True, eq=False)
class Projection(Reduction):
    """A fitted linear reading, ``t @ directions - origin``: what `PCA` becomes when frozen."""

    directions: Tensor = field(repr=False)
    origin: Tensor = field(repr=False)

    keeps_range: ClassVar[bool] = False

    @override
    def state(self) -> dict[str, Any]:
        return {"directions": self.directions, "origin": self.origin}

    @property
    @override
    def estimand(self) -> str:
        return f"first {len(self.origin)} principal components, fitted once"

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        n_units = math.prod(activations.shape[1:])
        if n_units != len(self.directions):
            raise ValueError(
                f"activations: {n_units} units where the projection was fitted to "
                f"{len(self.directions)}"
            )
        return _project(activations, self.directions) - self.origin.to(activations.device)


WEAKEST_OF_GRAM = torch.finfo(torch.float64).eps ** 0.25
"""Of the strongest component. A Gram matrix squares what it is made of: of a component this weak,
about half of the 16 digits are left, as many as float32 has; of one at its square, none."""


def strongest(centred: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first right singular vectors, from the Gram matrix of the shorter side where that serves.

    Args:
        centred: float64 ``(n_samples, n_units)``, of a size of about 1.
        k: How many; at most the shorter side has.

    Returns:
        Singular values ``(k,)``, falling, and the vectors ``(k, n_units)``, of either sign.

    Example:
        >>> values, vectors = strongest(torch.diag(torch.tensor([1.0, 3.0, 2.0])).double(), 2)
        >>> [round(value, 9) for value in values.tolist()], vectors.abs().round().tolist()
        ([3.0, 2.0], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    n_samples, n_units = centred.shape
    k = min(k, n_samples, n_units)
    by_unit = n_units <= n_samples
    if k:
        gram = centred.T @ centred if by_unit else centred @ centred.T
        last = len(gram) - 1
        eigenvalues, vectors = eigh(gram.cpu().numpy(), subset_by_index=(last - k + 1, last))
        values = torch.from_numpy(eigenvalues[::-1].copy()).clamp_min(0).sqrt().to(centred.device)
        if values[-1] > WEAKEST_OF_GRAM * values[0]:
            of_side = torch.from_numpy(vectors[:, ::-1].T.copy()).to(centred.device)
            return values, of_side if by_unit else of_side @ centred / values[:, None]
    _, values, components = torch.linalg.svd(centred, full_matrices=False)
    return values[:k], components[:k]


def side_by_side(values: Tensor) -> Tensor:
    """All numbers of a sample in one row, ``(n_samples, n_units)``; either number may be 0."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _is_matrix(value: object, n_axes: int) -> TypeGuard[Tensor]:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.dtype == torch.float64
        and value.ndim == n_axes
        and bool(torch.isfinite(value).all())
    )


def _project(activations: Tensor, directions: Tensor) -> Tensor:
    # In float64, since a float32 product depends on the size of the batch that a row came in,
    # and the same row must get the same state in every batch.
    directions = directions.to(activations.device)
    with torch.autocast(activations.device.type, enabled=False):
        parts = [
            side_by_side(floating(part)).double() @ directions for part in few_rows(activations)
        ]
    return torch.cat(parts)
