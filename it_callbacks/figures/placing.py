"""Find places for names beside points: none over another, few over what is drawn.

Numbers in, numbers out, all in pixels with y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate
from operator import add
from typing import NamedTuple

Point = tuple[float, float]

_RADII = (13, 20, 30, 42, 56, 74, 96, 120, 150, 190)
_PER_PIXEL = 0.9
"""What a place costs for each pixel of its radius; all else only adds to that."""
_PREFERRED = 60
"""Degrees: up and a little to the right."""
_DIRECTIONS = [
    (
        math.cos(math.radians(angle)),
        -math.sin(math.radians(angle)),
        6 * (1 - math.cos(math.radians(angle - _PREFERRED))),
    )
    for angle in range(0, 360, 20)
]
"""Across, down, and what it costs."""
_CELL = 4
_MOST_IN_CELL = 40.0
_MARK = 7
"""Half the width of a mark at a point."""
_TURNS = 4
_EVERY, _MOST_OF_A_LINE = 7, 300


class Text(NamedTuple):
    """The size of a text."""

    width: float
    height: float


Obstacle = tuple[float, float, float]
"""A point of something that is drawn, and what it costs to write over it."""


def along(start: Point, end: Point, weight: float) -> Iterator[Obstacle]:
    """A line as obstacles, one every seven pixels; without its end."""
    (x, y), (to_x, to_y) = start, end
    n = min(max(1, int(math.hypot(to_x - x, to_y - y) / _EVERY)), _MOST_OF_A_LINE)
    for part in range(n):
        yield x + (to_x - x) * part / n, y + (to_y - y) * part / n, weight


class _Spot(NamedTuple):
    cost: float
    """Without what other names add."""
    radius: float
    dx: float
    dy: float


class _Rectangle(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def over(self, other: _Rectangle) -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0


class Obstacles:
    """What is drawn, summed once in cells, so that what a rectangle covers takes four look-ups.

    Args:
        width: Of the plot.
        height: The same.
        points: What is drawn.
    """

    def __init__(self, width: float, height: float, points: Sequence[Obstacle]) -> None:
        self.width, self.height = width, height
        self._across, self._down = int(width / _CELL) + 2, int(height / _CELL) + 2
        cells = [[0.0] * (self._across + 1) for _ in range(self._down + 1)]
        for x, y, weight in points:
            i, j = int(x / _CELL), int(y / _CELL)
            if x >= 0 and y >= 0 and i < self._across and j < self._down:
                cells[j + 1][i + 1] = min(cells[j + 1][i + 1] + weight, _MOST_IN_CELL)
        self._sums = cells[:1]
        for row in cells[1:]:
            self._sums.append(list(map(add, accumulate(row), self._sums[-1])))

    def below(self, box: _Rectangle) -> float:
        """The weight of what a rectangle covers."""
        left, right = (self._cell(at, self._across) for at in (box.left, box.right + _CELL))
        top, bottom = (self._cell(at, self._down) for at in (box.top, box.bottom + _CELL))
        low, high = self._sums[bottom], self._sums[top]
        return low[right] - high[right] - low[left] + high[left]

    @staticmethod
    def _cell(at: float, most: int) -> int:
        return min(max(int(at / _CELL), 0), most)

    def beyond(self, box: _Rectangle) -> float:
        """By how many pixels a rectangle leaves the plot."""
        return (
            max(0.0, 1 - box.left)
            + max(0.0, 1 - box.top)
            + max(0.0, box.right + 1 - self.width)
            + max(0.0, box.bottom + 1 - self.height)
        )


def placed(
    points: Sequence[Point], texts: Sequence[Text], obstacles: Obstacles
) -> list[tuple[float, float]]:
    """Return from each point the way to the middle of its text.

    The least crowded points choose first, then in three more turns each may move. A far place costs
    more than a near one, as do a place over what is drawn, a line to it that crosses another, and
    one that runs over another point or text; a place over another text or outside costs most.

    Args:
        points: Of what the texts are the names.
        texts: Their sizes.
        obstacles: What is drawn.

    Example:
        >>> placed([(100, 100)], [Text(20, 16)], Obstacles(200, 200, []))
        [(11.5, -18.2)]
    """
    spots = [_Spots(number, points, text, obstacles) for number, text in enumerate(texts)]
    chosen: dict[int, _Spot] = {}
    order = sorted(range(len(points)), key=lambda number: _neighbours(number, points))
    for _ in range(_TURNS):
        for number in order:
            chosen.pop(number, None)
            chosen[number] = _cheapest(number, points, texts, spots[number], chosen)
    return [(round(chosen[n].dx, 1), round(chosen[n].dy, 1)) for n in range(len(points))]


def _neighbours(number: int, points: Sequence[Point]) -> int:
    x, y = points[number]
    return sum(abs(other - x) < 60 and abs(down - y) < 30 for other, down in points)


class _Spots:
    """The places there are for a text, in order of what each costs whatever the others do.

    They are found ring by ring, and no further than they are asked for: as a ring costs at least
    nine tenths of its radius, most texts find their place near their point.

    Args:
        number: Of the point whose name the text is.
        points: Of all texts.
        text: Its size.
        obstacles: What is drawn.
    """

    def __init__(
        self, number: int, points: Sequence[Point], text: Text, obstacles: Obstacles
    ) -> None:
        self._at, self._text, self._obstacles = points[number], text, obstacles
        self._others = [point for n, point in enumerate(points) if n != number]
        self._marks = [_Rectangle(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in points]
        self._found: list[_Spot] = []
        self._in_order = self._sorted()

    def __iter__(self) -> Iterator[_Spot]:
        """The cheapest first."""
        yield from self._found
        for spot in self._in_order:
            self._found.append(spot)
            yield spot

    def _sorted(self) -> Iterator[_Spot]:
        waiting: list[_Spot] = []
        for radius in _RADII:
            while waiting and waiting[0].cost < _PER_PIXEL * radius:
                yield heappop(waiting)
            for spot in self._ring(radius):
                heappush(waiting, spot)
        while waiting:
            yield heappop(waiting)

    def _ring(self, radius: float) -> Iterator[_Spot]:
        (x, y), text, obstacles = self._at, self._text, self._obstacles
        for across, down, turned in _DIRECTIONS:
            dx, dy = (radius + text.width / 2) * across, (radius + text.height / 2) * down
            box = _rectangle(x + dx, y + dy, text)
            cost = _PER_PIXEL * radius + turned + obstacles.below(box)
            if outside := obstacles.beyond(box):
                cost += 4000 + 40 * outside
            cost += 2.5 * sum(box.over(mark) for mark in self._marks)
            if radius > _RADII[0]:
                cost += 90 * sum(_runs_over(x, y, dx, dy, point) for point in self._others)
            yield _Spot(cost, radius, dx, dy)


def _rectangle(x: float, y: float, text: Text) -> _Rectangle:
    half, tall = text.width / 2 + 1, text.height / 2
    return _Rectangle(x - half, y - tall, x + half, y + tall)


def _runs_over(x: float, y: float, dx: float, dy: float, point: Point) -> bool:
    """Whether the line from a point to its name comes within 6 pixels of another point."""
    px, py = point[0] - x, point[1] - y
    share = (px * dx + py * dy) / (dx * dx + dy * dy)
    return 0 < share < 1 and math.hypot(px - share * dx, py - share * dy) < 6


def _cheapest(
    number: int,
    points: Sequence[Point],
    texts: Sequence[Text],
    spots: Iterable[_Spot],
    chosen: dict[int, _Spot],
) -> _Spot:
    """The best of some places, which come in order of cost, given where the other names are."""
    x, y = points[number]
    others = []
    for n, spot in chosen.items():
        ox, oy = points[n]
        end = (ox + spot.dx, oy + spot.dy)
        others.append(((ox, oy), end, _rectangle(*end, texts[n]), spot.radius > _RADII[0]))
    least = math.inf
    for spot in spots:
        if spot.cost >= least:
            break
        end = (x + spot.dx, y + spot.dy)
        box, cost = _rectangle(*end, texts[number]), spot.cost
        has_line = spot.radius > _RADII[0]
        for start, other_end, other, other_has_line in others:
            if area := box.over(other):
                cost += 1000 + 3 * area
            if has_line and _cross((x, y), end, start, other_end):
                cost += 120
            if has_line and _runs_through((x, y), end, other):
                cost += 60
            if other_has_line and _runs_through(start, other_end, box):
                cost += 60
        if cost < least:
            best, least = spot, cost
    return best


def _runs_through(start: Point, end: Point, box: _Rectangle) -> bool:
    """Whether a line passes through a rectangle: of the parts inside its two strips one is common.

    Example:
        >>> _runs_through((0, 0), (20, 20), _Rectangle(9, 9, 11, 11))
        True
        >>> _runs_through((0, 0), (20, 20), _Rectangle(15, 0, 20, 10))
        False
    """
    first, last = 0.0, 1.0
    for at, to, low, high in zip(start, end, box[:2], box[2:], strict=True):
        if at == to:
            if not low <= at <= high:
                return False
            continue
        enters, leaves = sorted(((low - at) / (to - at), (high - at) / (to - at)))
        first, last = max(first, enters), min(last, leaves)
    return first <= last


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the lines from `a` to `b` and from `c` to `d` cross."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
