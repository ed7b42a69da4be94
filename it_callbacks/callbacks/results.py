"""A finished pass in; a point that is kept, told, and stored in checkpoints out."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from it_callbacks.callbacks.drawing import panels_of, run_of
from it_callbacks.callbacks.faults import Faults, OnError
from it_callbacks.callbacks.history import History, from_state, to_state
from it_callbacks.callbacks.namespaces import Callback
from it_callbacks.callbacks.telling import Reading, Teller
from it_callbacks.figures import Panel
from it_callbacks.observation.guard import random_states_restored
from it_callbacks.records import Record
from it_callbacks.runs import Run
from it_callbacks.tables import write_csv, write_json


class Results(Callback):
    """A callback with results that outlive its run. Base of `Monitor`.

    Args:
        on_error: What a fault of a logger, or a tag that somebody else logs, leads to.
        set_: What tags call the set that is looked at.
    """

    group: ClassVar[str]
    """First part of the tag of the settings."""

    settings: dict[str, dict[str, Any]]
    """For each set, how its numbers were measured."""

    def __init__(self, on_error: OnError, *, set_: str) -> None:
        super().__init__()
        self.on_error = on_error
        self.settings = {}
        self._history = History()
        self._set = set_
        self._faults = Faults(type(self).__name__, on_error)
        self._teller = Teller(self._faults)
        self._trainer: Callable[[], Any] = nothing

    # What a monitor adds to this.

    @abstractmethod
    def _finish(self, current: Any, set_: str, epoch: int) -> tuple[list[Reading], int]:
        """The pass is over: its readings, and from how many samples."""

    @abstractmethod
    def _describe(self, set_: str) -> dict[str, Any]:
        """How the numbers of a set are measured, for the settings."""

    @property
    def _may_draw(self) -> bool:
        """Whether `_finish` runs code of the user's, which may draw random numbers."""
        return False

    def _own_state(self) -> dict[str, Any]:
        """What a resumed run needs besides history and settings: plain Python and tensors."""
        return {}

    def _restore_own(self, state: dict[str, Any]) -> None:
        """Take back what `_own_state` gave; raises on a form that is not its own."""

    # For users.

    @property
    def history(self) -> list[Record]:
        """Every number measured so far, in order."""
        return self._history.records

    @abstractmethod
    def figure(self) -> Any:
        """What was measured so far, as `plotly.graph_objects.Figure`."""

    @property
    def _panels(self) -> list[Panel]:
        """One for each set; of the one that is looked at where nothing was measured yet."""
        sets = dict.fromkeys(record.set for record in self.history) or [self._set]
        return panels_of(self.history, self.settings, self.group, sets=sets)

    def to_csv(self, path: str | Path) -> None:
        """Write `history` as a table with one row per number."""
        write_csv([self._run], path)

    def to_json(self, path: str | Path) -> None:
        """Write `history` and `settings` as JSON."""
        write_json([self._run], path)

    @property
    def _run(self) -> Run:
        return run_of(self.history, self.settings, self.group)

    # From run to run.

    @override
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit" and self._trainer() is not trainer:
            # A new training starts a new history; a resumed one gets it back after this.
            self._reset()
        self._trainer = weakref.ref(trainer)
        self._refuse_twins(trainer)
        if _is_spawned(trainer) and not trainer.barebones:
            self._warn(
                "the history stays in the spawned processes; read it from the logs, or use "
                "strategy='ddp'"
            )

    @property
    @override
    def state_key(self) -> str:
        key = f"it_callbacks.{type(self).__name__}.{self._set}"
        # The Trainer refuses two equal keys without a word on what to do; `setup`, which comes
        # before any checkpoint is read or written, has that word.
        return key if self._trainer() is not None else f"{key}.{id(self)}"

    @override
    def state_dict(self) -> dict[str, Any]:
        try:
            return {**to_state(self._history, self.settings), **self._own_state()}
        except Exception as error:  # a user's checkpoint must not fail because of a monitor
            self._warn(f"the history is not stored in checkpoints ({error})")
            return {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        trainer = self._trainer()
        if trainer is not None and trainer.state.fn != "fit" and len(self._history):
            return  # an earlier checkpoint is looked at; what came after it is no less true
        try:
            self._history, self.settings = from_state(state_dict)
            if len(self._history):
                self._restore_own(state_dict)
        except Exception as error:  # a resume must not fail because of what a monitor stored
            self._reset()
            self._warn(f"the stored history cannot be read ({error}); it starts anew")

    # A point.

    def _conclude(self, trainer: Any, current: Any, set_: str, epoch: int) -> None:
        """Keep and tell what a pass has given."""
        with random_states_restored() if self._may_draw else nullcontext():
            readings, n_samples = self._finish(current, set_, epoch)
        step = trainer.global_step
        records = [r.record(set_, step=step, epoch=epoch, n_samples=n_samples) for r in readings]
        if not self._is_fitting and self._history.has_point(set_, epoch, step):
            if self._history.holds(records):  # the last validation of a training, once more
                self._teller.tell_metrics(trainer, records)
                return
            self._warn(
                f"set {set_!r}: a second point at step {step}, of other weights or samples (a "
                "checkpoint's?); a monitor with a name= of its own keeps the two apart",
                cause=f"{set_} again",
                set_=set_,
            )
        usual = self.settings.get(set_, {}).get("n_samples", n_samples)
        if n_samples != usual:
            self._warn(
                f"set {set_!r}: a point from {n_samples} samples, where others have {usual}; such "
                "points do not compare (`n_samples` in history tells them apart)",
                cause=f"{set_} partial",
                set_=set_,
            )
        first = not self._teller.has_described(set_)
        if first:
            self.settings[set_] = self._describe(set_)
        self._history.extend(records)
        monitors = [other for other in trainer.callbacks if isinstance(other, Results)]
        self._teller.tell_point(trainer, records, step, [other._teller for other in monitors])
        if first:
            self._teller.tell_settings(trainer, self.group, set_, self.settings[set_], step)
        self._teller.tell_warnings(trainer, self.group, set_, step)

    def _tell_the_end(self, trainer: Any) -> None:
        """Training is over: tell what only its end tells."""
        for set_ in self.settings:
            self._teller.tell_warnings(trainer, self.group, set_, trainer.global_step)

    @property
    def _is_fitting(self) -> bool:
        """Whether this is part of a training, and no look at what it has left."""
        trainer = self._trainer()
        return trainer is not None and trainer.state.fn == "fit"

    @property
    def _last_look(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        return self._history.last

    def _reset(self) -> None:
        """Forget everything that was measured."""
        self._history, self.settings = History(), {}
        self._faults.forget()
        self._teller = Teller(self._faults)

    def _refuse_twins(self, trainer: Any) -> None:
        n_twins = sum(
            type(other) is type(self) and other._set == self._set for other in trainer.callbacks
        )
        if n_twins > 1:
            raise ValueError(
                f"name: {n_twins} monitors of type {type(self).__name__} would log under the "
                "same tags; give each a name= of its own"
            )

    def _warn(self, message: str, *, cause: str | None = None, set_: str = "") -> None:
        """Warn once of each `cause`; see `Faults.warn`."""
        self._faults.warn(message, cause=cause, set_=set_)


def nothing() -> None:
    """What a weak reference to nothing gives; unlike one, it can be pickled."""
    return None


def _is_spawned(trainer: Any) -> bool:
    """Whether training runs in processes that take what callbacks know with them."""
    kinds = type(trainer.strategy.launcher).__mro__
    return any(kind.__name__ == "_MultiProcessingLauncher" for kind in kinds)
