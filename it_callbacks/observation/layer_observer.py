"""Observe the layers of a model: each pass over a set leaves an `Observed`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.calibrating import Waiting, stream_of
from it_callbacks.observation.choices import Choice, LayerChoice, resolve
from it_callbacks.observation.discovery import Discovery
from it_callbacks.observation.effort import Effort, effort_of
from it_callbacks.observation.gathering import enough_for
from it_callbacks.observation.layers import COMPILED, FUSED, Layer, Plan
from it_callbacks.observation.listening import Firing, Listener
from it_callbacks.observation.modules import by_every_name, is_inside_fused
from it_callbacks.observation.norms import behind_untracked, is_untracked
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.passes import Copy, DryRun, LayerPass, Pass
from it_callbacks.observation.processes import n_processes, together
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.resolutions import Resolution, reader_for, readers_for
from it_callbacks.observation.sketched import WidePass
from it_callbacks.observation.spreads import spreads_of
from it_callbacks.observation.stages import Stage, why_later
from it_callbacks.observation.streams import KeyStream
from it_callbacks.observation.wide_sampling import WideChoice, WideSampling
from it_callbacks.reductions import Reduction

Restore = Callable[[str, Reader], Reader | None]
"""From a layer's name and its reader to the reader of an earlier run; None if there is none."""


@dataclass(frozen=True)
class Observation:
    """What to observe of a model, and how.

    Args:
        layers: Which layers; see `it_callbacks.observation.choices.resolve`.
        resolutions: How to read them, once each.
        reduce: ``"auto"`` or a reduction for all layers.
        max_samples: Beyond this many samples, a seeded random subset.
        seed: Seed of the subset.
        keep_rows: Whether to keep some rows of activations.
        wide: How samples are chosen and sketched for layers of any width; None for none.
        keep_sketches: Whether to keep a sketch of every sample.
    """

    layers: LayerChoice
    resolutions: Sequence[Resolution]
    reduce: Reduction | str
    max_samples: int | None
    seed: int
    keep_rows: bool
    wide: WideChoice | None = None
    keep_sketches: bool = False


class LayerObserver:
    """Observes the layers of one model, over as many passes as one likes.

    The first batch decides which layers there are (`plan`); the first pass that can read a layer
    calibrates its reader, which all later passes use.

    Args:
        model: The module to observe.
        what: What of it.
        restore: Gives back the readers that an earlier run has calibrated.
    """

    def __init__(self, model: nn.Module, what: Observation, restore: Restore) -> None:
        self.plan: Plan | None = None
        self.effort = Effort(0.0, 0.0)
        """What calibrating all layers takes, known with the plan."""
        self.specs: dict[str, Reader] = {}
        """How each layer is to be read, before anything is calibrated."""
        self.readers: dict[str, Reader] = {}
        """How each layer is read; ready after the first pass that could read it."""
        self.slugs: dict[str, tuple[str, ...]] = {}
        """Each layer's rulers as tags name them."""
        self.unmerged: dict[str, frozenset[int]] = {}
        """By layer, the rulers of which no keys with merged bins are wanted."""
        self._model = weakref.ref(model)
        self._what = what
        self._restore = restore
        self._choice: Choice = resolve(model, what.layers)
        self.listener = Listener(self._choice.modules, self._discover)
        # Weakly, so that a pass that an error has cut off is forgotten with it.
        self._passes: weakref.WeakSet[Pass] = weakref.WeakSet()
        self._behind_untracked: frozenset[str] = frozenset()
        """Layers behind a BatchNorm that had tracked nothing when the plan was made."""
        self._stages: weakref.WeakKeyDictionary[Pass, Stage] = weakref.WeakKeyDictionary()
        """How far the training was when each pass began."""
        self._left_out: weakref.WeakKeyDictionary[Pass, dict[str, str]] = (
            weakref.WeakKeyDictionary()
        )
        """Of each pass, the layers that are calibrated on a later one, and why."""
        self._discovery: Discovery[Copy | None] | None = None
        self._pass: LayerPass = DryRun()

    @property
    def is_ready(self) -> bool:
        """Whether all layers are read as they will be for good."""
        return bool(self.readers) and all(reader.is_ready for reader in self.readers.values())

    @property
    def is_inside_fused(self) -> bool:
        """Whether a layer that the user named is part of a module with a fused path."""
        model = self._model()
        named = {} if model is None else by_every_name(model)
        return any(is_inside_fused(name, named) for name in self._choice.chosen or ())

    @property
    def was_calibrated(self) -> bool:
        """Whether anything about the layers was taken from the first rows."""
        return any(not spec.is_ready for spec in self.specs.values())

    def attach(self, *, eager: bool = False) -> None:
        """From now on observe batches, also of parts that have been replaced. Safe to call twice.

        A new module under an old name is that layer from now on, read as it was.

        Args:
            eager: Whether compiled parts of the model run eagerly.
        """
        model = self._model()
        if model is not None:
            self.listener.attach(model, by_every_name(model), eager=eager)

    def detach(self) -> None:
        """Observe no more. Safe to call twice."""
        self.listener.detach()
        self._discovery = None

    def new_pass(
        self, *, hash_inputs: bool, stage: Stage, wide: WideSampling | None = None
    ) -> Pass:
        """A pass over a set begins; what earlier passes can calibrate is calibrated first.

        Args:
            hash_inputs: Whether to find out which inputs are equal.
            stage: How far the training is; layers that are calibrated later are left out of the
                pass.
            wide: Chooses the samples that layers of any width are read on; None for none.
        """
        self._calibrate_alone()
        new = Pass(
            max_samples=self._what.max_samples,
            seed=self._what.seed,
            keep_rows=self._what.keep_rows,
            hash_inputs=hash_inputs,
            wide=self._wide_pass(wide),
        )
        self._passes.add(new)
        self._stages[new], self._left_out[new] = stage, {}
        self._fill(new)
        return new

    def again(self, earlier: Pass) -> Pass:
        """A pass that begins when `earlier` did: the same layers are left out."""
        return self.new_pass(hash_inputs=False, stage=self._stages[earlier])

    def left_out(self, current: Pass) -> dict[str, str]:
        """The layers that are calibrated on a later pass, and why."""
        return self._left_out.get(current, {})

    def _wide_pass(self, sampling: WideSampling | None) -> WidePass | None:
        choice = self._what.wide
        if choice is None or sampling is None:
            return None
        return WidePass(choice, sampling, keeps_all=self._what.keep_sketches)

    def begin(self, batch: Batch, current: LayerPass) -> None:
        """A batch of a pass begins."""
        self._pass = current
        waits = current.begin(batch)
        if self.plan is None:
            self._discovery = Discovery(self._choice, batch.grid, self._copied)
        self.listener.begin(copies=waits)

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was observed."""
        self.listener.end()
        if self.listener.error is not None:
            self._discovery = None
            raise self.listener.error
        if self.plan is None:
            self._make_plan()

    def calibrate(self, current: Pass) -> None:
        """Calibrate what waits, on the first rows of the pass; all processes call this.

        A layer that cannot be read, on any of them, is left to be calibrated by a later pass.
        """
        waiting = together(current.waiting)

        def freeze() -> dict[str, str]:
            self._calibrate(current, waiting)
            return dict(current.faults)

        for faults in together(freeze):
            current.drop(faults)
        self._adopt(current)

    def finish(self, current: Pass) -> Observed:
        """The pass is over; the readers of all layers that it could read are calibrated.

        With several processes all of them call this, and all get what one would have observed.
        """
        self.calibrate(current)
        observed = current.merge(together(current.observed))
        self._passes.discard(current)
        sketched, choice = current.sketched(), self._what.wide
        if sketched is None or choice is None:
            return observed
        return replace(observed, spreads=spreads_of(sketched, choice.size))

    def _calibrate(
        self, current: Pass, waiting: Sequence[Mapping[str, tuple[NDArray[np.int64], Tensor]]]
    ) -> None:
        if self.plan is None:
            raise ValueError("layers: no batch was observed, so there are none")
        for name, stream in list(current.streams.items()):
            if not isinstance(stream, Waiting):
                continue
            if self.readers[name].is_ready:
                with current.contained(name):
                    current.streams[name] = stream.read_by(self.readers[name])
                continue
            shares = [share[name] for share in waiting if name in share]
            if shares:
                indices = np.concatenate([of_share for of_share, _ in shares])
                rows = torch.cat([of_share for _, of_share in shares])
                n_rows = stream.reader.n_calibration_rows(rows)
                order = np.argsort(indices, kind="stable")[:n_rows]
                with current.contained(name):
                    current.streams[name] = stream.freeze(rows[torch.from_numpy(order)])

    def _calibrate_alone(self) -> None:
        if n_processes() > 1:
            return  # only together, which is when a pass is over
        for earlier in self._passes:
            for name, stream in list(earlier.streams.items()):
                if isinstance(stream, Waiting) and stream.n_samples:
                    with earlier.contained(name):
                        earlier.streams[name] = stream.freeze()
            self._adopt(earlier)

    def _adopt(self, calibrated: Pass) -> None:
        """What the pass has calibrated is how its layers are read from now on."""
        for name, stream in calibrated.streams.items():
            if isinstance(stream, KeyStream) and not self.readers[name].is_ready:
                self.readers[name] = stream.reader

    def _discover(self, firing: Firing) -> None:
        if self._discovery is not None:
            self._discovery.add(firing)

    def _copied(self, layer: Layer, rows: Tensor) -> Copy | None:
        spec = reader_for(layer, self._what.resolutions, self._what.reduce)
        reader = self._restore(layer.name, spec) or spec
        stage = self._stages.get(self._pass) if isinstance(self._pass, Pass) else None
        if stage is None or why_later(reader, stage, is_untracked=False):
            return self._pass.copied(rows, layer, None)
        unmerged, alone = self.unmerged.get(layer.name, frozenset()), n_processes() == 1
        stream = stream_of(reader, alone=alone, unmerged=unmerged, enough=0)
        return self._pass.copied(rows, layer, stream)

    def _take(self, firing: Firing) -> None:
        self._pass.take(firing.name, firing.call, firing.output, is_copy=firing.is_copy)

    def _make_plan(self) -> None:
        discovery, self._discovery = self._discovery, None
        if discovery is None:
            raise RuntimeError("end: no batch has begun")
        found, copies = discovery.plan(self._why_silent)
        self.specs = readers_for(found.layers, self._what.resolutions, self._what.reduce)
        self.slugs = {
            name: tuple(ruler.slug for ruler in spec.rulers) for name, spec in self.specs.items()
        }
        self.readers = {
            name: self._restore(name, spec) or spec for name, spec in self.specs.items()
        }
        self.plan = found
        self.effort = effort_of(found.layers, self.readers, discovery.forward)
        self._behind_untracked = behind_untracked(discovery.calls, found.layers)
        del discovery  # and with it the copies of what is no layer
        observed = {layer.module_name for layer in found.layers}
        modules = self.listener.modules
        self.listener.listen_to({name: modules[name] for name in observed}, self._take)
        for unfilled in self._passes:
            self._fill(unfilled)
        for name in list(copies):  # one after the other, so that no more is held than needed
            self._pass.take_copy(name, copies.pop(name))

    @property
    def _why_silent(self) -> dict[str, str]:
        model = self._model()
        named = {} if model is None else by_every_name(model)
        fused = (name for name in self._choice.modules if is_inside_fused(name, named))
        return {**dict.fromkeys(fused, FUSED), **dict.fromkeys(self.listener.compiled, COMPILED)}

    def _fill(self, empty: Pass) -> None:
        alone = n_processes() == 1
        untracked = self._untracked
        layers = self.plan.layers if self.plan is not None else ()
        enough = enough_for(len(layers))
        for layer in layers:
            reader = self.readers[layer.name]
            why = why_later(reader, self._stages[empty], is_untracked=layer.name in untracked)
            if why:
                self._left_out[empty][layer.name] = why
                empty.observe(layer, None)
                continue
            unmerged = self.unmerged.get(layer.name, frozenset())
            stream = stream_of(reader, alone=alone, unmerged=unmerged, enough=enough)
            empty.observe(layer, stream)

    @property
    def _untracked(self) -> frozenset[str]:
        model = self._model() if self._behind_untracked else None
        if model is None or not any(map(is_untracked, model.modules())):
            return frozenset()
        return self._behind_untracked
