"""Read the colours of a figure, which are CSS, as matplotlib takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from it_callbacks.figures.theme import luminance

Rgba = tuple[float, float, float, float]

_OF_COLOURS = ("color", "colour", "colorscale", "ink")
"""How the names of what is a colour end."""
_HEX, _RGB = re.compile(r"#[0-9a-fA-F]{6}"), re.compile(r"rgba?\(([^()]*)\)")


def rgba(css: Any, opacity: float = 1.0) -> Rgba:
    """Return a colour, so much less opaque than CSS says.

    Example:
        >>> rgba("rgba(255, 0, 0, 0.5)", 0.5)
        (1.0, 0.0, 0.0, 0.25)
    """
    from matplotlib.colors import to_rgba

    if match := _RGB.fullmatch(str(css)):
        parts = [float(part) for part in match[1].split(",")]
        red, green, blue = (part / 255 for part in parts[:3])
        alpha = parts[3] if len(parts) > 3 else 1.0
    else:
        red, green, blue, alpha = to_rgba(css)
    return red, green, blue, alpha * opacity


def greyed(value: Any, name: str = "") -> Any:
    """Return a figure, or a part of one, with greys of equal luminance in place of its colours.

    Example:
        >>> greyed({"color": "#ff0000", "text": "#ff0000"})
        {'color': '#7f7f7f', 'text': '#ff0000'}
    """
    if isinstance(value, dict):
        return {key: greyed(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [greyed(each, name) for each in value]
    return _grey(value) if isinstance(value, str) and name.endswith(_OF_COLOURS) else value


def _grey(css: str) -> str:
    if not (_HEX.fullmatch(css) or _RGB.fullmatch(css)):
        return css
    *parts, alpha = rgba(css)
    light = luminance(*parts)
    share = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    level = round(255 * share)
    return f"#{3 * f'{level:02x}'}" if alpha == 1 else f"rgba({3 * f'{level}, '}{alpha})"


class Scale(NamedTuple):
    """From numbers to colours."""

    norm: Any
    map: Any

    def of(self, numbers: Any) -> Any:
        """Colours ``(n, 4)``."""
        return self.map(self.norm(np.array(numbers, float)))


def scale_of(about: Mapping[str, Any]) -> Scale:
    """The colours of a colour axis or of markers."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = [(at, rgba(colour)) for at, colour in about["colorscale"]]
    return Scale(
        Normalize(about["cmin"], about["cmax"]),
        LinearSegmentedColormap.from_list("figure", colours),
    )
