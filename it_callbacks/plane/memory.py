"""What the plane remembers from point to point, and what a checkpoint can hold of it.

Checkpoints are loaded with ``weights_only=True``: plain Python and tensors only. A state may come
from a stranger: whatever does not have the form that is written here is refused by a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.estimators.verdict import Drop, Peak, Verdict
from it_callbacks.observation.labels import KINDS, LabelKind, Targets, decided, restored
from it_callbacks.observation.readers import Reader


class Memory:
    """Peaks of each layer, how far it reached when calibrated, how it and labels are read."""

    def __init__(self) -> None:
        self.peaks: dict[tuple[str, str, int], Peak] = {}
        """By set, layer in tags and number of the ruler: the highest and the latest H(bin T)."""
        self.first_max_state: dict[str, float] = {}
        """How large the states of each calibrated layer were at its first point."""
        self.stochastic: frozenset[str] | None = None
        """Layers whose codes differed between two passes; None while nothing is passed twice."""
        self.readers: dict[str, dict[str, Any]] = {}
        """States of readers from a checkpoint: also of layers that this run leaves out."""
        self.labels: dict[str, LabelKind] = {}
        """By set, the kind of its labels, as its first whole pass has decided."""

    def kind_of(self, set_: str, targets: Targets) -> LabelKind:
        """The kind of a set's labels: as it was decided on, or as this whole pass decides it.

        Raises:
            ValueError: The labels are not of the kind that the set had.
        """
        name = decided(targets.fits, {of: kind.name for of, kind in self.labels.items()}, set_)
        kept = [self.labels[set_]] if set_ in self.labels else self.labels.values()
        alike = next((kind for kind in kept if kind.name == name), None)
        return KINDS[name].of(targets) if alike is None else alike

    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """For each set and layer, whether it has compressed since its peak."""
        drops: dict[str, dict[str, list[Drop]]] = {}
        for (set_, layer, _), peak in self.peaks.items():
            drops.setdefault(set_, {}).setdefault(layer, []).append(peak.drop())
        return {
            set_: {layer: Verdict(tuple(several)) for layer, several in by_layer.items()}
            for set_, by_layer in drops.items()
        }

    def state(self, specs: Mapping[str, Reader], readers: Mapping[str, Reader]) -> dict[str, Any]:
        """All of it as plain Python and tensors.

        Args:
            specs: How each layer of this run is to be read.
            readers: How it is read.
        """
        current = {
            name: specs[name].state(reader) for name, reader in readers.items() if reader.is_ready
        }
        return {
            "readers": {**self.readers, **current},
            "labels": {set_: kind.state() for set_, kind in self.labels.items()},
            "first_max_state": dict(self.first_max_state),
            "stochastic": None if self.stochastic is None else sorted(self.stochastic),
            "peaks": [[*key, *_as_tensors(peak.memory())] for key, peak in self.peaks.items()],
        }

    def restore_readers(self, state: Mapping[str, Any]) -> None:
        """Take back how layers and labels are read."""
        readers, first = state["readers"], state["first_max_state"]
        stochastic = state["stochastic"]
        if not isinstance(readers, dict) or not all(isinstance(r, dict) for r in readers.values()):
            raise ValueError("readers: need a mapping for each layer")
        if not all(isinstance(number, float) for number in first.values()):
            raise ValueError("first_max_state: need a number for each layer")
        self.labels = {str(set_): restored(kind) for set_, kind in state["labels"].items()}
        self.readers, self.first_max_state = dict(readers), dict(first)
        self.stochastic = None if stochastic is None else frozenset(map(str, stochastic))

    def restore_peaks(self, state: Mapping[str, Any]) -> None:
        """Take back the peaks."""
        peaks: dict[tuple[str, str, int], Peak] = {}
        for set_, layer, number, epoch, bits, saturated, surprisal, last_bits, last in state[
            "peaks"
        ]:
            peak = peaks[str(set_), str(layer), int(number)] = Peak()
            peak.restore(
                int(epoch),
                float(bits),
                bool(saturated),
                _surprisal(surprisal),
                float(last_bits),
                _surprisal(last),
            )
        self.peaks = peaks


def _as_tensors(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        yield torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _surprisal(stored: object) -> NDArray[np.float32] | None:
    if stored is None:
        return None
    if not isinstance(stored, Tensor) or stored.ndim != 1 or stored.dtype != torch.float32:
        raise ValueError("peaks: need a tensor (n_samples,) of torch.float32 or None")
    surprisal: NDArray[np.float32] = stored.cpu().numpy()
    return surprisal
