"""What the plane remembers from point to point, and what a checkpoint can hold of it.

Checkpoints are loaded with ``weights_only=True``: plain Python and tensors only. A state may come
from a stranger: whatever does not have the form that is written here is refused by a ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from it_callbacks.estimators.looks import Looks
from it_callbacks.estimators.verdict import Verdict
from it_callbacks.observation.labels import KINDS, LabelKind, Targets, decided, restored
from it_callbacks.observation.readers import Reader
from it_callbacks.texts import ALL_RULERS


class Memory:
    """The course of each layer, how far it spread when calibrated, how it and labels are read."""

    def __init__(self) -> None:
        self.looks: dict[tuple[str, str, str], Looks] = {}
        """By set, layer and ruler as tags name them: the course of H(bin T)."""
        self.first_spread: dict[str, float] = {}
        """How far each layer spread at its first point, at which it was calibrated."""
        self.unmerged: dict[str, frozenset[int]] = {}
        """By layer, the rulers SATURATED at their first point, of which no bins are merged."""
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
        """For each set and layer, whether it has compressed."""
        by_ruler: dict[str, dict[str, list[Looks]]] = {}
        for (set_, layer, _), looks in self.looks.items():
            by_ruler.setdefault(set_, {}).setdefault(layer, []).append(looks)
        return {
            set_: {
                layer: Verdict(tuple(looks.verdict() for looks in several))
                for layer, several in by_layer.items()
            }
            for set_, by_layer in by_ruler.items()
        }

    def in_words(self) -> dict[str, dict[str, dict[str, str]]]:
        """By set, layer and ruler, the verdict; of several rulers the joint one, too."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for set_, by_layer in self.verdicts().items():
            of_set = found[set_] = {}
            for layer, verdict in by_layer.items():
                rulers = [ruler for *place, ruler in self.looks if place == [set_, layer]]
                of_set[layer] = dict(zip(rulers, map(str, verdict.by_ruler), strict=True))
                if len(rulers) > 1:
                    of_set[layer][ALL_RULERS] = str(verdict)
        return found

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
            "first_spread": dict(self.first_spread),
            "unmerged": {layer: sorted(of) for layer, of in self.unmerged.items()},
            "stochastic": None if self.stochastic is None else sorted(self.stochastic),
            "looks": [[*key, _as_tensors(looks.state())] for key, looks in self.looks.items()],
        }

    def restore_readers(self, state: Mapping[str, Any]) -> None:
        """Take back how layers and labels are read."""
        readers, first = state["readers"], state["first_spread"]
        stochastic = state["stochastic"]
        if not isinstance(readers, dict) or not all(isinstance(r, dict) for r in readers.values()):
            raise ValueError("readers: need a mapping for each layer")
        if not all(isinstance(number, float) for number in first.values()):
            raise ValueError("first_spread: need a number for each layer")
        self.labels = {str(set_): restored(kind) for set_, kind in state["labels"].items()}
        self.readers, self.first_spread = dict(readers), dict(first)
        self.unmerged = {
            str(layer): frozenset(map(int, of)) for layer, of in state["unmerged"].items()
        }
        self.stochastic = None if stochastic is None else frozenset(map(str, stochastic))

    def restore_looks(self, state: Mapping[str, Any]) -> None:
        """Take back the courses."""
        self.looks = {
            (str(set_), str(layer), str(ruler)): Looks.from_state(_as_arrays(looks))
            for set_, layer, ruler, looks in state["looks"]
        }


def _as_tensors(value: Any) -> Any:
    """A value of plain Python with tensors in place of its arrays."""
    if isinstance(value, dict):
        return {name: _as_tensors(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_as_tensors, value))
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _as_arrays(value: Any) -> Any:
    """The reverse of `_as_tensors`."""
    if isinstance(value, dict):
        return {name: _as_arrays(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_as_arrays, value))
    return value.cpu().numpy() if isinstance(value, Tensor) else value
