"""Entropies of a classifier's predictions, over a whole set and inside each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

from torch import nn
from typing_extensions import override

import it_callbacks
from it_callbacks.callbacks.drawing import as_plotly
from it_callbacks.callbacks.faults import OnError
from it_callbacks.callbacks.information_plane import MOST_CLASSES
from it_callbacks.callbacks.monitor import Monitor
from it_callbacks.callbacks.schedules import Schedule
from it_callbacks.callbacks.telling import Reading
from it_callbacks.figures import class_entropies, prediction_entropies
from it_callbacks.metrics import ConditionalEntropy, Kind, PredictionEntropy
from it_callbacks.observation.batches import Selector
from it_callbacks.observation.fixed_set import FixedSet
from it_callbacks.observation.prediction_observer import PredictionObserver, PredictionPass

MOST_CLASS_TAGS = 100
"""Above this many classes a chart per class is no longer read; sums over classes still are."""

Predicted = PredictionEntropy | ConditionalEntropy


class _PredictionMonitor(Monitor):
    """What both monitors of predictions share: where predictions come from."""

    def __init__(
        self,
        *,
        logits: Selector | None = None,
        inputs: Selector | None = None,
        target: Selector | None = None,
        data: Literal["train", "val"] | FixedSet | None = None,
        schedule: Schedule = 1,
        max_samples: int | None = None,
        on_error: OnError = "warn",
        name: str | None = None,
    ) -> None:
        super().__init__(
            inputs=inputs,
            target=target,
            data=data,
            schedule=schedule,
            max_samples=max_samples,
            on_error=on_error,
            name=name,
            seed=0,
        )
        self.logits = logits
        self._kinds: dict[str, Kind | None] = {}
        self._said: dict[str, dict[str, Any]] = {}

    def _make_metric(self, n_classes: int, kind: Kind | None) -> Predicted:
        raise TypeError(f"{type(self).__name__} is a base; use one of the monitors")

    def _readings(self, values: dict[str, float]) -> list[Reading]:
        raise TypeError(f"{type(self).__name__} is a base; use one of the monitors")

    @override
    def _reset(self) -> None:
        super()._reset()
        self._kinds, self._said = {}, {}

    @override
    def _own_state(self) -> dict[str, Any]:
        return {"kinds": dict(self._kinds)}

    @override
    def _restore_own(self, state: dict[str, Any]) -> None:
        kinds = state["kinds"]
        if not set(kinds.values()) <= {None, *get_args(Kind)}:
            raise ValueError(f"kinds: need kinds of predictions, got {kinds}")
        self._kinds = dict(kinds)

    @override
    def _make_observer(self, model: nn.Module) -> PredictionObserver:
        return PredictionObserver(model, self.logits)

    @override
    def _new_pass(self, set_: str) -> PredictionPass[Predicted]:
        return self._pass(set_, self.max_samples)

    @override
    def _rehearse(self, set_: str) -> PredictionPass[Predicted]:
        # All samples go through the metric at once, so that what it refuses is known in time.
        return self._pass(set_, None)

    def _pass(self, set_: str, max_samples: int | None) -> PredictionPass[Predicted]:
        def make(n_classes: int) -> Predicted:
            if n_classes > MOST_CLASSES:
                raise ValueError(
                    f"logits: {n_classes} classes, at most {MOST_CLASSES} are supported; pass "
                    "logits= and target= as functions that give coarser classes"
                )
            # What the first batch held, logits or probabilities, holds for the whole run.
            return self._make_metric(n_classes, self._kinds.get(set_))

        return PredictionPass(make, max_samples=max_samples, seed=self.seed)

    @override
    def _finish(
        self, current: PredictionPass[Predicted], set_: str, epoch: int
    ) -> tuple[list[Reading], int]:
        metric = current.finish()
        self._kinds[set_] = metric.kind
        if current.may_be_probabilities:
            self._warn(
                f"set {set_!r}: predictions are one number per sample, all in [0, 1], and are read "
                "as logits; if they are probabilities of class 1, pass "
                "logits=lambda p: torch.stack([1 - p.flatten(), p.flatten()], 1)",
                cause=f"{set_} bernoulli",
                set_=set_,
            )
        values = {name: float(value) for name, value in metric.compute().items()}
        self._said[set_] = {
            "n_samples": current.n_samples,
            "n_unlabelled": current.n_unlabelled,
            "n_classes": metric.num_classes,
            "predictions": f"{metric.kind}, from {self._source}",
        }
        # What reads the logs asks each monitor for the epochs of its own points.
        at = Reading(self.group, "epoch", float(epoch))
        return [*self._readings(values), at], current.n_samples

    @property
    def _source(self) -> str:
        observer = self._observer
        return observer.source if isinstance(observer, PredictionObserver) else "not found yet"

    @override
    def _describe(self, set_: str) -> dict[str, Any]:
        return {
            **self._said[set_],
            "measured_on": "a fixed set" if self.data is not None else "the loop that runs anyway",
            "max_samples": self.max_samples,
            "seed": self.seed,
            "units": "bits",
            "version": it_callbacks.__version__,
        }


class PredictionEntropyMonitor(_PredictionMonitor):
    """Logs how sure, how varied and how right a classifier's predictions are, in bits.

    Tags ``prediction_entropy/<set>/...``: ``mean`` H(Ŷ|X), ``marginal`` H(Ŷ), ``hard`` H(argmax),
    ``input_information`` I(X;Ŷ), ``cross_entropy``, ``label_bound`` H(Y) - CE, which every layer's
    I(T;Y) is at least, and its standard error ``label_bound_se``. See
    `it_callbacks.metrics.PredictionEntropy` for each.

    Args:
        logits: Where the predictions are: the name of a module, or a key, an index or a function
            of what the model's forward returns. None takes what the model's own forward returns,
            else the last module to fire with a floating ``(n_samples, K >= 2)`` output. Rows that
            are >= 0 and sum to 1 are probabilities; one value per sample is a Bernoulli logit.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels. None takes the second of two, or ``label``,
            ``labels``, ``target`` or ``y`` of a mapping.
        data: What to measure on instead of listening: ``"train"`` or ``"val"`` for the data
            set behind that loader, or a data set, a loader or tensors. Fetched once.
        schedule: When to look: every n epochs, `LogSpaced`, a list of epochs, or a function of
            the epoch. The first look is always taken.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        on_error: ``"warn"``: a fault during training costs the point and one warning;
            ``"raise"``: it ends training.
        name: What tags call the set; needed to tell two monitors of one kind apart.

    Raises:
        ValueError: An argument has no meaning.
        TypeError: An argument is of the wrong kind.

    Example:
        ```
        trainer = Trainer(callbacks=[PredictionEntropyMonitor()])
        ```
    """

    group: ClassVar[str] = "prediction_entropy"

    @override
    def _make_metric(self, n_classes: int, kind: Kind | None) -> Predicted:
        return PredictionEntropy(n_classes, kind=kind, sync_on_compute=False)

    @override
    def _readings(self, values: dict[str, float]) -> list[Reading]:
        return [Reading("prediction_entropy", name, bits) for name, bits in values.items()]

    @override
    def figure(self) -> Any:
        """What the entropy of the predictions H(Ŷ) is made of, over epochs, as stacked areas.

        I(X;Ŷ), told of the inputs, and H(Ŷ|X), open in each prediction. How much of I(X;Ŷ) is
        told of the labels only a `ConditionalEntropyMonitor` knows; the figure says so.

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.
        """
        return as_plotly(prediction_entropies(self._panels))


class ConditionalEntropyMonitor(_PredictionMonitor):
    """Logs how predictions scatter inside each class, and what they tell about the label, in bits.

    Tags ``conditional_entropy/<set>/class_<c>`` H(Ŷ|Y=c), ``conditional_entropy_within/...`` the
    mean of H(p) in the class, ``conditional_entropy_hard/...`` of the argmax,
    ``conditional_entropy/<set>/all`` H(Ŷ|Y), and ``label_information/<set>/soft``, ``/hard`` and
    ``/equivocation``. See `it_callbacks.metrics.ConditionalEntropy` for each. Beyond 100 classes
    the tags per class are left out.

    Args:
        logits: Where the predictions are; see `PredictionEntropyMonitor`.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels; see `PredictionEntropyMonitor`.
        data: What to measure on instead of listening; see `PredictionEntropyMonitor`.
        schedule: When to look; see `PredictionEntropyMonitor`.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        on_error: ``"warn"`` or ``"raise"``; see `PredictionEntropyMonitor`.
        name: What tags call the set; needed to tell two monitors of one kind apart.
        class_names: Names of classes 0, 1, ..., for the settings and figures. Tags keep numbers.

    Raises:
        ValueError: An argument has no meaning.
        TypeError: An argument is of the wrong kind.

    Example:
        ```
        trainer = Trainer(callbacks=[ConditionalEntropyMonitor(class_names=["cat", "dog"])])
        ```
    """

    group: ClassVar[str] = "conditional_entropy"

    def __init__(
        self,
        *,
        logits: Selector | None = None,
        inputs: Selector | None = None,
        target: Selector | None = None,
        data: Literal["train", "val"] | FixedSet | None = None,
        schedule: Schedule = 1,
        max_samples: int | None = None,
        on_error: OnError = "warn",
        name: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            logits=logits,
            inputs=inputs,
            target=target,
            data=data,
            schedule=schedule,
            max_samples=max_samples,
            on_error=on_error,
            name=name,
        )
        if class_names is not None and (
            isinstance(class_names, str) or not all(isinstance(c, str) for c in class_names)
        ):
            raise TypeError(f"class_names: need a list of texts, got {class_names!r}")
        self.class_names = class_names

    @override
    def _make_metric(self, n_classes: int, kind: Kind | None) -> Predicted:
        if self.class_names is not None and len(self.class_names) != n_classes:
            raise ValueError(
                f"class_names: {len(self.class_names)} names for {n_classes} classes of predictions"
            )
        return ConditionalEntropy(n_classes, kind=kind, sync_on_compute=False)

    @override
    def _readings(self, values: dict[str, float]) -> list[Reading]:
        per_class = sum(name.startswith("class_") for name in values) <= MOST_CLASS_TAGS
        readings = []
        for name, bits in values.items():
            kind, of_class, number = name.rpartition("class_")
            if of_class and per_class:
                place = f"{kind.rstrip('_')}/class_{number}".lstrip("/")
                readings.append(Reading("conditional_entropy", place, bits))
            elif not of_class:
                readings.append(Reading(*_OVER_ALL_CLASSES[name], bits))
        return readings

    @override
    def _finish(
        self, current: PredictionPass[Predicted], set_: str, epoch: int
    ) -> tuple[list[Reading], int]:
        readings, n_samples = super()._finish(current, set_, epoch)
        n_classes = self._said[set_]["n_classes"]
        seen = {r.layer for r in readings if r.quantity == "conditional_entropy"}
        missing = [c for c in range(n_classes) if f"class_{c}" not in seen]
        if missing and n_classes <= MOST_CLASS_TAGS:
            self._warn(
                f"set {set_!r}: no sample of class {', '.join(map(str, missing))}, so no point",
                cause=f"{set_} missing",
                set_=set_,
            )
        return readings, n_samples

    @override
    def figure(self) -> Any:
        """The entropy of the predictions inside each class H(Ŷ|Y=c), over epochs, as a heat map.

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.
        """
        return as_plotly(class_entropies(self._panels))

    @override
    def _describe(self, set_: str) -> dict[str, Any]:
        names = None if self.class_names is None else list(self.class_names)
        return {**super()._describe(set_), "class_names": names}


_OVER_ALL_CLASSES = {
    "all": ("conditional_entropy", "all"),
    "information_soft": ("label_information", "soft"),
    "information_hard": ("label_information", "hard"),
    "equivocation": ("label_information", "equivocation"),
}
