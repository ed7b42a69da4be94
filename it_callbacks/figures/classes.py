"""Draw how far the predictions inside each class scatter, over the training, as a heat map."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures import grid
from it_callbacks.figures.about import finished, of_plot, stops
from it_callbacks.figures.axes import Figure, Panel, finite
from it_callbacks.figures.grid import Pads, Plot
from it_callbacks.figures.heat_maps import (
    BAR,
    Columns,
    cells,
    colour_axis,
    column_axis,
    columns_of,
    cursor,
)
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.over_time import exact, time_axis
from it_callbacks.figures.spreading import Word, beside
from it_callbacks.figures.subplots import note_at
from it_callbacks.figures.theme import TEXT
from it_callbacks.figures.words import before_first
from it_callbacks.quantities import QUANTITIES
from it_callbacks.runs import Series

FLOOR = 0.003
"""Bits below which colours do not differ: one prediction in ten thousand."""
TICKS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_CLASS = re.compile(r"class_(\d+)")
_MOST_ROWS = 40
_ROW = 11
"""Pixels that a row needs for its name to be read."""
_WHAT = "how far the predictions inside each class scatter"
_ABSENT = "no entropies of single classes were logged of this set"


def entropies_by_class(panels: Sequence[Panel], **fields: Any) -> Figure:
    """Draw the entropy of the predictions inside each class, over the training, as a heat map.

    Rows are classes, with their names where the settings hold them; the one that scatters most
    now is on top, and of many classes the 40 that scatter most are shown. Colours are logarithmic.
    A class without samples at a measurement leaves a gap.

    Args:
        panels: Runs and sets, drawn side by side.
        fields: Those of a `Request`.
    """
    return _draw(panels, Request("classes", **fields))


class _Row(NamedTuple):
    """A class of a panel."""

    name: str
    """As markup."""
    full: str
    values: Series
    last: float
    """The last finite value, up to the moment; NaN if there is none."""


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    panels = panels[: grid.MOST_PLOTS]
    rows = [_rows(panel, request.until) for panel in panels]
    names = grid.widest(row.name for each in rows for row in each)
    left = min(names, request.width // 4) + 14
    pads = Pads((left, left), (46 + BAR, 52), top=42)
    drawn, data = grid.base(pads), []
    places = grid.plots(len(panels), request, pads)
    if not panels:
        grid.nothing(drawn, places[0])
    steps = [sorted({step for row in each for step in row.values}) for each in rows]
    time = time_axis([(at, exact(p.run.epochs)) for at, p in zip(steps, panels, strict=True)])
    for number, (panel, plot) in enumerate(zip(panels, places, strict=False)):
        shown = columns_of(steps[number], exact(panel.run.epochs), time)
        kept = rows[number][: max(min(_MOST_ROWS, int(plot.height / _ROW)), 1)]
        n_more = len(rows[number]) - len(kept)
        drawn["meta"]["panels"].append(of_plot(panel, plot.axis))
        remarks = [before_first(request, panel, steps[number]), f"{n_more} more" * (n_more > 0)]
        _head(drawn, plot, panel, remarks, len(panels))
        drawn[f"xaxis{plot.axis}"] = column_axis(plot, shown)
        drawn[f"yaxis{plot.axis}"] = _row_axis(plot, kept)
        if not kept:
            grid.said(drawn, plot, _ABSENT)
            continue
        data.append(grid.traced(_heat_map(kept, shown), plot, panel, "cell", number, None))
        drawn["shapes"] += cursor(plot, shown, request.until)
        for note in beside(_last_values(kept), plot.axis, (len(kept) - 0.5, -0.5), plot.height, 0):
            grid.add(drawn, note)
    values = [value for each in rows for row in each for value in row.values.values()]
    drawn["meta"]["moments"] = stops(
        [(at, panel.run.epochs) for at, panel in zip(steps, panels, strict=True)]
    )
    drawn["coloraxis"] = _colours(values, next(p for p in places if p.is_last))
    return finished(data, drawn, request, drawn["meta"])


def _rows(panel: Panel, until: int | None) -> list[_Row]:
    """The classes that were logged, the one with the greatest last value first."""
    end = math.inf if until is None else until
    names = panel.run.settings.get(f"conditional_entropy/{panel.set}", {}).get("class_names")
    known = names if isinstance(names, list) else []
    found = []
    for layer in panel.run.layers("conditional_entropy", panel.set):
        if match := _CLASS.fullmatch(layer):
            number = int(match[1])
            full = str(known[number]) if number < len(known) else match[1]
            values = panel.series("conditional_entropy", layer)
            before = [values[step] for step in sorted(values) if step <= end]
            last = next(filter(math.isfinite, reversed(before)), math.nan)
            found.append((number, _Row(plain(shortened(full, 24)), full, values, last)))
    found.sort(key=lambda each: (math.isnan(each[1].last), -each[1].last, each[0]))
    return [row for _, row in found]


def _heat_map(rows: Sequence[_Row], shown: Columns) -> dict[str, Any]:
    values = [[finite(row.values.get(step)) for step in shown.steps] for row in rows]
    return {
        **cells(shown, len(rows)),
        "y": list(range(len(rows))),
        "z": [[None if v is None else coloured_by(v) for v in row] for row in values],
        "customdata": [
            [[value, step] for value, step in zip(row, shown.steps, strict=True)] for row in values
        ],
        "meta": {
            "table": grid.table("Class", "scatter, bits", [(row.full, row.last) for row in rows])
        },
        "hovertemplate": f"<b>class %{{y}}</b><br>{shown.card('customdata[1]')}<br>"
        "predictions scatter by <b>%{customdata[0]:.3f}</b> bits<extra></extra>",
    }


def coloured_by(bits: float) -> float:
    """Return what the colour of a cell is read from: the logarithm of its bits, from `FLOOR` on.

    Example:
        >>> coloured_by(0.1), coloured_by(0.0) == coloured_by(FLOOR)
        (-1.0, True)
    """
    return round(math.log10(max(bits, FLOOR)), 4)


def _colours(values: Sequence[float], plot: Plot) -> dict[str, Any]:
    """The colour axis, with ticks in bits: of half of the greatest value at least.

    It begins at the least value: classes that all scatter alike would else have one colour.
    """
    known = [*filter(math.isfinite, values)] or [FLOOR]
    most = max(0.03, *known)
    least = max(FLOOR, min(most / 2, *known))
    ticks = [tick for tick in TICKS if least <= tick <= most]
    if len(ticks) < 3:
        ticks = [least, math.sqrt(least * most), most]
    return colour_axis(
        coloured_by(least),
        coloured_by(most),
        plot,
        offset=52,
        tickvals=list(map(coloured_by, ticks)),
        ticktext=[f"{tick:.2g}" for tick in ticks],
    )


def _row_axis(plot: Plot, rows: Sequence[_Row]) -> dict[str, Any]:
    """The vertical axis, on which every row has its name."""
    return grid.axis(
        plot,
        "y",
        showgrid=False,
        range=[max(len(rows), 1) - 0.5, -0.5],
        tickvals=list(range(len(rows))),
        ticktext=[row.name for row in rows],
        ticks="",
    )


def _last_values(rows: Sequence[_Row]) -> list[Word]:
    """The last value of each row, in digits."""
    return [
        Word(number, f"{row.last:.3f}", TEXT, size=11, has_leader=False)
        for number, row in enumerate(rows)
        if math.isfinite(row.last)
    ]


def _head(
    drawn: dict[str, Any], plot: Plot, panel: Panel, remarks: Sequence[str], n_panels: int
) -> None:
    how = [
        *remarks,
        _WHAT if grid.widest([_WHAT], 11) < plot.width - 120 else "by class",
        "bits",
        "logarithmic colours",
        "widest scatter now on top",
    ]
    of = grid.title_of_panel(plot, panel) if n_panels > 1 else ""
    grid.headed(drawn, plot, of, below=grid.fitting(how, plot.width - 30))
    corner = {"xanchor": "left", "yanchor": "bottom", "xshift": 6, "yshift": 2}
    grid.add(drawn, note_at(plot.axis, 1, 1, "now", {"size": 11, "color": TEXT}, **corner))


CLASSES = Kind(
    "classes",
    "Classes",
    "How far the predictions inside each class scatter, over the training",
    "ConditionalEntropyMonitor",
    "entropies by class",
    options=("until",),
    needs=lambda _: [("conditional_entropy/class_<c>",)],
    reads=lambda *_: tuple(n for n, row in QUANTITIES.items() if "classes" in row.figures),
    draw=_draw,
)
