"""Join the layers at a moment, and play the moments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from it_callbacks.figures.axes import Figure, finite_all
from it_callbacks.figures.theme import BACKGROUND, GRID, MUTED, TEXT
from it_callbacks.figures.times import Clock, Measured, thinned
from it_callbacks.figures.trajectories import Trajectory

_PLAYED_MS = 60
"""A frame: 200 of them, as many as are drawn, play in 12 seconds."""

_AT_ONCE = {"mode": "immediate", "transition": {"duration": 0}}
_NOW = {**_AT_ONCE, "frame": {"duration": 0, "redraw": False}}


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


class Joined(TypedDict):
    """The layers of a panel at every step, of which each moment joins one."""

    trace: int
    """Which of the figure's traces is the line."""
    at: list[int | None]
    """For each moment, which of the steps."""
    steps: list[int]
    epochs: list[int | None]
    layers: list[dict[str, list[Any]]]
    """Of each layer, in order of depth, `x`, `y`, remarks (`customdata`) and `symbol`."""


class Moments(TypedDict):
    """What a figure plays."""

    names: list[str]
    labels: list[str]
    panels: list[Joined]


def joined(
    shown: Sequence[Trajectory],
    steps: Sequence[int],
    epochs: Mapping[int, int],
    symbols: Mapping[str, str],
    found: Iterable[int | None],
) -> Joined:
    """Return the layers of a panel at its steps.

    Args:
        shown: Those of the layers, in order of depth.
        steps: In order.
        epochs: By step, as far as they are known.
        symbols: Of the layers.
        found: For each moment, the step that the panel shows.
    """
    place = {step: number for number, step in enumerate(steps)}
    return {
        "trace": -1,
        "at": [None if step is None else place[step] for step in found],
        "steps": list(steps),
        "epochs": [epochs.get(step) for step in steps],
        "layers": [
            {
                "x": finite_all(each.x, steps),
                "y": finite_all(each.y, steps),
                "customdata": each.remarks(steps),
                "symbol": each.symbols(symbols[each.layer], steps),
            }
            for each in shown
        ],
    }


def line_at(panel: Joined, moment: int) -> dict[str, Any]:
    """Return what of the joining line changes from frame to frame, as it is at one of them."""
    at = panel["at"][moment]
    if at is None:  # the panel has not begun
        none: list[None] = [None] * len(panel["layers"])
        nothing = {"x": none, "y": none, "customdata": none, "marker": {"symbol": "circle"}}
        return {**nothing, "meta": [None, None]}
    x, y, remarks, symbols = (
        [layer[name][at] for layer in panel["layers"]]
        for name in ("x", "y", "customdata", "symbol")
    )
    return {
        "x": x,
        "y": y,
        "customdata": remarks,
        "marker": {"symbol": symbols},
        "meta": [panel["epochs"][at], panel["steps"][at]],
    }


def played(figure: Figure) -> Figure:
    """Return a figure with a frame and a stop of the slider for each of its moments."""
    if "moments" not in figure:
        return figure
    found: Moments = figure["moments"]
    panels, layout = found["panels"], figure["layout"]
    traces = [panel["trace"] for panel in panels]
    frames = [
        {"name": name, "data": [line_at(panel, n) for panel in panels], "traces": traces}
        for n, name in enumerate(found["names"])
    ]
    if "sliders" in layout:
        stops = [
            {"method": "animate", "label": label, "args": [[name], _NOW]}
            for name, label in zip(found["names"], found["labels"], strict=True)
        ]
        layout = {**layout, "sliders": [{**layout["sliders"][0], "steps": stops}]}
    return {"data": figure["data"], "layout": layout, "frames": frames}


def controls(found: Sequence[Moment], clock: Clock) -> dict[str, Any]:
    """Return slider, play and pause for the layout; nothing where there is one moment or none.

    `played` gives the slider its stops.
    """
    if len(found) < 2:
        return {}
    names = [moment.name for moment in found]
    played = [names[i] for i in thinned(range(len(names)))]
    running = {**_AT_ONCE, "frame": {"duration": _PLAYED_MS, "redraw": False}, "fromcurrent": True}
    colours = {
        "bgcolor": BACKGROUND,
        "bordercolor": MUTED,
        "font": {"color": TEXT},
    }
    return {
        "sliders": [
            {
                "active": len(names) - 1,
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
                    {"method": "animate", "label": "❚❚", "args": [[None], _NOW]},
                ],
                **colours,
            }
        ],
    }
