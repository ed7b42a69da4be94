"""Join the layers at a moment, and play the moments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.axes import finite_all
from it_callbacks.figures.theme import BACKGROUND, GRID, MUTED, TEXT
from it_callbacks.figures.times import Clock, Measured, thinned
from it_callbacks.figures.trajectories import Trajectory

_PLAYED_MS = 60
"""A frame: 200 of them, as many as are drawn, play in 12 seconds."""


class Moment(NamedTuple):
    """One frame: what it is called, and which step each panel shows."""

    name: str
    label: str
    steps: tuple[int | None, ...]
    """None for a panel that has not begun."""


def moments(measured: Sequence[Measured], clock: Clock) -> list[Moment]:
    """Return one for each measured step; where panels differ in steps, one for each epoch.

    A panel without a point at a moment shows its last one before it.

    Args:
        measured: For each panel its steps in order, and epochs by step.
        clock: What a moment is called by.
    """
    same = len({tuple(steps) for steps, _ in measured if steps}) < 2
    by_time = [
        {step if same else clock.read(step, epochs): step for step in steps}
        for steps, epochs in measured
    ]
    every = sorted({time for step_at in by_time for time in step_at})
    begun = [sorted(step_at) for step_at in by_time]
    labels = _labels(every, measured, clock) if same else {}
    found = []
    for time in every:
        last = [bisect_right(times, time) for times in begun]
        steps = tuple(
            step_at[times[n - 1]] if n else None
            for step_at, times, n in zip(by_time, begun, last, strict=True)
        )
        found.append(Moment(str(time), labels.get(time, str(time)), steps))
    return found


def _labels(steps: Sequence[int], measured: Sequence[Measured], clock: Clock) -> dict[int, str]:
    """Epochs for steps; with the step where an epoch has several."""
    epochs = next((epochs for its_steps, epochs in measured if its_steps), {})
    times = [clock.read(step, epochs) for step in steps]
    several = clock.unit == "epoch" and len(set(times)) < len(times)
    return {
        step: f"{time} (step {step})" if several else str(time)
        for step, time in zip(steps, times, strict=True)
    }


def polyline(
    shown: Sequence[Trajectory],
    step: int | None,
    epochs: Mapping[int, int],
    symbols: Mapping[str, str],
) -> dict[str, Any]:
    """Return what of the joining line changes from frame to frame.

    Args:
        shown: Those of the layers, in order of depth.
        step: At which; None before the first.
        epochs: By step, as far as they are known.
        symbols: Of the layers.
    """
    at = -1 if step is None else step
    return {
        "x": [value for each in shown for value in finite_all(each.x, [at])],
        "y": [value for each in shown for value in finite_all(each.y, [at])],
        "customdata": [each.remarks(step) for each in shown],
        "marker": {
            "symbol": [symbols[each.layer] + "-open" * each.is_saturated(step) for each in shown]
        },
        "meta": [epochs.get(at), step],
    }


def controls(found: Sequence[Moment], clock: Clock) -> dict[str, Any]:
    """Return slider, play and pause for the layout; nothing where there is one moment or none."""
    if len(found) < 2:
        return {}
    at_once = {"mode": "immediate", "transition": {"duration": 0}}
    names = [moment.name for moment in found]
    played = [names[i] for i in thinned(range(len(names)))]
    now = {**at_once, "frame": {"duration": 0, "redraw": False}}
    running = {**at_once, "frame": {"duration": _PLAYED_MS, "redraw": False}, "fromcurrent": True}
    colours = {
        "bgcolor": BACKGROUND,
        "bordercolor": MUTED,
        "font": {"color": TEXT},
    }
    return {
        "sliders": [
            {
                "active": len(names) - 1,
                "steps": [
                    {"method": "animate", "label": moment.label, "args": [[moment.name], now]}
                    for moment in found
                ],
                "currentvalue": {"prefix": f"layers joined at {clock.unit} ", "xanchor": "left"},
                "pad": {"l": 100, "t": 65},
                "tickcolor": GRID,
                "activebgcolor": TEXT,
                **colours,
            }
        ],
        "updatemenus": [
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 0,
                "xanchor": "left",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 80},
                "buttons": [
                    {"method": "animate", "label": "▶", "args": [played, running]},
                    {"method": "animate", "label": "❚❚", "args": [[None], now]},
                ],
                **colours,
            }
        ],
    }
