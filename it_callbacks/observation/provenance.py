"""Find out where each tensor of a batch comes from, by identity.

Identity sees modules only: a functional call in between makes a new tensor of unknown origin.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn.modules import activation as activations
from torch.nn.modules import batchnorm, dropout, instancenorm, pooling

from it_callbacks.observation.calls import Call, Seen
from it_callbacks.observation.listening import ROOT

RESHAPING = (nn.Flatten, nn.Unflatten, nn.Identity, nn.PixelShuffle, nn.PixelUnshuffle)
NORMALISING = (
    batchnorm._NormBase,
    instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)
_LINEAR = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd)
_OPAQUE = (*NORMALISING, dropout._DropoutNd, nn.Identity)
"""Modules between a linear and its activation that change nothing about whose output it is."""
_OF_FEATURES = (nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase)
"""Modules whose units lie along the last axis."""
_OF_CHANNELS = (batchnorm._NormBase, nn.GroupNorm)
"""Modules that are mostly given units along axis 1."""


WHOLE = (
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.MultiheadAttention,
    torch.jit.ScriptModule,
)
"""Modules that are one layer though they have parts: on a fused path, no part is ever called."""


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one layer."""
    if isinstance(module, WHOLE):
        return True
    # A parametrised layer (weight or spectral norm) has children, but is still one layer.
    return all(name == "parametrizations" for name, _ in module.named_children())


def is_activation(module: nn.Module) -> bool:
    """Whether a module applies a function to each number, or normalises numbers by a softmax."""
    return type(module).__module__ == activations.__name__ and not isinstance(
        module, nn.MultiheadAttention
    )


def is_pooling(module: nn.Module) -> bool:
    """Whether a module takes the largest or the mean of neighbouring numbers."""
    return type(module).__module__ == pooling.__name__


def is_stochastic_depth(module: nn.Module) -> bool:
    """Whether a module leaves out a branch in training: every library has its own class."""
    name = type(module).__name__.replace("_", "").lower()
    return re.search("droppath|stochasticdepth|dropblock|dropconnect", name) is not None


def passes_through(call: Call) -> bool:
    """Whether a module gave back what it was given, and did nothing to it in place."""
    in_place = is_activation(call.module) or getattr(call.module, "inplace", False) is True
    return call.output in call.inputs and not in_place


class Provenance:
    """Where the tensors of a batch come from, as far as its calls so far show.

    Args:
        time_major: Names of the modules that are known to give ``(n_steps, n_samples, ...)``.
    """

    def __init__(self, time_major: Collection[str]) -> None:
        self.makers: dict[Seen, nn.Module] = {}
        """The module whose kind determines the range of a tensor's numbers.

        That is the leaf that returned it; or, where that one only passes numbers on (dropout in
        evaluation, reshaping, pooling), the one that it had them from.
        """
        self.units_axes: dict[Seen, Literal[1, -1]] = {}
        """The axis of a tensor that counts units: 1 behind a convolution, -1 behind a linear.

        What keeps the shape keeps the axis; a block has that of a tensor of its shape inside it.
        """
        self.time_major: set[Seen] = set()
        """Tensors whose first axis counts steps.

        They come from a time-major module, or from a later one that was fed by it and has kept the
        number of rows.
        """
        self.read_later: dict[Call, Call] = {}
        """From a linear's or convolution's call to that of the activation that takes its output."""
        self._origins: dict[Seen, Call] = {}
        self._names = time_major
        self._guesses: dict[Seen, Literal[1, -1]] = {}
        self._placed: list[tuple[str, Seen]] = []
        """Tensors whose units' axis is known, with the names of the modules that gave them."""
        self._has_maps = False
        self._features: tuple[int, ...] = ()
        """How many units the last call gave that has them on the last axis for certain."""

    def add(self, call: Call) -> None:
        """Take in the next call."""
        if call.output is not None and call.name != ROOT:
            self._note_maker(call, call.output)
            self._note_units(call, call.output)
            self._note_steps(call, call.output)
        self._note_activation(call)

    def _note_maker(self, call: Call, output: Seen) -> None:
        module = call.module
        if not is_leaf(module):
            return
        passes_on = isinstance(module, (*RESHAPING, dropout._DropoutNd))
        passes_on = passes_on or is_pooling(module) or passes_through(call)
        given = [self.makers[one] for one in call.inputs if one in self.makers]
        # An in-place layer returns what it was given: the later one made what it holds now.
        self.makers[output] = given[0] if passes_on and given else module

    def units_axis(self, tensor: Seen) -> Literal[1, -1]:
        """The axis of a tensor that counts units: a guess where that is not known."""
        if tensor in self.units_axes:
            return self.units_axes[tensor]
        # Kept, since later calls are no evidence of what an earlier one gave.
        return self._guesses.setdefault(tensor, self._guess(tensor.shape))

    def _guess(self, shape: tuple[int, ...]) -> Literal[1, -1]:
        if len(shape) < 4:
            return -1
        return -1 if not self._has_maps and shape[-1:] == self._features else 1

    def _note_units(self, call: Call, output: Seen) -> None:
        if is_leaf(call.module):
            axis = _units_axis_of_leaf(call, output, self.units_axes)
        else:
            axis = self._units_axis_of_block(call, output)
        if axis is None:
            self.units_axis(output)
            return
        self.units_axes[output] = axis
        self._placed.append((call.name, output))
        if isinstance(call.module, nn.modules.conv._ConvNd):
            self._has_maps = True
        elif axis == -1 and isinstance(call.module, (*_OF_FEATURES, nn.LayerNorm)):
            self._features = output.shape[-1:]

    def _units_axis_of_block(self, call: Call, output: Seen) -> Literal[1, -1] | None:
        """That of the last tensor of the same shape in a block, or of one given to it."""
        if output in self.units_axes:
            return self.units_axes[output]
        if output in self._guesses:
            return None  # a leaf in it has returned the same tensor
        given = [one for one in call.inputs if one in self.units_axes]
        inside = [one for name, one in self._placed if name.startswith(f"{call.name}.")]
        alike = [one for one in (*given, *inside) if one.shape == output.shape]
        return self.units_axes[alike[-1]] if alike else None

    def _note_steps(self, call: Call, output: Seen) -> None:
        # `batch_first` is about padded sequences only.
        if len(output.shape) < 3 or call.is_packed:
            return
        n_rows = output.shape[0]
        fed = (one in self.time_major and one.shape[0] == n_rows for one in call.inputs)
        if call.name in self._names or any(fed):
            self.time_major.add(output)

    def _note_activation(self, call: Call) -> None:
        given = [self._origins[one] for one in call.inputs if one in self._origins]
        if is_activation(call.module):
            self.read_later |= dict.fromkeys(given, call)
        elif call.output is not None and isinstance(call.module, _LINEAR):
            self._origins[call.output] = call
        elif call.output is not None and isinstance(call.module, _OPAQUE):
            for origin in given:
                self._origins[call.output] = origin


def _units_axis_of_leaf(
    call: Call, output: Seen, known: Mapping[Seen, Literal[1, -1]]
) -> Literal[1, -1] | None:
    """The axis of a leaf's output that counts units; None if that is not known."""
    module = call.module
    if isinstance(module, _OF_FEATURES):
        return -1
    if isinstance(module, nn.modules.conv._ConvNd):
        return 1
    given = [one for one in call.inputs if one in known]
    if not (is_activation(module) or is_pooling(module) or isinstance(module, nn.Upsample)):
        given = [one for one in given if one.shape == output.shape]
    if given:
        return known[given[0]]
    if isinstance(module, _OF_CHANNELS):
        return 1
    # Subclasses that normalise maps, with channels on axis 1, are common.
    is_last = isinstance(module, nn.LayerNorm) and output.shape[-1:] == module.normalized_shape
    return -1 if is_last else None


def successors(calls: Sequence[Call], observed: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """From each observed layer to the observed one that it was computed from alone.

    Args:
        calls: Of one batch, in order.
        observed: From a module's name and call to the layer's name.
    """
    sources: dict[Seen, frozenset[str] | None] = {}
    follows: dict[str, str] = {}
    for call in calls:
        name = observed.get((call.name, call.number))
        if call.name == ROOT or call.output is None:
            continue
        if name is None and not is_leaf(call.module):
            continue
        given = [sources.get(one) for one in call.inputs]
        joined: frozenset[str] | None = frozenset().union(*(g for g in given if g is not None))
        if not given or any(one is None for one in given):
            joined = None  # an input, or the result of something that hooks do not see
        if name is None:
            sources[call.output] = joined
        else:
            if joined is not None and len(joined) == 1:
                follows[name] = next(iter(joined))
            sources[call.output] = frozenset({name})
    return follows
