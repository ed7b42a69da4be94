"""Draw quantities of layers over the training, a line for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures import grid
from it_callbacks.figures.about import chip, finished, of_plot, stops
from it_callbacks.figures.arranging import refused
from it_callbacks.figures.axes import Figure, Panel, axis_title, finite, how_read
from it_callbacks.figures.curve_lines import (
    Cell,
    Line,
    arrangement_of,
    cells_of,
    marks_of,
    spans_of,
)
from it_callbacks.figures.depth_order import merged
from it_callbacks.figures.grid import Pads, Plot
from it_callbacks.figures.hover import WORDS
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.limits import Limit
from it_callbacks.figures.names import chosen
from it_callbacks.figures.over_time import TimeAxis, log_time, time_axis
from it_callbacks.figures.quantity_shown import needs, opened, reads
from it_callbacks.figures.spreading import GAP, LEADER, Word, beside
from it_callbacks.figures.subplots import NARROW, axis_name, level_line
from it_callbacks.figures.theme import MARK, Colour, of_depth, of_run
from it_callbacks.figures.times import even, thinned
from it_callbacks.figures.words import not_yet

_MOST_IN_LINE = 300
"""Points of a line: more cannot be told apart."""
_MOST_IN_FIGURE = 6000
_MOST_MARKED = 40
"""Points of a line that have dots: more of them are a line anyway."""
_MOST_WITH_BANDS = 8
_LEAST_WITH_NAMES = 190
"""Pixels of a plot that leaves room for names beside it."""
_STATUSES = ("OK", "CAUTION", "SATURATED")


def curves(panels: Sequence[Panel], quantity: str = "", **fields: Any) -> Figure:
    """Draw a quantity over the training, a line for each layer; a band where it has an interval.

    Time is epochs, on a logarithmic axis; steps where epochs are not known.

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        quantity: Its name in the table, without a ruler: ``"I_TY_adjusted"``. Empty for the two of
            the information plane, a plot each.
        fields: Further ones of a `Request`.

    Example:
        figure = curves([Panel(run, "val")], "V_TY", width=700)
    """
    return _draw(panels, Request("curves", quantity=quantity, **fields))


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    found = opened(request, panels)
    cells = cells_of(panels, request, found)
    groups = _groups(cells, request)
    colours = {group.name: group.colour for group in groups}
    named = {groups[n].name: groups[n].label for n in chosen(len(groups), request.width)}
    marks = [marks_of(cell) for cell in cells]
    spans = spans_of(cells, marks, request.scale)
    words = [_mark_word(mark) for each in marks for mark in each]
    right = LEADER + grid.widest([*named.values(), *words]) + 6
    least = LEADER + grid.widest(words, 11) + 6 if words else 0
    pads, places = _placed(len(cells), request, right, least)
    all_named = pads.right[1] == right
    drawn, data = grid.base(pads), []
    if not panels:
        grid.nothing(drawn, places[0])
    time = time_axis([(line.values, line.epochs) for cell in cells for line in cell.lines])
    for number, (cell, plot) in enumerate(zip(cells, places, strict=False)):
        span = spans[cell.quantity]
        drawn["meta"]["panels"].append(of_plot(cell.panels[0], plot.axis))
        drawn[f"xaxis{plot.axis}"] = _time(plot, time, first=number == 0)
        drawn[f"yaxis{plot.axis}"] = _values(plot, cell, span, is_titled=bool(request.quantity))
        _head(drawn, plot, cell, request)
        if not cell.lines:
            grid.said(drawn, plot, f"no {cell.about.label} has a value in this set")
            continue
        seen = cell.until(request.until)
        data += _traces(seen, plot, number, colours, time, sum(len(c.lines) for c in cells))
        if not any(line.values for line in seen.lines):
            grid.said(drawn, plot, not_yet(request, cell.panels[0]))
            continue
        drawn["shapes"] += [
            {**level_line(plot.axis, mark.at, MARK), "layer": "below"} for mark in marks[number]
        ]
        shown = [Word(mark.at, _mark_word(mark), size=11) for mark in marks[number]]
        if plot.is_last or all_named:
            names = _names(seen, named, colours)
            most = max(int(plot.height / GAP) - len(shown), 2)
            shown += [names[n] for n in even(len(names), most)]
        for word, note in zip(shown, beside(shown, plot.axis, span, plot.height), strict=True):
            grid.add(drawn, note, word.layer)
    drawn["meta"] |= {
        "arrange": arrangement_of(panels, request, found).name,
        "empty": refused(request, panels, found),
        "reading": found.reading,
        "resolution": found.resolution,
        "layers": [chip(*group, is_run=any(cell.is_by_run for cell in cells)) for group in groups],
        "moments": stops(
            [(list(line.values), line.panel.run.epochs) for c in cells for line in c.lines]
        ),
    }
    return finished(data, drawn, request, drawn["meta"])


def _placed(n: int, request: Request, right: int, least: int) -> tuple[Pads, list[Plot]]:
    """Places for plots that all have room for names, or that for words of marks if they must."""
    tight = Pads((58, 46), (right, least), top=40)
    wide = Pads((58, 46), (right, right), top=40)
    placed = grid.plots(n, request, wide)
    narrower = grid.plots(n, request, tight)
    few = sum(plot.is_first for plot in placed) > sum(plot.is_first for plot in narrower)
    if few or placed[0].width < _LEAST_WITH_NAMES:
        return tight, narrower
    return wide, placed


class _Group(NamedTuple):
    """What has a colour: a layer, or a run where runs lie over each other."""

    name: str
    label: str
    colour: Colour


def _groups(cells: Sequence[Cell], request: Request) -> list[_Group]:
    names = list(dict.fromkeys(line.group for cell in cells for line in cell.lines))
    most = 12 if request.width < NARROW else 18
    if any(cell.is_by_run for cell in cells):
        return [_Group(name, shortened(name, most), of_run(n)) for n, name in enumerate(names)]
    names = merged(
        [line.group for line in cell.lines if line.panel is panel]
        for cell in cells
        for panel in (*cell.panels, *cell.plot.training)
    )
    return [
        _Group(name, label, of_depth(number, len(names)))
        for number, (name, label) in enumerate(zip(names, short_names(names, most), strict=True))
    ]


def _traces(
    cell: Cell, plot: Plot, number: int, colours: dict[str, Colour], time: TimeAxis, n_lines: int
) -> list[dict[str, Any]]:
    """Bands of few layers, then lines, those of training first."""
    most = max(min(_MOST_IN_LINE, _MOST_IN_FIGURE // n_lines), 20)
    found = []
    for line in cell.lines if len(colours) <= _MOST_WITH_BANDS else ():
        for band in _bands(line, colours[line.group], time, most) if not line.is_dotted else ():
            found.append(grid.traced(band, plot, line.panel, "bar", number, line.layer))
    for line in sorted(cell.lines, key=lambda each: not each.is_dotted):
        trace = _trace(line, cell, colours[line.group], time, most)
        found.append(grid.traced(trace, plot, line.panel, "points", number, line.layer))
    return found


def _names(cell: Cell, named: dict[str, str], colours: dict[str, Colour]) -> list[Word]:
    return [
        Word(line.last, plain(named[line.group]), colours[line.group], line.group)
        for line in cell.lines
        if not line.is_dotted and line.group in named and line.last is not None
    ]


def _mark_word(mark: Limit) -> str:
    """Without what it means, which the plane says: there is little room."""
    if mark.name == "label bound":
        return f"predictions ≥ {mark.at:.2f}"
    return plain(mark.text.partition(":")[0])


def _time(plot: Plot, time: TimeAxis, *, first: bool) -> dict[str, Any]:
    low, high = time.span
    margin = 0.02 * (high - low)
    ends = [round(low - margin, 4), round(high + margin, 4)]
    return grid.time_axis_of(plot, time, range=ends, **({} if first else {"matches": "x"}))


def _values(
    plot: Plot, cell: Cell, span: tuple[float, float], *, is_titled: bool
) -> dict[str, Any]:
    more: dict[str, Any] = {"range": [round(end, 4) for end in span]}
    if cell.about.unit == "code":
        more |= {"tickvals": [0, 1, 2], "ticktext": list(_STATUSES), "tickangle": -90}
    if is_titled and plot.is_first:
        more["title"] = axis_name(axis_title(cell.panels, cell.quantity))
    return grid.axis(plot, "y", **more)


def _head(drawn: dict[str, Any], plot: Plot, cell: Cell, request: Request) -> None:
    """What a plot shows: the quantity, of which run and sets, how it was read."""
    first, room = cell.panels[0], int(plot.width / 6.2)
    of = [first.run.name, first.set]
    if cell.plot.training:
        of[1] += f", dotted: {cell.plot.training[0].set}"
    if cell.is_by_run:
        of = [f"{len(cell.panels)} runs", first.set, *{line.layer for line in cell.lines}]
    if request.quantity:
        title = f"<b>{plain(shortened(' · '.join(of), int(room * 0.85)))}</b>"
        read = how_read(first, cell.quantity, cell.resolution)
        grid.headed(
            drawn, plot, title, below=grid.fitting([plain(cell.about.meaning), read], plot.width)
        )
        return
    title = f"<b>{plain(_words(cell))}</b>, {plain(cell.about.unit)}"
    grid.headed(drawn, plot, title, below=plain(shortened(" · ".join(of), room)))


def _words(cell: Cell) -> str:
    return WORDS.get(cell.quantity, cell.about.label.partition(",")[0])


def _what(cell: Cell) -> str:
    return f"{_words(cell)}, {cell.about.unit}"


def _trace(line: Line, cell: Cell, colour: Colour, time: TimeAxis, most: int) -> dict[str, Any]:
    steps = tuple(thinned(sorted(line.values), most))
    key = _drawn, cell.quantity, cell.resolution, line.layer, line.is_dotted, colour, time, steps
    return line.panel.once(key, lambda: _drawn(line, cell, colour, time, steps))


def _drawn(
    line: Line, cell: Cell, colour: Colour, time: TimeAxis, steps: Sequence[int]
) -> dict[str, Any]:
    about, epochs = cell.about, line.epochs
    dash = {"dash": "dot", "width": 1.2} if line.is_dotted else {"width": 2}
    # A value between two gaps is a point: a line alone would not show it.
    has_dots = len(steps) <= _MOST_MARKED and not line.is_dotted
    unit = "" if about.unit in ("code", "value") else plain(about.unit)
    of = f"{line.panel.run.name} · {line.panel.set}"
    times = time.reads(steps, epochs)
    when = "step %{customdata[0]}"
    if is_by_epoch := time.unit == "epoch":
        when = "epoch %{customdata[0]}  ·  step %{customdata[1]}"
    return {
        "type": "scatter",
        "mode": "lines+markers" if has_dots else "lines",
        "name": plain(shortened(line.layer)),
        "x": list(map(log_time, times)),
        "y": [finite(line.values[step], 4) for step in steps],
        "customdata": [
            [at, step][: 1 + is_by_epoch] for at, step in zip(times, steps, strict=True)
        ],
        "meta": {
            "title": plain(shortened(line.layer)),
            "about": plain(shortened(of, 50)),
            "unit": unit,
            "table": grid.table("Layer", _what(cell), [(line.layer, line.last)]),
        },
        "hovertemplate": "<b>%{meta.title}</b>  %{meta.about}<br>"
        f"{when}<br><b>%{{y:.3f}}</b> %{{meta.unit}}<extra></extra>",
        "line": {"color": colour, **dash},
        "marker": {"size": 4, "color": colour},
        "opacity": 0.7 if line.is_dotted else 1,
    }


def _bands(line: Line, colour: Colour, time: TimeAxis, most: int) -> list[dict[str, Any]]:
    """The area between the ends, in pieces: a gap in them is not bridged."""
    pieces: list[list[tuple[float, float, float]]] = [[]]
    for step in thinned(sorted(step for step in line.low if step in line.high), max(most // 2, 10)):
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


CURVES = Kind(
    "curves",
    "Curves",
    "Quantities of each layer over the training",
    "InformationPlaneMonitor",
    "quantities of layers",
    options=(
        *("reading", "view", "quantity", "resolution", "hidden"),
        *("scale", "until", "arrange"),
    ),
    needs=needs,
    reads=reads,
    draw=_draw,
)
