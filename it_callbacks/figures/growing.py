"""Play a plane without a script of ours: ways that grow, moment by moment, as Plotly's frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from it_callbacks.figures.axes import Figure
from it_callbacks.figures.times import ages, spaced

_MOMENTS, _MOMENTS_OF_MANY, _MANY = 40, 20, 30
"""A frame holds all that came before it, so their size grows with their square."""
_HEAD = 0.72
"""Age from which on the way is drawn thick."""
_LEAST_HEAD = 3
_MOST_FAR = 13
"""Points of what is far back."""
_FRAME_MS = 120
_AT_ONCE = {"mode": "immediate", "transition": {"duration": 0}}
_QUIET, _NOW = "quiet", "now"
_FAINT_PX, _THICK_PX, _DOT_PX = 1.3, 2.6, 11


def play(figure: Figure) -> Figure:
    """Return a plane with frames in which its ways grow, a slider, and buttons that play and pause.

    For pages without our script. Of at most 40 moments, 20 where there are more than 30 ways,
    evenly spaced in log time. A plane that has no time, or one moment only, is returned as it is,
    and so is every other kind of figure.

    Args:
        figure: What `draw` gives, without highlights.
    """
    is_plane = figure["layout"]["meta"]["kind"] == "plane"
    data = figure["data"] if is_plane else []
    ways = [trace for trace in data if trace["meta"]["role"] == "points"]
    steps = sorted({row[1] for way in ways for row in way["customdata"]})
    if len(steps) < 2:
        return figure
    most = _MOMENTS if len(ways) <= _MANY else _MOMENTS_OF_MANY
    epochs = {row[1]: row[0] for way in ways for row in way["customdata"] if row[0] != ""}
    shown = spaced(steps, epochs, most)
    still = [_at_moments(trace, shown) for trace in data]
    n_still = len(still)
    moving = [trace for way in ways for trace in _empty(way, figure["layout"])]
    numbers = [n_still + number for number in range(len(moving))]
    notes = figure["layout"]["annotations"]
    named = {int(number) for number in figure["layout"]["meta"]["names"]}
    # Said even where it is 1: what a frame does not say stays as it was.
    seen = [{**note, "opacity": note.get("opacity", 1)} for note in notes]
    silent = [{**note, "opacity": 0} if k in named else note for k, note in enumerate(notes)]
    grown = _grown(ways, shown, epochs)
    frames = [
        _still(_QUIET, 0, n_still, silent, numbers),
        *(
            {
                "name": str(step),
                "data": [part for of_way in grown for part in of_way[n]],
                "traces": numbers,
            }
            for n, step in enumerate(shown[:-1])
        ),
        _still(_NOW, 1, n_still, seen, numbers),
    ]
    labels = {each["step"]: each["label"] for each in figure["layout"]["meta"]["moments"]}
    layout = figure["layout"] | _controls(shown, labels, figure["layout"])
    return {"data": [*still, *moving], "layout": layout, "frames": frames}


def _at_moments(trace: dict[str, Any], shown: Sequence[int]) -> dict[str, Any]:
    """Points that are there for hovering only, at the moments alone; other traces as they are."""
    if trace["meta"]["role"] != "points" or trace["marker"]["opacity"] != 0:
        return trace
    steps = set(shown)
    kept = [n for n, row in enumerate(trace["customdata"]) if row[1] in steps]
    return {**trace, **{key: [trace[key][n] for n in kept] for key in ("x", "y", "customdata")}}


def _empty(way: dict[str, Any], layout: dict[str, Any]) -> list[dict[str, Any]]:
    """The part so far, and its head with the dot; nothing of either until they are played."""
    colour = _colour(way)
    shared = {
        "type": "scatter",
        "xaxis": way["xaxis"],
        "yaxis": way["yaxis"],
        "hoverinfo": "skip",
        "x": [],
        "y": [],
    }
    # Plotly makes markers of several sizes translucent unless told not to.
    dot = {
        "color": colour,
        "opacity": 1,
        "size": [_DOT_PX, *[0] * _MOMENTS],
        "line": {"color": layout["paper_bgcolor"], "width": 1.5},
    }
    return [
        {
            **shared,
            "uid": f"{way['uid']}s",
            "meta": {**way["meta"], "role": "so far"},
            "mode": "lines",
            "opacity": 0.35,
            "line": {"color": colour, "width": _FAINT_PX},
        },
        {
            **shared,
            "uid": f"{way['uid']}h",
            "meta": {**way["meta"], "role": "head"},
            "mode": "lines+markers",
            "line": {"color": colour, "width": _THICK_PX},
            "marker": dot,
        },
    ]


def _colour(way: dict[str, Any]) -> Any:
    """The colour of a layer: of its points, or of their rims where some are hollow."""
    line = way["marker"].get("line")
    return line["color"] if line else way["marker"]["color"]


def _grown(
    ways: Sequence[dict[str, Any]], shown: Sequence[int], epochs: dict[int, int]
) -> list[list[list[dict[str, Any]]]]:
    """Of each way both parts at each of the moments `shown`; of what is far back, some points.

    The head begins with its newest point: so the sizes of its dots are the same at all moments.
    """
    coarse = -(-len(shown) // _MOST_FAR)
    heads: dict[tuple[int, ...], list[int]] = {}
    found = []
    for way in ways:
        known = {row[1]: number for number, row in enumerate(way["customdata"])}
        steps = tuple(step for step in shown if step in known)
        if steps not in heads:  # most ways have the same
            heads[steps] = [_head(steps[:n], epochs) for n in range(len(steps) + 1)]
        x, y = ([round(way[axis][known[step]], 3) for step in steps] for axis in "xy")
        parts = [_parts(x[:n], y[:n], head, coarse) for n, head in enumerate(heads[steps])]
        found.append([parts[n] for n in accumulate(step in known for step in shown)])
    return found


def _parts(x: list[float], y: list[float], head: int, coarse: int) -> list[dict[str, Any]]:
    """What is far back, and the head."""
    if not x:
        return [{"x": [], "y": []}, {"x": [], "y": []}]
    far = {axis: [*of[:head:coarse], of[head]] for axis, of in (("x", x), ("y", y))}
    return [far, {"x": x[head:][::-1], "y": y[head:][::-1]}]


def _head(steps: Sequence[int], epochs: dict[int, int]) -> int:
    """The number of the point at which the head of a way ends."""
    aged = ages(steps, epochs)
    first = next((number for number, age in enumerate(aged) if age >= _HEAD), 0)
    return min(first, max(len(steps) - _LEAST_HEAD, 0))


def _still(
    name: str, opacity: int, n: int, notes: Sequence[Any], moving: Sequence[int]
) -> dict[str, Any]:
    """The frame that hides what stands still, or shows it again without what moves."""
    nothing: dict[str, Any] = {"x": [], "y": []}
    return {
        "name": name,
        "data": [{"opacity": opacity}] * n + [nothing] * len(moving),
        "traces": [*range(n), *moving],
        "layout": {"annotations": list(notes)},
    }


def _controls(
    shown: Sequence[int], labels: dict[int, str], layout: dict[str, Any]
) -> dict[str, Any]:
    """A slider with a stop for each moment, and the buttons beside it."""
    redrawn = {"duration": 0, "redraw": True}
    quick = {"duration": 0, "redraw": False}
    stops = [
        {
            "method": "animate",
            "label": labels.get(step, f"step {step}"),
            "args": [[_QUIET, str(step)], {**_AT_ONCE, "frame": [redrawn, quick]}],
        }
        for step in shown[:-1]
    ]
    last = labels.get(shown[-1], f"step {shown[-1]}")
    stops.append(
        {
            "method": "animate",
            "label": last,
            "args": [[_NOW], {**_AT_ONCE, "frame": redrawn}],
        }
    )
    played = [_QUIET, *(str(step) for step in shown[:-1]), _NOW]
    slow = {"duration": _FRAME_MS, "redraw": False}
    timing = [redrawn, *([slow] * (len(shown) - 1)), {"duration": _FRAME_MS, "redraw": True}]
    muted, text = layout["xaxis"]["tickfont"]["color"], layout["font"]["color"]
    plain = {"bgcolor": layout["paper_bgcolor"], "bordercolor": muted, "font": {"color": text}}
    margin = {**layout["margin"], "b": layout["margin"]["b"] + 84}
    return {
        "margin": margin,
        "sliders": [
            {
                "active": len(stops) - 1,
                "steps": stops,
                "currentvalue": {"xanchor": "left", "font": {"size": 12, "color": text}},
                "pad": {"l": 84, "t": 54},
                "ticklen": 0,
                "minorticklen": 0,
                "activebgcolor": text,
                **plain,
                "font": {"color": layout["paper_bgcolor"], "size": 1},
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
                "pad": {"t": 68},
                "buttons": [
                    {
                        "method": "animate",
                        "label": "▶",
                        "args": [played, {**_AT_ONCE, "frame": timing}],
                    },
                    {
                        "method": "animate",
                        "label": "❚❚",
                        "args": [[None], {**_AT_ONCE, "frame": quick}],
                    },
                ],
                **plain,
            }
        ],
    }
