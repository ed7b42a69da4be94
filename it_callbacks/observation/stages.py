"""How far a training is when a pass begins, and which layers wait for a later pass."""

from __future__ import annotations

from typing import NamedTuple

from it_callbacks.observation.readers import Reader


class Stage(NamedTuple):
    """How far a training is.

    Args:
        epoch: Finished epochs.
        is_training: Whether training has begun: statistics that are gathered in training are still
            those of a new model before.
        is_fitting: Whether the pass is part of a training, which passes over its sets again.
    """

    epoch: int
    is_training: bool
    is_fitting: bool = True


def why_later(reader: Reader, stage: Stage, *, is_untracked: bool) -> str:
    """Why a layer is not to be calibrated at this stage; "" where it may be.

    Args:
        reader: How the layer is read.
        stage: When.
        is_untracked: Whether the layer lies behind a BatchNorm that has tracked no batch yet.
    """
    if reader.is_ready:
        return ""
    if stage.epoch < reader.earliest:
        return f"is calibrated at {reader.earliest} finished epochs, as bins= says"
    if is_untracked and not stage.is_training:
        return (
            "lies behind a BatchNorm that has tracked no batch yet, and is calibrated after "
            "training began"
        )
    return ""
