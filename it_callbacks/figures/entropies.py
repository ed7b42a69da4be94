"""Draw entropies of the predictions over the training, as a whole and class by class."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.axes import (
    Figure,
    Panel,
    Place,
    coloured,
    empty,
    finite,
    finite_all,
    over_time,
)
from it_callbacks.figures.curves import MOST_OVER_TIME
from it_callbacks.figures.kinds import Kind
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.theme import BITS, LIGHT, TEXT, Colour, Theme
from it_callbacks.figures.times import MOST_DRAWN, TimeAxis, evenly
from it_callbacks.records import QUANTITIES

_CLASS = re.compile(r"class_(\d+)")
_MOST_LABELS = 30
"""Class names beside a heat map: more would be written over each other."""


def prediction_entropies(panels: Sequence[Panel], *, theme: Theme = LIGHT) -> Figure:
    """What the entropy of the predictions is made of, over epochs, as stacked areas.

    H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X): information about the labels, information about the inputs
    beyond the labels, and what a single prediction leaves open. Without I(Y;Ŷ), which the
    conditional entropy monitor logs, its two parts are one: I(X;Ŷ).

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        theme: Colours.
    """
    title = "Entropy of the predictions, and what it is made of"
    if not panels:
        return empty(title, theme)
    steps = [evenly(_whole(panel), MOST_OVER_TIME) for panel in panels]

    def draw(number: int, place: Place, axis: TimeAxis) -> list[dict[str, Any]]:
        panel, at = panels[number], steps[number]
        parts = _parts(panel, at)
        first = 3 - len(parts)
        areas = [
            {
                "name": name,
                "y": values,
                "stackgroup": f"whole{place.axis}",
                "line": {"width": 0.5, "color": Colour("areas", first + part)},
                "fillcolor": Colour("areas", first + part).faint(0.75),
            }
            for part, (name, values) in enumerate(parts.items())
        ]
        whole = {
            "name": "H(Ŷ): in total",
            "y": finite_all(panel.series("prediction_entropy", "marginal"), at),
            "line": {"width": 2, "color": TEXT},
        }
        times = [axis.place(step, panel.run.epochs) for step in at]
        shared = {"type": "scatter", "mode": "lines", "x": times, "hovertemplate": "%{y:.3f}"}
        return [{**shared, **line, "legendgroup": line["name"]} for line in (*areas, whole)]

    figure = over_time(
        panels,
        [[at] if at else [] for at in steps],
        draw,
        title=title,
        y={"title": {"text": "bits", "standoff": 8}, "rangemode": "tozero"},
        absent="no prediction entropies were logged of this set",
        subtitles=[
            ""
            if panel.series("label_information", "soft") or not at
            else "I(Y;Ŷ) is not in this log: a ConditionalEntropyMonitor adds it"
            for panel, at in zip(panels, steps, strict=True)
        ],
    )
    if "tickvals" not in figure["layout"]["xaxis"]:  # the heading would be a logarithm
        figure["layout"]["hovermode"] = "x unified"
    return coloured(figure, theme)


def _whole(panel: Panel) -> list[int]:
    """The steps at which every part of the entropy is known."""
    series = [panel.series("prediction_entropy", name) for name in ("marginal", "mean")]
    soft = panel.series("label_information", "soft")
    series += [soft] if soft else []
    return [step for step in series[0] if all(math.isfinite(s.get(step, math.nan)) for s in series)]


def _parts(panel: Panel, steps: Sequence[int]) -> dict[str, list[float | None]]:
    """What the marginal entropy is the sum of, from the bottom of the stack to its top."""
    whole = panel.series("prediction_entropy", "marginal")
    open_ = panel.series("prediction_entropy", "mean")
    soft = panel.series("label_information", "soft")
    left = {"H(Ŷ|X): unsure of each input": finite_all(open_, steps)}
    if not soft:
        inputs = [finite(whole[step] - open_[step]) for step in steps]
        return {"I(X;Ŷ): about the inputs": inputs, **left}
    # Rounding of what was logged may leave the small part a millionth below 0.
    beyond = [finite(max(whole[step] - open_[step] - soft[step], 0.0)) for step in steps]
    return {
        "I(Y;Ŷ): about the labels": finite_all(soft, steps),
        "I(X;Ŷ|Y): about the inputs beyond them": beyond,
        **left,
    }


def entropies_by_class(panels: Sequence[Panel], *, theme: Theme = LIGHT) -> Figure:
    """The entropy of the predictions inside each class, over epochs, as a heat map.

    Rows are classes, with their names where the settings hold them. A class without samples at a
    point leaves a gap.

    Args:
        panels: Runs and sets, drawn side by side.
        theme: Colours.
    """
    title = "Entropy of the predictions inside each class, H(Ŷ|Y=c)"
    if not panels:
        return empty(title, theme)
    classes = [_classes(panel) for panel in panels]
    names = _names(panels)
    labelled = evenly(sorted({each for numbers in classes for each in numbers}), _MOST_LABELS)
    steps = [
        evenly(sorted({step for n in numbers for step in _of_class(panel, n)}), MOST_DRAWN)
        for numbers, panel in zip(classes, panels, strict=True)
    ]

    def draw(number: int, place: Place, axis: TimeAxis) -> list[dict[str, Any]]:
        return [_heat_map(panels[number], classes[number], steps[number], axis, names)]

    figure = over_time(
        panels,
        [[at] if numbers else [] for numbers, at in zip(classes, steps, strict=True)],
        draw,
        title=title,
        x={"showgrid": False},
        y={
            "title": {"text": "class"},
            "showgrid": False,
            "zeroline": False,
            "autorange": "reversed",
            "tickvals": labelled,
            "ticktext": [names.get(number, str(number)) for number in labelled],
            "automargin": True,
        },
        absent="no entropies of single classes were logged of this set",
    )
    cells = (z for heat in figure["data"] for row in heat["z"] for z in row if z is not None)
    figure["layout"]["coloraxis"] = {
        "colorscale": BITS,
        "cmin": 0,
        "cmax": max(cells, default=1),
        "colorbar": {"title": {"text": "bits"}, "thickness": 14, "outlinewidth": 0},
    }
    return coloured(figure, theme)


def _classes(panel: Panel) -> list[int]:
    """The numbers of the classes that were logged."""
    layers = panel.run.layers("conditional_entropy", panel.set)
    found = (_CLASS.fullmatch(layer) for layer in layers)
    return sorted(int(match[1]) for match in found if match is not None)


def _of_class(panel: Panel, number: int) -> Any:
    return panel.series("conditional_entropy", f"class_{number}")


def _names(panels: Sequence[Panel]) -> dict[int, str]:
    """Of the classes; of two panels that disagree the first one's."""
    names: dict[int, str] = {}
    for panel in panels:
        listed = panel.run.settings.get(f"conditional_entropy/{panel.set}", {}).get("class_names")
        for number, name in enumerate(listed if isinstance(listed, list) else []):
            names.setdefault(number, plain(shortened(str(name), 24)))
    return names


def _heat_map(
    panel: Panel,
    classes: Sequence[int],
    steps: Sequence[int],
    axis: TimeAxis,
    names: dict[int, str],
) -> dict[str, Any]:
    when = [f"{axis.clock.unit} {axis.read(step, panel.run.epochs)}" for step in steps]
    return {
        "type": "heatmap",
        "x": [axis.place(step, panel.run.epochs) for step in steps],
        "y": list(classes),
        "z": [finite_all(_of_class(panel, number), steps) for number in classes],
        "text": [
            [f"class {names.get(number, number)}<br>{at}" for at in when] for number in classes
        ],
        "hovertemplate": "%{text}<br>%{z:.3f} bits<extra></extra>",
        "ygap": 1,
        "hoverongaps": False,
        "coloraxis": "coloraxis",
    }


def _of(figure: str) -> tuple[str, ...]:
    return tuple(name for name, row in QUANTITIES.items() if figure in row.figures)


PREDICTIONS = Kind(
    "predictions",
    "Prediction entropies",
    "PredictionEntropyMonitor",
    "entropies of its predictions",
    options=(),
    needs=lambda _: [("prediction_entropy/mean",)],
    reads=lambda *_: _of("predictions"),
    draw=lambda panels, request: prediction_entropies(panels, theme=request.theme),
)
CLASSES = Kind(
    "classes",
    "Classes",
    "ConditionalEntropyMonitor",
    "entropies by class",
    options=(),
    needs=lambda _: [_of("classes")],
    reads=lambda *_: _of("classes"),
    draw=lambda panels, request: entropies_by_class(panels, theme=request.theme),
)
