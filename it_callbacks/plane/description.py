"""How a set was measured, as plain values for the settings, and the notices that a point needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import counts
from it_callbacks.observation.instrument import Notice
from it_callbacks.observation.labels import LabelKind, SoftLabels
from it_callbacks.observation.layer_observer import LayerObserver
from it_callbacks.observation.observed import Observed
from it_callbacks.plane.causes import (
    constant_notices,
    imbalance_notices,
    stochastic_notices,
    successor_notices,
)
from it_callbacks.plane.memory import Memory
from it_callbacks.plane.notices import (
    LayerFacts,
    calibration_notice,
    labels_notice,
    left_out_notice,
    saturated_notices,
    scale_notices,
    set_notices,
    silent_notice,
    unreadable_notice,
)
from it_callbacks.plane.point import Point, classes_of, label_entropy
from it_callbacks.plane.repeated import Distinct, share_repeated
from it_callbacks.plane.wide import WidePoint
from it_callbacks.plane.wide_instrument import Postponed
from it_callbacks.records import unique_slugs
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Exact, Uniform, calibration_rows

MOST_LISTED_CLASSES = 1000
"""Class numbers in the settings; those of a vocabulary nobody reads."""
_EXPECTED = 10
"""Of a class that misses among the first rows, so many would be there if the set were shuffled."""


@dataclass(frozen=True)
class PlanePoint:
    """One set at one moment.

    Args:
        set: What the set is called.
        observed: What the pass has left.
        kind: What kind of labels it has.
        labels: Class numbers ``(n_samples,)``; None where there is no Y.
        points: For each layer that could be read, one point per ruler; the first has plain tags.
        wide: The layers at any width; or what is needed to read them later; None for neither.
        observer: How layers are read.
        memory: What is known from earlier points.
        stochastic: The layers that are stochastic, as far as is known; None if nobody knows.
        tags: What tags call each layer there is, so that none takes another's place.
    """

    set: str
    observed: Observed
    kind: LabelKind
    labels: NDArray[np.int64] | None
    points: Mapping[str, list[Point]]
    wide: WidePoint | Postponed | None
    observer: LayerObserver
    memory: Memory
    stochastic: frozenset[str] | None
    tags: Mapping[str, str]

    @cached_property
    def _classes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The class numbers seen, and the samples in each; empty where there is no Y."""
        if self.labels is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return classes_of(self.labels)

    @property
    def n_classes(self) -> int:
        """How many classes there are; 0 where there is no Y."""
        return len(self._classes[0])

    @property
    def n_left_out(self) -> dict[str, int]:
        """For each layer with rows that are not finite, by its tag, how many."""
        left_out = self.observed.left_out
        return {self.tags[name]: int(which.sum()) for name, which in left_out.items()}

    def settings(self, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """How the set was measured.

        Args:
            earlier: The same of earlier points, for layers that are left out at this one.
        """
        observed, plan = self.observed, self.observer.plan
        layers = {layer["tag"]: layer for layer in earlier.get("layers", [])}
        for layer in plan.layers if plan else ():
            if layer.name in self.points:
                slugs = self.observer.slugs[layer.name]
                reader, spec = self.observer.readers[layer.name], self.observer.specs[layer.name]
                layers[self.tags[layer.name]] = {
                    "tag": self.tags[layer.name],
                    "module": layer.module_name,
                    "call": layer.call,
                    "reduction": repr(reader.reduction),
                    "estimand": reader.reduction.estimand,
                    "rulers": [repr(ruler) for ruler in reader.rulers],
                    "bins": [repr(ruler) for ruler in spec.rulers],
                    "slugs": list(slugs),
                    "tag_of_ruler": ["", *slugs[1:]],
                    "H_T_given_X": [point.noise.known for point in self.points[layer.name]],
                }
        repeated = None if observed.inputs is None else share_repeated(observed.inputs)
        labels = self.labels
        return {
            "n_samples": len(observed.indices),
            "n_unlabelled": observed.n_unlabelled,
            "n_left_out": {**earlier.get("n_left_out", {}), **self.n_left_out},
            "labels": self.kind.about,
            "Y": self.kind.symbol,
            "H_Y": None if labels is None else label_entropy(labels),
            "n_classes": self.n_classes,
            "classes": self._classes[0].tolist() if self.n_classes <= MOST_LISTED_CLASSES else [],
            "share_of_repeated_inputs": repeated,
            "layers": [layers[tag] for tag in self.tags.values() if tag in layers],
            "skipped": plan.skipped if plan else {},
            "missed": observed.missed,
            "faults": {
                name: why for name, why in observed.faults.items() if self.tags[name] not in layers
            },
        }

    def notices(self, *, exhaustive: bool) -> list[Notice]:
        """What a reader of the point should know.

        Args:
            exhaustive: Whether the samples are all there is.
        """
        plan, facts = self.observer.plan, self._facts
        found = [] if exhaustive else self._set_notices()
        if self.labels is None or isinstance(self.kind, SoftLabels):
            has_y = self.labels is not None
            found.append(labels_notice(self.set, self.kind.about, has_y=has_y))
        if plan and len(plan.unreadable) > len(plan.layers):
            reasons = {name: plan.skipped[name] for name in plan.unreadable}
            found.append(unreadable_notice(self.set, reasons, len(plan.layers)))
        if plan and plan.silent:
            reasons = {name: plan.skipped[name] for name in plan.silent}
            found.append(silent_notice(self.set, reasons))
        if self.n_left_out:
            found.append(left_out_notice(self.set, self.n_left_out, len(self.observed.indices)))
        found += saturated_notices(
            self.set, list(facts.values()), is_read_at_any_width=self.wide is not None
        )
        found += constant_notices(self.set, list(facts.values()), self._n_inputs)
        found += stochastic_notices(self.set, list(facts.values()))
        found += scale_notices(self.set, facts.values())
        for after, before in (plan.follows if plan else {}).items():
            # What a reduction leaves out of one layer the next one may still have.
            if before not in facts or after not in facts or not self._is_whole(before):
                continue
            if self._are_read_alike(before, after):
                found += successor_notices(facts[before], facts[after])
        return found + ([] if self.wide is None else self.wide.notices(self.set))

    def growth(self, layer: str) -> float:
        """How many times as far as at its first point a layer spreads, as its first ruler sees it.

        NaN where that is not known, where the layer was constant, and for rulers whose states do
        not depend on it: `Exact`, and `Uniform` that still holds all of the layer, as one of a
        bounded activation does.
        """
        ruler = self.observer.readers[layer].rulers[0]
        if isinstance(ruler, Exact) or (
            isinstance(ruler, Uniform) and not self.observed.max_state[layer] >= ruler.bins
        ):
            return math.nan
        first = self.memory.first_spread.get(layer, 0.0)
        return self.observed.spreads.get(layer, math.nan) / first if first > 0 else math.nan

    @property
    def _n_inputs(self) -> int | None:
        """How many distinct inputs there are; None where they were not told apart."""
        inputs = self.observed.inputs
        return None if inputs is None else len(counts(inputs))

    @property
    def _facts(self) -> dict[str, LayerFacts]:
        stochastic = self.stochastic
        return {
            name: LayerFacts(
                of_rulers[0].layer,
                of_rulers[0].entropy,
                of_rulers[0].information,
                self.growth(name),
                None if stochastic is None else name in stochastic,
            )
            for name, of_rulers in self.points.items()
        }

    def _set_notices(self) -> list[Notice]:
        observed, labels, per_class = self.observed, self.labels, dict[int, int]()
        repeated = None if observed.inputs is None else share_repeated(observed.inputs)
        distinct = Distinct.of(observed.inputs, labels)
        n_inputs = len(observed.indices) if distinct is None else len(distinct.inputs)
        if labels is not None:
            classes, n_in_class = self._classes
            if distinct is not None:
                classes, n_in_class = classes_of(labels[distinct.pairs])
            per_class = dict(zip(classes.tolist(), n_in_class.tolist(), strict=True))
        found = set_notices(self.set, n_inputs, per_class, repeated)
        found += imbalance_notices(self.set, per_class)
        if labels is not None and self.observer.was_calibrated:
            n_rows = self._fewest_calibration_rows
            seen = set(classes_of(labels[:n_rows])[0].tolist())
            likely = _EXPECTED * len(labels) / n_rows
            if any(n >= likely for class_, n in per_class.items() if class_ not in seen):
                found.append(calibration_notice(self.set, n_rows, len(seen), len(per_class)))
        return found

    def _are_read_alike(self, *layers: str) -> bool:
        """Whether two layers are read on the same samples."""
        some, others = (self.observed.left_out.get(layer) for layer in layers)
        if some is None or others is None:
            return some is others
        return np.array_equal(some, others)

    @property
    def _fewest_calibration_rows(self) -> int:
        """Of the layers that were calibrated."""
        specs, n_units = self.observer.specs, self.observed.n_units
        calibrated = [n for name, n in n_units.items() if not specs[name].is_ready]
        return calibration_rows(max(calibrated, default=0))

    def _is_whole(self, layer: str) -> bool:
        """Whether all of the layer is read, so that what it knows bounds the next one's."""
        return isinstance(self.observer.readers[layer].reduction, Joint)


def tags_of_layers(observer: LayerObserver) -> dict[str, str]:
    """What tags call each of an observer's layers."""
    plan = observer.plan
    return unique_slugs(layer.name for layer in (plan.layers if plan else ()))


def unread_notices(observed: Observed) -> list[Notice]:
    """A notice for each layer without values at this point.

    Raises:
        ValueError: No layer can be read.
    """
    found = [
        Notice("missed", f"layer {name!r} is skipped: it {why}", name)
        for name, why in observed.missed.items()
    ]
    for name, why in observed.faults.items():
        fault = ValueError(f"layer {name!r}: {why}")
        if not observed.keys:
            raise fault
        text = f"{fault}; this layer is skipped until its activations are finite again"
        found.append(Notice("unreadable", text, name, fault))
    return found
