"""A run of known numbers, of every kind that the monitors log, and its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from it_callbacks.texts import to_text

from .written_logs import write

PLANE: dict[str, list[float]] = {
    "information_plane/val/I_XT/fc1": [6.0, 6.0, 6.0],
    "information_plane/val/I_TY/fc1": [1.0, 1.0, 1.0],
    "information_plane/val/I_TY_chance/fc1": [0.75, 0.75, 0.75],
    "information_plane/val/I_TY_adjusted/fc1": [0.0, 0.0, float("nan")],
    "information_plane/val/coverage/fc1": [0.25, 0.25, 0.25],
    "information_plane/val/status/fc1": [2, 2, 2],
    "information_plane/val/I_XT/fc2": [1.0, 3.5, 2.25],
    "information_plane/val/I_TY/fc2": [0.125, 0.5, 0.75],
    "information_plane/val/I_TY_chance/fc2": [0.0625, 0.0625, 0.03125],
    "information_plane/val/I_TY_adjusted/fc2": [0.0625, 0.4375, 0.71875],
    "information_plane/val/I_XT_corrected/fc2": [float("nan"), 3.625, 2.375],
    "information_plane/val/I_XT_low/fc2": [0.75, 3.5, 2.25],
    "information_plane/val/I_XT_high/fc2": [float("nan"), 4.0, 2.75],
    "information_plane/val/I_TY_low/fc2": [float("nan"), 0.25, 0.5],
    "information_plane/val/I_TY_high/fc2": [float("nan"), 0.5, float("nan")],
    "information_plane/val/coverage/fc2": [0.5, 0.875, 1.0],
    "information_plane/val/status/fc2": [1, 1, 0],
    "information_plane/val/epoch": [0, 1, 2],
}
"""Two layers at three points: ``fc1`` saturated, ``fc2`` rising to 3.5 and falling to 2.25 bits."""

PREDICTIONS: dict[str, list[float]] = {
    "prediction_entropy/val/mean": [0.875, 0.5, 0.25],
    "prediction_entropy/val/marginal": [1.0, 1.0, 1.0],
    "prediction_entropy/val/input_information": [0.125, 0.5, 0.75],
    "conditional_entropy/val/all": [0.9375, 0.625, 0.375],
    "conditional_entropy/val/class_0": [0.9375, 0.5, 0.25],
    "conditional_entropy/val/class_1": [0.9375, 0.75, 0.5],
    "label_information/val/soft": [0.0625, 0.375, 0.625],
}

WIDE: dict[str, dict[int, float]] = {
    "information_plane/val/relative_I_XT/fc1": {0: 6.0, 20: 4.5},
    "information_plane/val/relative_I_XT_se/fc1": {0: 0.125, 20: 0.0625},
    "information_plane/val/relative_I_XT_high/fc1": {0: 7.0, 20: 5.25},
    "information_plane/val/V_TY/fc1": {0: -0.03125, 20: 0.75},
    "information_plane/val/V_TY_se/fc1": {0: 0.03125, 20: 0.0625},
    "information_plane/val/spread/fc1": {0: 1.5, 20: 30.0},
    "information_plane/val/wide_status/fc1": {0: 0, 20: 1},
    "information_plane/val/relative_I_XT/fc2": {0: 4.0, 20: 2.5},
    "information_plane/val/relative_I_XT_se/fc2": {0: 0.25, 20: 0.125},
    "information_plane/val/relative_I_XT_high/fc2": {0: 4.5, 20: 2.75},
    "information_plane/val/V_TY/fc2": {0: 0.125, 20: 0.5},
    "information_plane/val/V_TY_se/fc2": {0: 0.0625, 20: 0.03125},
    "information_plane/val/spread/fc2": {0: 1.0, 20: 2.0},
    "information_plane/val/wide_status/fc2": {0: 0, 20: 0},
    "information_plane/val/wide_epoch": {0: 0, 20: 2},
}
"""The layers of `PLANE` at any width, read at its first and last point."""

WIDE_SETTINGS: dict[str, Any] = {
    "reading": "WideReading(n_samples=1024)",
    "n_samples": 1024,
    "cap": 8.0,
    "H_Y": 1.0,
    "n_classes": 4,
    "among": None,
    "layers": {
        "fc1": {"numbers": 127, "caution": "one row holds 12 % of the spread"},
        "fc2": {"numbers": 20, "caution": ""},
    },
}

SETTINGS: dict[str, Any] = {
    "n_samples": 64,
    "H_Y": 1.0,
    "measured_on": "a probe",
    "exhaustive": False,
    "seed": 7,
    "version": "0.1.0",
    "layers": [
        {
            "tag": layer,
            "module": layer,
            "estimand": "all units jointly",
            "rulers": ["Uniform(bins=30, low=-1.0, high=1.0)"],
            "tag_of_ruler": [""],
            "H_T_given_X": ["0, deterministic"],
        }
        for layer in ("fc1", "fc2")
    ],
    "skipped": {"drop": "a Dropout"},
}
STEPS = (0, 10, 20)


def write_run(
    folder: Path,
    scalars: Mapping[str, Sequence[float]],
    texts: Mapping[str, Any] | None = None,
    steps: Sequence[int] = STEPS,
) -> Path:
    """A log of these scalars, and of these texts; returns its folder."""
    values = {tag: dict(zip(steps, of, strict=True)) for tag, of in scalars.items()}
    write(folder, values, {tag: to_text(value) for tag, value in (texts or {}).items()})
    return folder


def write_wide(folder: Path, **wide: Any) -> Path:
    """A run with everything, read at any width too; `wide` are other settings of that."""
    words = SETTINGS | {"wide": WIDE_SETTINGS | wide}
    write_plane(folder, **{"information_plane/val/settings": words})
    write(folder, WIDE)
    return folder


def write_plane(folder: Path, shift: float = 0.0, **texts: Any) -> Path:
    """A run with everything; I(X;T) of ``fc2`` is `shift` bits higher than in `PLANE`."""
    plane = {
        **PLANE,
        "information_plane/val/I_XT/fc2": [
            value + shift for value in PLANE["information_plane/val/I_XT/fc2"]
        ],
    }
    of_predictions = {
        f"{group}/val/settings": {"n_samples": 64, "version": "0.1.0"}
        for group in ("prediction_entropy", "conditional_entropy")
    }
    told = {"information_plane/val/settings": SETTINGS} | of_predictions | texts
    return write_run(folder, plane | PREDICTIONS, told)
