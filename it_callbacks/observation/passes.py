"""Batches of labels and layer outputs in; labels, inputs and symbols of one whole pass out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import KeyStream, encode_keys, keys
from it_callbacks.observation.layers import Layer, check_rows
from it_callbacks.observation.sampling import Subset
from it_callbacks.rulers import Exact

MOST_KEPT_ROWS = 2048
"""Rows of activations kept for estimators that need them: their cost grows with the square."""


@dataclass(frozen=True)
class Observed:
    """What one pass over a set left: everything that the estimates need.

    Args:
        labels: Class numbers ``(n_samples,)``.
        inputs: Keys ``(n_samples, 2)`` of the inputs; None if they were not told apart.
        keys: For each layer, keys ``(n_samples, 2)`` per ruler.
        kept: For each layer, readings ``(n_kept, n_units)`` of the rows kept for extras.
        kept_labels: Class numbers ``(n_kept,)`` of those rows.
        n_units: For each layer, units of its reading.
        largest: For each layer, its largest activation in absolute value.
        missed: Layers that were not heard in every batch, and why.
        n_unlabelled: Samples left out because their label is negative (an ignore index).
    """

    labels: NDArray[np.int64]
    inputs: NDArray[np.int64] | None
    keys: dict[str, list[NDArray[np.int64]]]
    kept: dict[str, Tensor]
    kept_labels: NDArray[np.int64]
    n_units: dict[str, int]
    largest: dict[str, float]
    missed: dict[str, str]
    n_unlabelled: int


class Pass:
    """Takes in one pass over a set, batch by batch.

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
        self._layers: dict[tuple[str, int], Layer] = {}
        self._subset = Subset(max_samples, seed)
        self._kept = Subset(min(MOST_KEPT_ROWS, max_samples or MOST_KEPT_ROWS), seed)
        self._keep_rows = keep_rows
        self._hash_inputs = hash_inputs
        self._labels: list[NDArray[np.int64]] = []
        self._kept_labels: list[NDArray[np.int64]] = []
        self._inputs: list[NDArray[np.int64]] = []
        self._rows: Tensor | None = None
        self._keep: Tensor | None = None
        self._n_in_batch = 0
        self._n_admitted = 0
        self.n_seen = 0
        self._n_unlabelled = 0

    def observe(self, layer: Layer, stream: KeyStream) -> None:
        """From now on take in what `layer` gives, through `stream`."""
        self._layers[layer.module_name, layer.call] = layer
        self.streams[layer.name] = stream

    def begin(self, labels: Tensor, inputs: Any) -> None:
        """A batch begins, with its labels ``(n,)`` and, if they are to be told apart, inputs."""
        self._n_in_batch = len(labels)
        indices = np.arange(self.n_seen, self.n_seen + len(labels))
        self.n_seen += len(labels)
        labelled = np.flatnonzero(labels.cpu().numpy() >= 0)
        self._n_unlabelled += len(labels) - len(labelled)
        admitted = labelled[self._subset.admit(indices[labelled])]
        self._n_admitted += len(admitted)
        everything = len(admitted) == len(labels)
        self._rows = None if everything else torch.from_numpy(admitted).to(labels.device)
        of_admitted = labels.cpu().numpy()[admitted]
        self._labels.append(of_admitted)
        if self._keep_rows:
            keep = self._kept.admit(indices[admitted])
            self._keep = torch.from_numpy(keep).to(labels.device)
            self._kept_labels.append(of_admitted[keep])
        if self._hash_inputs:
            self._tell_apart(inputs)

    def hear(self, module_name: str, call: int, output: Any) -> None:
        """A module gave `output`; taken in at once if it is one of the layers."""
        layer = self._layers.get((module_name, call))
        if layer is None:
            return
        rows = output if layer.pick is None else layer.pick(output)
        check_rows(rows, self._n_in_batch, layer.name)
        rows = rows.detach()
        try:
            self.streams[layer.name].add(
                rows if self._rows is None else rows[self._rows], self._keep
            )
        except (ValueError, TypeError) as error:
            raise type(error)(f"layer {layer.name!r}: {error}") from error

    def finish(self) -> Observed:
        """The pass is over."""
        final = np.arange(self._n_admitted) if self._subset.size is None else self._subset.final()
        heard = {
            name: stream
            for name, stream in self.streams.items()
            if stream.n_samples == self._n_admitted
        }
        missed = {
            name: f"heard {stream.n_samples} of {self._n_admitted} samples"
            for name, stream in self.streams.items()
            if name not in heard
        }
        kept = self._kept.final() if self._keep_rows else np.arange(0)
        return Observed(
            labels=np.concatenate([np.arange(0), *self._labels])[final],
            inputs=np.concatenate(self._inputs)[final] if self._inputs else None,
            keys={name: [k[final] for k in stream.all_keys()] for name, stream in heard.items()},
            kept={
                name: stream.kept()[torch.from_numpy(kept)].cpu()
                for name, stream in heard.items()
                if self._keep_rows
            },
            kept_labels=np.concatenate([np.arange(0), *self._kept_labels])[kept],
            n_units={name: stream.n_units for name, stream in heard.items()},
            largest={name: stream.largest for name, stream in heard.items()},
            missed=missed,
            n_unlabelled=self._n_unlabelled,
        )

    def _tell_apart(self, inputs: Any) -> None:
        parts = input_keys(inputs, self._n_in_batch)
        if parts is None:
            self._hash_inputs = False
            self._inputs.clear()
        else:
            self._inputs.append(parts if self._rows is None else parts[self._rows.cpu().numpy()])


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
