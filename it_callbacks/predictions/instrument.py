"""Measure the entropies of a classifier's predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, get_args

from torch import nn
from typing_extensions import override

from it_callbacks._version import __version__
from it_callbacks.checks import ArgumentValueError
from it_callbacks.log_probabilities import Kind
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy
from it_callbacks.observation.batches import MOST_CLASSES
from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.instrument import (
    Completion,
    Instrument,
    Measured,
    Notice,
    Occasion,
)
from it_callbacks.observation.labels import COUNTED_AS, KINDS, decided
from it_callbacks.observation.positions import samples_in_words
from it_callbacks.observation.prediction_observer import PredictionObserver
from it_callbacks.observation.prediction_pass import Predicted, PredictionPass
from it_callbacks.observation.selecting import Selector
from it_callbacks.observation.stages import Stage
from it_callbacks.predictions import notices
from it_callbacks.predictions.defined import DefinedRows, Makers, Metric
from it_callbacks.records import Value

_SEED = 0
MOST_CLASS_TAGS = 100
"""Above this many classes a chart per class is no longer readable; sums over classes still are."""


class Finished(PredictionPass[DefinedRows]):
    """A pass over predictions that several instruments may measure.

    Args:
        makers: Of their metrics.
        options: As of `PredictionPass`.
    """

    def __init__(self, makers: Makers, **options: Any) -> None:
        super().__init__(makers, **options)
        self.makers = makers


class Readout(ABC):
    """Which metric measures predictions, and how its results are logged."""

    group: ClassVar[str]
    """Root of the tags."""

    @abstractmethod
    def metric(self, way: str, n_classes: int, kind: Kind | None) -> Metric:
        """An empty metric.

        Args:
            way: How labels are counted: ``"classes"`` or ``"multi-label"``.
            n_classes: Of the predictions, at least 2; or how many labels they are of.
            kind: That of the predictions, where it is known.
        """

    @abstractmethod
    def values(self, computed: Mapping[str, float]) -> list[Value]:
        """What to log of what the metric computes."""

    @abstractmethod
    def missing(self, computed: Mapping[str, float], n_classes: int) -> list[int]:
        """The classes without a sample whose values are missed."""


@dataclass(frozen=True)
class WholeSet(Readout):
    """Entropies over a whole set, as `it_callbacks.metrics.PredictionEntropy` computes them."""

    group = "prediction_entropy"

    @override
    def metric(self, way: str, n_classes: int, kind: Kind | None) -> Metric:
        if way == "multi-label":
            if n_classes > MOST_CLASSES:
                raise ValueError(
                    f"logits: {n_classes} labels per sample, at most {MOST_CLASSES} are supported; "
                    "pass logits= and target= as functions that give fewer columns"
                )
            return MultiLabelPredictionEntropy(n_classes, kind=kind, sync_on_compute=False)
        return PredictionEntropy(n_classes, kind=kind, sync_on_compute=False)

    @override
    def values(self, computed: Mapping[str, float]) -> list[Value]:
        n_labels = sum(name.startswith("label_") and name[6:].isdecimal() for name in computed)
        return [
            Value(self.group, name, bits)
            for name, bits in computed.items()
            if n_labels <= MOST_CLASS_TAGS or not name[6:].isdecimal()
        ]

    @override
    def missing(self, computed: Mapping[str, float], n_classes: int) -> list[int]:
        return []


@dataclass(frozen=True)
class InsideClasses(Readout):
    """Entropies inside each class, as `it_callbacks.metrics.ConditionalEntropy` computes them.

    Args:
        class_names: One for each class, where a user has named them.
    """

    class_names: Sequence[str] | None = None

    group = "conditional_entropy"

    @override
    def metric(self, way: str, n_classes: int, kind: Kind | None) -> Metric:
        if n_classes > MOST_CLASSES:
            raise ValueError(
                f"logits: {n_classes} classes, at most {MOST_CLASSES} fit the table of labels and "
                "predictions; pass logits= and target= as functions that give coarser classes, or "
                "measure PredictionEntropyMonitor alone, which takes any number"
            )
        if self.class_names is not None and len(self.class_names) != n_classes:
            raise ArgumentValueError(
                f"class_names: {len(self.class_names)} names for {n_classes} classes of predictions"
            )
        if way == "multi-label":
            return MultiLabelConditionalEntropy(n_classes, kind=kind, sync_on_compute=False)
        return ConditionalEntropy(n_classes, kind=kind, sync_on_compute=False)

    @override
    def values(self, computed: Mapping[str, float]) -> list[Value]:
        per_class = sum(name.startswith("class_") for name in computed) <= MOST_CLASS_TAGS
        values = []
        for name, bits in computed.items():
            kind, of_class, number = name.rpartition("class_")
            if name in _OF_LABELS:
                values.append(Value("label_information", _OF_LABELS[name], bits))
            elif not of_class:
                values.append(Value(self.group, name, bits))
            elif per_class:  # class_3, within_class_3 or hard_class_3
                place = "/".join(filter(None, (kind.rstrip("_"), f"class_{number}")))
                values.append(Value(self.group, place, bits))
        return values

    @override
    def missing(self, computed: Mapping[str, float], n_classes: int) -> list[int]:
        if n_classes > MOST_CLASS_TAGS:
            return []
        return [number for number in range(n_classes) if f"class_{number}" not in computed]


_OF_LABELS = {
    "information_soft": "soft",
    "information_hard": "hard",
    "equivocation": "equivocation",
    "information_soft_chance": "soft_chance",
    "information_soft_adjusted": "soft_adjusted",
    "information_hard_chance": "hard_chance",
    "information_hard_adjusted": "hard_adjusted",
    "information_status": "status",
    "confused_first": "confused_first",
    "confused_second": "confused_second",
    "confused_share": "confused_share",
}
"""What the metric computes of the labels, and what tags call it."""


class PredictionInstrument(Instrument[Finished]):
    """Measures predictions with a metric of `it_callbacks.metrics`.

    Args:
        readout: Which metric, and how its results are logged.
        logits: Where the predictions are.
        max_samples: Beyond this many samples, a seeded random subset.
        about: Further settings.
    """

    def __init__(
        self,
        readout: Readout,
        *,
        logits: Selector | None,
        max_samples: int | None,
        about: Mapping[str, Any],
    ) -> None:
        self.group = readout.group
        self._readout = readout
        self._logits = logits
        self._max_samples = max_samples
        self._about = about
        self._observer: PredictionObserver | None = None
        self._kinds: dict[str, Kind | None] = {}
        """By set: logits or probabilities, as the first pass found."""
        self._labels: dict[str, str] = {}
        """By set: the kind of its labels, as the first pass found."""
        self._repeats: dict[str, bool] = {}
        """By set, whether inputs were repeated: where none is, they need not be told apart."""
        self._spare: dict[tuple[str, int, Kind | None], Metric] = {}
        """Metrics of passes that are over: to make one takes longer than to feed a small set."""

    def __getstate__(self) -> dict[str, Any]:
        # A copy observes nothing: hooks and modules stay with the original.
        return {**self.__dict__, "_observer": None, "_spare": {}}

    @override
    def observe(self, model: nn.Module) -> PredictionObserver:
        self._observer = PredictionObserver(model, self._logits)
        return self._observer

    @override
    def dry_run(self, set_: str) -> Finished:
        # All samples go through the metric at once, so that what it refuses is known in time.
        return self._pass(set_, None, hash_inputs=False, enough=0)

    @override
    def explored(self) -> None:
        """Nothing was to be found out."""

    @override
    def new_pass(self, set_: str, stage: Stage) -> Finished:
        return self._pass(set_, self._max_samples, hash_inputs=self._repeats.get(set_, True))

    @override
    def ahead(self) -> list[Notice]:
        return []

    @override
    def check_determinism(
        self, first: Finished, run_first_batch: Callable[[Sequence[Finished]], None]
    ) -> bool:
        """Predictions of a stochastic model are what they are."""
        return True

    @property
    @override
    def may_draw(self) -> bool:
        return False

    @override
    def measure(self, finished: Finished, on: Occasion) -> Measured:
        found = finished.finish()
        n_samples = found.n_samples - found.metric.n_left_out
        if not n_samples:
            raise ValueError(
                f"logits: all {found.n_samples} rows of predictions are NaN or infinite"
            )
        metric, computed = found.metric.of(self.group), found.metric.computed(self.group)
        if found.by_position:
            # Positions of one row depend on each other: no standard error of independent samples.
            computed.pop("label_bound_se", None)
        values = self._readout.values(computed)
        missing = self._readout.missing(computed, metric.num_classes)
        # Readers of a log ask each monitor for the epochs of its own points.
        values.append(Value(self.group, "epoch", float(on.epoch)))
        found_notices = notices.notices(on.set, found, self.group, missing)
        if self._kinds.get(on.set) == "probabilities" and found.kind == "logits":
            text = (
                f"set {on.set!r}: predictions leave [0, 1], so they are logits after all; earlier "
                "points were read as probabilities and are wrong"
            )
            found_notices.append(Notice("logits", text))
        measured = Measured(
            values,
            n_samples,
            self._settings(found, on),
            found_notices,
            notices.taken(found),
            detail=_Kept(found.kind or metric.kind, found.labels, found.metric.share_repeated),
        )
        # It holds nothing until the next pass; kinds of predictions stay with a metric for good.
        metric.clear()
        self._spare[COUNTED_AS[found.labels], metric.num_classes, metric.kind] = metric
        return measured

    @override
    def not_due(
        self, set_: str, n_earlier: int, place: tuple[int, int], *, is_end: bool
    ) -> frozenset[str]:
        return frozenset()

    @override
    def completions(self, settings: Callable[[str], Mapping[str, Any]]) -> list[Completion]:
        return []

    @override
    def keep(self, measured: Measured, on: Occasion) -> None:
        kept: _Kept = measured.detail
        self._kinds[on.set], self._labels[on.set] = kept.kind, kept.labels
        if kept.share_repeated is not None:
            self._repeats[on.set] = kept.share_repeated > 0

    @override
    def texts(self) -> dict[str, dict[str, Any]]:
        return {}

    @override
    def state(self) -> dict[str, Any]:
        return {"kinds": dict(self._kinds), "labels": dict(self._labels)}

    @override
    def restore(self, state: Mapping[str, Any]) -> list[Notice]:
        kinds, labels = state["kinds"], state["labels"]
        if not set(kinds.values()) <= {None, *get_args(Kind)}:
            raise ValueError(f"kinds: need kinds of predictions, got {kinds}")
        if not set(labels.values()) <= set(KINDS):
            raise ValueError(f"labels: need kinds of labels, got {labels}")
        self._kinds, self._labels = dict(kinds), dict(labels)
        return []

    @override
    def reset(self) -> None:
        self._observer = None
        self._kinds, self._labels, self._repeats, self._spare = {}, {}, {}, {}

    @override
    def observes_as(self, other: Instrument[Any]) -> bool:
        # One of the same group would take the other's metric for its own.
        return (
            isinstance(other, PredictionInstrument)
            and other.group != self.group
            and other._alike == self._alike
        )

    @override
    def join(self, current: Finished) -> None:
        current.makers.add(self.group, self._metric)

    @property
    def _alike(self) -> tuple[object, ...]:
        """All that the pass over a set depends on."""
        return self._logits, self._max_samples, self._kinds, self._labels, self._repeats

    def _pass(
        self, set_: str, max_samples: int | None, *, hash_inputs: bool, enough: int = GATHERED
    ) -> Finished:
        # What the first pass held, logits or probabilities, holds for the whole run.
        return Finished(
            Makers(self.group, self._metric),
            decide=lambda fits: decided(fits, self._labels, set_),
            labels=self._labels.get(set_),
            kind=self._kinds.get(set_),
            max_samples=max_samples,
            seed=_SEED,
            hash_inputs=hash_inputs,
            enough=enough,
        )

    def _metric(self, way: str, n_classes: int, kind: Kind | None) -> Metric:
        metric = self._spare.pop((way, n_classes, kind), None)
        return self._readout.metric(way, n_classes, kind) if metric is None else metric

    def _settings(self, found: Predicted[DefinedRows], on: Occasion) -> Mapping[str, Any]:
        """As they were, unless rows are left out for the first time."""
        n_left_out, metric, earlier = found.metric.n_left_out, found.metric.metric, on.settings
        if earlier and (earlier["n_left_out"] or not n_left_out):
            return earlier
        return {
            "n_samples": found.n_samples - n_left_out,
            "n_unlabelled": found.n_unlabelled,
            "n_left_out": n_left_out,
            "n_classes": metric.num_classes,
            "share_of_repeated_inputs": earlier.get(
                "share_of_repeated_inputs", found.metric.share_repeated
            ),
            "labels": found.labels,
            "samples": samples_in_words(by_position=found.by_position, is_shifted=found.is_shifted),
            "predictions": f"{metric.kind}, from {found.source}",
            "max_samples": self._max_samples,
            "seed": _SEED,
            "weights": on.weights,
            "version": __version__,
            **self._about,
        }


class _Kept(NamedTuple):
    """What later points need of one.

    Args:
        kind: What the predictions are.
        labels: The kind of their labels.
        share_repeated: Share of the samples that were there before; None if not known.
    """

    kind: Kind | None
    labels: str
    share_repeated: float | None
