"""Write words right of a plot, each beside what it names and none over another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.theme import MUTED, Colour

GAP = 15
"""Pixels from one line of words to the next, at 12 pixels a letter."""
LEADER = 16
"""Pixels that the line from a plot to its words goes across."""
_STILL = 3
"""Pixels that words may stand off without a line to what they name."""


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places at least `gap` apart, between `low` and `high`, as near as can be.

    Neighbours that are too close share one mean, as in isotonic regression, so that the order
    stays and the sum of squared moves is least. Where there is no room for all, `gap` shrinks.

    Args:
        wanted: Where each would stand best, in any order.
        gap: Of two neighbours at least, in the same unit.
        low: The least place.
        high: The greatest.

    Returns:
        A place for each of `wanted`, in its order.

    Example:
        >>> spread_out([50, 52, 54, 90], gap=15, low=0, high=100)
        [37.0, 52.0, 67.0, 90.0]
    """
    if len(wanted) > 1:
        gap = min(gap, (high - low) / (len(wanted) - 1))
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    pools: list[tuple[float, int]] = []  # sum and number of those that share a place
    for number, index in enumerate(order):
        total, n = wanted[index] - number * gap, 1
        while pools and pools[-1][0] / pools[-1][1] > total / n:
            before, n_before = pools.pop()
            total, n = total + before, n + n_before
        pools.append((total, n))
    highest = high - (len(wanted) - 1) * gap
    shared = [min(max(total / n, low), highest) for total, n in pools for _ in range(n)]
    places = [0.0] * len(wanted)
    for number, (index, place) in enumerate(zip(order, shared, strict=True)):
        places[index] = place + number * gap
    return places


class Word(NamedTuple):
    """Words at a height of a plot."""

    at: float
    """The value that they are beside."""
    text: str
    colour: Colour = MUTED
    layer: str | None = None
    """Which layer they name, in full."""
    size: int = 12
    has_leader: bool = True


def beside(
    words: Sequence[Word], axis: str, span: tuple[float, float], height: float, gap: float = GAP
) -> list[dict[str, Any]]:
    """Return annotations right of a plot, in the order of `words`.

    Args:
        words: What to write.
        axis: What Plotly adds to ``x`` and ``y`` of the plot's axes.
        span: The least and the greatest value of its vertical axis.
        height: Of the plot, in pixels.
        gap: From one to the next, in pixels.
    """
    low, high = span
    shares = [min(max((word.at - low) / (high - low), 0.0), 1.0) for word in words]
    wanted = [(1 - share) * height for share in shares]
    return [
        {
            "text": word.text,
            "xref": f"x{axis} domain",
            "yref": f"y{axis}",  # they follow where one zooms
            "x": 1,
            "y": round(low + share * (high - low), 6),
            "xanchor": "left",
            "align": "left",
            "font": {"size": word.size, "color": word.colour.ink()},
            **_moved(place - at, word),
        }
        for word, share, at, place in zip(
            words, shares, wanted, spread_out(wanted, gap, 0, height), strict=True
        )
    ]


def _moved(down: float, word: Word) -> dict[str, Any]:
    """How words stand away from what they are beside, by so many pixels down."""
    if not word.has_leader or abs(down) <= _STILL:
        across = LEADER if word.has_leader else 6
        return {"showarrow": False, "xshift": across, "yshift": -round(down), "yanchor": "middle"}
    return {
        "showarrow": True,
        "ax": LEADER,
        "ay": round(down),
        "yanchor": "middle",
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": word.colour.faint(0.6),
        "standoff": 2,
    }
