"""One pass over a set: batches and layer outputs become labels, inputs and symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.all_processes import observed_by_all
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.calibrating import Stream, Waiting
from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.labels import Targets
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.pass_samples import PassSamples
from it_callbacks.observation.positions import Grid
from it_callbacks.observation.sketched import Sketched, WidePass
from it_callbacks.observation.small_batches import SmallBatches
from it_callbacks.observation.streams import Encodings, KeyStream, encode_held
from it_callbacks.observation.wide_sampling import class_numbers
from it_callbacks.rulers import refuse_mostly_nonfinite


class Copy(NamedTuple):
    """What is kept of an output of the first batch until it is known whether it is a layer's.

    Args:
        taken: The rows of the admitted samples; of many numbers, the stream that has taken them
            in; None of a layer that is not read yet.
        is_reduced: Whether the layer's reduction has been applied.
        sketches: What the reading of layers of any width keeps of them.
    """

    taken: Tensor | Stream | None
    is_reduced: bool
    sketches: NDArray[np.floating[Any]] | None


class DryRun:
    """A pass of which nothing is kept: it finds out which layers and classes there are."""

    def __init__(self) -> None:
        self.first_classes = np.zeros(0, np.int64)
        """Class numbers of the first batch that has any."""

    def observe(self, layer: Layer, stream: Stream | None) -> None:
        """Nothing is taken in."""

    def begin(self, batch: Batch) -> bool:
        """Nothing is taken in but the classes."""
        if batch.labels is not None and not len(self.first_classes):
            labelled = np.flatnonzero(batch.labels.is_labelled)
            self.first_classes = class_numbers(batch.labels, labelled)
        return False

    def copied(self, rows: Tensor, layer: Layer, stream: Stream | None) -> Copy | None:
        """Nothing is held."""

    def take_copy(self, layer: str, copy: Copy | None) -> None:
        """Nothing is taken in."""

    def take(self, module_name: str, call: int, output: Any, *, is_copy: bool = False) -> None:
        """Nothing is taken in."""


class Pass:
    """Takes in one pass over a set, batch by batch.

    A layer that its ruler or reduction refuses is not read any further in this pass, and counts
    as a fault of the layer. Whatever else goes wrong is raised.

    Args:
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subsets.
        keep_rows: Whether to keep up to `MOST_KEPT_ROWS` reduced rows of each layer.
        hash_inputs: Whether to tell the inputs apart (it costs a pass over them).
        wide: Takes in what layers of any width are read on; None to read none.
    """

    def __init__(
        self,
        *,
        max_samples: int | None,
        seed: int,
        keep_rows: bool,
        hash_inputs: bool,
        wide: WidePass | None = None,
    ) -> None:
        self.streams: dict[str, Stream] = {}
        """How each layer is read, but for those with a fault."""
        self.faults: dict[str, str] = {}
        """Layers that cannot be read in this pass, and why."""
        self._layers: dict[tuple[str, int], Layer] = {}
        self._samples = PassSamples(max_samples, seed, keep=keep_rows, hash_inputs=hash_inputs)
        self._wide = wide
        self._small = SmallBatches[tuple[str, int]]()
        self._are_ready = False
        """Whether it is known of all layers how they are read."""
        self._most_units = 0.0
        """Of the widest layer; infinity where one gives maps or sequences."""
        self._all_units = 0
        self._grid = Grid(0)
        """How the samples lie in the tensors of the batch that runs."""

    def observe(self, layer: Layer, stream: Stream | None) -> None:
        """From now on take in what `layer` gives.

        Args:
            layer: Which layer.
            stream: Encodes it; None where only its reading at any width is wanted.
        """
        self._layers[layer.module_name, layer.call] = layer
        self._are_ready = False
        is_rows = layer.n_axes == 2  # maps and sequences are large
        self._most_units = max(self._most_units, layer.n_units if is_rows else np.inf)
        self._all_units += layer.n_units
        if stream is not None:
            self.streams[layer.name] = stream

    def begin(self, batch: Batch) -> bool:
        """A batch begins; whether it waits, with copies of its outputs, to be taken in with others.

        That is what small ones do.
        """
        self._grid = batch.grid
        if self._small.is_full:
            self._settle()
        n = len(batch)
        if self._may_wait and self._small.begin(batch, self._most_units * n, self._all_units * n):
            return True
        self._settle()
        self._begin(batch)
        return False

    def _begin(self, batch: Batch) -> None:
        admitted = self._samples.begin(batch)
        if self._wide is not None:
            self._wide.begin(batch, admitted, self._samples.row_keys)

    @property
    def _may_wait(self) -> bool:
        """Whether nothing has to be known of a batch before it has ended."""
        # A stream that is ready stays so.
        if not self._are_ready:
            self._are_ready = all(isinstance(one, KeyStream) for one in self.streams.values())
        return bool(self._layers) and self._are_ready and not self._samples.tells_apart

    def _settle(self) -> None:
        """Take in all batches that have waited."""
        for batch, outputs in self._small.joined():
            self._begin(batch)
            for call, rows in outputs.items():
                self._take(self._layers[call], rows, is_owned=True)

    def copied(self, rows: Tensor, layer: Layer, stream: Stream | None) -> Copy | None:
        """A copy of what is needed of a layer's rows, since a later layer may change them.

        Args:
            rows: Of all rows of the batch, ``(n_rows, ...)``.
            layer: Which layer.
            stream: A new one for this layer; None if it is not read yet. Of more than `GATHERED`
                numbers it takes in the rows, and is held in their place.
        """
        sketches = None if self._wide is None else self._wide.sketch(rows.detach(), layer)
        if stream is None:
            return Copy(None, is_reduced=False, sketches=sketches)
        rows = self._samples.admitted_of(rows.detach(), layer.units_axis)
        reduction = stream.reader.reduction
        rows = self._samples.without_padding(rows, reduction)
        if reduction.frozen:
            with suppress(Exception):  # a refusal is raised again if this becomes a layer
                reduced = reduction(rows)
                held = reduced.clone() if reduced.numel() <= GATHERED else self._fed(stream, rows)
                return Copy(held, is_reduced=True, sketches=sketches)
        return Copy(rows.clone(), is_reduced=False, sketches=sketches)

    def _fed(self, stream: Stream, rows: Tensor) -> Stream:
        """The stream that goes on once `stream` has taken in rows."""
        if isinstance(stream, Waiting):
            return stream.take(rows, self._samples.to_keep)
        stream.add(rows, self._samples.to_keep)
        return stream

    def take_copy(self, layer: str, copy: Copy | None) -> None:
        """Take in what `copied` gave of a layer."""
        if copy is None:
            return
        if self._wide is not None:
            self._wide.add(layer, copy.sketches)
        stream, rows = self.streams.get(layer), copy.taken
        if stream is None or rows is None:  # it is not read yet
            return
        if not isinstance(rows, Tensor):
            self.streams[layer] = rows
            return
        with self.contained(layer):  # calibrated later, since what that takes is said before
            add = stream.add_reduced if copy.is_reduced else stream.add_owned
            add(rows, self._samples.to_keep)

    def take(self, module_name: str, call: int, output: Any, *, is_copy: bool = False) -> None:
        """A module gave `output`; taken in at once if it is one of the layers.

        Args:
            module_name: Which module.
            call: Which call of it.
            output: What it returned.
            is_copy: Whether that is a copy, which may be kept.
        """
        of_module = module_name, call
        layer = self._layers.get(of_module)
        if layer is None:
            return
        rows, grid = layer.rows(output, self._grid), self._grid
        if grid.axes and (why := grid.misfit(tuple(rows.shape), layer.units_axis)) is not None:
            self.drop({layer.name: why})
        elif not self._small.hold(of_module, rows, is_copy=is_copy and layer.pick is None):
            self._take(layer, rows.detach())

    def _take(self, layer: Layer, rows: Tensor, *, is_owned: bool = False) -> None:
        """Take in the rows of a layer in the batch that has begun.

        Args:
            layer: Which layer.
            rows: What it gave.
            is_owned: Whether nobody else can change them.
        """
        if self._wide is not None:
            self._wide.add(layer.name, self._wide.sketch(rows, layer, is_owned=is_owned))
        stream = self.streams.get(layer.name)  # none where that is all, or its code has a fault
        if stream is None:
            return
        rows = self._samples.admitted_of(rows, layer.units_axis)
        rows = self._samples.without_padding(rows, stream.reader.reduction)
        try:
            if is_owned and not isinstance(stream, Waiting):
                stream.add_owned(rows, self._samples.to_keep)
            else:
                self.streams[layer.name] = self._fed(stream, rows)
        except (ValueError, TypeError) as error:
            self._refuse(layer.name, error)

    @contextmanager
    def contained(self, layer: str) -> Iterator[None]:
        """Inside, what a ruler or a reduction refuses ends the reading of its layer only.

        Raises:
            TypeError: The layer gives what no ruler reads, whatever its values.
        """
        try:
            yield
        except (ValueError, TypeError) as error:
            self._refuse(layer, error)

    def _refuse(self, layer: str, error: Exception) -> None:
        if isinstance(error, TypeError):
            raise TypeError(f"layer {layer!r}: {error}") from error
        self.drop({layer: str(error)})

    def drop(self, faults: Mapping[str, str]) -> None:
        """Read these layers no further, each for its reason."""
        for name, why in faults.items():
            self.faults.setdefault(name, why)
            self.streams.pop(name, None)

    def waiting(self) -> dict[str, tuple[NDArray[np.int64], Tensor]]:
        """For each layer that waits to be calibrated, the first rows that it may be, and which."""
        self._settle()
        indices = self._samples.columns()["indices"]
        found = {}
        for name, stream in self.streams.items():
            if not isinstance(stream, Waiting) or stream.n_samples != len(indices):
                continue
            rows = stream.rows()
            if rows is not None:
                of_rows = indices[stream.finite]
                first = np.argsort(of_rows, kind="stable")[: stream.n_wanted]
                found[name] = (of_rows[first], rows.cpu()[torch.from_numpy(first)])
        return found

    def sketched(self) -> Sketched | None:
        """What this process has kept for layers of any width; None if that is not wanted."""
        return None if self._wide is None else self._wide.sketched()

    def observed(self) -> Observed:
        """What there is so far, of this process, before the random subset is final."""
        self._settle()
        samples = self._samples
        missed = {
            name: f"ran on {stream.n_samples} of {samples.n_admitted} samples"
            for name, stream in self.streams.items()
            if stream.n_samples != samples.n_admitted
        }
        for name, stream in list(self.streams.items()):
            if isinstance(stream, Waiting) and stream.n_samples and name not in missed:
                with self.contained(name):
                    self.streams[name] = stream.freeze()
        encode_held(
            stream
            for name, stream in self.streams.items()
            if isinstance(stream, KeyStream) and name not in missed
        )
        read: dict[str, Encodings] = {}
        for name, stream in list(self.streams.items()):
            if isinstance(stream, KeyStream) and name not in missed:
                with self.contained(name):
                    read[name] = stream.read()
        whole = {name: stream for name, stream in self.streams.items() if name not in missed}
        unread = {name: stream for name, stream in whole.items() if name not in read}
        none = np.zeros((0, 2), dtype=np.int64)
        return Observed(
            indices=(columns := samples.columns())["indices"],
            kept_indices=columns["kept_indices"],
            targets=Targets.joined(samples.targets),
            inputs=samples.inputs(),
            keys={name: of_layer.keys for name, of_layer in read.items()}
            | {name: [none] * len(stream.reader.rulers) for name, stream in unread.items()},
            merged={name: of_layer.merged for name, of_layer in read.items()},
            kept={
                name: stream.kept().cpu()
                for name, stream in whole.items()
                if isinstance(stream, KeyStream)
            }
            if samples.keeps
            else {},
            sketches={} if self._wide is None else self._wide.of_all(),
            n_units={name: of_layer.n_units for name, of_layer in read.items()},
            max_state={name: of_layer.max_state for name, of_layer in read.items()},
            missed=missed,
            faults=dict(self.faults),
            n_unlabelled=samples.admission.n_unlabelled,
            left_out={
                name: of_layer.left_out
                for name, of_layer in read.items()
                if of_layer.left_out.any()
            },
            by_position=samples.by_position,
            is_shifted=bool(samples.is_shifted),
        )

    def merge(self, parts: Sequence[Observed]) -> Observed:
        """What all processes observed, as one process would have.

        Samples are put in the order of their indices, and the random subset is made final. A layer
        with more rows that are not finite than others cannot be read.
        """
        samples, faults = self._samples, dict[str, str]()
        whole = observed_by_all(parts, *samples.chosen(parts), keeps=samples.keeps)
        for name, left_out in whole.left_out.items():
            try:
                refuse_mostly_nonfinite(int(left_out.sum()), len(left_out))
            except ValueError as error:
                faults[name] = str(error)
        return whole.dropped(faults)


LayerPass = Pass | DryRun
"""What an observer of layers feeds."""
