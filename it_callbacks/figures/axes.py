"""Lay out figures: one plot for each panel, and what figures share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, NamedTuple

from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.theme import BACKGROUND, BITS, GRID, MUTED, TEXT, Theme, painted
from it_callbacks.figures.times import Clock, TimeAxis, log_time, ticks, time_axis
from it_callbacks.quantities import OF_WIDE, Quantity
from it_callbacks.records import is_read_by_rulers
from it_callbacks.runs import Key, Rulers, Run, Series

Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}, "frames": [...]}`` as Plotly reads it, safe for JSON."""

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    # Plotly's script shows a button that sends the figure to its makers unless told not to.
    "showSendToCloud": False,
    "showLink": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "it_callbacks"},
}
"""Plotly's own settings for all figures."""

BAR_IN_SE = 1.96
"""Standard errors from a value to the end of its bar: a 95 % interval."""
_MOST_COLUMNS = 3
_MOST_IN_TITLE = (90, 45, 30)
"""Characters that fit above one of one, two, three panels in a row."""


@dataclass(frozen=True)
class Panel:
    """One plot of a figure: a run, measured on one set.

    Args:
        run: The run.
        set: The set.
        rulers: What `bins=` lists, each with a ruler for each layer; the run's if not given.
    """

    run: Run
    set: str
    rulers: Sequence[Rulers] = ()

    def __post_init__(self) -> None:
        if not self.rulers:
            object.__setattr__(self, "rulers", self.run.rulers(self.set))

    def key(self, quantity: str, layer: str, resolution: int = 0) -> Key:
        """The key of a quantity as one of `rulers` reads it."""
        return self.rulers[resolution].key(quantity, self.set, layer)

    def series(self, quantity: str, layer: str, resolution: int = 0) -> Series:
        """What was measured; empty if it was not."""
        return self.run.values(self.key(quantity, layer, resolution))

    def ends(self, quantity: str, layer: str, resolution: int = 0) -> tuple[Series, Series]:
        """The lower and the upper ends of the bars, if any.

        A standard deviation beside a mean over runs; else those of an interval, or `BAR_IN_SE`
        standard errors beside a value.
        """
        spread = self.run.spread.get(self.key(quantity, layer, resolution), {})
        around = [self.series(name, layer, resolution) for name in self.run.around(quantity)]
        if not spread and len(around) == 2:
            return around[0], around[1]
        error, n_errors = (around[0], BAR_IN_SE) if around and not spread else (spread, 1.0)
        centre = self.series(quantity, layer, resolution)
        both = [step for step in error if step in centre]
        low, high = (
            {step: centre[step] + sign * n_errors * error[step] for step in both}
            for sign in (-1, 1)
        )
        return low, high

    def about(self, quantity: str) -> Quantity:
        """The row of the table, with the share of noise that the set was read with."""
        row, noise = self.run.about(quantity), self.run.wide(self.set).noise
        if noise is None or quantity not in OF_WIDE:
            return row
        symbol, meaning = (t.replace("0.3", f"{noise:g}") for t in (row.symbol, row.meaning))
        return replace(row, symbol=symbol, meaning=meaning)

    def has(self, quantity: str) -> bool:
        """Whether the set has a quantity of the table."""
        return self.set in self.run.sets(quantity)


def axis_title(panels: Sequence[Panel], quantity: str) -> str:
    """The title of an axis; it names what all panels take as Y."""
    title = panels[0].about(quantity).axis_title
    if all(panel.run.label_symbol(panel.set) == "bin Y" for panel in panels):
        title = re.sub(r"\bY\b", "bin Y", title)
    return plain(title)


class Place(NamedTuple):
    """Which axes a panel has, and where on the page."""

    axis: str
    """What Plotly adds to ``x`` and ``y``: nothing for the first."""
    across: tuple[float, float]
    up: tuple[float, float]

    @property
    def on(self) -> dict[str, str]:
        """The axes that a trace of this panel names."""
        return {"xaxis": f"x{self.axis}", "yaxis": f"y{self.axis}"}


def places(n_panels: int) -> list[Place]:
    """Side by side, at most three in a row."""
    columns = min(max(n_panels, 1), _MOST_COLUMNS)
    rows = -(-max(n_panels, 1) // columns)
    width, height = 1 / columns, 1 / rows
    found = []
    for number in range(max(n_panels, 1)):
        row, column = divmod(number, columns)
        left = column * width + (0.03 if column else 0)
        right = (column + 1) * width - (0.03 if column + 1 < columns else 0)
        bottom = (rows - 1 - row) * height + (0.08 if row + 1 < rows else 0)
        top = (rows - row) * height - (0.06 if row else 0)
        found.append(
            Place(
                str(number + 1) if number else "",
                (round(left, 4), round(right, 4)),
                (round(bottom, 4), round(top, 4)),
            )
        )
    return found


def layout(
    panels: Sequence[Panel],
    *,
    title: str,
    x: dict[str, Any],
    y: dict[str, Any],
    subtitles: Sequence[str] = (),
) -> dict[str, Any]:
    """Titles, colours and one pair of axes for each panel; all pairs zoom as one.

    Args:
        panels: What is drawn.
        title: Of the whole figure.
        x: What the horizontal axes have: title, range and such.
        y: What the vertical axes have.
        subtitles: Of each panel, below its title.
    """
    lines = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": MUTED}
    drawn: dict[str, Any] = {
        "title": {"text": title, "x": 0.01, "xanchor": "left", "font": {"size": 16}},
        "paper_bgcolor": BACKGROUND,
        "plot_bgcolor": BACKGROUND,
        "font": {"color": TEXT, "size": 13},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": BACKGROUND, "font": {"color": TEXT}, "namelength": 0},
        "modebar": {"color": MUTED, "activecolor": TEXT, "bgcolor": "rgba(0,0,0,0)"},
        "margin": {"l": 65, "r": 20, "t": 90, "b": 55},
        "legend": {"x": 1.02, "y": 1, "xanchor": "left", "itemsizing": "constant"},
        "uirevision": "kept",  # zoom and toggles outlive a reload
        "annotations": [],
        "shapes": [],
    }
    for number, place in enumerate(places(len(panels))):
        drawn[f"xaxis{place.axis}"] = {
            **lines, **x, "domain": list(place.across), "anchor": f"y{place.axis}",
            **({"matches": "x"} if number else {}),
        }  # fmt: skip
        drawn[f"yaxis{place.axis}"] = {
            **lines, **y, "domain": list(place.up), "anchor": f"x{place.axis}",
            **({"matches": "y"} if number else {}),
            **({"title": None} if place.across[0] else {}),
        }  # fmt: skip
    for panel, place, below in zip_longest(panels, places(len(panels)), subtitles):
        if panel is not None:
            drawn["annotations"] += _heading(panel, place, below or "", len(panels))
    return drawn


def how_read(panel: Panel, quantity: str, resolution: int) -> str:
    """With which rulers a quantity is read, or from how many samples; empty if not known."""
    if quantity in OF_WIDE:
        n_samples = panel.run.wide(panel.set).n_samples
        return f"{n_samples} samples" if n_samples else ""
    if not is_read_by_rulers(quantity) or resolution >= len(panel.rulers):
        return ""
    return plain(shortened(panel.rulers[resolution].label, 60))


def _heading(panel: Panel, place: Place, below: str, n_panels: int) -> list[dict[str, Any]]:
    """Title and subtitle above a panel, short enough not to reach into the next."""
    most = _MOST_IN_TITLE[min(n_panels, _MOST_COLUMNS) - 1]
    name, set_ = panel.run.name, shortened(panel.set, most // 3)
    text = plain(f"{shortened(name, most - len(set_))} · {set_}")
    corner = {"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    if not below:
        return [note(place, text, **corner)]
    font = {"color": MUTED, "size": 11}
    return [note(place, text, **corner, yshift=15), note(place, below, **corner, font=font)]


def note(place: Place, text: str, **where: Any) -> dict[str, Any]:
    """A text in a panel; `where` is in shares of its width and height unless it says otherwise."""
    return {
        "text": text,
        "showarrow": False,
        "xref": f"x{place.axis} domain",
        "yref": f"y{place.axis} domain",
        **where,
    }


def legend_entry(name: str, group: str, symbol: str) -> dict[str, Any]:
    """A trace without points that stands in the legend for a group of others.

    Their colour is the time, and Plotly would give them that of their first point, or black.
    """
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "legendgroup": group,
        "x": [None],
        "y": [None],
        "hoverinfo": "skip",
        "marker": {"symbol": symbol, "color": TEXT, "size": 9},
    }


def absence(place: Place, text: str) -> dict[str, Any]:
    """A text in the middle of a panel that has nothing to show."""
    font = {"color": MUTED, "size": 14}
    return note(place, text, x=0.5, y=0.5, xanchor="center", yanchor="middle", font=font)


def coloured(figure: Figure, theme: Theme) -> Figure:
    """The figure in the colours of a theme."""
    result: Figure = painted(figure, theme)
    return result


def empty(title: str, theme: Theme) -> Figure:
    """A figure of no panel, which says so."""
    drawn = layout([], title=title, x={"visible": False}, y={"visible": False})
    drawn["annotations"].append(absence(places(1)[0], "no run is chosen"))
    return coloured({"data": [], "layout": drawn, "frames": []}, theme)


def over_time(
    panels: Sequence[Panel],
    measured: Sequence[Sequence[Sequence[int]]],
    draw: Callable[[int, Place, TimeAxis], list[dict[str, Any]]],
    *,
    title: str,
    y: dict[str, Any],
    absent: str,
    x: dict[str, Any] | None = None,
    subtitles: Sequence[str] = (),
) -> Figure:
    """A figure whose horizontal axis is time, not painted yet.

    Args:
        panels: What is drawn, at least one.
        measured: For each panel the steps of each of its lines; a panel without a line is empty.
        draw: The traces of a panel, by its number, its place and the axis of time.
        title: Of the whole figure.
        y: What the vertical axes have.
        absent: What an empty panel says.
        x: What the horizontal axes have besides time.
        subtitles: Of each panel, below its title.
    """
    axis = time_axis(
        [
            (steps, panel.run.epochs)
            for panel, lines in zip(panels, measured, strict=True)
            for steps in lines
        ]
    )
    drawn = layout(panels, title=title, x={**axis.options, **(x or {})}, y=y, subtitles=subtitles)
    data: list[dict[str, Any]] = []
    for number, (place, lines) in enumerate(zip(places(len(panels)), measured, strict=True)):
        if lines:
            data += [trace | place.on for trace in draw(number, place, axis)]
        else:
            drawn["annotations"].append(absence(place, absent))
    listed: set[str] = set()
    for trace in data:  # of traces of one name, one stands in the legend
        if "legendgroup" in trace and trace.get("showlegend", True):
            trace["showlegend"] = trace["legendgroup"] not in listed
            listed.add(trace["legendgroup"])
    return {"data": data, "layout": drawn, "frames": []}


def time_colours(clock: Clock, last: int) -> dict[str, Any]:
    """The colour axis of time, logarithmic, with its bar labelled in epochs or steps."""
    at = ticks(last)
    return {
        "colorscale": BITS,
        "cmin": 0,
        "cmax": log_time(last) or 1,
        "colorbar": {
            # The empty line keeps the word off the last tick.
            "title": {"text": f"{clock.unit}<br>\u00a0", "side": "top"},
            "tickvals": [log_time(time) for time in at],
            "ticktext": [str(time) for time in at],
            "thickness": 14,
            "outlinewidth": 0,
            "x": 1.01,
            "xanchor": "left",
        },
    }


def finite(value: float | None) -> float | None:
    """A value to draw: to the millionth of a bit; None where there is none."""
    return round(value, 6) if value is not None and math.isfinite(value) else None


def finite_all(series: Series, steps: Iterable[int]) -> list[float | None]:
    """The values at `steps`, None where there is none."""
    return [finite(series.get(step)) for step in steps]
