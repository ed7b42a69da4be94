"""Read activations as other systems do, bug for bug, or with edges that move: to compare with.

What they show beside a frozen ruler is the artefact that a plane read with them would have. `ibsgd`
and `idnns` are rulers like any other. `Quantile`, `Refitted` and most of `exactib` take their edges
from the very activations that they read: they are no rulers but functions of arrays, and a monitor
does not take them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from typing_extensions import override

from it_callbacks.checks import finite, whole
from it_callbacks.rulers.numbers import as_states, floating, refuse_nonfinite
from it_callbacks.rulers.ruler import Ruler

_Floats: TypeAlias = NDArray[np.floating[Any]]


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


@dataclass(frozen=True)
class ExactIBGrid(Ruler):
    """The uniform bins of Lorenzen et al. (2022) between two fixed numbers: see `exactib`.

    Args:
        bins: Number of bins.
        low: Lower end of the range.
        high: Upper end of the range.

    Example:
        >>> ExactIBGrid(2, 0.0, 1.0)(torch.tensor([0.1, 0.9])).tolist()
        [1, 2]
    """

    bins: int
    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))
        object.__setattr__(self, "low", finite("low", self.low))
        object.__setattr__(self, "high", finite("high", self.high))
        if not self.low < self.high:
            raise ValueError(f"low, high: need low < high, got {self.low}, {self.high}")

    @property
    @override
    def slug(self) -> str:
        return f"exactib_uniform{self.bins}_fixed"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        refuse_nonfinite(activations)
        # Its ends are Python's floats there, so the edges are float64.
        edges = np.arange(self.low, self.high, (self.high - self.low) / self.bins)
        states = np.digitize(activations.detach().cpu().numpy(), edges)
        return torch.from_numpy(states).to(activations.device)


class Moving(ABC):
    """Maps activations to integer states with edges that it takes from these same activations.

    It is not a `Ruler`: there is nothing to calibrate once and keep. Two calls of it measure with
    two rulers, so a difference between them may be that of the rulers. Use it on arrays, to see
    what a published plane owes to such bins; `it_callbacks.codes.symbols` makes symbols of the
    states.
    """

    def __call__(self, activations: Tensor | ArrayLike) -> Tensor:
        """Integer states, int64, of the shape of `activations`.

        Args:
            activations: Floats ``(n_samples, ...)``, a tensor or an array.

        Raises:
            ValueError: There are no values, or one is NaN or infinite.
        """
        if not isinstance(activations, Tensor):
            activations = torch.tensor(np.asarray(activations))
        values = floating(activations)
        refuse_nonfinite(values)
        if values.numel() == 0:
            raise ValueError("activations: no values to take edges from")
        units = values.cpu().numpy().reshape(len(values), -1)
        if self.per_unit:
            states = np.stack([self.states_of(unit) for unit in units.T], axis=1)
        else:
            states = self.states_of(units)
        return torch.from_numpy(states.reshape(values.shape)).to(values.device)

    @property
    @abstractmethod
    def per_unit(self) -> bool:
        """Whether each unit has edges of its own."""

    @abstractmethod
    def states_of(self, values: _Floats) -> NDArray[np.int64]:
        """The states of the values of a unit, or of all, by edges taken from them."""

    @property
    def refusal(self) -> str:
        """Why a monitor does not take it, and what to call instead, in a sentence."""
        return (
            f"{self!r} takes its edges from the activations of each point, so that what changes "
            "between two points may be the bins and not the layer; use it on arrays, "
            f"it_callbacks.codes.symbols({self!r}(activations))"
        )


@dataclass(frozen=True)
class ExactIB(Moving):
    """The rulers of Lorenzen et al. (2022) that take their edges from the data: see `exactib`.

    Args:
        kind: ``"uniform"``, ``"adaptive"`` or ``"quantized"``.
        bins: Number of bins.
        scope: Where the edges come from: each ``"neuron"`` or the ``"layer"``.

    Example:
        >>> ExactIB("adaptive", 2, "layer")(torch.tensor([[1.0], [2.0], [30.0]])).tolist()
        [[1], [1], [2]]
    """

    kind: Literal["uniform", "adaptive", "quantized"]
    bins: int = 30
    scope: Literal["neuron", "layer"] = "neuron"

    def __post_init__(self) -> None:
        if self.kind not in ("uniform", "adaptive", "quantized"):
            raise ValueError(f"kind: need 'uniform', 'adaptive' or 'quantized', got {self.kind!r}")
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))
        if self.scope not in ("neuron", "layer"):
            raise ValueError(f"scope: need 'neuron', 'layer' or (low, high), got {self.scope!r}")

    @property
    @override
    def per_unit(self) -> bool:
        return self.scope == "neuron"

    @override
    def states_of(self, values: _Floats) -> NDArray[np.int64]:
        if self.kind == "adaptive":
            cut = np.array_split(np.sort(values, axis=None), self.bins)
            blocks = [block for block in cut if len(block)]
            between = [(below[-1] + above[0]) / 2 for below, above in pairwise(blocks)]
            return _digitized(values, np.array([blocks[0][0] - 1, *between, blocks[-1][-1] + 1]))
        low, high = values.min(), values.max()
        if low == high:  # a constant unit, where theirs divides by zero
            return _digitized(values, np.array([low]))
        if self.kind == "quantized":
            nearest: _Floats = np.round((values - low) * self.bins / (high - low))
            return nearest.astype(np.int64)
        return _digitized(values, np.arange(low, high, (high - low) / self.bins))


@overload
def exactib(
    kind: Literal["uniform"], bins: int = 30, *, scope: tuple[float, float]
) -> ExactIBGrid: ...


@overload
def exactib(kind: Literal["uniform"], bins: int, scope: tuple[float, float]) -> ExactIBGrid: ...


@overload
def exactib(
    kind: Literal["uniform", "adaptive", "quantized"],
    bins: int = 30,
    scope: Literal["neuron", "layer"] = "neuron",
) -> ExactIB: ...


def exactib(
    kind: Literal["uniform", "adaptive", "quantized"],
    bins: int = 30,
    scope: Literal["neuron", "layer"] | tuple[float, float] = "neuron",
) -> ExactIBGrid | ExactIB:
    """Return one of the three rulers of Lorenzen et al. (2022).

    - ``"uniform"``: edges ``arange(low, high, (high - low) / bins)`` in the activations' own
      type, of which rounding makes one more now and then.
    - ``"adaptive"``: sorted values cut into `bins` blocks as equal as possible, edges midway
      between neighbouring blocks, and one beyond either end.
    - ``"quantized"``: ``round((t - low) * bins / (high - low))``, so ``bins + 1`` levels.

    Args:
        kind: Which of the three.
        bins: Number of bins; 256 for their 8-bit quantisation.
        scope: Where low and high come from: each ``"neuron"``, the ``"layer"``, or two fixed
            numbers (uniform only).

    Returns:
        A `Ruler` where two fixed numbers are given; else a `Moving`, which takes its edges from the
        activations that it reads.

    Example:
        >>> exactib("uniform", 2, (0.0, 1.0))(torch.tensor([[0.1], [0.9]])).flatten().tolist()
        [1, 2]
        >>> exactib("uniform", 2)(torch.tensor([[0.0], [0.4], [0.6], [1.0]])).flatten().tolist()
        [1, 1, 2, 2]
    """
    if not isinstance(scope, (tuple, list)):
        return ExactIB(kind, bins, scope)
    if kind != "uniform":
        raise ValueError(f"scope: {kind!r} takes its range from the data; got {scope!r}")
    if len(scope) != 2 or not scope[0] < scope[1]:
        raise ValueError(f"scope: need (low, high) with low < high, got {scope!r}")
    return ExactIBGrid(bins, *scope)


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
    def per_unit(self) -> bool:
        return self.scope == "unit"


@dataclass(frozen=True)
class Quantile(_Binned):
    """`bins` bins of equal share, of the activations that it is called with.

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
    def states_of(self, values: _Floats) -> NDArray[np.int64]:
        return _digitized(values, np.quantile(values, np.arange(1, self.bins) / self.bins))


@dataclass(frozen=True)
class Refitted(_Binned):
    """`bins` equal bins between the least and the largest activation that it is called with.

    What many scripts do. Scale-free: as weights grow, the bins grow with them, so what a growing
    layer gains is not seen and what its bulk loses is.

    Args:
        bins: Number of bins, at least 2.
        scope: ``"layer"``: one range for all units; ``"unit"``: each unit's own.

    Example:
        >>> Refitted(2)(torch.tensor([[0.0], [4.0], [6.0], [10.0]])).flatten().tolist()
        [0, 0, 1, 1]
    """

    @override
    def states_of(self, values: _Floats) -> NDArray[np.int64]:
        return _digitized(values, np.linspace(values.min(), values.max(), self.bins + 1)[1:-1])


def _digitized(values: _Floats, edges: _Floats) -> NDArray[np.int64]:
    states: NDArray[np.int64] = np.digitize(values, edges).astype(np.int64)
    return states
