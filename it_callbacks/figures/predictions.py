"""Runs in; what the predictions say over the training, whole and class by class, out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.axes import (
    Figure,
    Panel,
    absence,
    colour_scale,
    empty,
    finite,
    finite_all,
    layout,
    places,
)
from it_callbacks.figures.curves import MOST_OVER_TIME, translucent
from it_callbacks.figures.theme import LIGHT, Theme
from it_callbacks.figures.times import MOST_DRAWN, TimeAxis, evenly, time_axis
from it_callbacks.figures.words import plain, shortened

_CLASS = re.compile(r"class_(\d+)")
_MOST_LABELS = 30
"""Class names beside a heat map: more would be written over each other."""


def prediction_entropies(panels: Sequence[Panel], *, theme: Theme = LIGHT) -> Figure:
    """What the entropy of the predictions is made of, over epochs, as stacked areas.

    H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X): what they tell of the labels, what they tell of the inputs
    beyond the labels, and what a single prediction leaves open. Without I(Y;Ŷ), which the
    conditional entropy monitor logs, its two parts are one: I(X;Ŷ).

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        theme: Colours.
    """
    title = "Entropy of the predictions, and what it is made of"
    if not panels:
        return empty(title, "no run is chosen", theme)
    steps = [evenly(_whole(panel), MOST_OVER_TIME) for panel in panels]
    axis = time_axis([(of, panel.run.epochs) for of, panel in zip(steps, panels, strict=True)])
    drawn = layout(
        panels,
        title=title,
        x=axis.options,
        y={"title": {"text": "bits", "standoff": 8}, "rangemode": "tozero"},
        theme=theme,
        subtitles=[
            ""
            if panel.series("label_information", "soft") or not of_panel
            else "I(Y;Ŷ) is not in this log: a ConditionalEntropyMonitor adds it"
            for panel, of_panel in zip(panels, steps, strict=True)
        ],
    )
    if not axis.logarithmic:  # the heading of such a box would be a logarithm
        drawn["hovermode"] = "x unified"
    data: list[dict[str, Any]] = []
    for panel, place, of_panel in zip(panels, places(len(panels)), steps, strict=True):
        if not of_panel:
            text = "no prediction entropies were logged of this set"
            drawn["annotations"].append(absence(place, text, theme))
            continue
        parts = _parts(panel, of_panel)
        times = [axis.place(step, panel.run.epochs) for step in of_panel]
        named = {trace["name"] for trace in data}
        for (name, values), colour in zip(parts.items(), theme.areas[-len(parts) :], strict=True):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": name not in named,
                    **place.on,
                    "x": times,
                    "y": values,
                    "stackgroup": f"whole{place.axis}",
                    "line": {"width": 0.5, "color": colour},
                    "fillcolor": translucent(colour, 0.75),
                    "hovertemplate": "%{y:.3f}",
                }
            )
        whole = "H(Ŷ): in total"
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": whole,
                "legendgroup": whole,
                "showlegend": whole not in named,
                **place.on,
                "x": times,
                "y": finite_all(panel.series("prediction_entropy", "marginal"), of_panel),
                "line": {"width": 2, "color": theme.text},
                "hovertemplate": "%{y:.3f}",
            }
        )
    return {"data": data, "layout": drawn, "frames": []}


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
        told = [finite(whole[step] - open_[step]) for step in steps]
        return {"I(X;Ŷ): about the inputs": told, **left}
    # Rounding of what was logged may leave the small part a millionth below 0.
    beyond = [finite(max(whole[step] - open_[step] - soft[step], 0.0)) for step in steps]
    return {
        "I(Y;Ŷ): about the labels": finite_all(soft, steps),
        "I(X;Ŷ|Y): about the inputs beyond them": beyond,
        **left,
    }


def class_entropies(panels: Sequence[Panel], *, theme: Theme = LIGHT) -> Figure:
    """The entropy of the predictions inside each class, over epochs, as a heat map.

    Rows are classes, with their names where the settings tell them. A class without samples at a
    point leaves a gap.

    Args:
        panels: Runs and sets, drawn side by side.
        theme: Colours.
    """
    title = "Entropy of the predictions inside each class, H(Ŷ|Y=c)"
    if not panels:
        return empty(title, "no run is chosen", theme)
    classes = [_classes(panel) for panel in panels]
    steps = [
        evenly(
            sorted({s for c in of for s in panel.series("conditional_entropy", f"class_{c}")}),
            MOST_DRAWN,
        )
        for of, panel in zip(classes, panels, strict=True)
    ]
    axis = time_axis([(of, panel.run.epochs) for of, panel in zip(steps, panels, strict=True)])
    every = sorted({number for of_panel in classes for number in of_panel})
    names = _names(panels)
    labelled = evenly(every, _MOST_LABELS)
    drawn = layout(
        panels,
        title=title,
        x={**axis.options, "showgrid": False},
        y={
            "title": {"text": "class"},
            "showgrid": False,
            "zeroline": False,
            "autorange": "reversed",
            "tickvals": labelled,
            "ticktext": [names.get(number, str(number)) for number in labelled],
            "automargin": True,
        },
        theme=theme,
    )
    data = []
    for panel, place, of_panel, at in zip(panels, places(len(panels)), classes, steps, strict=True):
        if not of_panel:
            text = "no entropies of single classes were logged of this set"
            drawn["annotations"].append(absence(place, text, theme))
            continue
        data.append(_heat_map(panel, of_panel, at, axis, names) | place.on)
    drawn["coloraxis"] = {
        "colorscale": colour_scale(theme),
        "cmin": 0,
        "cmax": max((z for of in data for row in of["z"] for z in row if z is not None), default=1),
        "colorbar": {"title": {"text": "bits"}, "thickness": 14, "outlinewidth": 0},
    }
    return {"data": data, "layout": drawn, "frames": []}


def _classes(panel: Panel) -> list[int]:
    """The numbers of the classes that were logged."""
    layers = panel.run.layers("conditional_entropy", panel.set)
    found = (_CLASS.fullmatch(layer) for layer in layers)
    return sorted(int(match[1]) for match in found if match is not None)


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
    rows = [panel.series("conditional_entropy", f"class_{number}") for number in classes]
    when = [f"{axis.clock.word} {axis.read(step, panel.run.epochs)}" for step in steps]
    return {
        "type": "heatmap",
        "x": [axis.place(step, panel.run.epochs) for step in steps],
        "y": list(classes),
        "z": [finite_all(row, steps) for row in rows],
        "text": [
            [f"class {names.get(number, number)}<br>{at}" for at in when] for number in classes
        ],
        "hovertemplate": "%{text}<br>%{z:.3f} bits<extra></extra>",
        "ygap": 1,
        "hoverongaps": False,
        "coloraxis": "coloraxis",
    }
