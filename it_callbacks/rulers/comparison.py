"""Rulers of other systems, bug for bug, and rulers that move with the weights: to compare with.

What they show beside a frozen ruler is the artefact that a plane read with them would have. The
first two are frozen; the others take their edges from all activations of each pass anew, so a
monitor has to keep those, and warns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from it_callbacks.checks import finite, whole
from it_callbacks.rulers.ruler import Ruler, as_states, floating, refuse_nonfinite

_Floats: TypeAlias = NDArray[np.floating[Any]]
_Read: TypeAlias = Callable[[_Floats], NDArray[np.int64]]


@dataclass(frozen=True)
class ibsgd(Ruler):  # noqa: N801 - the system's own name, and used as one calls a function
    """The grid of Saxe et al. (2018): ``floor(t / width)``, rows compared as raw bytes.

    As `Width`, but -0.0 is a state of its own, since its bytes differ from those of 0.0.

    Args:
        width: Width of a bin; their own values are 0.07 and 0.5.

    Example:
        >>> ibsgd(0.5)(torch.tensor([0.6, 0.2])).tolist()
        [1, 0]
    """

    width: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", finite("width", self.width, above=0))

    @property
    @override
    def slug(self) -> str:
        return f"ibsgd{self.width:g}"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        states = (activations / self.width).floor_()
        minus_zero = (states == 0) & torch.signbit(states)
        return torch.where(minus_zero, _OUT_OF_THE_WAY, as_states(states))


# A state that no activation of ordinary size has.
_OUT_OF_THE_WAY = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class idnns(Ruler):  # noqa: N801 - the system's own name, and used as one calls a function
    """The grid of Shwartz-Ziv & Tishby (2017): `bins` float32 edges on [-1, 1].

    That makes ``bins - 1`` intervals and one bin for all t >= 1, into which everything below -1
    falls as well (index -1 is the last bin). All of t >= 1 being one state, a ReLU layer that
    grows seems to compress.

    Args:
        bins: Number of edges; theirs is 30.

    Example:
        >>> idnns(3)(torch.tensor([-0.5, 0.5, 1.0, 7.0, -3.0])).tolist()
        [0, 1, 2, 2, 2]
    """

    bins: int = 30

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))

    @property
    @override
    def slug(self) -> str:
        return f"idnns{self.bins}"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        refuse_nonfinite(activations)
        edges = np.linspace(-1, 1, self.bins).astype(np.float32)
        states = np.digitize(activations.detach().cpu().numpy(), edges) - 1
        return torch.from_numpy(states % self.bins).to(activations.device)


class Moving(Ruler):
    """A ruler that takes its edges from the activations of each pass: not frozen in time."""

    frozen = False
    moves = True

    @override
    def freeze(self, activations: Tensor) -> Ruler:
        """The ruler with the edges of these activations ``(n_samples, ...)``, for one pass."""
        values = floating(activations)
        refuse_nonfinite(values)
        if values.numel() == 0:
            raise ValueError("activations: no values to take edges from")
        units = values.detach().cpu().numpy().reshape(len(values), -1)
        if self.per_unit:
            return _Frozen(self.slug, tuple(self.reader(unit) for unit in units.T))
        return _Frozen(self.slug, (self.reader(units),))

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return self.freeze(activations).levels(activations)

    @property
    def per_unit(self) -> bool:
        """Whether each unit has edges of its own."""
        raise TypeError(f"{type(self).__name__} is a base; use one of the rulers")

    def reader(self, values: _Floats) -> _Read:
        """From the values of a unit, or of all, to what turns values into states."""
        raise TypeError(f"{type(self).__name__} is a base; use one of the rulers")


@dataclass(frozen=True)
class _Frozen(Ruler):
    """A `Moving` ruler at rest: how each unit is read, or all are."""

    name: str
    readers: tuple[_Read, ...]

    @property
    @override
    def slug(self) -> str:
        return self.name

    @override
    def levels(self, activations: Tensor) -> Tensor:
        refuse_nonfinite(activations)
        values = activations.detach().cpu().numpy()
        if len(self.readers) == 1:
            states = self.readers[0](values)
        else:
            units = values.reshape(len(values), -1)
            columns = [read(unit) for read, unit in zip(self.readers, units.T, strict=True)]
            states = np.stack(columns, axis=1).reshape(values.shape)
        return torch.from_numpy(states).to(activations.device)


@dataclass(frozen=True)
class exactib(Moving):  # noqa: N801 - the system's own name, and used as one calls a function
    """The three rulers of Lorenzen et al. (2022).

    - ``"uniform"``: edges ``arange(low, high, (high - low) / bins)`` in the activations' own
      type, of which rounding makes one more now and then.
    - ``"adaptive"``: sorted values cut into `bins` blocks as equal as possible, edges midway
      between neighbouring blocks, and one beyond either end.
    - ``"quantized"``: ``round((t - low) * bins / (high - low))``, so ``bins + 1`` levels.

    Args:
        kind: Which of the three.
        bins: Number of bins; 256 for their 8-bit quantisation.
        scope: Where low and high come from: each ``"neuron"``, the ``"layer"``, or two fixed
            numbers (uniform only; then the ruler is the same in every pass).

    Example:
        >>> exactib("uniform", 2, (0.0, 1.0))(torch.tensor([[0.1], [0.9]])).flatten().tolist()
        [1, 2]
    """

    kind: Literal["uniform", "adaptive", "quantized"]
    bins: int = 30
    scope: Literal["neuron", "layer"] | tuple[float, float] = "neuron"

    @property
    @override
    def moves(self) -> bool:  # type: ignore[override] # a fact of the kind, but for this one
        """Whether its edges come from the activations: not with two fixed numbers."""
        return isinstance(self.scope, str)

    @property
    @override
    def frozen(self) -> bool:  # type: ignore[override] # a fact of the kind, but for this one
        """Whether its edges are given."""
        return not self.moves

    def __post_init__(self) -> None:
        if self.kind not in ("uniform", "adaptive", "quantized"):
            raise ValueError(f"kind: need 'uniform', 'adaptive' or 'quantized', got {self.kind!r}")
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))
        if isinstance(self.scope, (tuple, list)):
            if len(self.scope) != 2 or not self.scope[0] < self.scope[1]:
                raise ValueError(f"scope: need (low, high) with low < high, got {self.scope!r}")
            if self.kind != "uniform":
                raise ValueError(
                    f"scope: {self.kind!r} takes its range from the data; got {self.scope!r}"
                )
        elif self.scope not in ("neuron", "layer"):
            raise ValueError(f"scope: need 'neuron', 'layer' or (low, high), got {self.scope!r}")

    @property
    @override
    def slug(self) -> str:
        scope = self.scope if isinstance(self.scope, str) else "fixed"
        return f"exactib_{self.kind}{self.bins}_{scope}"

    @property
    @override
    def per_unit(self) -> bool:
        return self.scope == "neuron"

    @override
    def reader(self, values: _Floats) -> _Read:
        if self.kind == "adaptive":
            cut = np.array_split(np.sort(values, axis=None), self.bins)
            blocks = [block for block in cut if len(block)]
            between = [(below[-1] + above[0]) / 2 for below, above in pairwise(blocks)]
            return _digitize(np.array([blocks[0][0] - 1, *between, blocks[-1][-1] + 1]))
        # Fixed ends are Python's floats there, so their edges are float64.
        low, high = (values.min(), values.max()) if isinstance(self.scope, str) else self.scope
        if low == high:  # a constant unit, where theirs divides by zero
            return _digitize(np.array([low]))
        if self.kind == "quantized":
            return lambda t: np.round((t - low) * self.bins / (high - low)).astype(np.int64)
        return _digitize(np.arange(low, high, (high - low) / self.bins))


@dataclass(frozen=True)
class _Binned(Moving):
    """What `Quantile` and `Refitted` share: so many bins, of each unit or of all."""

    bins: int = 30
    scope: Literal["layer", "unit"] = "layer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))
        if self.scope not in ("layer", "unit"):
            raise ValueError(f"scope: need 'layer' or 'unit', got {self.scope!r}")

    @property
    @override
    def slug(self) -> str:
        return f"{type(self).__name__.lower()}{self.bins}" + "_per_unit" * self.per_unit

    @property
    @override
    def per_unit(self) -> bool:
        return self.scope == "unit"


@dataclass(frozen=True)
class Quantile(_Binned):
    """`bins` bins of equal share, of the activations of each pass.

    Every unit's own entropy is then log2(bins) whatever the network does, and what is left of the
    joint one hides saturation. Shows compression in networks that do not compress.

    Args:
        bins: Number of bins, at least 2.
        scope: ``"layer"``: quantiles of all units together; ``"unit"``: each unit's own.

    Example:
        >>> Quantile(2)(torch.tensor([[1.0], [2.0], [3.0], [40.0]])).flatten().tolist()
        [0, 0, 1, 1]
    """

    @override
    def reader(self, values: _Floats) -> _Read:
        return _digitize(np.quantile(values, np.arange(1, self.bins) / self.bins))


@dataclass(frozen=True)
class Refitted(_Binned):
    """`bins` equal bins between the least and the largest activation of each pass.

    What many scripts do. Scale-free: as weights grow, the ruler grows with them, so what a growing
    layer gains is not seen and what its bulk loses is.

    Args:
        bins: Number of bins, at least 2.
        scope: ``"layer"``: one range for all units; ``"unit"``: each unit's own.

    Example:
        >>> Refitted(2)(torch.tensor([[0.0], [4.0], [6.0], [10.0]])).flatten().tolist()
        [0, 0, 1, 1]
    """

    @override
    def reader(self, values: _Floats) -> _Read:
        return _digitize(np.linspace(values.min(), values.max(), self.bins + 1)[1:-1])


def _digitize(edges: _Floats) -> _Read:
    return lambda values: np.digitize(values, edges).astype(np.int64)
