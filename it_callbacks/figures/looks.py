"""Draw looks at a run as columns of equal width: what heat maps share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.grid import LEAST_FOR_WORDS, Plot, axis, widest
from it_callbacks.figures.over_time import Epochs, TimeAxis
from it_callbacks.figures.sheet import axis_name
from it_callbacks.figures.theme import BITS, MUTED, TEXT
from it_callbacks.figures.times import thinned

MOST_COLUMNS = 60
_MOST_TICKS = 10
_MOST_WITH_GAPS = 30
"""Rows, and columns, beyond which gaps in one direction only would look like bars."""
BAR = 62
"""Pixels that a colour bar and its numbers take."""


class Looks(NamedTuple):
    """The looks that a heat map has columns of."""

    steps: list[int]
    labels: list[str]
    """When each was, in epochs or steps: no two alike."""
    unit: str

    def card(self, step: str) -> str:
        """The line of a hover card that says when: the column's, and its step, under this name."""
        has_step = self.unit == "step" or any("step" in label for label in self.labels)
        return f"{self.unit} %{{x}}" + ("" if has_step else f"  ·  step %{{{step}}}")


def looks(steps: Sequence[int], epochs: Epochs, time: TimeAxis, most: int = MOST_COLUMNS) -> Looks:
    """Return at most `most` of the looks at `steps`, even in the logarithm of their number."""
    kept = thinned(steps, most)
    labels = [time.word(step, epochs) for step in kept]
    if len(set(labels)) < len(labels):
        labels = [f"{label} (step {step})" for label, step in zip(labels, kept, strict=True)]
    return Looks(kept, labels, time.unit)


def columns(plot: Plot, shown: Looks) -> dict[str, Any]:
    """The horizontal axis of a heat map of looks; ticks tell when some of them were."""
    room = widest(shown.labels) + 14
    most = max(2, min(_MOST_TICKS, int(plot.width / room)))
    at = strided(len(shown.steps), most)
    wide = f"{shown.unit} (each column is one measurement)"
    return axis(
        plot,
        "x",
        type="category",
        tickangle=0,
        showgrid=False,
        # By name: a number may be the name of another column.
        tickvals=[shown.labels[number] for number in at],
        ticktext=[shown.labels[number] for number in at],
        range=[-0.5, max(len(shown.steps), 1) - 0.5],
        title=axis_name(shown.unit if plot.width < LEAST_FOR_WORDS else wide),
    )


def spaced(n: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `n`, evenly spaced, the ends among them.

    Example:
        >>> spaced(10, 4), spaced(3, 4)
        ([0, 3, 6, 9], [0, 1, 2])
    """
    if n <= most:
        return list(range(n))
    return [round(number * (n - 1) / (most - 1)) for number in range(most)]


def strided(n: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `n`, one step apart, and the last.

    Example:
        >>> strided(21, 20), strided(10, 4), strided(3, 4)
        ([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20], [0, 3, 6, 9], [0, 1, 2])
        >>> strided(12, 5)  # 9 is too near to the last
        [0, 3, 6, 11]
    """
    step = max(1, -(-(n - 1) // (most - 1)))
    kept = [number for number in range(0, n - 1, step) if number + step <= n - 1]
    return [*kept, n - 1] if n else []


def cells(shown: Looks, n_rows: int) -> dict[str, Any]:
    """What all heat maps of looks have in common."""
    has_gaps = n_rows <= _MOST_WITH_GAPS and len(shown.steps) <= _MOST_WITH_GAPS
    return {
        "type": "heatmap",
        "x": shown.labels,
        "xgap": int(has_gaps),
        "ygap": int(has_gaps),
        "hoverongaps": False,
        "coloraxis": "coloraxis",
    }


def colour_axis(
    low: float,
    high: float,
    plot: Plot,
    *,
    offset: int,
    unit: str = "bits",
    scale: Any = BITS,
    **bar: Any,
) -> dict[str, Any]:
    """The colours of heat maps, with a bar right of the last plot of the first row.

    Args:
        low: The value that has the first colour.
        high: The value that has the last one.
        plot: The last plot of the first row.
        offset: Pixels between this plot and the bar.
        unit: What stands above the bar.
        scale: The colours.
        bar: What else Plotly needs to know of the bar.
    """
    low, high = (low, high) if high > low else (low - 0.5, low + 0.5)
    across = plot.place.across[1] - plot.place.across[0]
    return {
        "colorscale": scale,
        "cmin": round(low, 4),
        "cmax": round(high, 4),
        "colorbar": {
            "title": {"text": unit, "side": "top", "font": {"size": 12}},
            "thickness": 10,
            "outlinewidth": 0,
            "tickfont": {"size": 11, "color": MUTED},
            "x": round(plot.place.across[1] + offset * across / plot.width, 4),
            "xanchor": "left",
            "xpad": 0,
            "y": plot.place.up[1],
            "yanchor": "top",
            "len": round(min(plot.height, 280)),
            "lenmode": "pixels",
            **bar,
        },
    }


def cursor(plot: Plot, shown: Looks, until: int | None) -> list[dict[str, Any]]:
    """A frame around the last column that is not after `until`; none where that is the last."""
    before = [number for number, step in enumerate(shown.steps) if until is None or step <= until]
    if not before or before[-1] + 1 == len(shown.steps):
        return []
    return [
        {
            "type": "rect",
            "name": "cursor",
            "xref": f"x{plot.axis}",
            "yref": f"y{plot.axis} domain",
            "x0": before[-1] - 0.5,
            "x1": before[-1] + 0.5,
            "y0": 0,
            "y1": 1,
            "line": {"color": TEXT, "width": 2},
        }
    ]
