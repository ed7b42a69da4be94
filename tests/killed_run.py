"""Trains until it is killed: the run that tests/test_state.py kills and resumes.

Run by that test: python killed_run.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

sys.path.insert(0, str(Path(__file__).parent))

from toys import LogsMetrics, fit

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor


def train(folder: Path, max_epochs: int, ckpt_path: str | None) -> list[Any]:
    """What the killed and the resuming process both do; returns the monitors."""
    monitors = [InformationPlaneMonitor(["net.1"]), PredictionEntropyMonitor(data="val")]
    saves = ModelCheckpoint(folder / "saved", save_last=True)
    fit(
        [*monitors, saves],
        LogsMetrics,
        max_epochs=max_epochs,
        ckpt_path=ckpt_path,
        enable_checkpointing=True,
        logger=TensorBoardLogger(folder, name="run"),
    )
    return monitors


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), 10**6, None)
