"""The rulers for use: one per layer, frozen in time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks.checks import finite, whole
from it_callbacks.rulers.calibration import Precision, Scope, fitted
from it_callbacks.rulers.numbers import as_states, floating, refuse_nonfinite
from it_callbacks.rulers.per_unit import PerUnit, finite_numbers


class Unstorable(TypeError):  # noqa: N818 # said of a ruler, as in "Calibrated is storable"
    """A ruler or a reduction that was calibrated cannot be kept in a checkpoint.

    A resumed run would have to calibrate it again, on other activations, and the points before and
    after would not be comparable.
    """

    @classmethod
    def of(cls, value: object, kind: str) -> Unstorable:
        """The error of `value`, a ruler or a reduction: it says what to define."""
        return cls(
            f"{type(value).__name__} cannot be kept in a checkpoint: define state() on the {kind} "
            f"that freeze() returns, which gives a dict of plain values and tensors, and "
            f"restored(state) on the {kind} that is passed to the monitor, which gives it back"
        )


class Ruler(ABC):
    """Maps float activations ``(n_samples, ...)`` to integer states of the same shape.

    A ruler (a discretizer) is a small frozen value: it prints as what it is, compares equal to its
    like and can be named in a YAML file. Calling it raises ValueError on NaN, on infinity and on
    values whose state would not fit 64 bits.

    A ruler that is calibrated on the first activations is two rulers: the one that is passed to the
    monitor, whose `freeze` gives the other. So that a resumed run reads on with the same ruler, the
    second has a `state` and the first makes it again from that, by `restored`.
    """

    frozen: ClassVar[bool] = True
    """Whether the ruler is ready to use, or still has to be calibrated on activations."""

    def freeze(self, activations: Tensor) -> Ruler:
        """The ruler to use from now on, given the first activations ``(n_samples, ...)``."""
        return self

    @property
    def earliest(self) -> int:
        """Finished epochs before which no monitor calibrates it."""
        return 0

    @property
    def storable(self) -> bool:
        """Whether a checkpoint can keep it: it is ready as given, or defines `restored`."""
        return self.frozen or type(self).restored is not Ruler.restored

    def state(self) -> dict[str, Any]:
        """Return what was calibrated, as plain Python values and tensors.

        Not asked for where the ruler that was passed to the monitor is ready as given.

        Raises:
            Unstorable: The ruler does not define it.
        """
        raise Unstorable.of(self, "ruler")

    def restored(self, state: dict[str, Any]) -> Ruler:
        """Return the calibrated ruler that `state` was taken from.

        Args:
            state: What its `state` gave, perhaps read from a file that somebody else wrote.

        Raises:
            Unstorable: The ruler does not define it.
            ValueError: `state` is not the state of such a ruler.
        """
        raise Unstorable.of(self, "ruler")

    @property
    @abstractmethod
    def slug(self) -> str:
        """The ruler in a few characters fit for a tag, e.g. ``uniform15``."""

    @abstractmethod
    def levels(self, activations: Tensor) -> Tensor:
        """The states before their conversion to int64: a tensor of whole numbers, same shape."""

    def __call__(self, activations: Tensor) -> Tensor:
        """Integer states, int64, of the shape of `activations`."""
        return as_states(self.levels(floating(activations)))


@dataclass(frozen=True)
class Uniform(Ruler):
    """`bins` equal bins between `low` and `high`, the top edge inside the last bin.

    Values outside are not clipped: the grid goes on at both sides (states below 0 and from
    `bins` on), since clipping merges what the network keeps apart.
    The state is ``floor((t - low) * (bins / (high - low)))`` in the floating type of the
    activations (float32 at least): two values a rounding error apart from an edge may change
    sides with the type.

    Args:
        bins: Number of bins, at least 1.
        low: Lower end of the range.
        high: Upper end of the range.

    Example:
        >>> Uniform(4, -1, 1)(torch.tensor([-1.0, -0.4, 0.0, 1.0])).tolist()
        [0, 1, 2, 3]
    """

    bins: int
    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=1))
        object.__setattr__(self, "low", finite("low", self.low))
        object.__setattr__(self, "high", finite("high", self.high))
        if not self.low < self.high:
            raise ValueError(f"low, high: need low < high, got {self.low}, {self.high}")

    @property
    @override
    def slug(self) -> str:
        return f"uniform{self.bins}"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        states = ((activations - self.low) * (self.bins / (self.high - self.low))).floor()
        # The top edge belongs to the last bin, also where rounding lifts a value onto it.
        inside = activations <= self.high
        return torch.where(inside, states.clamp_max(self.bins - 1), states)


_LOWEST = -1e37
"""What a mask writes in float32 is lower: the end of the type, in place of minus infinity."""
_FARTHEST = 2.0**62


@dataclass(frozen=True)
class Width(Ruler):
    """Bins of one width, unlimited on both sides: ``floor((t - origin) / width)``.

    What a mask has set to the lowest number of its type is one state, however narrow the bins are.

    Args:
        width: Width of a bin in the units of the activations; for units of different scale, a
            tuple or the like of one for each ``(n_units,)``, in the order of a flattened sample.
        origin: Where bin 0 begins; with a width for each unit, 0 or one number for each.

    Example:
        >>> Width(0.5)(torch.tensor([-0.1, 0.2, 3.0])).tolist()
        [-1, 0, 6]
    """

    width: float | Sequence[float]
    origin: float | Sequence[float] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", finite_numbers("width", self.width, above=0))
        object.__setattr__(self, "origin", finite_numbers("origin", self.origin))
        if isinstance(self.origin, PerUnit) and (
            not isinstance(self.width, PerUnit) or len(self.origin) != len(self.width)
        ):
            raise ValueError(f"origin: need one for each width, got {len(self.origin)}")

    @override
    def __repr__(self) -> str:
        origin = f", origin={self.origin!r}" if self.origin != 0.0 else ""
        return f"Width(width={self.width!r}{origin})"

    @property
    @override
    def slug(self) -> str:
        return f"width{self.width:g}" if isinstance(self.width, float) else "width_per_unit"

    @override
    def state(self) -> dict[str, Any]:
        state = {"width": _plain(self.width)}
        return state | ({"origin": _plain(self.origin)} if self.origin != 0.0 else {})

    @override
    def levels(self, activations: Tensor) -> Tensor:
        if self.is_finer_than(activations.dtype):
            activations = activations.double()
        # A tensor, since some devices divide by a plain number by multiplying with its inverse.
        widths, origins = (
            torch.as_tensor(np.array(part), dtype=activations.dtype, device=activations.device)
            for part in (self.width, self.origin)
        )
        if not isinstance(self.width, float):
            if math.prod(activations.shape[1:]) != len(self.width):
                raise ValueError(
                    f"width: {len(self.width)} widths, one per unit, do not fit activations of "
                    f"shape {tuple(activations.shape)}"
                )
            widths = widths.reshape(activations.shape[1:])
            origins = origins.reshape(activations.shape[1:]) if origins.ndim else origins
        shifted = activations if self.origin == 0.0 else activations - origins
        states = (shifted / widths).floor()
        masked = (activations <= _LOWEST) & (activations > -math.inf) & (states < -_FARTHEST)
        return torch.where(masked, -_FARTHEST, states)

    def is_finer_than(self, dtype: torch.dtype) -> bool:
        """Whether a type of number cannot hold its widths to full precision."""
        width = self.width if isinstance(self.width, float) else np.asarray(self.width).min()
        return bool(width < torch.finfo(dtype).tiny) and dtype != torch.float64


@dataclass(frozen=True)
class Calibrated(Ruler):
    """A `Width` taken once from the activations themselves, then kept for the whole run.

    The width is the middle 99.8 % of the first activations divided by `bins`: fine enough to
    tell `bins` bins apart at that moment. Where the layer is constant then (a dead ReLU, say),
    the width is ``1 / bins``; where it is constant but for rounding, all of it lies in one bin.
    Units that are constant, and numbers that a mask has written (-1e9, say), do not set the width.
    Activations that are discrete already (whole numbers, or steps of 1/8) are never merged: the
    width is at most their step, with one of them in the middle of each bin.
    A monitor freezes it on the first 1024 rows that it sees; called on its own, it calibrates on
    the activations that it is given.

    Args:
        bins: Number of bins over the calibrated range, at least 2.
        scope: ``"layer"``: one width from all units together; ``"unit"``: each unit its own;
            ``"auto"``: that of the layer, or, in layers of at most 8192 units, each unit its own
            where units lie farther apart than they vary, so that one for all would swallow what
            they tell.
        at: Finished epochs from which on a monitor calibrates it, and with it a reduction that has
            to be fitted: bins of an untrained layer do not fit one that grows in training. At
            points before, the layer has no binned values.

    Example:
        >>> Calibrated(4).freeze(torch.linspace(0, 8, 9).reshape(9, 1))
        Width(width=1.996...)
        >>> Calibrated(4, at=2)
        Calibrated(bins=4, scope='auto', at=2)
    """

    bins: int = 30
    scope: Scope = "auto"
    at: int = 0

    frozen: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", whole("bins", self.bins, at_least=2))
        if self.scope not in get_args(Scope):
            raise ValueError(f"scope: need 'auto', 'layer' or 'unit', got {self.scope!r}")
        object.__setattr__(self, "at", whole("at", self.at, at_least=0))

    @override
    def __repr__(self) -> str:
        at = f", at={self.at}" if self.at else ""
        return f"Calibrated(bins={self.bins}, scope={self.scope!r}{at})"

    @property
    @override
    def slug(self) -> str:
        per_unit = "_per_unit" if self.scope == "unit" else ""
        return f"calibrated{self.bins}{per_unit}" + (f"_at{self.at}" if self.at else "")

    @property
    @override
    def earliest(self) -> int:
        return self.at

    @override
    def freeze(self, activations: Tensor) -> Width:
        """The `Width` of these activations ``(n_samples, ...)``; raises ValueError if empty."""
        values = floating(activations).double()
        if values.numel() == 0:
            raise ValueError("activations: cannot calibrate a ruler on no values")
        refuse_nonfinite(values)
        dtype = activations.dtype
        eps = torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
        precision = Precision(eps, is_half=dtype.is_floating_point and dtype.itemsize < 4)
        rows = values.reshape(len(values), -1).cpu().numpy()
        widths, origins = fitted(rows, self.bins, self.scope, precision)
        if self.scope != "unit" and (widths == widths[0]).all() and (origins == origins[0]).all():
            return Width(float(widths[0]), float(origins[0]))
        return Width(PerUnit(widths), PerUnit(origins) if origins.any() else 0.0)

    @override
    def restored(self, state: dict[str, Any]) -> Width:
        """The `Width` whose state it is.

        Example:
            >>> Calibrated(30).restored(Width(0.07).state())
            Width(width=0.07)
        """
        stored = state if isinstance(state, dict) else {}
        width, origin = (_stored(stored.get(name, 0.0)) for name in ("width", "origin"))
        is_per_unit = isinstance(width, (PerUnit, list))
        if "width" not in stored or (self.scope == "unit" and not is_per_unit):
            wanted = "a tensor of one for each unit" if self.scope == "unit" else "a width"
            raise ValueError(f"state: need {wanted} under 'width' for {self!r}")
        try:
            return Width(width, origin)
        except TypeError as error:
            raise ValueError(f"state: {error}") from None

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return self.freeze(activations).levels(activations)


def _plain(numbers: float | Sequence[float]) -> float | Tensor:
    return numbers if isinstance(numbers, float) else torch.from_numpy(np.array(numbers))


def _stored(numbers: Any) -> Any:
    """What `_plain` gave; anything else as it is, for `Width` to refuse."""
    is_per_unit = isinstance(numbers, Tensor) and numbers.ndim == 1 and numbers.is_floating_point()
    return PerUnit(numbers.double().cpu().numpy()) if is_per_unit else numbers


@dataclass(frozen=True)
class Exact(Ruler):
    """Every distinct value is a state of its own: no bins.

    For layers whose values are discrete already (quantised networks, argmax, codes), where
    H(T) is then exact. On ordinary float activations nearly every sample gets a symbol of its
    own. +0.0 and -0.0 are one value.

    Example:
        >>> states = Exact()(torch.tensor([0.5, -0.0, 0.5, 0.0]))
        >>> (states[0] == states[2]).item(), (states[1] == states[3]).item()
        (True, True)
    """

    @property
    @override
    def slug(self) -> str:
        return "exact"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        refuse_nonfinite(activations)
        canonical = activations + 0.0  # -0.0 + 0.0 is +0.0
        integer = torch.int64 if canonical.dtype == torch.float64 else torch.int32
        return canonical.contiguous().view(integer)


def of_activation(module: nn.Module, bins: int) -> Ruler:
    """The default ruler for the output of `module`: its exact range if bounded, else calibrated.

    Example:
        >>> of_activation(nn.Tanh(), 30)
        Uniform(bins=30, low=-1.0, high=1.0)
        >>> of_activation(nn.ReLU(), 30)
        Calibrated(bins=30, scope='auto')
    """
    bounds = range_of(module)
    return Calibrated(bins) if bounds is None else Uniform(bins, *bounds)


def range_of(module: nn.Module) -> tuple[float, float] | None:
    """The range that the outputs of a bounded activation cannot leave, else None."""
    match module:
        case nn.Tanh() | nn.Softsign():
            return -1.0, 1.0
        case nn.Sigmoid() | nn.Softmax() | nn.Softmax2d() | nn.Softmin() | nn.Hardsigmoid():
            return 0.0, 1.0
        case nn.ReLU6():  # before Hardtanh, which it derives from
            return 0.0, 6.0
        case nn.Hardtanh():
            return float(module.min_val), float(module.max_val)
    return None
