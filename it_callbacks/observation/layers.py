"""Choose the layers to observe, from the calls of modules in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.modules import dropout

from it_callbacks.observation.choices import Choice, listing
from it_callbacks.observation.listening import ROOT, Firing
from it_callbacks.observation.provenance import (
    NORMALISING,
    RESHAPING,
    is_pooling,
    makers_of,
    name_of_call,
    read_after_activation,
    successors,
    units_axes,
)

NEVER_CALLED = "was never called"
"""Why a module that did not fire is skipped."""

_LISTED = 20


@dataclass(frozen=True)
class Layer:
    """A layer to observe: one call of one module.

    Args:
        name: Its name in tags: the module's dotted name, ``_call2`` for its second call, ...
        module_name: The module's dotted name.
        call: Which call in a batch, from 1.
        pick: Takes ``(n_samples, ...)`` out of the module's output; None if it is that.
        made_by: The leaf module that made the output, whose kind determines its range.
        units_axis: Which axis of the output counts units: 1 for maps, -1 for sequences.
        n_axes: How many axes the output has, the samples' included.
    """

    name: str
    module_name: str
    call: int
    pick: Callable[[Any], Tensor] | None = field(default=None, compare=False)
    made_by: nn.Module | None = field(default=None, compare=False, repr=False)
    units_axis: Literal[1, -1] = -1
    n_axes: int = 2


@dataclass(frozen=True)
class Plan:
    """What to observe and what not.

    Args:
        layers: In firing order.
        skipped: The others, each with its reason.
        follows: From a layer to the one that it was computed from alone, where that is certain.
    """

    layers: tuple[Layer, ...]
    skipped: dict[str, str]
    follows: dict[str, str] = field(default_factory=dict)


def plan(choice: Choice, firings: Sequence[Firing], n_samples: int) -> Plan:
    """Decide which of the firings of one batch are layers to observe.

    By default every leaf with a floating output of one row per sample, but for losses, metrics,
    dropout, pooling, normalisation and what only reshapes; a linear or convolution whose output
    an activation takes is read after the activation. Where there are as many steps as samples,
    what comes from a time-major module is left out, too: its rows are steps.

    Args:
        choice: From `resolve`.
        firings: All of one batch, in order, their outputs kept alive (identity is compared).
        n_samples: Labels of that batch.

    Raises:
        ValueError: A layer that the user named gives no ``(n_samples, ...)`` tensor, or none fired.
    """
    makers, axes = makers_of(firings), units_axes(firings)
    layers: list[Layer] = []
    skipped: dict[str, str] = {}
    read_later = read_after_activation(firings) if choice.chosen is None else {}
    time_major = _time_major_outputs(choice, firings)
    for firing in firings:
        if firing.name == ROOT:
            continue
        name = name_of_call(firing)
        if choice.chosen is None:
            output, reason = firing.output, _default_skip(firing, n_samples, time_major)
            if reason is None and id(firing) in read_later:
                reason = f"read after its activation {read_later[id(firing)]}"
            if reason is not None:
                skipped[name] = reason
                continue
        elif firing.name in choice.chosen:
            pick = choice.chosen[firing.name]
            output = firing.output if pick is None else pick(firing.output)
            check_rows(output, n_samples, firing.name)
        else:
            continue
        maker = makers.get(id(output), makers.get(id(firing.output)))
        layers.append(
            Layer(
                name,
                firing.name,
                firing.call,
                None if choice.chosen is None else choice.chosen[firing.name],
                made_by=maker.module if maker is not None else firing.module,
                units_axis=axes.get(id(output), 1 if output.ndim > 3 else -1),
                n_axes=output.ndim,
            )
        )
    _refuse_silence(choice, firings, layers, skipped, n_samples)
    observed = {(layer.module_name, layer.call): layer.name for layer in layers}
    return Plan(tuple(layers), skipped, successors(firings, observed))


def check_rows(output: Any, n_samples: int, name: str) -> None:
    """Raise unless `output` of layer `name` is a real tensor with one row per label."""
    hint = f"pass layers={{{name!r}: <function that picks (n_samples, ...)>}}"
    if not isinstance(output, Tensor):
        raise ValueError(
            f"layers: {name!r} returns a {type(output).__name__}, not a tensor; {hint}"
        )
    if output.is_complex() or output.is_sparse or output.is_nested:
        raise ValueError(f"layers: {name!r} returns a complex, sparse or nested tensor; {hint}")
    if output.ndim == 0 or len(output) != n_samples:
        raise ValueError(
            f"layers: {name!r} returns shape {tuple(output.shape)} where the batch has {n_samples} "
            f"labels; {hint}{_hint_of_views([output], n_samples)}"
        )


def _hint_of_views(outputs: Sequence[Any], n_samples: int) -> str:
    """What to pass where a batch holds several views of each sample, one after the other."""
    for output in outputs:
        n_rows = len(output) if isinstance(output, Tensor) and output.ndim else 0
        if n_samples and n_rows > n_samples and n_rows % n_samples == 0:
            return (
                f"; if these are {n_rows // n_samples} views of each sample, pass "
                "target=<function of the batch that gives one label per row>"
            )
    return ""


def _time_major_outputs(choice: Choice, firings: Sequence[Firing]) -> frozenset[int]:
    """The identities of all outputs whose first axis counts steps.

    They come from a time-major module, or from a later one that was fed by it and has kept the
    number of rows.
    """
    found: set[int] = set()
    for firing in firings:
        output = firing.output
        if isinstance(firing.module, nn.RNNBase) and isinstance(output, tuple):
            output = output[0]  # not its state, whose axes are others
        if not isinstance(output, Tensor) or output.ndim < 3:
            continue
        fed = (id(given) in found and len(given) == len(output) for given in firing.inputs)
        if firing.name in choice.time_major or any(fed):
            found.add(id(output))
    return frozenset(found)


def _default_skip(firing: Firing, n_samples: int, time_major: frozenset[int]) -> str | None:
    module, output = firing.module, firing.output
    if isinstance(module, dropout._DropoutNd):
        return "dropout"
    if isinstance(module, RESHAPING):
        return "reshapes only"
    if isinstance(module, NORMALISING):
        return "normalisation"
    if is_pooling(module):
        return "pooling"
    if not isinstance(output, Tensor):
        steps = output[0] if isinstance(output, tuple) and output else None
        hint = f"; {_pick(firing.name, 'out[0]')}" if id(steps) in time_major else ""
        return f"returns a {type(output).__name__}, not a tensor{hint}"
    if not output.is_floating_point():
        return f"returns {output.dtype}, not floats"
    if output.ndim == 0 or len(output) != n_samples:
        return f"returns shape {tuple(output.shape)}, not one row per label"
    if id(output) in time_major and output.shape[1] == n_samples:
        return (
            f"returns shape {tuple(output.shape)} behind a time-major module, where rows are "
            f"steps, not samples; {_pick(firing.name, 'out')}"
        )
    return None


def _pick(name: str, steps: str) -> str:
    """What to pass to read the time-major `steps` of a layer's output."""
    return f"pass layers={{{name!r}: lambda out: {steps}.transpose(0, 1)}}"


def _refuse_silence(
    choice: Choice,
    firings: Sequence[Firing],
    layers: Sequence[Layer],
    skipped: dict[str, str],
    n_samples: int,
) -> None:
    fired = {firing.name for firing in firings}
    silent = [name for name in choice.modules if name not in fired]
    for name in silent:
        skipped[name] = NEVER_CALLED
    if choice.chosen is not None:
        unheard = [name for name in choice.chosen if name not in fired]
        if unheard:
            raise ValueError(
                f"layers: {listing(unheard)} did not fire in the first batch. Hooks cannot see "
                "functional calls, weights used directly, or MultiheadAttention.out_proj"
            )
    if not layers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:_LISTED])
        if choice.modules and not fired & set(choice.modules):
            raise ValueError(
                f"layers: none can be observed by default, since no module was called "
                f"({listing(silent)}): hooks cannot see a compiled or functional forward. Pass "
                "data='val' (or 'train', or a set of your own), which runs a compiled one eagerly, "
                "or replace functional calls by modules (nn.ReLU instead of F.relu)"
            )
        hint = _hint_of_views([firing.output for firing in firings], n_samples)
        raise ValueError(f"layers: none can be observed by default ({reasons}); name them{hint}")
