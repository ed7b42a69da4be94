"""A fixed set, fetched once, as a source of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from it_callbacks.callbacks.bench import Bench
from it_callbacks.callbacks.loops import all_processes_validate
from it_callbacks.callbacks.moments import Moment
from it_callbacks.callbacks.passing import FixedSetPasses, fetch_fixed_set
from it_callbacks.observation.processes import n_processes, together


class FixedSetSource:
    """Passes a fixed set through the model, under a guard.

    Where a validation loop runs, the set is passed at its first batch: weight averaging, say, has
    put its weights in by then, whatever the order of the callbacks. Where one of several processes
    may have no batch, it is passed at the end of the loop, which all processes come to.

    Args:
        bench: The instrument at work.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._passes: FixedSetPasses | None = None
        self._is_explored = False
        """Whether every process knows what there is to observe, also one without a batch."""
        self._is_checked = False
        """Whether it is known of all layers whether they are deterministic."""
        self._is_ahead = False
        """Whether a validation loop of a training has begun, in which the set is still to come."""
        self._all_validate = True
        """Whether each process certainly has a batch in that loop."""

    def sets(self, trainer: Any) -> list[str]:
        """What the sets are called, as far as their loaders are known yet."""
        return [self.bench.options.set]

    def prepare(self, trainer: Any, model: nn.Module) -> None:
        """A fit begins: find what there is to observe; raises on wrong arguments."""
        with self.bench.contained(trainer):
            self.bench.observe(model)

    def begin(self, trainer: Any, model: nn.Module) -> None:
        """Training begins, or goes on after a resume."""
        bench, at = self.bench, Moment.of_training(trainer)
        self._passes = None
        with bench.at_work(trainer):
            fetched = list[FixedSetPasses]()
            together(lambda: fetched.append(self._fetch(trainer)))
            self._passes = fetched[0]  # no process has one where another has none
            self._is_explored = False
        self._is_checked = bench.latest is not None
        if bench.latest is None:
            self._measure(trainer, model, at)
        if trainer.is_last_batch and not bench.cadence.counts_steps:
            # Resumed from between the last batch of an epoch and what follows it, which is not run.
            self.visit(trainer, model, at)

    def visit(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """A moment of a training at which the set may be due."""
        if self._passes is not None and self.bench.is_due(self.bench.cadence.due_on_fixed_set, at):
            self._measure(trainer, model, at)

    def start_loop(self, trainer: Any, model: nn.Module, before: Iterable[Any] = ()) -> None:
        """A validation or test loop begins."""
        self._is_ahead = Moment.of(trainer).fitting and not self.bench.cadence.counts_steps
        self._all_validate = not self._is_ahead or all_processes_validate(trainer)

    def precede_batch(self, trainer: Any, model: nn.Module) -> None:
        """A batch of that loop comes next, and nobody listens yet."""
        if self._is_ahead and self._all_validate:
            self._is_ahead = False
            self.visit(trainer, model, Moment.of(trainer))

    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """No loop is listened to."""

    def end_batch(self, trainer: Any) -> None:
        """No loop is listened to."""

    def end_loop(self, trainer: Any, at: Moment) -> None:
        """The loop has ended, on every process."""
        if self._is_ahead and not self._all_validate:
            self._is_ahead = False
            self.visit(trainer, trainer.lightning_module, at)

    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """Training has ended."""
        if self.bench.cadence.wants_the_end and self.bench.latest is not None:
            # Early stopping, say, ends a training before its arguments do.
            self.visit(trainer, model, replace(at, last=True))

    def close(self) -> None:
        """Leave nothing on the model."""
        self.bench.detach()

    def reset(self) -> None:
        """Forget everything: another training begins."""
        self.bench.reset()
        self._passes = None

    def _fetch(self, trainer: Any) -> FixedSetPasses:
        options = self.bench.options
        if options.data is None:
            raise RuntimeError("data: there is no fixed set to fetch")
        batches = fetch_fixed_set(trainer, options.data, options.max_samples, options.seed)
        return FixedSetPasses(
            batches, options.inputs, options.target, options.ignore_index, options.samples
        )

    def _measure(self, trainer: Any, model: Any, at: Moment) -> None:
        fixed, bench, set_ = self._passes, self.bench, self.bench.options.set
        if fixed is None:
            return  # and it was said why
        bench.attempt(at)
        with bench.at_work(trainer, set_):
            passes = list[Any]()

            def run_first_batch(several: Sequence[Any]) -> None:
                fixed.run_first(trainer, model, bench.observer, several)

            def explore() -> None:
                bench.observe(model)
                run_first_batch([bench.instrument.dry_run(set_)])

            def run() -> None:
                observer = bench.observe(model)
                passes.append(bench.new_pass(set_, at))
                fixed.run_all(trainer, model, observer, passes[0])

            if not self._is_explored:
                together(explore)
                bench.instrument.explored()
                self._is_explored = True
                bench.warn_ahead()
            together(run)
            if not self._is_checked:
                self._is_checked = bench.instrument.check_determinism(passes[0], run_first_batch)
            weights = self._weights(trainer)
            bench.record(trainer, passes[0], set_, at, weights=weights, same_samples=True)
            bench.end_of_moment()

    def _weights(self, trainer: Any) -> str:
        """Which weights are measured: those of training may differ from their average."""
        if self.bench.cadence.counts_steps:
            return "those of training, after a step"
        if not trainer.enable_validation:
            return "those of training, after an epoch (no validation loop runs)"
        at_end = " (at its end, averaged or not, where a process may have no batch of it)"
        where = at_end if n_processes() > 1 else ""
        return f"those of the validation loop{where}; after an epoch without one, those of training"
