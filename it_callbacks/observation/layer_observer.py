"""A model and what to read of its layers in; each pass over a set `Observed` out."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from it_callbacks.observation.layers import Layer, LayerChoice, Plan, plan, resolve
from it_callbacks.observation.listening import Firing, Listener
from it_callbacks.observation.passes import Observed, Pass
from it_callbacks.observation.processes import n_processes, together
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import Joint, MeanPool, Reduction
from it_callbacks.rulers import (
    CALIBRATION_ROWS,
    Calibrated,
    Ruler,
    Width,
    check_bins,
    of_activation,
)

Resolution: TypeAlias = int | Ruler | Mapping[str, int | Ruler]
"""One way to read all layers: a number of bins, a ruler, or either by layer name or glob."""

Restore: TypeAlias = (
    "Callable[[str, tuple[Ruler, ...], Reduction], tuple[tuple[Ruler, ...], Reduction]]"
)
"""A layer's name, its rulers and reduction in; the same, with what was calibrated before, out."""

_DEFAULT_BINS = 30


def check_resolution(bins: Any, argument: str = "bins") -> None:
    """Raise unless `bins` is a `Resolution`."""
    if isinstance(bins, Mapping):
        for name, ruler in bins.items():
            check_resolution(ruler, f"{argument}[{name!r}]")
    elif not isinstance(bins, Ruler):
        if isinstance(bins, type) and issubclass(bins, Ruler):
            raise TypeError(f"{argument}: got the class {bins.__name__}; make one of it first")
        check_bins(argument, bins)


class LayerObserver:
    """Listens to the layers of one model, over as many passes as one likes.

    The first batch that it hears decides which layers there are (`plan`); the first pass that can
    read a layer freezes its rulers and its reduction, which all later passes use.

    Args:
        model: The module to listen to.
        layers: Which layers; see `it_callbacks.observation.layers.resolve`.
        resolutions: How to read them, once each.
        reduce: ``"auto"`` or a reduction for all layers.
        max_samples: Beyond this many samples, a seeded random subset.
        seed: Seed of the subset.
        keep_rows: Whether to keep some rows of activations.
        restore: Gives back what an earlier run has calibrated.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: LayerChoice,
        *,
        resolutions: Sequence[Resolution],
        reduce: Reduction | str,
        max_samples: int | None,
        seed: int,
        keep_rows: bool,
        restore: Restore,
    ) -> None:
        self._model = weakref.ref(model)
        self._choice = resolve(model, layers)
        self._resolutions = resolutions
        self._reduce = reduce
        self._max_samples = max_samples
        self._seed = seed
        self._keep_rows = keep_rows
        self._restore = restore
        self.plan: Plan | None = None
        self.rulers: dict[str, tuple[Ruler, ...]] = {}
        """How each layer is read, frozen after the first pass that could read it."""
        self.reductions: dict[str, Reduction] = {}
        self.specs: dict[str, tuple[Ruler, ...]] = {}
        """How each layer was to be read, before anything was calibrated."""
        self.first_reach: dict[str, float] = {}
        """How far the states of each layer reached when its first ruler was calibrated."""
        self.slugs: dict[str, tuple[str, ...]] = {}
        """Each layer's rulers as tags name them."""
        self._listener = Listener(self._choice.modules, self._discover)
        # Weakly, so that a pass that a fault has cut off is forgotten with it.
        self._passes: weakref.WeakSet[Pass] = weakref.WeakSet()
        self._firings: list[Firing] = []
        self._copies: list[Any] = []
        self._pass: Pass | None = None
        self._n_labels = 0

    @property
    def seconds(self) -> float:
        """Time spent in hooks so far."""
        return self._listener.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._listener.seconds = value

    def growth(self, layer: str, reach: float) -> float:
        """How much farther it reaches than when its first ruler was calibrated.

        0 where it was not calibrated: a range that is given does not move.
        """
        spec, ruler = self.specs[layer][0], self.rulers[layer][0]
        if not isinstance(spec, Calibrated) or not isinstance(ruler, Width):
            return 0.0
        return reach / self.first_reach.setdefault(layer, float(max(reach, spec.bins)))

    @property
    def was_calibrated(self) -> bool:
        """Whether anything about the layers was taken from the first rows."""
        specs = [ruler for several in self.specs.values() for ruler in several]
        fitted = isinstance(self._reduce, Reduction) and not self._reduce.frozen
        return fitted or any(not ruler.frozen for ruler in specs)

    @property
    def is_calibrated(self) -> bool:
        """Whether all layers are read as they will be for good."""
        return bool(self.rulers) and all(map(self._frozen, self.rulers))

    def is_whole(self, layer: str) -> bool:
        """Whether all of the layer is read, so that what it knows bounds the next one's."""
        return isinstance(self.reductions[layer], Joint)

    def attach(self) -> None:
        """Put hooks on the model, also on parts that have been replaced. Safe to call twice.

        A new module under an old name is that layer from now on, read as it was.
        """
        model = self._model()
        if model is not None and not self._listener.attached:
            now = dict(model.named_modules(remove_duplicate=False))
            modules = self._listener.modules
            self._listener.modules = {name: now.get(name, modules[name]) for name in modules}
        self._listener.attach()

    def detach(self) -> None:
        """Take them off. Safe to call twice."""
        self._listener.detach()
        self._firings.clear()
        self._copies.clear()

    def new_pass(self, *, hash_inputs: bool) -> Pass:
        """A pass over a set begins; what earlier passes can calibrate is frozen first."""
        self._freeze()
        new = Pass(
            max_samples=self._max_samples,
            seed=self._seed,
            keep_rows=self._keep_rows,
            hash_inputs=hash_inputs,
        )
        self._passes.add(new)
        self._fill(new)
        return new

    def begin(
        self, current: Pass | None, labels: Tensor, inputs: Any, indices: NDArray[np.int64]
    ) -> None:
        """A batch begins; with no pass it serves only to find out which layers there are."""
        self._pass = current
        self._n_labels = len(labels)
        if current is not None:
            current.begin(labels, inputs, indices)
        self._listener.begin()

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was heard."""
        self._listener.end()
        if self._listener.error is not None:
            self._firings.clear()
            self._copies.clear()
            raise self._listener.error
        if self.plan is None:
            self._make_plan()

    def calibrate(self, current: Pass) -> None:
        """Freeze what still waits, on the first rows of the pass; all processes call this.

        A layer that cannot be read, on any of them, is left to be calibrated by a later pass.
        """
        waiting = together(current.waiting)

        def freeze() -> dict[str, str]:
            self._calibrate(current, waiting)
            return dict(current.faults)

        for faults in together(freeze):
            current.give_up(faults)
        self._take_over(current)

    def finish(self, current: Pass) -> Observed:
        """The pass is over; the rulers of all layers that it could read are frozen.

        With several processes all of them call this, and all get what one would have observed.
        """
        self.calibrate(current)
        observed = current.merge(together(current.observed))
        self._passes.discard(current)
        return observed

    def _calibrate(
        self, current: Pass, waiting: Sequence[dict[str, tuple[NDArray[np.int64], Tensor]]]
    ) -> None:
        if self.plan is None:
            raise ValueError("layers: no batch was heard, so there are none")
        for name, stream in list(current.streams.items()):
            if not self._frozen(name):
                shares = [share[name] for share in waiting if name in share]
                if shares:
                    indices = np.concatenate([of_share for of_share, _ in shares])
                    if not len(indices):
                        raise ValueError("target: no sample has a label >= 0")
                    rows = torch.cat([of_share for _, of_share in shares if len(of_share)])
                    order = np.argsort(indices, kind="stable")[:CALIBRATION_ROWS]
                    with current.at_its_own_cost(name):
                        stream.freeze(rows[torch.from_numpy(order)])
            elif not stream.frozen:
                with current.at_its_own_cost(name):
                    stream.adopt(self.reductions[name], self.rulers[name])

    def _take_over(self, calibrated: Pass) -> None:
        """What the pass has frozen is how its layers are read from now on."""
        for name, stream in calibrated.streams.items():
            if stream.frozen and not self._frozen(name):
                self.reductions[name], self.rulers[name] = stream.reduction, stream.rulers

    def _discover(self, firing: Firing) -> None:
        self._firings.append(firing)
        # The plan compares identities, so it needs the originals; the values, if they are to be
        # read at all, need a copy, since a later layer may write over them.
        self._copies.append(None if self._pass is None else _copied(firing.output))

    def _hear(self, firing: Firing) -> None:
        if self._pass is not None:
            self._pass.hear(firing.name, firing.call, firing.output)

    def _make_plan(self) -> None:
        firings, copies = self._firings[:], self._copies[:]
        self._firings.clear()
        self._copies.clear()
        found = plan(self._choice, firings, self._n_labels)
        for layer in found.layers:
            reduction = self._reduction_for(layer)
            rulers = self._rulers_for(layer, reduction, [known.name for known in found.layers])
            self.specs[layer.name] = rulers
            self.slugs[layer.name] = _slugs(rulers)
            restored = self._restore(layer.name, rulers, reduction)
            self.rulers[layer.name], self.reductions[layer.name] = restored
        self.plan = found
        chosen = {layer.module_name for layer in found.layers}
        attached, seconds = self._listener.attached, self._listener.seconds
        self._listener.detach()
        self._listener = Listener(
            {name: module for name, module in self._choice.modules.items() if name in chosen},
            self._hear,
        )
        self._listener.seconds = seconds
        if attached:
            self._listener.attach()
        for unfilled in self._passes:
            self._fill(unfilled)
        if self._pass is not None:
            for firing, kept in zip(firings, copies, strict=True):
                self._pass.hear(firing.name, firing.call, kept)

    def _fill(self, empty: Pass) -> None:
        for layer in self.plan.layers if self.plan is not None else ():
            name = layer.name
            patience = CALIBRATION_ROWS if n_processes() == 1 else math.inf
            stream = KeyStream(self.reductions[name], self.rulers[name], patience)
            empty.observe(layer, stream)

    def _freeze(self) -> None:
        if n_processes() > 1:
            return  # only together, which is when a pass is over
        for earlier in self._passes:
            for name, stream in list(earlier.streams.items()):
                if not self._frozen(name):
                    with earlier.at_its_own_cost(name):
                        stream.freeze()
            self._take_over(earlier)

    def _frozen(self, name: str) -> bool:
        return self.reductions[name].frozen and all(ruler.frozen for ruler in self.rulers[name])

    def _reduction_for(self, layer: Layer) -> Reduction:
        if isinstance(self._reduce, Reduction):
            return self._reduce
        return MeanPool(layer.units_axis) if layer.n_axes > 2 else Joint()

    def _rulers_for(
        self, layer: Layer, reduction: Reduction, layer_names: Sequence[str]
    ) -> tuple[Ruler, ...]:
        return tuple(
            _ruler(resolution, layer, reduction, layer_names) for resolution in self._resolutions
        )


def _copied(output: Any) -> Any:
    """What a module returned, with copies of all tensors in it."""

    def copied(part: Any) -> Any:
        if isinstance(part, Tensor):
            return part.detach().clone()
        if is_dataclass(part) and not isinstance(part, type):
            twin = copy(part)
            for field in fields(part):  # also of a frozen one
                object.__setattr__(twin, field.name, _copied(getattr(part, field.name)))
            return twin
        return part

    return pytree.tree_map(copied, output)


def _ruler(
    resolution: Resolution, layer: Layer, reduction: Reduction, layer_names: Sequence[str]
) -> Ruler:
    if isinstance(resolution, Mapping):
        for pattern in resolution:
            if not any(fnmatchcase(name, pattern) for name in layer_names):
                near = get_close_matches(pattern, layer_names, 1, 0.4)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"bins[{pattern!r}]: matches none of the layers {list(layer_names)}{hint}"
                )
        exact = [resolution[name] for name in resolution if name == layer.name]
        by_glob = [ruler for name, ruler in resolution.items() if fnmatchcase(layer.name, name)]
        resolution = cast("Resolution", (exact + by_glob + [_DEFAULT_BINS])[0])
        return _ruler(resolution, layer, reduction, layer_names)
    if isinstance(resolution, Ruler):
        return resolution
    if layer.made_by is None or not reduction.keeps_range:
        return Calibrated(resolution)
    return of_activation(layer.made_by, resolution)


def _slugs(rulers: Sequence[Ruler]) -> tuple[str, ...]:
    slugs = tuple(ruler.slug for ruler in rulers)
    if len(set(slugs)) < len(slugs):
        raise ValueError(f"bins: two of the rulers {list(rulers)} would share one tag; drop one")
    return slugs
