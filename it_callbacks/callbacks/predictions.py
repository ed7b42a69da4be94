"""The monitors of a classifier's predictions: over a whole set, and inside each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from it_callbacks.callbacks.faults import OnError
from it_callbacks.callbacks.monitor import Monitor
from it_callbacks.callbacks.options import Data, Options
from it_callbacks.drawing import as_plotly
from it_callbacks.figures import Request
from it_callbacks.observation.positions import Samples
from it_callbacks.observation.selecting import Selector
from it_callbacks.predictions.instrument import InsideClasses, PredictionInstrument, WholeSet
from it_callbacks.schedules import Schedule


class PredictionEntropyMonitor(Monitor[PredictionInstrument]):
    """Logs how sure, how varied and how right a classifier's predictions are, in bits.

    Tags ``prediction_entropy/<set>/...``: ``mean`` H(Ŷ|X), ``marginal`` H(Ŷ), ``hard`` H(argmax),
    ``input_information`` I(X;Ŷ), ``cross_entropy``, ``label_bound`` H(Y) - CE, a lower
    bound on every layer's I(T;Y), and its standard error ``label_bound_se``, for which repeated
    inputs count once. See
    `it_callbacks.metrics.PredictionEntropy` for each.

    Args:
        logits: Where the predictions are: the name of a module, or a key, an index or a function
            of what the model's forward returns. None takes what the model's own forward returns,
            else the last module to fire with a floating ``(n_samples, K >= 2)`` output. Rows that
            are >= 0 and sum to 1 are probabilities; one value per sample is a Bernoulli logit.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels. None takes the second of two, or ``label``,
            ``labels``, ``target`` or ``y`` of a mapping or object; see the docs' page on labels.
        samples: What the samples are: ``"rows"`` of a batch or ``"positions"`` in them (tokens,
            pixels). ``"auto"``: positions where each has a label of its own.
        ignore_index: A number that marks samples without a label, as negative numbers do.
        data: A fixed set to measure instead of listening: ``"train"`` or ``"val"`` for the data
            set behind that loader, or a data set, a loader or tensors. Fetched once.
        schedule: When to measure: every n epochs, `LogSpaced`, a list of epochs, or a function of
            the epoch. The first point is always measured.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        on_error: ``"warn"``: what cannot be measured is skipped, with one warning of each cause;
            only a wrong argument is raised, before the first step. ``"raise"``: all is raised.
        name: The name of the set in tags, followed by ``_test`` in a test; two monitors of one kind
            on the same set need different ones.

    Raises:
        ValueError: An argument has no meaning.
        TypeError: An argument is of the wrong kind.

    Example:
        ```
        trainer = Trainer(callbacks=[PredictionEntropyMonitor()])
        ```
    """

    _shown = Request("predictions")

    def __init__(
        self,
        *,
        logits: Selector | None = None,
        inputs: Selector | None = None,
        target: Selector | None = None,
        samples: Samples = "auto",
        ignore_index: int | None = None,
        data: Data = None,
        schedule: Schedule = 1,
        max_samples: int | None = None,
        on_error: OnError = "warn",
        name: str | None = None,
    ) -> None:
        options = Options(
            data, schedule, inputs, target, max_samples, on_error, name, 0, ignore_index, samples
        )
        self.logits = logits
        about = {"measured_on": options.measured_on}
        instrument = PredictionInstrument(
            WholeSet(), logits=logits, max_samples=options.max_samples, about=about
        )
        super().__init__(instrument, options)

    def figure(self) -> Any:
        """What the entropy of the predictions H(Ŷ) is made of, over epochs, as stacked areas.

        I(X;Ŷ), the information about the inputs, and H(Ŷ|X), what remains open in each prediction.
        How much of I(X;Ŷ) is about the labels, only a `ConditionalEntropyMonitor` measures; the
        figure says so.

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.
        """
        return as_plotly(self._shown, self._journal.panels(self._source.bench.options.set))


class ConditionalEntropyMonitor(Monitor[PredictionInstrument]):
    """Logs how predictions scatter inside each class, and their information about the label.

    Tags ``conditional_entropy/<set>/...``: ``class_<c>`` H(Ŷ|Y=c), ``within/class_<c>`` the mean of
    H(p) in the class, ``hard/class_<c>`` the entropy of the argmax, ``all`` H(Ŷ|Y); and
    ``label_information/<set>/...``: ``soft``, ``hard`` and ``equivocation``, and of the first two
    what chance shows, ``soft_chance`` and ``hard_chance``, the values adjusted for it,
    ``soft_adjusted`` and ``hard_adjusted``, and their ``status``. Repeated inputs count once for
    chance and status. All but the status are in bits. See
    `it_callbacks.metrics.ConditionalEntropy` for each. Beyond 100 classes the tags per class are
    left out.

    Args:
        logits: Where the predictions are; see `PredictionEntropyMonitor`.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels; see `PredictionEntropyMonitor`.
        samples: What the samples are: ``"rows"`` of a batch or ``"positions"`` in them (tokens,
            pixels). ``"auto"``: positions where each has a label of its own.
        ignore_index: A number that marks samples without a label, as negative numbers do.
        data: A fixed set to measure instead of listening; see `PredictionEntropyMonitor`.
        schedule: When to measure; see `PredictionEntropyMonitor`.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        on_error: ``"warn"`` or ``"raise"``; see `PredictionEntropyMonitor`.
        name: The name of the set in tags; see `PredictionEntropyMonitor`.
        class_names: Names of classes 0, 1, ..., for the settings and figures. Tags keep numbers.

    Raises:
        ValueError: An argument has no meaning.
        TypeError: An argument is of the wrong kind.

    Example:
        ```
        trainer = Trainer(callbacks=[ConditionalEntropyMonitor(class_names=["cat", "dog"])])
        ```
    """

    _shown = Request("classes")

    def __init__(
        self,
        *,
        logits: Selector | None = None,
        inputs: Selector | None = None,
        target: Selector | None = None,
        samples: Samples = "auto",
        ignore_index: int | None = None,
        data: Data = None,
        schedule: Schedule = 1,
        max_samples: int | None = None,
        on_error: OnError = "warn",
        name: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        options = Options(
            data, schedule, inputs, target, max_samples, on_error, name, 0, ignore_index, samples
        )
        if class_names is not None and (
            isinstance(class_names, str) or not all(isinstance(c, str) for c in class_names)
        ):
            raise TypeError(f"class_names: need a list of texts, got {class_names!r}")
        self.logits = logits
        self.class_names = class_names
        names = None if class_names is None else list(class_names)
        about = {"measured_on": options.measured_on, "class_names": names}
        instrument = PredictionInstrument(
            InsideClasses(names), logits=logits, max_samples=options.max_samples, about=about
        )
        super().__init__(instrument, options)

    def figure(self) -> Any:
        """The entropy of the predictions inside each class H(Ŷ|Y=c), over epochs, as a heat map.

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.
        """
        return as_plotly(self._shown, self._journal.panels(self._source.bench.options.set))
