"""Write names at the ends of ways: those that there is room for, and the rest for a highlight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from it_callbacks.figures.labels import plain
from it_callbacks.figures.limits import Range, Written
from it_callbacks.figures.marks import MOST_WITH_ARROWS, MOST_WITH_DOTS, Way
from it_callbacks.figures.placing import Obstacle, Obstacles, Point, Text, along, placed
from it_callbacks.figures.subplots import NARROW, width_of
from it_callbacks.figures.theme import BACKGROUND, Colour
from it_callbacks.figures.times import even

MOST_NAMED = 12
"""Layers that are all named."""
_OF_MANY, _OF_MANY_NARROW, _FEW = 6, 4, 5
MOST_SPARE = 60
"""Names and marks that are kept for a highlight: each is a node in the page."""
_SIZE = 12
_ON_A_WAY, _ON_MANY_WAYS, _ON_AN_END, _ON_A_WORD = 16, 6, 14, 30


class Name(NamedTuple):
    """A name at the end of a way."""

    way: Way
    text: str
    colour: Colour


class Named(NamedTuple):
    """The annotations of a plot: those that are seen, then those that only a highlight shows."""

    seen: list[dict[str, Any]]
    spare: list[dict[str, Any]]


def most_named(width: int) -> int:
    """Return how many names a figure so many pixels wide has room for."""
    return _FEW if width < NARROW else MOST_NAMED


def chosen(n: int, width: int) -> list[int]:
    """Return which of `n` names are written: all of few, else evenly spaced ones, ends included.

    Args:
        n: How many there are.
        width: Of the figure, in pixels.

    Example:
        >>> chosen(3, 900), chosen(21, 900), chosen(21, 390)
        ([0, 1, 2], [0, 4, 8, 12, 16, 20], [0, 7, 13, 20])
    """
    many = _OF_MANY_NARROW if width < NARROW else _OF_MANY
    return even(n, n if n <= most_named(width) else many)


def written(
    names: Sequence[Name],
    shown: Sequence[int],
    spare: Sequence[int],
    ways: Sequence[Way],
    words: Sequence[Written],
    ranges: tuple[Range, Range],
) -> Named:
    """Return the names of a plot.

    Args:
        names: Of all ways that have one.
        shown: Which of them are seen at once.
        spare: Which are kept for a highlight, each placed as if it were alone.
        ways: All that is drawn, training too.
        words: Where the words of limits are.
        ranges: Of both axes.
    """
    if not names:
        return Named([], [])
    box = names[0].way.box
    obstacles = Obstacles(box.width, box.height, list(_obstacles(ways, words, ranges)))
    points = [name.way.pixels(ranges)[-1] for name in names]
    texts = [Text(width_of(name.text, _SIZE) + 6, _SIZE + 4) for name in names]
    together = placed([points[n] for n in shown], [texts[n] for n in shown], obstacles)
    alone = [placed([points[n]], [texts[n]], obstacles)[0] for n in spare]
    return Named(
        [_annotation(names[n], texts[n], at) for n, at in zip(shown, together, strict=True)],
        [
            {**_annotation(names[n], texts[n], at), "opacity": 0}
            for n, at in zip(spare, alone, strict=True)
        ],
    )


def _annotation(name: Name, text: Text, offset: Point) -> dict[str, Any]:
    dx, dy = offset
    x, y = name.way.at
    is_far = max(abs(dx) - text.width / 2, abs(dy) - text.height / 2) > 15
    beside = {
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": name.way.colour.faint(0.6),
        "ax": round(dx),
        "ay": round(dy),
        "standoff": 6,
    }
    axis = name.way.box.place.axis
    return {
        "text": plain(name.text),
        "xref": f"x{axis}",
        "yref": f"y{axis}",
        "x": x[-1],
        "y": y[-1],
        "font": {"size": _SIZE, "color": name.colour},
        "bgcolor": BACKGROUND.faint(0.72),
        "borderpad": 0,
        **(beside if is_far else {"showarrow": False, "xshift": round(dx), "yshift": -round(dy)}),
    }


def _obstacles(
    ways: Sequence[Way], words: Sequence[Written], ranges: tuple[Range, Range]
) -> Iterator[Obstacle]:
    weight = _ON_A_WAY if len(ways) <= MOST_WITH_DOTS else _ON_MANY_WAYS
    for way in ways:
        pixels = way.pixels(ranges)
        for start, end in pairwise(pixels):
            yield from along(start, end, weight)
        if way.is_training or len(ways) > MOST_WITH_ARROWS:
            yield *pixels[-1], _ON_AN_END
        if not way.is_training:  # a dot of a layer without a name, too
            (x, y), corners = pixels[-1], (-5, 0, 5)
            yield from ((x + dx, y + dy, _ON_A_WORD) for dx in corners for dy in corners)
    for left, top, width in words:
        for across in range(0, int(width) + 1, 8):
            for down in (2, 9, 15):
                yield left + across, top + down, _ON_A_WORD
