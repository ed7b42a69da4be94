"""The validation or test loop that runs anyway, as a source of samples."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from torch import nn

from it_callbacks.callbacks.bench import Bench
from it_callbacks.callbacks.loops import Loop, refuse_own_shares, sets_of_trainer
from it_callbacks.callbacks.moments import Moment, lost_validation
from it_callbacks.callbacks.passing import run_again
from it_callbacks.observation.at_hand import forget_batch
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.processes import n_processes, together


class LoopSource:
    """Listens to the validation or test loop that runs anyway.

    Args:
        bench: The instrument at work.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._loop: Loop | None = None
        self._is_beside = False  # then another source listens to it
        self._n_batches = 0
        self._is_sanity = False  # the loop is Lightning's check before the training
        self._is_waiting = False
        """Whether no batch of a validation loop has come yet."""
        self._is_warned_ahead = False
        """Whether this loop has said what the user should know before more is observed."""
        self._first: Batch | None = None
        """The first batch of the sanity check, which is run again when that is over."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loop": None, "_first": None}

    def sets(self, trainer: Any) -> list[str]:
        """What the sets are called, as far as their loaders are known yet."""
        return sets_of_trainer(trainer, self.bench.options.name)

    def prepare(self, trainer: Any, model: nn.Module) -> None:
        """A fit begins: find what there is to observe; raises on wrong arguments."""
        if not trainer.enable_validation:
            missing = (
                "data: there is no validation loop to listen to (no validation_step, no loader, "
                "or limit_val_batches=0); pass data='train' or a set of your own"
            )
            text = f"{missing}; nothing will be measured"
            self.bench.journal.faults.handle(ValueError(missing), text, cause="no loop")
            return
        with self.bench.contained(trainer):
            self.bench.observe(model)
            self._is_waiting = True

    def begin(self, trainer: Any, model: nn.Module) -> None:
        """Training begins, or goes on after a resume."""
        at = Moment.of_training(trainer)
        if self.bench.latest == at.place or not lost_validation(trainer):
            return
        if self.bench.is_due(self.bench.cadence.due, at):
            self.bench.journal.faults.warn(
                f"no point at epoch {at.epoch}, step {at.step}: the checkpoint was written before "
                "that validation, and Lightning does not rerun it after a resume",
                cause="no point",
            )

    def visit(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """A loop comes when it comes."""

    def start_loop(self, trainer: Any, model: nn.Module, before: Iterable[Any] = ()) -> None:
        """A validation or test loop begins; one of the sources `before` may listen for this one."""
        self._loop, self._is_beside, self._is_warned_ahead = None, False, False
        self._n_batches = 0
        bench, at = self.bench, Moment.of(trainer)
        self._is_sanity = at.sanity
        if not bench.is_due(bench.cadence.due, at):
            return
        if at.fitting:
            bench.attempt(at)
        loops = (one.loop_for(bench) for one in before if isinstance(one, LoopSource))
        self._loop = None if at.sanity else next(filter(None, loops), None)
        self._is_beside = self._loop is not None
        if self._is_beside:
            return
        new_pass = bench.instrument.dry_run if at.sanity else partial(bench.new_pass, at=at)
        loop = Loop(new_pass, bench.options)
        with bench.at_work(trainer):
            try:
                self.bench.observe(model).attach()
            except Exception as error:
                if n_processes() == 1:
                    raise
                loop.fail(error)  # the others learn of it at the end of the loop
            self._loop = loop

    def loop_for(self, bench: Bench) -> Loop | None:
        """The loop that begins, where it is listened to here as `bench` would: it serves both."""
        mine, its = self.bench, bench
        is_alike = (mine.options.name, mine.options.way) == (its.options.name, its.options.way)
        if self._loop is None or not (is_alike and its.instrument.observes_as(mine.instrument)):
            return None
        self._loop.beside.append(bench.instrument)
        return self._loop

    def precede_batch(self, trainer: Any, model: nn.Module) -> None:
        """A batch of that loop comes next."""

    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """A batch of that loop begins."""
        self._is_waiting = self._is_waiting and (self._loop is None or self._is_sanity)
        self._n_batches += 1
        loop = self._heard
        if loop is None:
            return
        with self.bench.stopwatch:
            try:
                read, current = loop.batch(trainer, batch, dataloader_idx)
                if self._is_sanity and self._first is None:
                    self._first = read
                self.bench.observer.begin(read, current)
            except Exception as error:
                self._end_listening(trainer, loop, error)

    def end_batch(self, trainer: Any) -> None:
        """The batch has ended."""
        forget_batch(trainer)
        loop = self._heard
        if loop is None:
            return
        with self.bench.stopwatch:
            try:
                self.bench.observer.end()
                if not self._is_warned_ahead:  # the first batch has shown it
                    self._is_warned_ahead = True
                    self.bench.warn_ahead()
            except Exception as error:
                self._end_listening(trainer, loop, error)

    def end_loop(self, trainer: Any, at: Moment) -> None:
        """The loop has ended: record a point for each of its sets."""
        forget_batch(trainer)
        loop, bench = self._loop, self.bench
        if loop is None:
            return
        if loop.n_batches < self._n_batches and not loop.has_failed:
            text = "the monitor that listened for this one, too, was taken out in mid-loop"
            loop.fail(RuntimeError(f"{text}; the samples after that are missing"))
        with bench.at_work(trainer):
            reports = together(loop.report)
            refuse_own_shares(reports)
            # In each set all take part, also those that no batch of it has come to.
            sets = dict.fromkeys(set_ for report in reports for set_ in report)
            if at.sanity:
                self._check_determinism(trainer)  # now that no other monitor hears it
                bench.instrument.explored()
            for set_ in () if at.sanity else sets:
                with bench.contained(trainer, set_):
                    bench.record(
                        trainer,
                        loop.pass_over(set_),
                        set_,
                        at,
                        weights="those of the loop",
                        same_samples=set_ in loop.unshuffled,
                    )
            if not at.sanity:
                bench.end_of_moment()
        self.close()

    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """Training has ended."""
        if self._is_waiting and self.bench.journal.history.last is None:
            self.bench.journal.faults.warn(
                "nothing was measured: the validation loop never produced a batch; pass "
                "data='train' or a set of your own",
                cause="nothing",
            )

    def close(self) -> None:
        """Leave nothing on the model."""
        self._loop, self._first = None, None
        self.bench.detach()

    def reset(self) -> None:
        """Forget everything: another training begins."""
        self.bench.reset()
        self._loop, self._is_waiting = None, False

    def _check_determinism(self, trainer: Any) -> None:
        """In the sanity check, see whether one batch gives the same outputs twice.

        Where the model cannot be run like that, nobody knows.
        """
        batch, self._first = self._first, None
        if batch is None or batch.inputs is None:
            return
        again = partial(run_again, trainer, trainer.lightning_module, self.bench.observer, batch)
        with suppress(Exception):
            self.bench.instrument.check_ahead(again)

    @property
    def _heard(self) -> Loop | None:
        """The loop, while it is listened to."""
        loop = self._loop
        return None if loop is None or loop.has_failed or self._is_beside else loop

    def _end_listening(self, trainer: Any, loop: Loop, error: Exception) -> None:
        """Something went wrong: all who listen beside it, or elsewhere, learn of it at the end."""
        loop.fail(error)
        if n_processes() > 1:
            self.bench.detach()
            return
        with self.bench.contained(trainer):
            self.close()
            raise error
