"""Trajectories in; the line that joins the layers at a moment, and how to play it, out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.axes import finite_all
from it_callbacks.figures.theme import Theme
from it_callbacks.figures.times import Clock, thinned
from it_callbacks.figures.trajectories import Trajectory
from it_callbacks.figures.words import SATURATED, told

_PLAYED_MS = 60
"""A frame: 200 of them, as many as are drawn, play in 12 seconds."""


class Moment(NamedTuple):
    """One frame: what it is called, and which step each panel shows."""

    name: str
    label: str
    steps: tuple[int | None, ...]
    """None for a panel that has not begun."""


def moments(
    measured: Sequence[tuple[Sequence[int], Mapping[int, int]]], hands: Clock
) -> list[Moment]:
    """One for each measured step; where panels differ in steps, one for each epoch.

    A panel without a point at a moment shows its last one before it.

    Args:
        measured: For each panel its steps in order, and epochs by step.
        hands: What a moment is called by.
    """
    same = len({tuple(steps) for steps, _ in measured if steps}) < 2
    by_time = [
        {step if same else hands.read(step, epochs): step for step in steps}
        for steps, epochs in measured
    ]
    every = sorted({time for of_panel in by_time for time in of_panel})
    begun = [sorted(of_panel) for of_panel in by_time]
    labels = _labels(every, measured, hands) if same else {}
    found = []
    for time in every:
        last = [bisect_right(times, time) for times in begun]
        steps = tuple(
            of_panel[times[n - 1]] if n else None
            for of_panel, times, n in zip(by_time, begun, last, strict=True)
        )
        found.append(Moment(str(time), labels.get(time, str(time)), steps))
    return found


def _labels(
    steps: Sequence[int],
    measured: Sequence[tuple[Sequence[int], Mapping[int, int]]],
    hands: Clock,
) -> dict[int, str]:
    """Epochs for steps; with the step where an epoch has several."""
    epochs = next((epochs for of_panel, epochs in measured if of_panel), {})
    times = [hands.read(step, epochs) for step in steps]
    several = hands.word == "epoch" and len(set(times)) < len(times)
    return {
        step: f"{time} (step {step})" if several else str(time)
        for step, time in zip(steps, times, strict=True)
    }


def polyline(
    ways: Sequence[Trajectory],
    step: int | None,
    epochs: Mapping[int, int],
    symbols: Mapping[str, str],
) -> dict[str, Any]:
    """What of the joining line changes from frame to frame.

    Args:
        ways: The layers in order of depth.
        step: At which; None before the first.
        epochs: By step, as far as they are known.
        symbols: Of the layers.
    """
    at = -1 if step is None else step
    words = [told(way.status.get(at, -1)) for way in ways]
    return {
        "x": [value for way in ways for value in finite_all(way.x, [at])],
        "y": [value for way in ways for value in finite_all(way.y, [at])],
        "customdata": words,
        "marker": {
            "symbol": [
                symbols[way.layer] + "-open" * (word == SATURATED)
                for way, word in zip(ways, words, strict=True)
            ]
        },
        "meta": [epochs.get(at), step],
    }


def controls(told_moments: Sequence[Moment], hands: Clock, theme: Theme) -> dict[str, Any]:
    """Slider, play and pause for the layout; nothing where there is one moment or none."""
    if len(told_moments) < 2:
        return {}
    at_once = {"mode": "immediate", "transition": {"duration": 0}}
    names = [moment.name for moment in told_moments]
    played = [names[i] for i in thinned(range(len(names)))]
    now = {**at_once, "frame": {"duration": 0, "redraw": False}}
    running = {**at_once, "frame": {"duration": _PLAYED_MS, "redraw": False}, "fromcurrent": True}
    colours = {
        "bgcolor": theme.background,
        "bordercolor": theme.muted,
        "font": {"color": theme.text},
    }
    return {
        "sliders": [
            {
                "active": len(names) - 1,
                "steps": [
                    {"method": "animate", "label": moment.label, "args": [[moment.name], now]}
                    for moment in told_moments
                ],
                "currentvalue": {"prefix": f"layers joined at {hands.word} ", "xanchor": "left"},
                "pad": {"l": 100, "t": 65},
                "tickcolor": theme.grid,
                "activebgcolor": theme.text,
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
