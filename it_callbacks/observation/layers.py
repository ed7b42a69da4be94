"""Choose the layers to observe, from the calls of modules in one batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.modules import dropout

from it_callbacks.observation.calls import Call, Seen, first_tensor
from it_callbacks.observation.choices import Choice
from it_callbacks.observation.listening import ROOT
from it_callbacks.observation.modules import parents
from it_callbacks.observation.positions import ONE_EACH, Grid
from it_callbacks.observation.provenance import (
    NORMALISING,
    RESHAPING,
    Provenance,
    is_pooling,
    is_stochastic_depth,
    passes_through,
    successors,
)

NEVER_CALLED = "was never called"
COMPILED = "is compiled"
FUSED = "is part of a layer whose fused path calls none of its parts"
"""Why a module that did not fire is skipped."""
HOW = "Pass data='val' (or 'train', or a set of your own)"
"""How to read what cannot be listened to."""
MOST_LAYERS = 24
"""By default; more than this many curves nobody reads."""

_LISTED = 20


@dataclass(frozen=True)
class Layer:
    """A layer to observe: one call of one module.

    Args:
        name: Its name in tags: the module's dotted name, ``_call2`` for its second call, ...
        module_name: The module's dotted name.
        call: Which call in a batch, from 1.
        pick: Takes ``(n_samples, ...)`` out of the module's output; None for its first tensor.
        made_by: The leaf module that made the output, whose kind determines its range.
        units_axis: Which axis of the output counts units: 1 for maps, -1 for sequences.
        n_axes: How many axes the output has, the samples' included.
        n_units: How many numbers a sample has in the first batch.
    """

    name: str
    module_name: str
    call: int
    pick: Callable[[Any], Tensor] | None = field(default=None, compare=False)
    made_by: nn.Module | None = field(default=None, compare=False, repr=False)
    units_axis: Literal[1, -1] = -1
    n_axes: int = 2
    n_units: int = field(default=0, compare=False)

    def rows(self, output: Any, grid: Grid) -> Tensor:
        """The rows ``(n_rows, ...)`` of what the module returned.

        Raises:
            ValueError: There are none.
        """
        rows = first_tensor(output, grid.n_steps) if self.pick is None else self.pick(output)
        if isinstance(rows, Tensor) and grid.n_rows == 1 and rows.ndim == self.n_axes - 1:
            rows = rows[None]  # a batch of one sample that was squeezed
        check_rows(output if rows is None else rows, grid.n_rows, self.module_name)
        return rows  # type: ignore[return-value] # the check has shown that it is a tensor


@dataclass(frozen=True)
class Plan:
    """What to observe and what not.

    Args:
        layers: In firing order.
        skipped: The others, each with its reason.
        follows: From a layer to the one that it was computed from alone, where that is certain.
        unreadable: Those of `skipped` that would be layers, had they one row per sample.
        silent: Those of `skipped` that did not fire, though the user named them, or only since
            they are compiled.
    """

    layers: tuple[Layer, ...]
    skipped: dict[str, str]
    follows: dict[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def layer_of(call: Call, rows: Seen, choice: Choice, known: Provenance, grid: Grid) -> Layer:
    """The layer that a call is, given the tensor that would be read of it."""
    output = rows if call.output is None else call.output
    made_by = known.makers.get(rows, known.makers.get(output, call.module))
    pick = None if choice.chosen is None else choice.chosen[call.name]
    # At its position, a sample is a row of units.
    n_axes = 2 if grid.axes else len(rows.shape)
    axis = _units_axis(rows, known, grid)
    n_units = rows.shape[axis] if grid.axes else math.prod(rows.shape[1:])
    return Layer(call.layer_name, call.name, call.number, pick, made_by, axis, n_axes, n_units)


def _units_axis(tensor: Seen, known: Provenance, grid: Grid) -> Literal[1, -1]:
    shape = tensor.shape
    if tensor not in known.units_axes:
        is_first, is_last = shape[2:] == grid.axes, shape[1:-1] == grid.axes
        if is_first != is_last:  # the other axes are the positions of the labels
            return 1 if is_first else -1
    return known.units_axis(tensor)


def plan(
    choice: Choice,
    calls: Sequence[Call],
    known: Provenance,
    candidates: Sequence[tuple[Call, Layer]],
    grid: Grid,
    why_silent: Mapping[str, str],
) -> Plan:
    """Decide which calls of one batch are layers to observe.

    By default every leaf whose first output tensor is floating, with one row per sample, but for
    losses, metrics, dropout, pooling, normalisation and what only reshapes or passes through; a
    linear or convolution whose output an activation takes is read after the activation. Where
    there are as many steps as samples, what comes from a time-major module is left out, too: its
    rows are steps. Of more than `MOST_LAYERS` layers blocks stand for the leaves in them, and of
    more than that again some are left out, evenly.

    Args:
        choice: From `resolve`.
        calls: All of one batch, in order.
        known: Where the tensors of that batch come from.
        candidates: Those calls that can be read, and have been, in order.
        grid: How the samples lie in the tensors of that batch.
        why_silent: Why some modules cannot be heard, by name.

    Raises:
        ValueError: None can be observed.
    """
    skipped, unreadable = {}, []
    if choice.chosen is None:
        for call in calls:
            if call.name == ROOT or call.name in choice.blocks:
                continue
            if (reason := why_not_a_layer(call)) is not None:
                skipped[call.layer_name] = reason
            elif (reason := why_unreadable(call, grid, known)) is not None:
                skipped[call.layer_name] = reason
                unreadable.append(call.layer_name)
            elif call in known.read_later:
                later = known.read_later[call].layer_name
                skipped[call.layer_name] = f"read after its activation {later}"
    layers = [layer for _, layer in candidates]
    if choice.chosen is None:
        leaves = [name for name in _leaf_names(calls, choice) if name not in skipped]
        layers = _at_most(layers, leaves, choice, skipped)
    fired = {call.name for call in calls}
    for name in choice.modules:
        if name not in fired and name not in choice.blocks:
            skipped[name] = why_silent.get(name, NEVER_CALLED)
    if not layers:
        _refuse_silence(choice, calls, skipped, grid)
    silent = [name for name in choice.by_name if name not in fired]
    silent += [name for name, why in skipped.items() if why == COMPILED and name not in silent]
    observed = {(layer.module_name, layer.call): layer.name for layer in layers}
    return Plan(
        tuple(layers), skipped, successors(calls, observed), tuple(unreadable), tuple(silent)
    )


def _leaf_names(calls: Sequence[Call], choice: Choice) -> list[str]:
    names = (call for call in calls if call.name != ROOT and call.name not in choice.blocks)
    return [call.layer_name for call in names]


def _at_most(
    layers: Sequence[Layer], leaves: Sequence[str], choice: Choice, skipped: dict[str, str]
) -> list[Layer]:
    """The default layers, at most `MOST_LAYERS`; notes why the others are skipped.

    Args:
        layers: Leaves and blocks that were read.
        leaves: All leaves that could be read.
        choice: Which of them are blocks.
        skipped: Gets the reasons.
    """
    if len(leaves) <= MOST_LAYERS:
        return [layer for layer in layers if layer.module_name not in choice.blocks]
    standing = {layer.module_name for layer in layers} & set(choice.blocks)
    for layer_name in leaves:
        if inside := standing.intersection(parents(layer_name)):
            skipped[layer_name] = f"inside the block {inside.pop()}"
    left = [layer for layer in layers if layer.name not in skipped]
    n = len(left)
    if n > MOST_LAYERS:
        places = {round(place * (n - 1) / (MOST_LAYERS - 1)) for place in range(MOST_LAYERS)}
        left = [layer for place, layer in enumerate(left) if place in places]
    taken = {layer.name for layer in left}
    others = [name for name in leaves if name not in skipped] + [layer.name for layer in layers]
    for name in others:
        if name not in taken:
            skipped.setdefault(name, f"one of more than {MOST_LAYERS} layers; name it to read it")
    return left


def check_rows(output: Any, n_samples: int, name: str) -> None:
    """Raise unless `output` of layer `name` is a real tensor with one row per label."""
    hint = f"pass layers={{{name!r}: <function that picks (n_samples, ...)>}}"
    if not isinstance(output, Tensor):
        raise ValueError(
            f"layers: {name!r} returns a {type(output).__name__}, not a tensor; {hint}"
        )
    if output.is_complex() or output.is_sparse or output.is_nested:
        raise ValueError(f"layers: {name!r} returns a complex, sparse or nested tensor; {hint}")
    if output.ndim == 0 or output.shape[0] != n_samples:
        raise ValueError(
            f"layers: {name!r} returns shape {tuple(output.shape)} where the batch has {n_samples} "
            f"labels; {hint}{_hint_of_views([tuple(output.shape)], n_samples)}"
        )


def refuse_steps(call: Call, choice: Choice, known: Provenance) -> None:
    """Raise if a recurrent layer that the user named gives steps, and no function picks samples.

    Any other layer behind it is read as it is: users may know better.
    """
    pick = (choice.chosen or {}).get(call.name)
    is_first = isinstance(call.module, nn.RNNBase) and call.output in known.time_major
    if pick is None and is_first:
        raise ValueError(
            f"layers: the rows of {call.name!r} are steps, not samples; "
            f"{_pick(call.name, 'out[0]')}"
        )


def _hint_of_views(shapes: Collection[tuple[int, ...]], n_samples: int) -> str:
    """What to pass where a batch holds several views of each sample, one after the other."""
    for shape in shapes:
        n_rows = shape[0] if shape else 0
        if n_samples and n_rows > n_samples and n_rows % n_samples == 0:
            return (
                f"; if these are {n_rows // n_samples} views of each sample, pass "
                "target=<function of the batch that gives one label per row>"
            )
    return ""


def why_not_a_layer(call: Call) -> str | None:
    """Why a call is none of the default layers, whatever it returned; None if it may be one."""
    module = call.module
    if isinstance(module, dropout._DropoutNd):
        return "dropout"
    if is_stochastic_depth(module):
        return "stochastic depth"
    if isinstance(module, RESHAPING):
        return "reshapes only"
    if isinstance(module, NORMALISING):
        return "normalisation"
    if is_pooling(module):
        return "pooling"
    if call.output is not None and passes_through(call):
        return "gives back what it is given"
    return None


def why_unreadable(call: Call, grid: Grid, known: Provenance) -> str | None:
    """Why what a call returned has no row per sample; None if it has."""
    output = call.output
    if output is None:
        return f"returns a {call.returned}, not a tensor"
    if not output.dtype.is_floating_point or not output.is_dense:
        return f"returns {output.dtype}, not floats in a dense tensor"
    shape = output.shape
    is_recurrent = isinstance(call.module, nn.RNNBase)
    steps = _pick(call.name, "out[0]" if call.returned == "tuple" else "out")
    if output in known.time_major and (is_recurrent or shape[0] == shape[1] == grid.n_rows):
        return (
            f"returns shape {shape} behind a time-major module, where rows are steps, not samples; "
            f"{steps}"
        )
    if not shape or shape[0] != grid.n_rows:
        return f"returns shape {shape}, not one row per label"
    if 0 in shape:
        return f"returns shape {shape}, which holds no numbers"
    return grid.misfit(shape, _units_axis(output, known, grid))


def _pick(name: str, steps: str) -> str:
    """What to pass to read the time-major `steps` of a layer's output."""
    return f"pass layers={{{name!r}: lambda out: {steps}.transpose(0, 1)}}"


def _refuse_silence(
    choice: Choice, calls: Sequence[Call], skipped: Mapping[str, str], grid: Grid
) -> None:
    """Raise, since there are no layers; says why."""
    reasons = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:_LISTED])
    if choice.chosen is not None or not {call.name for call in calls} & set(choice.modules):
        raise ValueError(
            f"layers: none can be observed, since no such module was called ({reasons}). {HOW}, "
            "which runs compiled and fused parts one by one, or replace functional calls by "
            "modules (nn.ReLU instead of F.relu)"
        )
    hint = _hint_of_views([call.output.shape for call in calls if call.output], grid.n_rows)
    hint = f"; {ONE_EACH}" if grid.axes else hint
    raise ValueError(f"layers: none can be observed by default ({reasons}); name them{hint}")
