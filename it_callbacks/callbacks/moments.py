"""Which moment of a training it is, and whether a measurement is due."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from it_callbacks.observation.processes import together
from it_callbacks.schedules import LogSpaced, Schedule, counts_steps, is_due


@dataclass(frozen=True)
class Moment:
    """A moment in the life of a Trainer.

    Args:
        epoch: Finished epochs.
        n_steps: Optimizer steps done.
        fitting: Whether a training goes on: no stand-alone validation or test.
        sanity: Whether it is Lightning's sanity check before the training.
        last: Whether training ends here, as far as the Trainer's arguments say.
    """

    epoch: int
    n_steps: int
    fitting: bool
    sanity: bool = False
    last: bool = False

    @classmethod
    def of(cls, trainer: Any) -> Moment:
        """The moment inside a loop; with the last batch of an epoch, the epoch is finished."""
        fitting = _is_fitting(trainer)
        is_finished = fitting and trainer.is_last_batch
        return cls._at(trainer, trainer.current_epoch + is_finished, fitting)

    @classmethod
    def of_epoch_end(cls, trainer: Any) -> Moment:
        """The moment at the end of an epoch, however many batches it had."""
        return cls._at(trainer, trainer.current_epoch + 1, _is_fitting(trainer))

    @classmethod
    def of_training(cls, trainer: Any) -> Moment:
        """The moment before the first batch of a training, or after its end."""
        return cls._at(trainer, trainer.current_epoch, _is_fitting(trainer))

    @classmethod
    def _at(cls, trainer: Any, epoch: int, fitting: bool) -> Moment:
        step = int(trainer.global_step)
        last = fitting and (
            epoch == int(trainer.max_epochs or -1) or step == int(trainer.max_steps or -1)
        )
        return cls(int(epoch), step, fitting, bool(trainer.sanity_checking), last)

    @property
    def step(self) -> int:
        """Where a point lies on the axis of steps: where no step is ever made, epochs count."""
        return self.n_steps or self.epoch

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and step, which is where a point lies on a curve."""
        return self.epoch, self.step


def _is_fitting(trainer: Any) -> bool:
    return bool(trainer.state.fn == "fit" and not trainer.sanity_checking)


def lost_validation(trainer: Any) -> bool:
    """Whether a resume has lost a validation: its checkpoint was written just before it.

    That of the last batch of an epoch, or of one inside; Lightning reruns neither.
    """
    every, n = trainer.val_check_batch, trainer.check_val_every_n_epoch
    if not trainer.ckpt_path or not trainer.enable_validation or every is None:
        return False
    epoch = trainer.current_epoch + (not trainer.is_last_batch)
    if n is not None and epoch % n:
        return False
    loop = trainer.fit_loop.epoch_loop
    number = loop.total_batch_idx if n is None else loop.batch_idx
    if number < 0:  # no batch of this epoch was trained on
        return False
    return bool(trainer.is_last_batch if every == math.inf else (number + 1) % every == 0)


@dataclass(frozen=True)
class Cadence:
    """When to measure: a schedule, and the rules that hold for every schedule.

    Args:
        schedule: What the user asked for.
    """

    schedule: Schedule

    @cached_property  # asked after each step
    def counts_steps(self) -> bool:
        """Whether optimizer steps count, not epochs."""
        return counts_steps(self.schedule)

    @property
    def wants_the_end(self) -> bool:
        """Whether the last state of a training is measured in any case: points may be rare."""
        return isinstance(self.schedule, LogSpaced)

    def due(self, at: Moment, latest: tuple[int, int] | None) -> bool:
        """Whether to measure now.

        The first point is always due, and so is a validation or test outside of a training. A
        moment that has its point already is not: a resumed run validates once more where it left
        off.

        Args:
            at: The moment.
            latest: Epoch and step of the latest point; None before the first.

        Raises:
            ScheduleError: The user's function failed.

        Example:
            >>> [epoch for epoch in range(7) if Cadence(3).due(Moment(epoch, 10, True), (0, 0))]
            [0, 3, 6]
        """
        if latest is None or not at.fitting:
            return True
        if at.place == latest:
            return False
        return self._is_scheduled(at) or (self.wants_the_end and at.last)

    def due_on_fixed_set(self, at: Moment, latest: tuple[int, int] | None) -> bool:
        """As `due`, where several hooks ask at one moment: after an epoch, and its validation."""
        if latest is not None:
            epoch, step = latest
            if at.step == step or (at.n_steps == 0 if self.counts_steps else at.epoch == epoch):
                return False
        return self.due(at, latest)

    def _is_scheduled(self, at: Moment) -> bool:
        ask = partial(is_due, self.schedule, epoch=at.epoch, step=at.n_steps)
        if not callable(self.schedule):
            return ask()
        try:
            return together(ask)[0]  # all processes do what the first one's function says
        except Exception as error:
            raise ScheduleError(error) from error


class ScheduleError(RuntimeError):
    """A user's schedule function raised.

    Args:
        cause: What it raised.
    """

    def __init__(self, cause: Exception) -> None:
        what = f"{type(cause).__name__}: {cause}"
        super().__init__(f"schedule: the function failed, so nothing is measured ({what})")
        self.cause = cause
