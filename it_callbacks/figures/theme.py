"""Colour figures: two themes, for light and for dark pages, and how a figure gets one.

Figures are built with names of colours; `painted` puts a theme's colours in their place. No text
can be taken for one of these names: they are of a type of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Theme:
    """Colours as CSS writes them; scales are of evenly spaced stops.

    Args:
        background: Of the page and the plot.
        text: Titles, labels and totals.
        muted: Ticks and notes beside the plot.
        mark: Axis lines and reference lines.
        grid: Grid lines and edges.
        depth: From the first layer to the last; at least 3:1 on the background, even in lightness.
        time: From the first moment to the last.
        bits: From few to many.
        areas: Of predictions: information about labels, about inputs alone, and what is open.
        runs: A closed circle of hues, alike in lightness, at least 3:1 on the background.
    """

    background: str
    text: str
    muted: str
    mark: str
    grid: str
    depth: tuple[str, ...]
    time: tuple[str, ...]
    bits: tuple[str, ...]
    areas: tuple[str, str, str]
    runs: tuple[str, ...]

    @property
    def differences(self) -> tuple[str, str, str]:
        """From below 0 to above."""
        return self.areas[0], self.grid, self.areas[1]


LIGHT = Theme(
    background="#ffffff",
    text="#1f2933",
    muted="#5b6672",
    mark="#8a94a0",
    grid="#edf0f3",
    depth=(
        *("#121d5d", "#2c2080", "#4c1ea1", "#742587", "#8f3268"),
        *("#a73957", "#ba463f", "#c55e2b", "#c9771a"),
    ),
    time=("#c3c9d1", "#94a5b8", "#5f86ad", "#2c6a9e", "#0b4a7d", "#062a4a"),
    bits=("#f2f0f7", "#c7cfe4", "#7fa8cc", "#2f76a8", "#08306b"),
    areas=("#08519c", "#c87807", "#cfd6dd"),
    runs=(
        *("#0077cd", "#6565cf", "#9154b9", "#af4791", "#be425f", "#be4a1b", "#a06604"),
        *("#857505", "#568502", "#078a5a", "#0a8681", "#0a819d", "#0077cd"),
    ),
)
DARK = Theme(
    background="#1e2125",
    text="#e6e8eb",
    muted="#a3adb8",
    mark="#7d8793",
    grid="#2c3137",
    depth=(
        *("#637cc5", "#7983e1", "#9487fb", "#c38af5", "#eb8fe6"),
        *("#fea6bc", "#ffc2ae", "#fed6aa", "#fdeb8a"),
    ),
    time=("#4a525b", "#5a7189", "#5e93bb", "#73b4dc", "#a8d5f0", "#f1f8fd"),
    bits=("#23303b", "#2a5674", "#3b85a0", "#7cbfb5", "#f3f0c8"),
    areas=("#6baed6", "#febbaa", "#4a525b"),
    runs=(
        *("#70b6fd", "#a2a8ff", "#ca99ef", "#e88fcb", "#f78c9e", "#f69370", "#e5a14b"),
        *("#c4b345", "#96c166", "#5aca94", "#0dcbc3", "#2bc4ea", "#70b6fd"),
    ),
)
_GOLDEN = 0.381966
"""Share of the circle from one run's hue to the next: the first few are far apart however many."""
_READABLE = 4.5
"""Contrast that words need; marks need 3."""


class Colour(NamedTuple):
    """A colour by its name in a theme."""

    name: str
    place: float | None = None
    """On a scale, from 0 to 1; of `areas`, which."""
    opacity: float | None = None
    of_words: bool = False

    def faint(self, opacity: float = 0.18) -> Colour:
        """The colour, such that what is below it shows."""
        return self._replace(opacity=opacity)

    def ink(self) -> Colour:
        """The colour for words, as near to it as can be read."""
        return self._replace(of_words=True)

    def of(self, theme: Theme) -> Any:
        """The colour as CSS writes it; of a scale without a place, the scale as Plotly takes it."""
        return _of(self, theme)


@lru_cache(maxsize=4096)
def _of(colour: Colour, theme: Theme) -> Any:
    stops = getattr(theme, colour.name)
    if isinstance(stops, str):
        css = stops
    elif colour.name == "areas":
        css = stops[int(colour.place or 0)]
    elif colour.place is None:
        return [[number / (len(stops) - 1), stop] for number, stop in enumerate(stops)]
    else:
        css = _between(stops, colour.place)
    if colour.of_words:
        css = _readable(css, theme)
    return (
        css
        if colour.opacity is None
        else f"rgba({', '.join(map(str, _rgb(css)))}, {colour.opacity})"
    )


BACKGROUND, TEXT, MUTED, MARK, GRID = map(Colour, ("background", "text", "muted", "mark", "grid"))
BITS, DIFFERENCES = Colour("bits"), Colour("differences")


def of_depth(number: int, n: int) -> Colour:
    """The colour of one of `n` layers, the first having the first of the scale.

    A single layer has the third of nine stops, which is neither pale nor dark in any theme.
    """
    return Colour("depth", number / (n - 1) if n > 1 else 0.25)


def of_run(number: int) -> Colour:
    """The colour of a run by its number: the same however many runs there are.

    Example:
        >>> of_run(0).of(LIGHT)
        '#0077cd'
    """
    return Colour("runs", number * _GOLDEN % 1)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2, from 1 to 21.

    Example:
        >>> contrast("#ffffff", "#000000")
        21.0
    """
    low, high = sorted(luminance(*(part / 255 for part in _rgb(colour))) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(*parts: float) -> float:
    """The relative luminance of red, green and blue, each from 0 to 1, by WCAG 2."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def painted(value: Any, theme: Theme) -> Any:
    """Return a figure, or a part of one, in the colours of a theme.

    Example:
        >>> painted({"line": {"color": TEXT}, "x": [1, 2]}, LIGHT)
        {'line': {'color': '#1f2933'}, 'x': [1, 2]}
    """
    if isinstance(value, Colour):
        return value.of(theme)
    if isinstance(value, dict):
        return {key: painted(each, theme) for key, each in value.items()}
    if _has_parts(value):
        return [painted(each, theme) for each in value]
    return value


def recoloured(value: Any, one: Theme, other: Theme) -> dict[str, str]:
    """Return what each colour of a figure that is not painted is in one theme, and in the other.

    A colour of lines may be that of words in the one theme only: then it is taken for words, which
    need more contrast.

    Example:
        >>> recoloured({"line": {"color": TEXT}, "x": [1, 2]}, LIGHT, DARK)
        {'#1f2933': '#e6e8eb'}
    """
    found: dict[str, str] = {}
    for colour in sorted(_colours(value), key=lambda colour: colour.of_words):
        left, right = colour.of(one), colour.of(other)
        scales = zip(left, right, strict=True) if isinstance(left, list) else ()
        found |= {a: b for (_, a), (_, b) in scales} if scales else {left: right}
    return found


def _colours(value: Any) -> dict[Colour, None]:
    """All that there are in a figure, in the order of their first appearance."""
    if isinstance(value, Colour):
        return {value: None}
    found: dict[Colour, None] = {}
    for each in value.values() if isinstance(value, dict) else value if _has_parts(value) else ():
        if isinstance(each, (dict, list, Colour)):
            found |= _colours(each)
    return found


def _has_parts(value: Any) -> bool:
    """Whether it is a list that may hold colours; others are values and names."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], (dict, Colour))


def _readable(colour: str, theme: Theme) -> str:
    """The colour mixed with that of texts in steps of a tenth until words in it can be read."""
    mixed = (_between((colour, theme.text), tenths / 10) for tenths in range(11))
    return next(c for c in mixed if contrast(c, theme.background) >= _READABLE)


def _between(scale: tuple[str, ...], place: float) -> str:
    at = place * (len(scale) - 1)
    left = min(int(at), len(scale) - 2)
    mixed = (
        round(a + (b - a) * (at - left))
        for a, b in zip(_rgb(scale[left]), _rgb(scale[left + 1]), strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
