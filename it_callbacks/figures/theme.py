"""Colour figures: two themes, for light and for dark pages, and how a figure gets one.

Figures are built with names of colours; `painted` puts a theme's colours in their place. No text
can be taken for one of these names: they are of a type of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Theme:
    """Colours as CSS writes them.

    Args:
        background: Of the page and the plot.
        text: Titles, labels and the line that joins the layers.
        muted: Reference lines, chance levels, notes beside the plot.
        grid: Grid lines and edges.
        scale: From the first epoch to the last; each one readable on the background.
        areas: Of predictions: information about labels, about inputs alone, and what is open.
    """

    background: str
    text: str
    muted: str
    grid: str
    scale: tuple[str, ...]
    areas: tuple[str, str, str]


# Viridis without the end that vanishes: its yellow on white, its violet on black.
LIGHT = Theme(
    background="#ffffff",
    text="#1f2933",
    muted="#6b7683",
    grid="#e4e7eb",
    scale=("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fce3a"),
    areas=("#277f8e", "#e0a030", "#c3c9d1"),
)
DARK = Theme(
    background="#1e2125",
    text="#e6e8eb",
    muted="#98a2ae",
    grid="#3a4047",
    scale=("#8a6fc4", "#6d8fd0", "#3fa3b5", "#2fb58f", "#5cc863", "#aadc32", "#fde725"),
    areas=("#35a3b5", "#d99a2b", "#5d6772"),
)


class Colour(NamedTuple):
    """A colour by its name in a theme."""

    name: str
    place: float | None = None
    """Of a scale, from 0 to 1; of `areas`, which."""
    opacity: float | None = None

    def faint(self, opacity: float = 0.18) -> Colour:
        """The colour, such that what is below it shows."""
        return self._replace(opacity=opacity)

    def of(self, theme: Theme) -> Any:
        """The colour as CSS writes it; of a scale without a place, the scale as Plotly takes it."""
        if self.name == "scale" and self.place is None:
            last = len(theme.scale) - 1
            return [[number / last, colour] for number, colour in enumerate(theme.scale)]
        if self.name == "scale":
            colour = _between(theme.scale, self.place or 0.0)
        elif self.name == "areas":
            colour = theme.areas[int(self.place or 0)]
        else:
            colour = getattr(theme, self.name)
        if self.opacity is None:
            return colour
        return f"rgba({', '.join(map(str, _rgb(colour)))}, {self.opacity})"


BACKGROUND, TEXT, MUTED, GRID = map(Colour, ("background", "text", "muted", "grid"))
SCALE = Colour("scale")


def spread(number: int, n: int) -> Colour:
    """One of `n` colours along the scale: the first layer has its first colour."""
    return Colour("scale", number / (n - 1) if n > 1 else 0.0)


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
    if isinstance(value, list) and value and isinstance(value[0], (dict, Colour)):
        return [painted(each, theme) for each in value]  # others are values and names
    return value


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
