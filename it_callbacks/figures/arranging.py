"""Decide which runs and sets share a plot: side by side, over each other, or as a mean.

What was not measured alike is never drawn as equal: it stands side by side, with a word why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.readings import READINGS, Opening
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.runs import Run

MOST_OVER_EACH_OTHER = 30
"""Runs in one plot."""
_MOST_LAYERS_OF_TWO_SETS = 6
_NEARLY = 0.15
"""Bits between log2 of two numbers of samples that are about the same: a tenth of them."""
_TRAINING = "train"


class Plot(NamedTuple):
    """What one pair of axes shows."""

    panels: list[Panel]
    """Drawn as equals, over each other."""
    training: list[Panel]
    """Drawn fainter below them."""
    repeats: list[Panel]
    """Those whose mean the one panel is; empty where it is no mean."""


class Arrangement(NamedTuple):
    """All plots, and what became of the arrangement that was asked for."""

    name: str
    """``side``, ``overlay`` or ``mean``."""
    plots: list[Plot]
    refusal: str = ""
    """Why it is not what was asked for."""

    @property
    def is_by_run(self) -> bool:
        """Whether colours are those of runs."""
        return any(len(plot.panels) > 1 for plot in self.plots)


def arranged(request: Request, panels: Sequence[Panel], opened: Opening) -> Arrangement:
    """Return the plots of some panels.

    Args:
        request: How they are to be arranged.
        panels: In the order in which they are drawn.
        opened: How they are read.
    """
    runs = list(dict.fromkeys(panel.run.name for panel in panels))
    side = Arrangement("side", [Plot([panel], [], []) for panel in panels])
    if request.arrange == "mean":
        return _means(panels, opened, side)
    if request.arrange == "overlay" and len(runs) > 1:
        return _over_each_other(panels, opened, side)
    if request.arrange == "side":
        return side
    return _with_training(request, panels, opened, side)


def refused(request: Request, panels: Sequence[Panel], opened: Opening) -> dict[str, str]:
    """Return the arrangements that several panels cannot have, and why."""
    found = {}
    for name in ("overlay", "mean") if len(panels) > 1 else ():
        got = arranged(replace(request, arrange=name), panels, opened)
        if got.name != name:
            found[name] = got.refusal or (
                "it takes several runs, or training and validation of one run"
            )
    return found


def no_difference(run: Run, opened: Opening) -> str:
    """Return why training and validation of a run cannot be subtracted; empty if they can."""
    return _unlike([Panel(run, "val"), Panel(run, _TRAINING)], opened)


def _by_set(panels: Sequence[Panel]) -> dict[str, list[Panel]]:
    found: dict[str, list[Panel]] = {}
    for panel in panels:
        found.setdefault(panel.set, []).append(panel)
    return found


def _means(panels: Sequence[Panel], opened: Opening, side: Arrangement) -> Arrangement:
    plots = []
    for several in _by_set(panels).values():
        if len(several) < 2:
            return side._replace(refusal="a mean needs at least two runs")
        runs = [panel.run for panel in several]
        why = _unlike(several, opened)
        if why or not are_repeats(runs):
            why = why or "their layers or settings differ"
            return side._replace(refusal=f"these runs have no mean: {why}")
        plots.append(Plot([Panel(averaged(runs), several[0].set)], [], several))
    return Arrangement("mean", plots)


def _over_each_other(panels: Sequence[Panel], opened: Opening, side: Arrangement) -> Arrangement:
    plots, more = [], 0
    for several in _by_set(panels).values():
        if why := _unlike(several, opened):
            return side._replace(refusal=f"runs are not laid over each other: {why}")
        more = max(more, len(several) - MOST_OVER_EACH_OTHER)
        plots.append(Plot(several[:MOST_OVER_EACH_OTHER], [], []))
    words = f"the first {MOST_OVER_EACH_OTHER} runs; {more} more are not drawn" if more > 0 else ""
    return Arrangement("overlay", plots, words)


def _with_training(
    request: Request, panels: Sequence[Panel], opened: Opening, side: Arrangement
) -> Arrangement:
    """For each run, training below validation: if asked for, else where there are few layers."""
    is_asked = request.arrange == "overlay"
    plots, refusal = [], ""
    for name in dict.fromkeys(panel.run.name for panel in panels):
        of_run = [panel for panel in panels if panel.run.name == name]
        training = [panel for panel in of_run if panel.set == _TRAINING]
        others = [panel for panel in of_run if panel.set != _TRAINING]
        first = next((panel for panel in others if panel.set == "val"), None)
        if (
            training
            and first
            and (is_asked or _n_layers(first, opened) <= _MOST_LAYERS_OF_TWO_SETS)
        ):
            why = _unlike([first, *training], opened)
            if not why:
                plots += [Plot([each], training if each is first else [], []) for each in others]
                continue
            if is_asked:
                refusal = f"validation and training are not laid over each other: {why}"
        plots += [Plot([panel], [], []) for panel in of_run]
    is_over = any(plot.training for plot in plots)
    return Arrangement("overlay", plots, refusal) if is_over else side._replace(refusal=refusal)


def _n_layers(panel: Panel, opened: Opening) -> int:
    return len(panel.run.layers(READINGS[opened.reading].views["linear"].x, panel.set))


def _unlike(panels: Sequence[Panel], opened: Opening) -> str:
    """Why panels are not equals: they were read in other ways, or on far more samples.

    Empty if they are, as far as is known.
    """
    ways = list(dict.fromkeys(_way(panel, opened) for panel in panels))
    if len(ways) > 1:
        rulers = [ruler for ruler, _ in ways]
        named = f" ({' and '.join(rulers)})" if len(rulers) == 2 else ""
        return f"their rulers differ{named if opened.reading == 'code' else ''}"
    sizes = sorted(n for panel in panels if (n := _n_samples(panel, opened)))
    if sizes and math.log2(sizes[-1] / sizes[0]) > _NEARLY:
        return f"they were read on {sizes[0]:.0f} and {sizes[-1]:.0f} samples"
    return ""


def _way(panel: Panel, opened: Opening) -> tuple[str, str]:
    if opened.reading == "wide":
        wide = panel.run.wide(panel.set)
        return wide.reading, wide.classes
    has_ruler = opened.resolution < len(panel.rulers)
    return (panel.rulers[opened.resolution].label if has_ruler else "none"), ""


def _n_samples(panel: Panel, opened: Opening) -> float | None:
    if opened.reading == "wide":
        return panel.run.wide(panel.set).n_samples
    return panel.run.setting("information_plane", panel.set, "n_samples")
