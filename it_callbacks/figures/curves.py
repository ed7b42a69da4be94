"""Draw quantities of layers over the training, a line for each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.about import stops
from it_callbacks.figures.arranging import arranged
from it_callbacks.figures.axes import Figure, Panel, axis_title, finite, how_read
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.limits import Limit, limits
from it_callbacks.figures.names import chosen
from it_callbacks.figures.over_time import Epochs, TimeAxis, exact, time_axis
from it_callbacks.figures.readings import READINGS, Opening, opening
from it_callbacks.figures.sheets import (
    NARROW,
    Pads,
    Plot,
    add,
    axis,
    axis_name,
    base,
    finished,
    fitted,
    headed,
    layers_of,
    plots,
    said,
    traced,
    width_of,
)
from it_callbacks.figures.spreading import LEADER, Word, beside
from it_callbacks.figures.theme import MARK, Colour, of_depth
from it_callbacks.figures.times import thinned
from it_callbacks.quantities import Quantity
from it_callbacks.runs import Run, Series

_MOST_IN_LINE = 300
"""Points of a line: more cannot be told apart."""
_MOST_IN_FIGURE = 6000
_MOST_MARKED = 40
"""Points of a line that have dots: more of them are a line anyway."""
_MOST_WITH_BANDS = 8
_STATUSES = ("OK", "CAUTION", "SATURATED")
_WORDS = {"relative_I_XT": "inputs kept apart", "V_TY": "found about the label"}
"""What the quantities of a plane are called where there is room for a few words only."""


def curves(panels: Sequence[Panel], quantity: str = "", **asked: Any) -> Figure:
    """Draw a quantity over the training, a line for each layer; a band where it has an interval.

    Time is epochs, on a logarithmic axis; steps where epochs are not known.

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        quantity: Its name in the table, without a ruler: ``"I_TY_adjusted"``. Empty for the two of
            the information plane, a plot each.
        asked: Further fields of a `Request`.

    Example:
        figure = curves([Panel(run, "val")], "V_TY", width=700)
    """
    return _draw(panels, Request("curves", quantity=quantity, **asked))


class _Line(NamedTuple):
    """A layer of a panel."""

    layer: str
    panel: Panel
    epochs: Epochs
    values: Series
    low: Series
    """The lower end of its band, and the upper one."""
    high: Series
    is_dotted: bool

    @property
    def last(self) -> float | None:
        """Its last finite value."""
        values = (self.values[step] for step in sorted(self.values, reverse=True))
        return next(filter(math.isfinite, values), None)


class _Cell(NamedTuple):
    """A plot: a quantity of one panel, or of two whose values can be compared."""

    quantity: str
    resolution: int
    panels: list[Panel]
    """The second one is dotted."""
    lines: list[_Line]

    @property
    def about(self) -> Quantity:
        """The row of the table."""
        return self.panels[0].about(self.quantity)


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    opened = opening(request, panels)
    cells = _cells(panels, request, opened)
    layers = list(dict.fromkeys(line.layer for cell in cells for line in cell.lines))
    shorts = short_names(layers, 18 if request.width >= NARROW else 12)
    colours = {layer: of_depth(number, len(layers)) for number, layer in enumerate(layers)}
    named = {layers[n]: shorts[n] for n in chosen(len(layers), request.width)}
    marks = [_marks(cell) for cell in cells]
    words = [*named.values(), *(word for each in marks for word in map(_mark_word, each))]
    inner = 14 + width_of(map(_mark_word, sum(marks, [])), 11)
    pads = Pads((58, 46), (LEADER + width_of(words) + 6, inner), top=40)
    drawn, data = base(request, pads), []
    places = plots(len(cells), request, pads)
    if not panels:
        said(drawn, places[0], "no run is chosen")
    time = time_axis([(line.values, line.epochs) for cell in cells for line in cell.lines])
    spans = _spans(cells, marks, request.scale)
    most = min(_MOST_IN_LINE, _MOST_IN_FIGURE // max(sum(len(c.lines) for c in cells), 1))
    for number, (cell, plot) in enumerate(zip(cells, places, strict=False)):
        first, span = cell.panels[0], spans[cell.quantity]
        drawn["meta"]["panels"].append({"run": first.run.name, "set": first.set, "axis": plot.axis})
        drawn[f"xaxis{plot.axis}"] = _time(plot, time, first=number == 0)
        drawn[f"yaxis{plot.axis}"] = _values(plot, cell, span, is_titled=bool(request.quantity))
        _head(drawn, plot, cell, request, len(cells))
        if not cell.lines:
            said(drawn, plot, f"no {cell.about.label} has a value in this set")
            continue
        for line in cell.lines:
            if len(layers) <= _MOST_WITH_BANDS and not line.is_dotted:
                for band in _bands(line, colours[line.layer], time, most):
                    data.append(traced(band, plot, line.panel, "bar", number, line.layer))
        for line in sorted(cell.lines, key=lambda each: not each.is_dotted):
            trace = _trace(line, cell.about, colours[line.layer], time, max(most, 20))
            data.append(traced(trace, plot, line.panel, "points", number, line.layer))
        drawn["shapes"] += [_mark_line(mark, plot, span) for mark in marks[number]]
        shown = [_mark(mark) for mark in marks[number]]
        if plot.is_last:
            shown += _names(cell, named, colours)
        for word, note in zip(
            shown, beside(shown, plot.axis, span, plot.height), strict=True
        ):
            add(drawn, note, word.layer)
    drawn["meta"] |= {
        "reading": opened.reading,
        "resolution": opened.resolution,
        "moments": stops([(line.values, line.panel.run.epochs) for c in cells for line in c.lines]),
    }
    drawn["meta"]["layers"] = layers_of(layers, shorts, list(colours.values()))
    return finished(drawn, data, request)


def _cells(panels: Sequence[Panel], request: Request, opened: Opening) -> list[_Cell]:
    """What is drawn, plot by plot."""
    if request.quantity:
        return [_cell(request.quantity, opened.resolution, [panel], request) for panel in panels]
    reading = READINGS[opened.reading]
    view = reading.views.get(request.view) or reading.views["linear"]
    groups = [[*plot.panels, *plot.training] for plot in arranged(request, panels, opened).plots]
    has_room = len(groups) == 1 or (len(groups) <= 3 and request.height >= 420)
    names = view.axes if has_room and request.width >= 520 else view.axes[1:]
    return [_cell(name, opened.resolution, group, request) for group in groups for name in names]


def _cell(quantity: str, resolution: int, panels: list[Panel], request: Request) -> _Cell:
    lines = [
        line
        for number, panel in enumerate(panels)
        for line in _lines(panel, quantity, resolution, request, is_dotted=number > 0)
    ]
    return _Cell(quantity, resolution, panels, lines)


def _lines(
    panel: Panel, quantity: str, resolution: int, request: Request, *, is_dotted: bool
) -> list[_Line]:
    if resolution >= len(panel.rulers):
        return []
    found, epochs = [], exact(panel.run.epochs)
    for layer in panel.run.layers(quantity, panel.set):
        values, *ends = (
            {step: value for step, value in each.items() if step <= _end(request)}
            for each in (
                panel.series(quantity, layer, resolution),
                *panel.ends(quantity, layer, resolution),
            )
        )
        if layer not in request.hidden and any(map(math.isfinite, values.values())):
            found.append(_Line(layer, panel, epochs, values, ends[0], ends[1], is_dotted))
    return found


def _end(request: Request) -> float:
    return math.inf if request.until is None else request.until


def _names(cell: _Cell, named: dict[str, str], colours: dict[str, Colour]) -> list[Word]:
    return [
        Word(line.last, plain(named[line.layer]), colours[line.layer], line.layer)
        for line in cell.lines
        if not line.is_dotted and line.layer in named and line.last is not None
    ]


def _marks(cell: _Cell) -> list[Limit]:
    """The lines that the values are read against."""
    for name, reading in READINGS.items():
        for view in reading.views.values():
            for letter, quantity in zip("xy", view.axes, strict=True):
                if quantity == cell.quantity:
                    found = limits(cell.panels[:1], name)
                    return [mark for mark in found if mark.axis == letter]
    return []


def _mark_word(mark: Limit) -> str:
    """Without what it means, which the plane says: there is little room."""
    if mark.name == "label bound":
        return f"predictions ≥ {mark.at:.2f}"
    return plain(mark.text.partition(":")[0])


def _mark(mark: Limit) -> Word:
    return Word(mark.at, _mark_word(mark), size=11)


def _mark_line(mark: Limit, plot: Plot, span: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": f"x{plot.axis} domain",
        "yref": f"y{plot.axis}",
        **{"x0": 0, "x1": 1, "y0": mark.at, "y1": mark.at},
        "line": {"color": MARK, "width": 1, "dash": "dot"},
        "layer": "below",
    }


def _spans(
    cells: Sequence[_Cell], marks: list[list[Limit]], scale: str
) -> dict[str, tuple[float, float]]:
    """For each quantity the ends of its axes; marks that are far from the data are taken out."""
    found = {}
    for quantity in dict.fromkeys(cell.quantity for cell in cells):
        of = [number for number, cell in enumerate(cells) if cell.quantity == quantity]
        unit = cells[of[0]].about.unit
        values = [
            value
            for number in of
            for line in cells[number].lines
            for series in (line.values, line.low, line.high)
            for value in series.values()
            if math.isfinite(value)
        ]
        if unit == "code":
            span = (-0.15, 2.15)
        elif unit == "share":
            span = (min([0.0, *values]) - 0.03, max([1.0, *values]) + 0.03)
        else:
            span = fitted(values, [mark.at for number in of for mark in marks[number]], scale)
        for number in of:
            marks[number] = [mark for mark in marks[number] if span[0] <= mark.at <= span[1]]
        found[quantity] = span
    return found


def _time(plot: Plot, time: TimeAxis, *, first: bool) -> dict[str, Any]:
    low, high = time.span
    margin = 0.02 * (high - low)
    return axis(
        plot,
        "x",
        title=axis_name(time.unit),
        **time.options(plot.width),
        showgrid=False,
        range=[round(low - margin, 4), round(high + margin, 4)],
        **({} if first else {"matches": "x"}),
    )


def _values(
    plot: Plot, cell: _Cell, span: tuple[float, float], *, is_titled: bool
) -> dict[str, Any]:
    more: dict[str, Any] = {"range": [round(end, 4) for end in span]}
    if cell.about.unit == "code":
        more |= {"tickvals": [0, 1, 2], "ticktext": list(_STATUSES), "tickangle": -90}
    if is_titled and plot.is_first:
        more["title"] = axis_name(axis_title(cell.panels, cell.quantity))
    return axis(plot, "y", **more)


def _head(
    drawn: dict[str, Any], plot: Plot, cell: _Cell, request: Request, n_cells: int
) -> None:
    """What a plot shows: the quantity, of which run and sets, how it was read."""
    first, most = cell.panels[0], max(int(plot.width / 7), 12)
    sets = " + ".join(panel.set for panel in cell.panels)
    run = plain(shortened(f"{first.run.name} · {sets}", most))
    if request.quantity:
        read = how_read(first, cell.quantity, cell.resolution)
        below = f"{plain(cell.about.meaning)} · {read}" if read else plain(cell.about.meaning)
        headed(drawn, plot, f"<b>{run}</b>", below=below if len(below) <= most else read)
        return
    words = _WORDS.get(cell.quantity, cell.about.label.partition(",")[0])
    text = f"<b>{plain(words)}</b>, {plain(cell.about.unit)}"
    if len(cell.panels) > 1:
        of = [plain(shortened(panel.set, most // 3)) for panel in cell.panels]
        run = f"{of[0]}, dotted: {of[1]}"
    headed(drawn, plot, text, below=run)


def _trace(
    line: _Line, about: Quantity, colour: Colour, time: TimeAxis, most: int
) -> dict[str, Any]:
    steps, epochs = thinned(sorted(line.values), most), line.epochs
    dash = {"dash": "dot", "width": 1.2} if line.is_dotted else {"width": 2}
    # A value between two gaps is a point: a line alone would not show it.
    has_dots = len(steps) <= _MOST_MARKED and not line.is_dotted
    unit = {"code": "", "value": ""}.get(about.unit, f" {plain(about.unit)}")
    when = "step %{customdata[0]}"
    if time.unit == "epoch":
        when = "epoch %{customdata[0]}  ·  step %{customdata[1]}"
    return {
        "type": "scatter",
        "mode": "lines+markers" if has_dots else "lines",
        "name": plain(shortened(line.layer)),
        "x": [time.place(step, epochs) for step in steps],
        "y": [finite(line.values[step], 4) for step in steps],
        "customdata": [
            [time.read(step, epochs), *([step] if time.unit == "epoch" else [])]
            for step in steps
        ],
        "hovertemplate": f"<b>{plain(shortened(line.layer))}</b>  {plain(line.panel.set)}<br>"
        f"{when}<br><b>%{{y:.3f}}</b>{unit}<extra></extra>",
        "line": {"color": colour, **dash},
        "marker": {"size": 4, "color": colour},
        "opacity": 0.7 if line.is_dotted else 1,
    }


def _bands(line: _Line, colour: Colour, time: TimeAxis, most: int) -> list[dict[str, Any]]:
    """The area between the ends, in pieces: a gap in them is not bridged."""
    pieces: list[list[tuple[float, float, float]]] = [[]]
    for step in thinned(sorted(step for step in line.low if step in line.high), max(most // 2, 20)):
        below, above = finite(line.low[step], 4), finite(line.high[step], 4)
        if below is not None and above is not None:
            pieces[-1].append((time.place(step, line.epochs), below, above))
        elif pieces[-1]:
            pieces.append([])
    return [
        {
            "type": "scatter",
            "mode": "lines",
            # There along the lower edge, and back along the upper one.
            "x": [x for x, *_ in piece] + [x for x, *_ in reversed(piece)],
            "y": [below for _, below, _ in piece] + [above for *_, above in reversed(piece)],
            "fill": "toself",
            "fillcolor": colour.faint(),
            "line": {"width": 0, "color": colour},
            "hoverinfo": "skip",
        }
        for piece in pieces
        if len(piece) > 1
    ]


def _reads(request: Request, run: Run) -> list[str]:
    names = [request.quantity]
    if not request.quantity:
        views = (view for reading in READINGS.values() for view in reading.views.values())
        names = [name for view in views for name in (*view.axes, view.status)]
    return [end for name in names for end in (name, *run.around(name))]


CURVES = Kind(
    "curves",
    "Curves",
    "InformationPlaneMonitor",
    "quantities of layers",
    options=("reading", "view", "quantity", "resolution", "hidden", "scale"),
    needs=lambda request: (
        [(request.quantity,)]
        if request.quantity
        else [view.axes for reading in READINGS.values() for view in reading.views.values()]
    ),
    reads=_reads,
    draw=_draw,
)
