"""Write the words around a plane: the lines above it, titles of axes, what it cannot show."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from it_callbacks.figures.axes import Panel, axis_title
from it_callbacks.figures.hover import WORDS
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.readings import READINGS, VIEWS, Opening, opening, readable
from it_callbacks.figures.subplots import width_of
from it_callbacks.figures.trajectories import why_not

_SYMBOLS = {"relative_I_XT": "relative I(X;T)", "V_TY": "V(T→Y)"}
_NAMES = {"wide": "any width", "code": "binned code"}
_LEAST_FOR_SYMBOLS = 380
"""Pixels of a plot whose axes name quantities with their symbols."""
_USUAL = 0.3
"""Share of noise that titles do not name."""
_BETWEEN = "   "


def title_of(panels: Sequence[Panel], quantity: str, length: float) -> str:
    """Return the title of a plane's axis; its arrow says that it is the direction of more.

    Args:
        panels: What is drawn, at least one.
        quantity: Which quantity.
        length: Of the axis, in pixels.
    """
    if quantity not in WORDS:
        return f"{axis_title(panels, quantity)} →"
    symbol = _SYMBOLS[quantity]
    noises = {panel.run.wide(panel.set).noise for panel in panels}
    if quantity == "relative_I_XT" and len(noises) == 1 and not noises <= {None, _USUAL}:
        symbol += f", σ = {noises.pop():g} of spread"
    if all(panel.run.label_symbol(panel.set) == "bin Y" for panel in panels):
        symbol = re.sub(r"\bY\b", "bin Y", symbol)
    if length < _LEAST_FOR_SYMBOLS:
        return f"{WORDS[quantity]}, bits →"
    return f"{WORDS[quantity]}: {symbol}, bits →"


def summary(panels: Sequence[Panel], opened: Opening) -> str:
    """Say how many layers there are in each reading, and how many of them can be read.

    Args:
        panels: What is drawn.
        opened: How they are drawn; of the binned code the best ruler counts where it is not.
    """
    code = opened if opened.reading == "code" else opening(Request(reading="code"), panels)
    found = []
    for name in reversed(READINGS):
        axes = READINGS[name].views["linear"].axes
        counts = {
            readable(panel, name, code.resolution if name == "code" else 0)
            for panel in panels
            if all(map(panel.has, axes))
        }
        if not counts:
            continue
        least, most = min(n for n, _ in counts), max(n for n, _ in counts)
        n_layers = max(n for _, n in counts)
        if least == n_layers:
            words = f"{n_layers} layer{'s' * (n_layers > 1)}"
        else:
            words = f"{least if least == most else f'{least} to {most}'} of {n_layers} readable"
        found.append(f"{_NAMES[name]}: {words}")
    return " · ".join(found)


def not_yet(request: Request, panel: Panel) -> str:
    """Say that a panel has no point up to the moment that is asked for."""
    step, epochs = request.until or 0, panel.run.epochs
    return f"not measured yet at {f'epoch {epochs[step]}' if step in epochs else f'step {step}'}"


def before_first(request: Request, panel: Panel, steps: Collection[int]) -> str:
    """Say that a panel has no point up to the moment that is asked for; empty if it has one.

    Args:
        request: What is shown.
        panel: Of what.
        steps: At which the panel has points.
    """
    is_before = request.until is not None and request.until < min(steps, default=-math.inf)
    return not_yet(request, panel) if is_before else ""


def unreadable(panels: Sequence[Panel]) -> dict[str, str]:
    """Return the readings and the views of the binned code that cannot be drawn, and why."""
    found = {}
    for name, reading in READINGS.items():
        linear = reading.views["linear"]
        if panels and not any(all(map(panel.has, linear.axes)) for panel in panels):
            found[name] = reading.absent
        elif why := why_not(panels, linear, least=1):
            found[name] = why
    return found | {name: why for name, view in VIEWS.items() if (why := why_not(panels, view))}


def key_line(marks: Sequence[tuple[str, int]], width: float, size: float) -> str:
    """Return a line that explains what is drawn; what matters least gives way.

    Args:
        marks: In order, the words for each mark that occurs, and the rank of how much they
            matter: the highest numbers go first.
        width: Of the line, in pixels.
        size: Of its letters.

    Example:
        >>> key_line([("ring: start", 0), ("faint: early", 1)], width=90, size=11)
        'ring: start'
    """
    kept = list(marks)
    while kept and width_of(_BETWEEN.join(text for text, _ in kept), size) > width:
        least = max(kept, key=lambda mark: mark[1])
        kept.remove(least)
    return _BETWEEN.join(text for text, _ in kept)
