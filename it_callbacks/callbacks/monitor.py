"""When to look and whom to tell: what all monitors share. No mathematics here."""

from __future__ import annotations

import re
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks.callbacks.history import History, from_state, to_state
from it_callbacks.callbacks.loggers import Fault, log_layout, log_point, log_settings
from it_callbacks.callbacks.namespaces import Callback
from it_callbacks.callbacks.probing import fetch_probe, guarded, pass_through, share_of
from it_callbacks.callbacks.samples import is_unshuffled, loader_of, sample_indices
from it_callbacks.callbacks.schedules import (
    LogSpaced,
    Schedule,
    check_schedule,
    counts_steps,
    is_due,
)
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.observation.batches import Selector, inputs_of, labels_of
from it_callbacks.observation.guard import random_states_restored
from it_callbacks.observation.probe import ProbeSet
from it_callbacks.observation.processes import n_processes, together
from it_callbacks.records import Record, slug, write_csv, write_json

OnError = Literal["warn", "raise"]


class Reading(NamedTuple):
    """One number of a point, before it is known where and when."""

    quantity: str
    layer: str
    bits: float
    n_samples: int | None = None
    """From how many samples, where not from all of the point's."""


class Observer(Protocol):
    """What listens to a model for a monitor; see `it_callbacks.observation`."""

    seconds: float

    def attach(self) -> None:
        """Put hooks on the model."""

    def detach(self) -> None:
        """Take them off."""

    def begin(self, current: Any, labels: Tensor, inputs: Any, indices: NDArray[np.int64]) -> None:
        """A batch begins; with no pass it only checks that the model can be observed."""

    def end(self) -> None:
        """The batch has ended; raises what went wrong."""


class Monitor(Callback):
    """Looks at a model while it trains, and logs what it sees. Base of the three monitors.

    Without a probe it listens to the validation (or test) loop that runs anyway; with one it
    passes a fixed set through the model under a guard. It never changes training.
    """

    group: ClassVar[str]
    """First part of the tag of the settings."""

    settings: dict[str, dict[str, Any]]
    """For each set, how its numbers were measured."""

    def __init__(
        self,
        *,
        inputs: Selector | None,
        target: Selector | None,
        probe: Literal["train", "val"] | ProbeSet | None,
        schedule: Schedule,
        max_samples: int | None,
        on_error: OnError,
        name: str | None,
        seed: int,
    ) -> None:
        check_schedule(schedule)
        if counts_steps(schedule) and probe is None:
            raise ValueError(
                "schedule: steps need a probe, since a validation loop comes when it comes; pass "
                "probe='train', 'val' or a set of your own, or LogSpaced(unit='epochs')"
            )
        if isinstance(probe, str) and probe not in ("train", "val"):
            raise ValueError(
                f"probe: need 'train', 'val', a data set, a loader or tensors, got {probe!r}"
            )
        if max_samples is not None and (
            isinstance(max_samples, bool) or not isinstance(max_samples, int) or max_samples < 2
        ):
            raise ValueError(f"max_samples: need a whole number >= 2 or None, got {max_samples!r}")
        if on_error not in ("warn", "raise"):
            raise ValueError(f"on_error: need 'warn' or 'raise', got {on_error!r}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed: need a whole number >= 0, got {seed!r}")
        if name is not None and (not isinstance(name, str) or slug(name) != name):
            raise ValueError(
                f"name: need letters, digits, '_', '.' and '-' only (it becomes part of tags), "
                f"got {name!r}"
            )
        super().__init__()
        self.inputs = inputs
        self.target = target
        self.probe = probe
        self.schedule = schedule
        self.max_samples = max_samples
        self.on_error = on_error
        self.name = name
        self.seed = seed
        self.settings = {}
        self._history = History()
        self._observer: Observer | None = None
        self._model: Callable[[], nn.Module | None] = _nothing
        self._passes: dict[str, Any] = {}
        self._unshuffled: dict[str, bool] = {}
        self._n_seen: dict[str, int] = {}
        self._fault: Exception | None = None
        self._probe_batches: list[Any] | None = None
        self._listening = False
        self._in_training = False
        self._trainer: Callable[[], Any] = _nothing
        self._warned: set[str] = set()
        self._charted: set[tuple[str, str, str]] = set()
        self._described: set[str] = set()
        self._in_metrics: dict[str, Tensor] = {}
        self._last_look: tuple[int, int] | None = None
        self._stopwatch = Stopwatch()
        self._share: float | None = None

    # What a monitor adds to this.

    @abstractmethod
    def _make_observer(self, model: nn.Module) -> Observer:
        """Find what there is to observe in `model`; raises on misuse."""

    @abstractmethod
    def _new_pass(self, set_: str) -> Any:
        """A pass over a set begins."""

    @abstractmethod
    def _finish(self, current: Any, set_: str, epoch: int) -> tuple[list[Reading], int]:
        """The pass is over: its readings, and from how many samples."""

    @abstractmethod
    def _describe(self, set_: str) -> dict[str, Any]:
        """How the numbers of a set are measured, for the settings."""

    def _rehearse(self, set_: str) -> Any:
        """A pass for the sanity check, of which nothing is read; None only finds layers."""

    def _look_again(self, current: Any, run_first_batch: Callable[..., None]) -> None:
        """After the first pass over a probe, `current`: may run its first batch for more passes."""

    def _own_state(self) -> dict[str, Any]:
        """What a resumed run needs besides history and settings: plain Python and tensors."""
        return {}

    def _restore_own(self, state: dict[str, Any]) -> None:
        """Take back what `_own_state` gave; raises on a form that is not its own."""

    # The results.

    @property
    def history(self) -> list[Record]:
        """Every number measured so far, in order."""
        return self._history.records

    def to_csv(self, path: str | Path) -> None:
        """Write `history` as a table with one row per number."""
        write_csv(self.history, path)

    def to_json(self, path: str | Path) -> None:
        """Write `history` and `settings` as JSON."""
        write_json(self.history, dict(self.settings), path)

    # Lightning's hooks.

    @property
    @override
    def state_key(self) -> str:
        key = f"it_callbacks.{type(self).__name__}.{self._set}"
        # The Trainer refuses two equal keys without a word on what to do; `setup`, which comes
        # before any checkpoint is read or written, has that word.
        return key if self._trainer() is not None else f"{key}.{id(self)}"

    @property
    def _set(self) -> str:
        """What tags call the set that is looked at."""
        if self.name is not None:
            return self.name
        if isinstance(self.probe, str):
            return self.probe
        return "val" if self.probe is None else "probe"

    @override
    def state_dict(self) -> dict[str, Any]:
        try:
            return {**to_state(self._history, self.settings), **self._own_state()}
        except Exception as error:  # a user's checkpoint must not fail because of a monitor
            self._warn(f"the history is not stored in checkpoints ({error})")
            return {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        try:
            self._history, self.settings = from_state(state_dict)
            if len(self._history):
                self._restore_own(state_dict)
        except Exception as error:  # a resume must not fail because of what a monitor stored
            self._reset()
            self._warn(f"the stored history cannot be read ({error}); it starts anew")
        self._last_look = self._history.last

    @override
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit" and self._trainer() is not trainer:
            # A new training starts a new history; a resumed one gets it back after this.
            self._reset()
        self._trainer = weakref.ref(trainer)
        self._refuse_twins(trainer)

    @override
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._stopwatch.restart()
        if self._is_off(trainer):
            return
        if self.probe is None and not trainer.enable_validation:
            raise ValueError(
                "probe: there is no validation loop to listen to (no validation_step, no loader, "
                "or limit_val_batches=0); pass probe='train' or a set of your own"
            )
        self._prepare(pl_module)
        if not trainer.loggers:
            self._warn("the Trainer has no logger; the numbers are kept in .history only")

    @override
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.probe is not None and not self._is_off(trainer):
            with self._stopwatch.running():
                self._fetch(trainer)
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

    @override
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_listening(trainer, pl_module)

    @override
    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_listening(trainer, pl_module)

    @override
    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._begin_batch(trainer, batch, "val", dataloader_idx)

    @override
    def on_test_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._begin_batch(trainer, batch, "test", dataloader_idx)

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
        self._end_batch(trainer)

    @override
    def on_test_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._end_batch(trainer)

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        epoch = trainer.current_epoch + (fitting and trainer.is_last_batch)
        self._stop_listening(trainer, epoch)
        if fitting and not counts_steps(self.schedule):
            self._look_if_due(trainer, pl_module, epoch)

    @override
    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._stop_listening(trainer, trainer.current_epoch)

    @override
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._let_go()  # teardown is not called after an exception

    @override
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._let_go()

    def _make_up(self, trainer: Any, pl_module: Any) -> None:
        """Resumed from between the last batch of an epoch and what follows it, which is not run."""
        epoch, step = trainer.current_epoch, trainer.global_step
        if self.probe is not None:
            if not counts_steps(self.schedule):
                self._look_if_due(trainer, pl_module, epoch)
            return
        n = trainer.check_val_every_n_epoch  # None: after so many batches, wherever epochs end
        validates = trainer.enable_validation and n is not None and epoch % n == 0
        due = validates and is_due(self.schedule, epoch=epoch, step=step)
        if due and self._last_look != (epoch, step):
            self._warn(
                f"no point at epoch {epoch}, step {step}: the checkpoint was saved before the "
                "validation of that epoch, which a resumed run leaves out"
            )

    def _reset(self) -> None:
        """Forget everything that was measured."""
        self._history, self.settings, self._last_look = History(), {}, None
        self._observer = self._probe_batches = None
        self._in_training = False
        self._warned.clear()
        self._charted.clear()
        self._described.clear()
        self._in_metrics.clear()

    # Listening to a loop that runs anyway.

    def _start_listening(self, trainer: Any, pl_module: Any) -> None:
        self._passes.clear()
        self._listening = False
        if self.probe is not None or self._is_off(trainer):
            return
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        epoch = trainer.current_epoch + (fitting and trainer.is_last_batch)
        first = self._last_look is None
        if fitting and not first:
            due = is_due(self.schedule, epoch=epoch, step=trainer.global_step)
            if not due and not (isinstance(self.schedule, LogSpaced) and _is_last(trainer, epoch)):
                return
            if self._last_look == (epoch, trainer.global_step):
                return  # a resumed run validates once more where it left off
        with self._stopwatch.running():
            observer = self._prepare(pl_module)
            observer.attach()
        self._listening = True

    def _begin_batch(self, trainer: Any, batch: Any, loop: str, dataloader_idx: int) -> None:
        if not self._listening or self._observer is None or self._fault is not None:
            return
        set_ = self.name or loop
        if dataloader_idx:
            set_ = f"{set_}_{dataloader_idx}"
        with self._stopwatch.running(), self._faults_in_batch(trainer):
            labels = labels_of(batch, self.target)
            try:
                inputs = inputs_of(batch, self.inputs, self.target)
            except ValueError:
                if self.inputs is not None:
                    raise
                inputs = None  # they only serve to see whether inputs repeat
            if set_ not in self._passes:
                self._unshuffled[set_] = is_unshuffled(loader_of(trainer, loop, dataloader_idx))
                self._n_seen[set_] = 0
                begin = self._rehearse if trainer.sanity_checking else self._new_pass
                self._passes[set_] = begin(set_)
            loader = loader_of(trainer, loop, dataloader_idx)
            indices = sample_indices(loader, self._n_seen[set_], len(labels))
            self._n_seen[set_] += len(labels)
            self._observer.begin(self._passes[set_], labels, inputs, indices)

    def _end_batch(self, trainer: Any) -> None:
        if self._listening and self._observer is not None and self._fault is None:
            with self._stopwatch.running(), self._faults_in_batch(trainer):
                self._observer.end()

    def _stop_listening(self, trainer: Any, epoch: int) -> None:
        if not self._listening:
            return
        with self._stopwatch.running(), self._faults(trainer):
            together(self._raise_fault)
            self._share = None
            if not trainer.sanity_checking:
                for set_, current in list(self._passes.items()):
                    self._conclude(trainer, current, set_, epoch)
        self._let_go()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    # Passing a fixed set through the model.

    def _look_if_due(
        self, trainer: Any, pl_module: Any, epoch: int, *, at_the_end: bool = False
    ) -> None:
        if self._probe_batches is None or self._is_off(trainer):
            return
        step = trainer.global_step
        if self._last_look is not None:
            last_epoch, last_step = self._last_look
            if step == last_step or (epoch == last_epoch and not counts_steps(self.schedule)):
                return
        if at_the_end or is_due(self.schedule, epoch=epoch, step=step):
            with self._stopwatch.running():
                self._look_at_probe(trainer, pl_module, epoch, first=False)

    def _look_at_probe(self, trainer: Any, model: Any, epoch: int, *, first: bool) -> None:
        if self._probe_batches is None:
            raise RuntimeError("the probe was not fetched")
        set_, batches = self._set, self._probe_batches
        with self._faults(trainer):
            observer = self._prepare(model)

            everything = np.arange(len(labels_of(batches[0], self.target)))

            def run(current: Any, batch: Any, indices: NDArray[np.int64]) -> None:
                pass_through(
                    trainer, model, observer, current, batch, indices, self.inputs, self.target
                )

            def run_first_batch(*passes: Any) -> None:
                # Under one guard, so that what is drawn at random differs from pass to pass.
                with self._guarded(trainer, model, observer):
                    for current in passes:
                        run(current, batches[0], everything)

            def look() -> None:
                if first:
                    # Finds out which layers there are, before anything is kept.
                    run_first_batch(None)
                with self._guarded(trainer, model, observer):
                    current = self._new_pass(set_)
                    for batch, indices in share_of(trainer, batches, self.target):
                        run(current, batch, indices)
                passes.append(current)

            passes: list[Any] = []
            together(look)
            if first:
                self._look_again(passes[0], run_first_batch)
            self._share = None
            self._conclude(trainer, passes[0], set_, epoch)

    @contextmanager
    def _guarded(self, trainer: Any, model: Any, observer: Observer) -> Iterator[None]:
        with guarded(trainer, model):
            observer.attach()
            try:
                yield
            finally:
                observer.detach()

    def _fetch(self, trainer: Any) -> None:
        def fetch() -> None:
            if self.probe is not None:
                self._probe_batches = fetch_probe(trainer, self.probe, self.max_samples, self.seed)

        together(fetch)

    # Telling.

    def _conclude(self, trainer: Any, current: Any, set_: str, epoch: int) -> None:
        with random_states_restored():  # a user's estimator may draw
            readings, n_samples = self._finish(current, set_, epoch)
        step = trainer.global_step
        records = [
            Record(
                reading.quantity,
                set_,
                reading.layer,
                reading.bits,
                step,
                epoch,
                n_samples if reading.n_samples is None else reading.n_samples,
            )
            for reading in readings
        ]
        usual = self.settings.get(set_, {}).get("n_samples", n_samples)
        if n_samples != usual:
            self._warn(
                f"set {set_!r}: a point from {n_samples} samples, where others have {usual}; such "
                "points do not compare (`n_samples` in history tells them apart)",
                cause=f"{set_} partial",
            )
        first = set_ not in self._described  # a resumed run tells its own loggers anew
        if first:
            self._described.add(set_)
            self.settings[set_] = self._describe(set_)
        self._history.extend(records)
        self._last_look = (epoch, step)
        records = self._without_collisions(trainer.callback_metrics, records)
        finite = {r.tag: torch.tensor(r.bits) for r in records if _is_finite(r.bits)}
        self._in_metrics |= finite
        trainer.callback_metrics.update(finite)
        self._report(log_point(trainer.loggers, {r.tag: r.bits for r in records}, step))
        charted = {(r.quantity, r.set, r.layer) for r in records if _is_finite(r.bits)}
        if not charted <= self._charted:
            self._charted |= charted
            monitors = [other for other in trainer.callbacks if isinstance(other, Monitor)]
            # One layout per logger: each monitor writes that of all.
            everything = set().union(*(other._charted for other in monitors))
            self._report(log_layout(trainer.loggers, everything))
        if first:
            tag = f"{self.group}/{set_}/settings"
            self._report(log_settings(trainer.loggers, tag, self.settings[set_], step))

    def _without_collisions(self, metrics: dict[str, Any], records: list[Record]) -> list[Record]:
        """Those whose tags nobody else logs, as far as `callback_metrics` tell."""
        taken = {
            r.tag
            for r in records
            if r.tag in metrics and metrics[r.tag] is not self._in_metrics.get(r.tag)
        }
        if taken:
            told = (
                f"{', '.join(sorted(taken))}: something else logs under this tag; pass name=, or "
                "log yours under another"
            )
            if self.on_error == "raise":
                raise ValueError(told)
            self._warn(f"{told} (until then the monitor's values are in .history only)")
        return [record for record in records if record.tag not in taken]

    def _report(self, faults: Sequence[Fault]) -> None:
        """What loggers raised: it is no reason to lose the point elsewhere, or the training."""
        for logger, error in faults:
            if self.on_error == "raise":
                raise error
            cause = error.__cause__ or error  # TensorBoardLogger wraps what its writer raises
            self._warn(
                f"{logger} has not taken a point ({type(cause).__name__}: {cause}); all points "
                "are in .history",
                cause=f"logger {logger}",
            )

    def _overhead(self) -> float:
        """Share of the time since the last look that was spent observing, for all its sets."""
        if self._share is not None:
            return self._share
        in_hooks = 0.0
        if self._observer is not None:
            if self.probe is None:  # with a probe, hooks run inside what is timed already
                in_hooks = self._observer.seconds
            self._observer.seconds = 0.0
        self._share = self._stopwatch.share(in_hooks)
        return self._share

    @contextmanager
    def _faults(self, trainer: Any) -> Iterator[None]:
        """Misuse raises before training; later faults cost the point, not the run."""
        try:
            yield
        except Exception as error:
            self._let_go()
            if self.on_error == "raise" or trainer.sanity_checking or not self._in_training:
                raise
            self._warn(f"this point is left out: {type(error).__name__}: {error}")

    @contextmanager
    def _faults_in_batch(self, trainer: Any) -> Iterator[None]:
        """As `_faults`; of several processes, all hear of it at the end of the loop."""
        if n_processes() == 1:
            with self._faults(trainer):
                yield
            return
        try:
            yield
        except Exception as error:
            self._fault = error
            if self._observer is not None:
                self._observer.detach()

    def _warn(self, message: str, *, cause: str | None = None) -> None:
        # One cause is told once, however often it counts anew.
        cause = _COUNT.sub("", message) if cause is None else cause
        if cause not in self._warned:
            self._warned.add(cause)
            rank_zero_warn(f"{type(self).__name__}: {message}", category=UserWarning)

    def _prepare(self, model: nn.Module) -> Observer:
        if self._observer is None or self._model() is not model:
            if self.probe is None:
                _refuse_compiled(model)
            self._observer = self._make_observer(model)
            self._model = weakref.ref(model)
        return self._observer

    def _let_go(self) -> None:
        self._listening = False
        self._passes.clear()
        self._fault = None
        if self._observer is not None:
            self._observer.detach()

    def _is_off(self, trainer: Any) -> bool:
        return bool(trainer.barebones)

    def _refuse_twins(self, trainer: Any) -> None:
        twins: Sequence[Monitor] = [
            other
            for other in trainer.callbacks
            if type(other) is type(self) and other._set == self._set
        ]
        if len(twins) > 1:
            raise ValueError(
                f"name: {len(twins)} monitors of type {type(self).__name__} would log under the "
                "same tags; give each a name= of its own"
            )


def _nothing() -> None:
    return None


def _is_last(trainer: Any, epoch: int) -> bool:
    """Whether training ends here, as far as the Trainer's arguments tell."""
    return epoch == int(trainer.max_epochs or 0) or trainer.global_step == int(trainer.max_steps)


_COUNT = re.compile(r"(?<![\w.'])\d+(\.\d+)?(?![\w'])")
"""A number that is no part of a name."""


def _is_finite(value: float) -> bool:
    return value - value == 0


def _refuse_compiled(model: nn.Module) -> None:
    compiled = [
        name or type(model).__name__
        for name, module in model.named_modules()
        if getattr(module, "_compiled_call_impl", None) is not None
        or hasattr(module, "_orig_mod")
        or getattr(module, "_compiler_ctx", None) is not None
    ]
    if compiled:
        raise RuntimeError(
            f"probe: {compiled[0]!r} is compiled, and a compiled model cannot be listened to "
            "without compiling it anew; pass probe='val' (or 'train', or a set of your own)"
        )
