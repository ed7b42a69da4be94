"""When to look: what all monitors share. No mathematics here."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Literal, cast

from torch import nn
from typing_extensions import override

from it_callbacks.callbacks.arguments import check_arguments
from it_callbacks.callbacks.faults import OnError
from it_callbacks.callbacks.loops import Loop, Observer, refuse_compiled, refuse_own_shares
from it_callbacks.callbacks.passing import Probe, fetch_fixed_set
from it_callbacks.callbacks.results import Results, nothing
from it_callbacks.callbacks.schedules import (
    LogSpaced,
    Schedule,
    counts_steps,
    is_due,
)
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.observation.batches import Selector
from it_callbacks.observation.fixed_set import FixedSet
from it_callbacks.observation.processes import n_processes, together


class Monitor(Results):
    """Looks at a model while it trains, and logs what it sees. Base of the three monitors.

    Without a probe it listens to the validation (or test) loop that runs anyway; with one it
    passes a fixed set through the model under a guard. It never changes training.
    """

    def __init__(
        self,
        *,
        inputs: Selector | None,
        target: Selector | None,
        data: Literal["train", "val"] | FixedSet | None,
        schedule: Schedule,
        max_samples: int | None,
        on_error: OnError,
        name: str | None,
        seed: int,
    ) -> None:
        check_arguments(
            data=data,
            schedule=schedule,
            max_samples=max_samples,
            on_error=on_error,
            name=name,
            seed=seed,
        )
        of_data = data if isinstance(data, str) else "val" if data is None else "data"
        super().__init__(on_error, set_=of_data if name is None else name)
        self.inputs = inputs
        self.target = target
        self.data = data
        self.schedule = schedule
        self.max_samples = None if max_samples is None else int(max_samples)
        self.name = name
        self.seed = int(seed)
        self._observer: Observer | None = None
        self._model: Callable[[], nn.Module | None] = nothing
        self._loop: Loop | None = None
        self._fixed_set: Probe | None = None
        self._in_training = False
        self._waiting = False  # for the first batch of a validation loop
        self._stopwatch = Stopwatch()
        self._share: float | None = None

    # What a monitor adds to this.

    @abstractmethod
    def _make_observer(self, model: nn.Module) -> Observer:
        """Find what there is to observe in `model`; raises on misuse."""

    @abstractmethod
    def _new_pass(self, set_: str) -> Any:
        """A pass over a set begins."""

    def _rehearse(self, set_: str) -> Any:
        """A pass for the sanity check, of which nothing is read; None only finds layers."""

    def _look_again(self, current: Any, run_first_batch: Callable[..., None]) -> None:
        """After the first pass over a data, `current`: may run its first batch for more passes."""

    # Lightning's hooks.

    @override
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._stopwatch.restart()
        if self._is_off(trainer):
            return
        if self.data is None and not trainer.enable_validation:
            missing = (
                "data: there is no validation loop to listen to (no validation_step, no loader, "
                "or limit_val_batches=0); pass data='train' or a set of your own"
            )
            self._faults.tell(ValueError(missing), f"{missing}; until then nothing is measured")
            return
        self._prepare(pl_module)
        self._waiting = self.data is None
        if not trainer.loggers:
            self._warn("the Trainer has no logger; the numbers are kept in .history only")

    @override
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.data is not None and not self._is_off(trainer):
            with self._stopwatch.running():
                together(partial(self._fetch, trainer, self.data))
                if self._last_look is None:
                    self._look_at_probe(trainer, pl_module, trainer.current_epoch, first=True)
        self._in_training = True
        if trainer.is_last_batch and self._last_look is not None:
            self._make_up(trainer, pl_module)

    @override
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if counts_steps(self.schedule):
            self._look_if_due(trainer, pl_module, trainer.current_epoch + trainer.is_last_batch)

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        # Where a validation loop has run at the end of this epoch the probe was measured in it.
        if not counts_steps(self.schedule):
            self._look_if_due(trainer, pl_module, trainer.current_epoch + 1)

    @override
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        # Where looks are rare the last state of a training would otherwise be missed.
        if isinstance(self.schedule, LogSpaced) and self._last_look is not None:
            self._look_if_due(trainer, pl_module, trainer.current_epoch, at_the_end=True)
        if self._is_off(trainer):
            return
        if self._waiting and self._last_look is None:
            self._warn(
                "nothing was measured: no validation loop has given a batch; pass data='train' or "
                "a set of your own"
            )
        self._tell_the_end(trainer)

    @override
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_listening(trainer, pl_module)

    @override
    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        with self._in_loop(trainer) as loop:
            if loop is not None:
                loop.begin_batch(trainer, batch, dataloader_idx)

    @override
    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        with self._in_loop(trainer) as loop:
            if loop is not None:
                loop.end_batch()

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        epoch = trainer.current_epoch + (fitting and trainer.is_last_batch)
        self._stop_listening(trainer, epoch)
        if fitting and not counts_steps(self.schedule):
            self._look_if_due(trainer, pl_module, epoch)

    on_test_start = on_validation_start
    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    @override
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._let_go()  # teardown is not called after an exception
        if trainer.state.fn == "fit" and self._in_training and not self._is_off(trainer):
            with suppress(Exception):  # the user must see theirs
                self._tell_the_end(trainer)

    @override
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._let_go()

    def _make_up(self, trainer: Any, pl_module: Any) -> None:
        """Resumed from between the last batch of an epoch and what follows it, which is not run."""
        epoch, step = trainer.current_epoch, trainer.global_step
        if self.data is not None:
            if not counts_steps(self.schedule):
                self._look_if_due(trainer, pl_module, epoch)
            return
        n = trainer.check_val_every_n_epoch  # None: after so many batches, wherever epochs end
        validates = trainer.enable_validation and n is not None and epoch % n == 0
        due = validates and self._is_due(epoch, step)
        if due and self._last_look != (epoch, step):
            self._warn(
                f"no point at epoch {epoch}, step {step}: the checkpoint was saved before the "
                "validation of that epoch, which a resumed run leaves out"
            )

    @override
    def _reset(self) -> None:
        super()._reset()
        self._observer = self._loop = self._fixed_set = None
        self._in_training = self._waiting = False

    @property
    def _last_look(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        return self._history.last

    # Listening to a loop that runs anyway.

    def _start_listening(self, trainer: Any, pl_module: Any) -> None:
        self._loop = None
        if self.data is not None or self._is_off(trainer):
            return
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        epoch = trainer.current_epoch + (fitting and trainer.is_last_batch)
        first = self._last_look is None
        if fitting and not first:
            due = self._is_due(epoch, trainer.global_step)
            if not due and not (isinstance(self.schedule, LogSpaced) and _is_last(trainer, epoch)):
                return
            if self._last_look == (epoch, trainer.global_step):
                return  # a resumed run validates once more where it left off
        new_pass = self._rehearse if trainer.sanity_checking else self._new_pass
        with self._stopwatch.running(), self._costs_a_point(trainer):
            loop = partial(Loop, name=self.name, inputs=self.inputs, target=self.target)
            try:
                observer = self._prepare(pl_module)
                observer.attach()
            except Exception as error:
                if n_processes() == 1:
                    raise
                # Nobody listens; the others hear of the fault at the end of the loop.
                self._loop = loop(cast("Observer", None), new_pass)
                self._loop.fault = error
                return
            self._loop = loop(observer, new_pass)

    @contextmanager
    def _in_loop(self, trainer: Any) -> Iterator[Loop | None]:
        """The loop, while it is listened to; a fault in it costs the point.

        Of several processes, all hear of it at the end of the loop.
        """
        loop = self._loop
        if loop is None or loop.fault is not None:
            yield None
            return
        self._waiting = self._waiting and trainer.sanity_checking
        with self._stopwatch.running(), self._costs_a_point(trainer):
            try:
                yield loop
            except Exception as error:
                if n_processes() == 1:
                    self._let_go()
                    raise
                loop.fault = error
                if self._observer is not None:
                    self._observer.detach()

    def _stop_listening(self, trainer: Any, epoch: int) -> None:
        loop = self._loop
        if loop is None:
            return

        def hear_of_faults() -> dict[str, list[int]]:
            if loop.fault is not None:
                raise loop.fault
            return loop.first_labels

        with self._stopwatch.running(), self._costs_a_point(trainer):
            refuse_own_shares(together(hear_of_faults))
            self._share = None
            for set_, current in () if trainer.sanity_checking else loop.passes.items():
                with self._costs_a_point(trainer, set_):
                    self._conclude(trainer, current, set_, epoch)
        self._let_go()

    def _same_samples(self, set_: str) -> bool:
        """Whether every look at a set takes the same samples in the same order."""
        return self.data is not None or (self._loop is not None and set_ in self._loop.unshuffled)

    # Passing a fixed set through the model.

    def _look_if_due(
        self, trainer: Any, pl_module: Any, epoch: int, *, at_the_end: bool = False
    ) -> None:
        if self._fixed_set is None or self._is_off(trainer):
            return
        step = trainer.global_step
        if self._last_look is not None:
            last_epoch, last_step = self._last_look
            if step == last_step or (epoch == last_epoch and not counts_steps(self.schedule)):
                return
        if at_the_end or self._is_due(epoch, step):
            with self._stopwatch.running():
                self._look_at_probe(trainer, pl_module, epoch, first=False)

    def _look_at_probe(self, trainer: Any, model: Any, epoch: int, *, first: bool) -> None:
        if self._fixed_set is None:
            raise RuntimeError("the probe was not fetched")
        set_, fixed, passes = self._set, self._fixed_set, list[Any]()
        with self._costs_a_point(trainer, set_):
            observer = self._prepare(model)
            run_first_batch = partial(fixed.run_first, trainer, model, observer)

            def look() -> None:
                if first:
                    # Finds out which layers there are, before anything is kept.
                    run_first_batch(None)
                passes.append(self._new_pass(set_))
                fixed.run_all(trainer, model, observer, passes[0])

            together(look)
            if first:
                self._look_again(passes[0], run_first_batch)
            self._share = None
            self._conclude(trainer, passes[0], set_, epoch)

    def _fetch(self, trainer: Any, data: Literal["train", "val"] | FixedSet) -> None:
        batches = fetch_fixed_set(trainer, data, self.max_samples, self.seed)
        self._fixed_set = Probe(batches, self.inputs, self.target)

    # What every look needs.

    def _is_due(self, epoch: int, step: int) -> bool:
        """Whether the schedule wants a look; all processes hear what it says on the first."""
        if not callable(self.schedule):
            return is_due(self.schedule, epoch=epoch, step=step)
        try:
            return together(partial(is_due, self.schedule, epoch=epoch, step=step))[0]
        except Exception as error:
            told = f"schedule: it fails, so no look is taken ({type(error).__name__}: {error})"
            self._faults.tell(error, told)
            return False

    def _overhead(self) -> float:
        """Share of the time since the last look that was spent observing, for all its sets."""
        if self._share is not None:
            return self._share
        in_hooks = 0.0
        if self._observer is not None:
            if self.data is None:  # with a data, hooks run inside what is timed already
                in_hooks = self._observer.seconds
            self._observer.seconds = 0.0
        self._share = self._stopwatch.share(in_hooks)
        return self._share

    @contextmanager
    def _costs_a_point(self, trainer: Any, set_: str = "") -> Iterator[None]:
        """Misuse raises before training; later faults cost the point, not the run."""
        try:
            yield
        except Exception as error:
            if trainer.sanity_checking or not self._in_training:
                raise
            point = f"this point of set {set_!r}" if set_ else "this point"
            self._faults.tell(error, f"{point} is left out: {type(error).__name__}: {error}")

    def _prepare(self, model: nn.Module) -> Observer:
        if self._observer is None or self._model() is not model:
            if self.data is None:
                refuse_compiled(model)
            self._observer = self._make_observer(model)
            self._model = weakref.ref(model)
        return self._observer

    def _let_go(self) -> None:
        self._loop = None
        if self._observer is not None:
            self._observer.detach()

    def _is_off(self, trainer: Any) -> bool:
        return bool(trainer.barebones)


def _is_last(trainer: Any, epoch: int) -> bool:
    """Whether training ends here, as far as the Trainer's arguments tell."""
    return epoch == int(trainer.max_epochs or 0) or trainer.global_step == int(trainer.max_steps)
