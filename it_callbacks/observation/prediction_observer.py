"""Observe a model's predictions, batch by batch, beside the labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from it_callbacks.checks import ArgumentValueError, nearest
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.listening import ROOT, Firing, Listener
from it_callbacks.observation.modules import (
    by_every_name,
    is_heard,
    is_inside_fused,
    named_modules,
)
from it_callbacks.observation.positions import AmbiguousAxis, Grid
from it_callbacks.observation.prediction_pass import PredictionPass
from it_callbacks.observation.prediction_share import least_classes
from it_callbacks.observation.prediction_source import (
    HINT,
    Implausible,
    Source,
    Undecided,
    by_sample,
    ignored,
    in_forward,
    in_words,
    kind_made_by,
    n_columns,
    tensors_of,
)
from it_callbacks.observation.readouts import Readouts
from it_callbacks.observation.selecting import Selector
from it_callbacks.observation.weak import Weak


class PredictionObserver:
    """Observes a model's predictions.

    By default they are found in the first batch: see `it_callbacks.observation.prediction_source`.
    Where that depends on how many classes there are, the first pass only counts these.
    Of several calls in a batch the first counts.

    Args:
        model: The module to observe.
        logits: Where the predictions are: the dotted name of a module, or a key, an index or a
            function of what the model's forward returns. None finds them.
    """

    def __init__(self, model: nn.Module, logits: Selector | None) -> None:
        self.source: Source | None = None
        """Where predictions come from; None before it is found."""
        self._model = Weak(model)
        self._named = named_modules(model)
        modules: dict[str, nn.Module] = {ROOT: model}
        if isinstance(logits, str) and logits in self._named:
            kind = kind_made_by(self._named[logits])
            self.source = Source(logits, is_guess=False, kind=kind)
            modules = {logits: self._named[logits]}
        elif logits is not None:
            self.source = Source(ROOT, logits, is_guess=False)
        else:
            heard = (name for name in self._named if is_heard(name, self._named))
            modules |= {name: self._named[name] for name in heard}
        self._all = modules
        self._n_classes = 2
        """How many classes the labels have at least, as seen so far."""
        self._class_axis: Literal[1, -1] | None = None
        self._batch: Batch | None = None
        self._grid = Grid(0)
        """How the samples of the batch lie in an output."""
        self._pass: PredictionPass[Any] | None = None
        self._seen = _Seen()
        self.listener = Listener(modules, self._discover if self.source is None else self._take)

    @property
    def is_inside_fused(self) -> bool:
        """Whether the module that the user named is part of one with a fused path."""
        return self.source is not None and is_inside_fused(self.source.name, self._named)

    def attach(self, *, eager: bool = False) -> None:
        """From now on observe batches. Safe to call twice.

        Args:
            eager: Whether compiled parts of the model run eagerly.
        """
        model = self._model()
        if model is not None:
            now = {**by_every_name(model), ROOT: model}
            self.listener.attach(model, now, eager=eager)

    def detach(self) -> None:
        """Observe no more. Safe to call twice."""
        self.listener.detach()
        self._seen = _Seen()

    def begin(self, batch: Batch, current: PredictionPass[Any]) -> None:
        """A batch of a pass begins."""
        if self._pass is not None and self._pass is not current:
            self._n_classes = max(self._n_classes, self._pass.n_classes)
            if self.source is not None and self._pass.shows_logits:
                self.source = replace(self.source, kind="logits")
        self._batch, self._pass = batch, current
        self._see_grid()
        current.begin(batch)
        self._n_classes = max(self._n_classes, least_classes(batch))
        self._seen = _Seen()
        self.listener.begin(copies=self.source is not None)

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was observed.

        Raises:
            Implausible: What was found may well be no predictions.
            ValueError: There were none.
        """
        self.listener.end()
        seen, self._seen = self._seen, _Seen()
        if self._batch is not None and self._pass is not None and not self._pass.takes(self._batch):
            return
        if self._pass is not None and self._pass.is_undecided:
            self._hold_on()
            return
        if isinstance(self.listener.error, AmbiguousAxis):
            self._hold_on(Undecided(str(self.listener.error)))  # other batches may show it
            return
        if self.listener.error is not None:
            if isinstance(self.listener.error, Implausible):
                self._search_again()
            raise self.listener.error
        if self.source is None:
            try:
                self._decide(seen)
            except Undecided as error:
                self._hold_on(error)
        elif not seen.is_added:
            if seen.held is None or self._is_only_the_step(seen):
                raise ValueError(
                    f"logits: {self.source} was not called in this batch, so it gave no "
                    f"predictions for {self._grid.n_samples} labels. {HINT}"
                )
            self._add(seen.held)

    def _discover(self, firing: Firing) -> None:
        for tensor in tensors_of(firing.output) if firing.name == ROOT else ():
            self._learn_class_axis(tensor)
        if self._pass is None or self._pass.is_undecided:
            return
        seen = self._seen
        if seen.readouts is None:
            seen.readouts = Readouts(self._grid, self._n_classes)
        if firing.name != ROOT:
            seen.readouts.add(firing)
            return
        seen.n_steps_or_forwards += 1
        if firing.call > 1:
            return
        try:
            seen.source = in_forward(firing.output, self._grid, self._n_classes)
        except Implausible as error:
            seen.refusal = error
        else:
            seen.held = self._read(seen.source, firing.output).detach().clone()
        of = None if seen.source is None else seen.source.of(firing.output)
        seen.readouts.forward_returned(tensors_of(firing.output if of is None else of))

    def _decide(self, seen: _Seen) -> None:
        """The first batch decides where predictions come from."""
        readouts = seen.readouts or Readouts(self._grid, self._n_classes)
        source, predictions = seen.source, seen.held
        is_forward_called = seen.n_steps_or_forwards > 0 and not self._is_only_the_step(seen)
        if readouts.is_forward_taken_on or not is_forward_called:
            source, predictions = self._among_modules(readouts, after_forward=is_forward_called)
        elif seen.refusal is not None:
            raise seen.refusal
        elif predictions is not None:
            self._refuse_embedding(predictions, readouts)
        if source is None or predictions is None:
            raise RuntimeError("source: nothing was decided")
        self.source = source = replace(source, kind=readouts.kind_of(predictions))
        self.listener.listen_to({source.name: self._all[source.name]}, self._take)
        self._add(predictions)

    def _refuse_embedding(self, predictions: Tensor, readouts: Readouts) -> None:
        head = readouts.exact_behind_forward()
        if head is not None and n_columns(predictions) != self._n_classes:
            raise Undecided(
                f"logits: the model's forward gave {in_words(predictions)}, but {head}, called "
                f"after it, has a column for each of {self._n_classes} classes. {HINT}"
            )

    def _hold_on(self, why: Undecided | None = None) -> None:
        """The next pass decides, with as many classes as the labels of all of this one show."""
        if self._batch is not None and self._pass is not None:
            self._pass.hold(self._batch, why)

    def _among_modules(self, readouts: Readouts, *, after_forward: bool) -> tuple[Source, Tensor]:
        try:
            source, copied = readouts.source(after_forward=after_forward)
        except Implausible as error:
            if not self.listener.compiled:
                raise
            raise Implausible(
                "logits: no predictions were found outside the compiled parts of the model. Pass "
                "data='val' (or 'train', or a set of your own), which runs them uncompiled"
            ) from error
        return source, self._read(source, copied)

    def _take(self, firing: Firing) -> None:
        seen = self._seen
        seen.n_steps_or_forwards += 1
        if firing.call > 1 or self.source is None:
            return
        may_be_the_step = self._is_routed and firing.name == ROOT
        try:
            predictions = self._read(self.source, firing.output)
        except ValueError:
            if may_be_the_step:  # of which nothing is read
                return
            raise
        if may_be_the_step:
            seen.held = predictions.detach().clone()
        else:
            self._add(predictions, is_copy=firing.is_copy and self.source.part is None)

    def _read(self, source: Source, output: Any) -> Tensor:
        try:
            predictions = source.of(output)
        except ValueError as error:
            if not isinstance(source.part, str) or source.is_guess:
                raise
            hint = nearest(source.part, self._named)
            raise ArgumentValueError(f"{error}, and no module of that name{hint}") from error
        rows = by_sample(predictions, self._grid)
        if rows is None or rows.ndim not in (1, 2):
            raise ValueError(
                f"logits: {source} gave no predictions for {self._grid.n_samples} labels in this "
                f"batch; it gave {in_words(predictions)}. {HINT}"
            )
        self._learn_class_axis(predictions)
        return rows

    def _learn_class_axis(self, output: Tensor) -> None:
        """Where only one axis can count classes, it does so in every batch."""
        if self._class_axis is not None or not self._grid.axes:
            return
        axes = self._grid.class_axes(tuple(output.shape))
        if len(axes) == 1 and output.is_floating_point():
            self._class_axis = axes[0]
            self._see_grid()

    def _see_grid(self) -> None:
        grid = Grid(0) if self._batch is None else self._batch.grid
        known = self._class_axis
        self._grid = grid if known is None else replace(grid, class_axis=known)

    def _add(self, predictions: Tensor, *, is_copy: bool = False) -> None:
        if self._batch is None or self._pass is None or self.source is None:
            raise RuntimeError("end: no batch has begun")
        if self.source.is_guess and n_columns(predictions) < self._n_classes:
            self._search_again()
            raise Implausible(
                f"logits: a label is {self._n_classes - 1}, but {n_columns(predictions)} columns "
                f"were found as predictions. {HINT}, or target= for other labels; "
                f"{ignored(self._n_classes - 1)}"
            )
        self._pass.add(predictions, self._batch, self.source, is_copy=is_copy)
        self._seen.is_added = True

    def _search_again(self) -> None:
        """What was found was none: the next batch decides anew."""
        if self.source is not None and self.source.is_guess:
            self.source = None
            self.listener.listen_to(self._all, self._discover)

    def _is_only_the_step(self, seen: _Seen) -> bool:
        """Whether the one call of the model was a strategy's, of the whole step."""
        return self._is_routed and seen.n_steps_or_forwards == 1

    @property
    def _is_routed(self) -> bool:
        return self._batch is not None and self._batch.is_step_routed


@dataclass
class _Seen:
    """What a batch has shown so far.

    Args:
        readouts: The modules whose outputs may be predictions, while these are to be found.
        n_steps_or_forwards: Calls of the source, or of the model; a strategy's of the step counts.
        source: Where predictions are in what the model's forward returned first.
        held: A copy of them.
        refusal: Why there are none in it.
        is_added: Whether predictions were taken in.
    """

    readouts: Readouts | None = None
    n_steps_or_forwards: int = 0
    source: Source | None = None
    held: Tensor | None = None
    refusal: Implausible | None = None
    is_added: bool = False
