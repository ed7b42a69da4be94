"""Batches of labels and layer outputs in; labels, inputs and symbols of one whole pass out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import encode_keys, keys
from it_callbacks.observation.layers import Layer, check_rows
from it_callbacks.observation.sampling import Subset
from it_callbacks.observation.streams import KeyStream
from it_callbacks.rulers import CALIBRATION_ROWS, Exact

MOST_KEPT_ROWS = 2048
"""Rows of activations kept for estimators that need them: their cost grows with the square."""


@dataclass(frozen=True)
class Observed:
    """What one pass over a set left: everything that the estimates need.

    Args:
        indices: Which samples of the set they are, ``(n_samples,)``, in increasing order.
        labels: Class numbers ``(n_samples,)``.
        inputs: Keys ``(n_samples, 2)`` of the inputs; None if they were not told apart.
        keys: For each layer, keys ``(n_samples, 2)`` per ruler.
        kept: For each layer, readings ``(n_kept, n_units)`` of the rows kept for extras.
        kept_indices: Which samples those rows are, ``(n_kept,)``.
        kept_labels: Class numbers ``(n_kept,)`` of those rows.
        n_units: For each layer, units of its reading.
        reach: For each layer, the largest state of its first ruler in absolute value.
        missed: Layers that were not heard in every batch, and why.
        faults: Layers that could not be read, and why: NaN, say. They are in none of the above.
        n_unlabelled: Samples left out because their label is negative (an ignore index).
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    inputs: NDArray[np.int64] | None
    keys: dict[str, list[NDArray[np.int64]]]
    kept: dict[str, Tensor]
    kept_indices: NDArray[np.int64]
    kept_labels: NDArray[np.int64]
    n_units: dict[str, int]
    reach: dict[str, float]
    missed: dict[str, str]
    faults: dict[str, str]
    n_unlabelled: int


class Pass:
    """Takes in one pass over a set, batch by batch.

    A layer that its ruler or reduction refuses costs itself only: it is not heard any more, and
    counts as a fault of the pass. Whatever else goes wrong is raised.

    Args:
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subsets.
        keep_rows: Whether to keep readings of up to `MOST_KEPT_ROWS` rows.
        hash_inputs: Whether to tell the inputs apart (it costs a pass over them).
    """

    def __init__(
        self,
        *,
        max_samples: int | None,
        seed: int,
        keep_rows: bool,
        hash_inputs: bool,
    ) -> None:
        self.streams: dict[str, KeyStream] = {}
        """How each layer is read, but for those with a fault."""
        self.faults: dict[str, str] = {}
        """Layers that cannot be read in this pass, and why."""
        self._layers: dict[tuple[str, int], Layer] = {}
        self._subset = Subset(max_samples, seed)
        self._kept = Subset(min(MOST_KEPT_ROWS, max_samples or MOST_KEPT_ROWS), seed)
        self._keep_rows = keep_rows
        self._hash_inputs = hash_inputs
        self._indices: list[NDArray[np.int64]] = [np.arange(0)]
        self._kept_indices: list[NDArray[np.int64]] = [np.arange(0)]
        self._labels: list[NDArray[np.int64]] = []
        self._kept_labels: list[NDArray[np.int64]] = []
        self._inputs: list[NDArray[np.int64]] = []
        self._rows: Tensor | None = None
        self._keep: Tensor | None = None
        self._n_in_batch = 0
        self._n_admitted = 0
        self._n_unlabelled = 0

    def observe(self, layer: Layer, stream: KeyStream) -> None:
        """From now on take in what `layer` gives, through `stream`."""
        self._layers[layer.module_name, layer.call] = layer
        self.streams[layer.name] = stream

    def begin(self, labels: Tensor, inputs: Any, indices: NDArray[np.int64]) -> None:
        """A batch begins.

        Args:
            labels: Class numbers ``(n,)``; negative ones are left out.
            inputs: What the model takes, if inputs are to be told apart.
            indices: Which samples of the set they are, ``(n,)``; negative ones are left out, since
                another process has them.
        """
        self._n_in_batch = len(labels)
        numbers = labels.cpu().numpy()
        labelled = np.flatnonzero((numbers >= 0) & (indices >= 0))
        self._n_unlabelled += int(((numbers < 0) & (indices >= 0)).sum())
        admitted = labelled[self._subset.admit(indices[labelled])]
        self._n_admitted += len(admitted)
        everything = len(admitted) == len(labels)
        self._rows = None if everything else torch.from_numpy(admitted).to(labels.device)
        of_admitted = numbers[admitted]
        self._labels.append(of_admitted)
        self._indices.append(indices[admitted])
        if self._keep_rows:
            keep = self._kept.admit(indices[admitted])
            self._keep = torch.from_numpy(keep).to(labels.device)
            self._kept_labels.append(of_admitted[keep])
            self._kept_indices.append(indices[admitted][keep])
        if self._hash_inputs:
            self._tell_apart(inputs)

    def hear(self, module_name: str, call: int, output: Any) -> None:
        """A module gave `output`; taken in at once if it is one of the layers."""
        layer = self._layers.get((module_name, call))
        if layer is None or layer.name in self.faults:
            return
        rows = output if layer.pick is None else layer.pick(output)
        check_rows(rows, self._n_in_batch, layer.name)
        rows = rows.detach()
        rows = rows if self._rows is None else rows[self._rows]
        with self.at_its_own_cost(layer.name):
            self.streams[layer.name].add(rows, self._keep)

    @contextmanager
    def at_its_own_cost(self, layer: str) -> Iterator[None]:
        """What a ruler or a reduction refuses inside is the layer's fault, and ends its reading.

        Raises:
            TypeError: The layer gives what no ruler reads, whatever its values.
        """
        try:
            yield
        except ValueError as error:
            self.give_up({layer: str(error)})
        except TypeError as error:
            raise TypeError(f"layer {layer!r}: {error}") from error

    def give_up(self, faults: Mapping[str, str]) -> None:
        """Read these layers no further, each for its reason."""
        for name, why in faults.items():
            self.faults.setdefault(name, why)
            self.streams.pop(name, None)

    def waiting(self) -> dict[str, tuple[NDArray[np.int64], Tensor]]:
        """For each layer that waits to be calibrated, the first rows that it may be, and which."""
        indices = np.concatenate(self._indices)
        first = np.argsort(indices, kind="stable")[:CALIBRATION_ROWS]
        return {
            name: (indices[first], rows.cpu()[torch.from_numpy(first)])
            for name, stream in self.streams.items()
            if (rows := stream.waiting()) is not None and len(rows) == len(indices)
        }

    def observed(self) -> Observed:
        """What there is so far, of this process, before the random subset is final."""
        missed = {
            name: f"heard {stream.n_samples} of {self._n_admitted} samples"
            for name, stream in self.streams.items()
            if stream.n_samples != self._n_admitted
        }
        keys: dict[str, list[NDArray[np.int64]]] = {}
        for name, stream in list(self.streams.items()):
            if name not in missed:
                with self.at_its_own_cost(name):
                    keys[name] = stream.all_keys()
        heard = {name: self.streams[name] for name in keys}
        return Observed(
            indices=np.concatenate(self._indices),
            labels=np.concatenate([np.arange(0), *self._labels]),
            inputs=np.concatenate(self._inputs) if self._inputs else None,
            keys=keys,
            kept={name: stream.kept().cpu() for name, stream in heard.items() if self._keep_rows},
            kept_indices=np.concatenate(self._kept_indices),
            kept_labels=np.concatenate([np.arange(0), *self._kept_labels]),
            n_units={name: stream.n_units for name, stream in heard.items()},
            reach={name: stream.reach for name, stream in heard.items()},
            missed=missed,
            faults=dict(self.faults),
            n_unlabelled=self._n_unlabelled,
        )

    def merge(self, parts: Sequence[Observed]) -> Observed:
        """What all processes observed, as one process would have.

        Samples are put in the order of their indices, and the random subset is made final.
        """
        chosen = self._subset.chosen(np.concatenate([part.indices for part in parts]))
        kept = self._kept.chosen(np.concatenate([part.kept_indices for part in parts]))
        whole = _in_order(chosen, parts[0].indices) and _in_order(kept, parts[0].kept_indices)
        if len(parts) == 1 and whole:
            return parts[0]  # as most often: one process, no subset
        faults = {name: why for part in parts for name, why in part.faults.items()}
        missed = {
            name: why for part in parts for name, why in part.missed.items() if name not in faults
        }
        names = [name for name in parts[0].keys if name not in missed and name not in faults]
        # A process without samples has told no inputs apart, which is no reason to forget those
        # of the others.
        inputs = [part.inputs for part in parts if len(part.indices)]
        return Observed(
            indices=np.concatenate([part.indices for part in parts])[chosen],
            labels=np.concatenate([part.labels for part in parts])[chosen],
            inputs=None
            if not inputs or any(one is None for one in inputs)
            else np.concatenate([one for one in inputs if one is not None])[chosen],
            keys={
                name: [
                    np.concatenate([part.keys[name][number] for part in parts])[chosen]
                    for number in range(len(parts[0].keys[name]))
                ]
                for name in names
            },
            kept={
                name: torch.cat([part.kept[name] for part in parts if len(part.kept[name])])[
                    torch.from_numpy(kept)
                ]
                for name in names
                if self._keep_rows
            },
            kept_indices=np.concatenate([part.kept_indices for part in parts])[kept],
            kept_labels=np.concatenate([part.kept_labels for part in parts])[kept],
            n_units={name: max(part.n_units[name] for part in parts) for name in names},
            reach={name: max(part.reach[name] for part in parts) for name in names},
            missed=missed,
            faults=faults,
            n_unlabelled=sum(part.n_unlabelled for part in parts),
        )

    def _tell_apart(self, inputs: Any) -> None:
        parts = input_keys(inputs, self._n_in_batch)
        if parts is None:
            self._hash_inputs = False
            self._inputs.clear()
        else:
            self._inputs.append(parts if self._rows is None else parts[self._rows.cpu().numpy()])


def _in_order(positions: NDArray[np.int64], of: NDArray[np.int64]) -> bool:
    """Whether `positions` take all of something as it stands."""
    return np.array_equal(positions, np.arange(len(of)))


def input_keys(inputs: Any, n_samples: int) -> NDArray[np.int64] | None:
    """Keys ``(n_samples, 2)`` of the exact input rows; None where they cannot be told.

    Inputs may be a tensor, or a mapping or sequence of tensors with one row per sample each.
    """
    if isinstance(inputs, Tensor):
        parts = [inputs]
    elif isinstance(inputs, Mapping):
        parts = list(inputs.values())
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str):
        parts = list(inputs)
    else:
        return None
    if not parts or not all(_has_rows(part, n_samples) for part in parts):
        return None
    of_parts = [
        encode_keys(part, Exact()) if part.is_floating_point() else keys(part) for part in parts
    ]
    return (of_parts[0] if len(of_parts) == 1 else keys(torch.cat(of_parts, 1))).cpu().numpy()


def _has_rows(part: Any, n_samples: int) -> bool:
    return (
        isinstance(part, Tensor)
        and part.layout == torch.strided
        and not part.is_complex()
        and part.ndim > 0
        and len(part) == n_samples
        and bool(torch.isfinite(part).all())
    )
