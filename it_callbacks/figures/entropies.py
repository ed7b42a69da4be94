"""Draw what the entropy of the predictions is made of, over the training, as stacked areas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.about import stops
from it_callbacks.figures.axes import Figure, Panel, finite
from it_callbacks.figures.grid import (
    LEAST_FOR_WORDS,
    MOST_PLOTS,
    Pads,
    Plot,
    add,
    axis,
    base,
    finished,
    headed,
    nothing,
    of_plot,
    plots,
    said,
    table,
    traced,
    widest,
)
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.over_time import Epochs, TimeAxis, exact, time_axis
from it_callbacks.figures.sheet import axis_name
from it_callbacks.figures.spreading import GAP, LEADER, Word, beside
from it_callbacks.figures.theme import MARK, TEXT, Colour
from it_callbacks.figures.times import thinned
from it_callbacks.figures.words import not_yet
from it_callbacks.quantities import QUANTITIES

_MOST_LOOKS = 300
"""Of a panel: more cannot be told apart."""
_MOST_IN_FIGURE = 900

_Name = tuple[str, str, Colour]
_LABEL: _Name = ("about the label", "I(Y;Ŷ)", Colour("areas", 0))
_BEYOND: _Name = ("about the input,<br>beyond the label", "I(X;Ŷ|Y)", Colour("areas", 1))
_OPEN: _Name = ("left open", "H(Ŷ|X)", Colour("areas", 2))
_BOTH: _Name = ("about the input", "I(X;Ŷ)", Colour("depth", 0.5))
"""The first two together, in a colour that neither has."""
_GAP = 46
"""Pixels from one name to the next: of two lines, with a value."""
_SIZE = 12


def prediction_entropies(panels: Sequence[Panel], **asked: Any) -> Figure:
    """Draw what the entropy of the predictions is made of, over epochs, as stacked areas.

    H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X): information about the label, information about the input
    beyond the label, and what a single prediction leaves open. Without I(Y;Ŷ), which the
    conditional entropy monitor logs, its two parts are one: I(X;Ŷ).

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        asked: Fields of a `Request`.
    """
    return _draw(panels, Request("predictions", **asked))


class _Part(NamedTuple):
    """One of the areas."""

    name: str
    symbol: str
    colour: Colour
    values: Mapping[int, float]
    """At each look at which all parts are known."""

    @property
    def words(self) -> str:
        """The name in one line."""
        return self.name.replace("<br>", " ")


class _Stack(NamedTuple):
    """What a panel shows."""

    panel: Panel
    epochs: Epochs
    steps: list[int]
    """All looks, those with a gap too."""
    parts: list[_Part]
    """From the bottom to the top."""
    label_entropy: float | None

    @property
    def known(self) -> list[int]:
        """The looks at which all parts are known."""
        return [step for step in self.steps if step in self.parts[0].values]

    def until(self, step: int | None) -> _Stack:
        """As it stood at a step; all of it for None."""
        return self if step is None else self._replace(steps=[s for s in self.steps if s <= step])

    def total(self, step: int) -> float:
        """The marginal entropy."""
        return sum(part.values[step] for part in self.parts)


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    panels = panels[:MOST_PLOTS]
    most = min(_MOST_LOOKS, _MOST_IN_FIGURE // max(len(panels), 1))
    stacks = [_stack(panel, most) for panel in panels]
    texts = [text for stack in stacks for part in stack.parts for text in _texts(part, 9.99)]
    right = LEADER + max(widest(texts), 60) + 4
    pads = Pads((56, 40), (right, right))
    drawn, data = base(request, pads), []
    places = plots(len(panels), request, pads)
    if not panels:
        nothing(drawn, places[0])
    time = time_axis([(stack.steps, stack.epochs) for stack in stacks])
    high = _top(stacks, places[0].height)
    remarks = [_remark(stack, plot) for stack, plot in zip(stacks, places, strict=False)]
    for number, (whole, plot) in enumerate(zip(stacks, places, strict=False)):
        stack, panel = whole.until(request.until), whole.panel
        of_plot(drawn, plot, panel)
        drawn[f"xaxis{plot.axis}"] = _time(plot, time)
        drawn[f"yaxis{plot.axis}"] = axis(
            plot, "y", range=[0, high], **({"title": axis_name("bits")} if plot.is_first else {})
        )
        # A line that is blank keeps titles at one height.
        _head(drawn, plot, panel, len(panels), remarks[number] or " " * any(remarks))
        if not stack.known:
            said(drawn, plot, not_yet(request, panel) if whole.known else _why_empty(whole))
            continue
        areas = [area for part in stack.parts for area in _areas(stack, part, time, number)]
        for area in (*areas, _card(stack, time)):
            data.append(traced(area, plot, panel, area.pop("role"), number, None))
        drawn["shapes"] += _label_entropy(drawn, stack, plot)
        is_tall = plot.height >= 2 * _GAP + 20
        words = _words(stack, is_tall=is_tall)
        for note in beside(words, plot.axis, (0, high), plot.height, _GAP if is_tall else GAP):
            add(drawn, note)
    drawn["meta"]["moments"] = stops([(each.steps, each.panel.run.epochs) for each in stacks])
    drawn["hovermode"] = "x"
    return finished(drawn, data, request)


def _stack(panel: Panel, most: int) -> _Stack:
    whole, open_, soft, hard, left = (
        panel.series(root, name)
        for root, name in (
            ("prediction_entropy", "marginal"),
            ("prediction_entropy", "mean"),
            ("label_information", "soft"),
            ("label_information", "hard"),
            ("label_information", "equivocation"),
        )
    )
    series = [whole, open_, *([soft] if soft else [])]
    steps = thinned(sorted(open_), most)
    known = [s for s in steps if all(math.isfinite(each.get(s, math.nan)) for each in series)]
    inside = {step: whole[step] - open_[step] for step in known}
    if soft:
        # Rounding of what was logged may leave the small part a millionth below 0.
        beyond = {step: max(inside[step] - soft[step], 0.0) for step in known}
        told = [{step: soft[step] for step in known}, beyond]
    else:
        told = [inside]
    values = [*told, {step: open_[step] for step in known}]
    names = (_LABEL, _BEYOND, _OPEN) if soft else (_BOTH, _OPEN)
    parts = [_Part(*name, of) for name, of in zip(names, values, strict=True)]
    entropies = (hard[step] + left[step] for step in reversed(list(hard)) if step in left)
    found = next(filter(math.isfinite, entropies), panel.run.label_entropy(panel.set))
    return _Stack(panel, exact(panel.run.epochs), steps, parts, finite(found))


def _top(stacks: Sequence[_Stack], height: float) -> float:
    """The end of the vertical axis: above all areas, and above the word of H(Y)."""
    values = [stack.total(step) for stack in stacks for step in stack.known]
    values += [s.label_entropy for s in stacks if s.known and s.label_entropy is not None]
    return round((1 + 20 / height) * max(values, default=0.0), 4) or 1.0


def _time(plot: Plot, time: TimeAxis) -> dict[str, Any]:
    """From the first look to the last."""
    spikes = {"showspikes": True, "spikemode": "across", "spikesnap": "hovered data"}
    return axis(
        plot,
        "x",
        title=axis_name(time.unit),
        **time.options(plot.width),
        **spikes,
        spikethickness=1,
        spikecolor=MARK,
        spikedash="solid",
        showgrid=False,
        range=list(time.span),
    )


def _areas(stack: _Stack, part: _Part, time: TimeAxis, number: int) -> list[dict[str, Any]]:
    """An area for each stretch of looks without a gap; a single look is a dot."""
    stretches: list[list[int]] = [[]]
    for step in stack.steps:
        if step in part.values:
            stretches[-1].append(step)
        elif stretches[-1]:
            stretches.append([])
    return [
        {
            "type": "scatter",
            "role": "area",
            "mode": "lines" if len(steps) > 1 else "lines+markers",
            "name": part.words,
            "x": [time.place(step, stack.epochs) for step in steps],
            "y": [finite(part.values[step]) for step in steps],
            "stackgroup": f"stack{number}.{place}",
            "line": {"width": 0.5, "color": part.colour},
            "marker": {"size": 8},
            "fillcolor": part.colour,
            "hoverinfo": "skip",
        }
        for place, steps in enumerate(stretches)
        if steps
    ]


def _card(stack: _Stack, time: TimeAxis) -> dict[str, Any]:
    """One card for all areas at a look; Plotly's own would be headed by a logarithm."""
    epochs, known = stack.epochs, stack.known
    return {
        "type": "scatter",
        "role": "points",
        "mode": "markers",
        "name": "H(Ŷ)",
        "x": [time.place(step, epochs) for step in known],
        "y": [finite(stack.total(step), 4) for step in known],
        "customdata": [
            [time.read(step, epochs), step, *(finite(p.values[step], 4) for p in stack.parts)]
            for step in known
        ],
        "marker": {"size": 1, "opacity": 0},
        "meta": {
            "table": table(
                "Part",
                "bits",
                [(f"{p.words}, {p.symbol}", p.values[known[-1]]) for p in stack.parts]
                + [("in all, H(Ŷ)", stack.total(known[-1]))],
            )
        },
        "text": [_told(stack, time, step) for step in known],
        # With a template Plotly would write the place on the axis, a logarithm, below it.
        "hoverinfo": "text",
    }


def _told(stack: _Stack, time: TimeAxis, step: int) -> str:
    unit = "" if time.unit == "step" else f"epoch {time.word(step, stack.epochs)}  ·  "
    lines = [f"{part.words}  <b>{part.values[step]:.2f}</b>" for part in reversed(stack.parts)]
    total = f"in all, H(Ŷ)  <b>{stack.total(step):.2f}</b> bits"
    return "<br>".join([f"{unit}step {step}", *lines, total])


def _label_entropy(drawn: dict[str, Any], stack: _Stack, plot: Plot) -> list[dict[str, Any]]:
    """The line at H(Y), with its word inside the plot: areas have no lines that it could hide."""
    at = stack.label_entropy
    if at is None:
        return []
    refs = {"xref": f"x{plot.axis} domain", "yref": f"y{plot.axis}"}
    add(
        drawn,
        {
            **refs, "text": f"H(Y) = {at:.2f}", "x": 0, "y": at, "showarrow": False,
            "xanchor": "left", "yanchor": "bottom", "xshift": 4,
            "font": {"size": 11, "color": TEXT},
        },
    )  # fmt: skip
    line = {"color": TEXT, "width": 1, "dash": "dot"}
    return [{"type": "line", **refs, "x0": 0, "x1": 1, "y0": at, "y1": at, "line": line}]


def _texts(part: _Part, value: float) -> tuple[str, str]:
    """What stands beside an area: where there is room, and else in one line."""
    return (
        f"{part.name}<br><b>{value:.2f}</b>  {part.symbol}",
        f"{part.name.rpartition('<br>')[2]}  <b>{value:.2f}</b>",
    )


def _words(stack: _Stack, *, is_tall: bool) -> list[Word]:
    """Names and last values, each beside the middle of its area."""
    last, below, found = stack.known[-1], 0.0, []
    for part in stack.parts:
        value = part.values[last]
        text = _texts(part, value)[not is_tall]
        found.append(Word(below + value / 2, text, TEXT, size=_SIZE))
        below += value
    return found


def _remark(stack: _Stack, plot: Plot) -> str:
    """That a part is missing, and what would log it."""
    if len(stack.parts) == 3 or not stack.known:
        return ""
    missing = "I(Y;Ŷ) was not logged of this set: a ConditionalEntropyMonitor adds it"
    return "without I(Y;Ŷ)" if plot.width < LEAST_FOR_WORDS else missing


def _head(drawn: dict[str, Any], plot: Plot, panel: Panel, n_panels: int, remark: str) -> None:
    most = max(int(plot.width / 8), 12)
    run = shortened(panel.run.name, max(most - len(panel.set) - 3, 6))
    of = f"<b>{plain(f'{run} · {shortened(panel.set, 20)}')}</b>" if n_panels > 1 else ""
    headed(drawn, plot, of, below=remark)


def _why_empty(whole: _Stack) -> str:
    if whole.panel.series("prediction_entropy", "mean"):
        return "H(Ŷ), of the mean prediction, was not logged of this set, or has no value"
    return "no prediction entropies were logged of this set"


PREDICTIONS = Kind(
    "predictions",
    "Prediction entropies",
    "What the predictions are made of, in bits: about the label, about the input "
    "beyond it, left open",
    "PredictionEntropyMonitor",
    "entropies of its predictions",
    options=("until",),
    needs=lambda _: [("prediction_entropy/mean",)],
    reads=lambda *_: (
        *(name for name, row in QUANTITIES.items() if "predictions" in row.figures),
        *("label_information/hard", "label_information/equivocation"),
    ),
    draw=_draw,
)
