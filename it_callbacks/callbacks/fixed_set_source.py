"""A fixed set, fetched once, as a source of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from it_callbacks.callbacks.bench import Bench
from it_callbacks.callbacks.moments import Moment
from it_callbacks.callbacks.passing import FixedSetPasses, fetch_fixed_set
from it_callbacks.observation.processes import together


class FixedSetSource:
    """Passes a fixed set through the model, under a guard.

    Args:
        bench: The instrument at work.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.options = bench.options
        self._passes: FixedSetPasses | None = None
        self._is_explored = False
        """Whether every process knows what there is to observe, also one without a batch."""

    def sets(self, trainer: Any) -> list[str]:
        """What the sets are called, as far as their loaders are known yet."""
        return [self.options.set]

    def prepare(self, trainer: Any, model: nn.Module) -> None:
        """A fit begins: find what there is to observe; raises on misuse."""
        self.bench.observe(model)

    def begin(self, trainer: Any, model: nn.Module) -> None:
        """Training begins, or goes on after a resume."""
        at = Moment.of_training(trainer)
        with self.bench.stopwatch.running():
            together(partial(self._fetch, trainer))
            if self.bench.latest is None:
                self._measure(trainer, model, at, first=True)
        if trainer.is_last_batch and not self.bench.cadence.counts_steps:
            # Resumed from between the last batch of an epoch and what follows it, which is not run.
            self.visit(trainer, model, at)

    def visit(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """A moment of a training at which the set may be due."""
        if self._passes is not None and self.bench.is_due(self.bench.cadence.due_on_fixed_set, at):
            with self.bench.stopwatch.running():
                self._measure(trainer, model, at, first=False)

    def start_loop(self, trainer: Any, model: nn.Module) -> None:
        """No loop is listened to."""

    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """No loop is listened to."""

    def end_batch(self, trainer: Any) -> None:
        """No loop is listened to."""

    def end_loop(self, trainer: Any, at: Moment) -> None:
        """No loop is listened to."""

    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """Training has ended."""
        cadence = self.bench.cadence
        if cadence.wants_the_end and self.bench.latest is not None:
            # Early stopping, say, ends a training before its arguments do.
            self.visit(trainer, model, replace(at, last=True))

    def close(self) -> None:
        """Leave nothing on the model."""
        self.bench.detach()

    def reset(self) -> None:
        """Forget everything: another training begins."""
        self.bench.reset()
        self._passes = None

    def _fetch(self, trainer: Any) -> None:
        options = self.options
        if options.data is None:
            raise RuntimeError("data: there is no fixed set to fetch")
        batches = fetch_fixed_set(trainer, options.data, options.max_samples, options.seed)
        self._passes = FixedSetPasses(batches, options.inputs, options.target, options.ignore_index)
        self._is_explored = False

    def _measure(self, trainer: Any, model: Any, at: Moment, *, first: bool) -> None:
        fixed, bench, set_ = self._passes, self.bench, self.options.set
        if fixed is None:
            raise RuntimeError("data: the fixed set was not fetched")
        with bench.contained(trainer, set_):
            observer, passes = bench.observe(model), list[Any]()

            def run_first_batch(several: Sequence[Any]) -> None:
                fixed.run_first(trainer, model, observer, several)

            def run() -> None:
                if not self._is_explored:
                    run_first_batch([bench.instrument.dry_run(set_)])
                    self._is_explored = True
                passes.append(bench.instrument.new_pass(set_))
                fixed.run_all(trainer, model, observer, passes[0])

            together(run)
            if first:
                bench.instrument.check_determinism(passes[0], run_first_batch)
            bench.record(trainer, passes[0], set_, at, same_samples=True)
            bench.end_of_moment()
