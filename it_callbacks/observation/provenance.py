"""Find out where each tensor of a batch comes from, by identity.

Identity sees modules only: a functional call in between makes a new tensor of unknown origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules import activation as activations
from torch.nn.modules import batchnorm, dropout, instancenorm, pooling

from it_callbacks.observation.listening import ROOT, Firing

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


def name_of_call(firing: Firing) -> str:
    """The module's dotted name, ``_call2`` behind it for its second call, ..."""
    return firing.name if firing.call == 1 else f"{firing.name}_call{firing.call}"


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


def makers_of(firings: Sequence[Firing]) -> dict[int, Firing]:
    """From the identity of a tensor to the firing whose kind determines the range of its numbers.

    That is the leaf that returned it; or, where that one only passes numbers on (dropout in
    evaluation, reshaping, pooling), the one that it had them from.
    """
    makers: dict[int, Firing] = {}
    for firing in firings:
        if not isinstance(firing.output, Tensor) or not is_leaf(firing.module):
            continue
        passes_on = isinstance(firing.module, (*RESHAPING, dropout._DropoutNd))
        passes_on = passes_on or is_pooling(firing.module)
        given = [makers[id(tensor)] for tensor in firing.inputs if id(tensor) in makers]
        # An in-place layer returns what it was given: the later one made what it holds now.
        makers[id(firing.output)] = given[0] if passes_on and given else firing
    return makers


def read_after_activation(firings: Sequence[Firing]) -> dict[int, str]:
    """From the identity of a linear's or convolution's firing to the activation that takes it."""
    origins: dict[int, Firing] = {}
    for firing in firings:
        if not isinstance(firing.output, Tensor):
            continue
        if isinstance(firing.module, _LINEAR):
            origins[id(firing.output)] = firing
        elif isinstance(firing.module, _OPAQUE):
            for given in firing.inputs:
                if id(given) in origins:
                    origins[id(firing.output)] = origins[id(given)]
    return {
        id(origins[id(given)]): name_of_call(firing)
        for firing in firings
        if is_activation(firing.module)
        for given in firing.inputs
        if id(given) in origins
    }


def units_axes(firings: Sequence[Firing]) -> dict[int, Literal[1, -1]]:
    """From the identity of a tensor to its axis that counts units, where that is known.

    1 behind a convolution; -1 behind a linear, an embedding or a layer norm.
    """
    axes: dict[int, Literal[1, -1]] = {}
    for firing in firings:
        module = firing.module
        known: list[Literal[1, -1]] = [axes[id(t)] for t in firing.inputs if id(t) in axes]
        if isinstance(module, nn.modules.conv._ConvNd):
            axes[id(firing.output)] = 1
        elif isinstance(module, (nn.Linear, nn.Bilinear, nn.Embedding, nn.LayerNorm)):
            axes[id(firing.output)] = -1
        elif known and (is_activation(module) or is_pooling(module) or isinstance(module, _OPAQUE)):
            axes[id(firing.output)] = known[0]
    return axes


def successors(
    firings: Sequence[Firing], observed: Mapping[tuple[str, int], str]
) -> dict[str, str]:
    """From each observed layer to the observed one that it was computed from alone.

    Args:
        firings: Of one batch, in order.
        observed: From a module's name and call to the layer's name.
    """
    sources: dict[int, frozenset[str] | None] = {}
    follows: dict[str, str] = {}
    for firing in firings:
        if firing.name == ROOT or not isinstance(firing.output, Tensor):
            continue
        if not is_leaf(firing.module):
            continue
        given = [sources.get(id(tensor)) for tensor in firing.inputs]
        joined: frozenset[str] | None = frozenset().union(*(g for g in given if g is not None))
        if not given or any(one is None for one in given):
            joined = None  # an input, or the result of something that hooks do not see
        name = observed.get((firing.name, firing.call))
        if name is None:
            sources[id(firing.output)] = joined
        else:
            if joined is not None and len(joined) == 1:
                follows[name] = next(iter(joined))
            sources[id(firing.output)] = frozenset({name})
    return follows
