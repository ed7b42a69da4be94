"""Give pictures their style: matplotlib's settings, and a figure's colours and texts for it."""

from __future__ import annotations

import html
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from it_callbacks.figures import Figure

PT_PER_PX = 0.55
"""Figures are made for a screen, which is read from farther away than paper."""
_STYLE = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,  # a "$" in a name is a dollar
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType inside: publishers refuse type 3
    "svg.hashsalt": "it_callbacks",
}
SYMBOLS: dict[str, Any] = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v",
    "triangle-left": "<", "triangle-right": ">", "pentagon": "p", "hexagon2": "H", "star": "*",
    "hexagram": (6, 1, 0), "star-square": (4, 1, 0), "line-ew": "_",
}  # fmt: skip
"""Plotly's markers as matplotlib calls them."""
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}


def check_installed() -> None:
    """Raise ImportError unless matplotlib is there; finding it does not import it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("pictures need matplotlib: pip install 'it_callbacks[plot]'")


@contextmanager
def styled(figure: Figure) -> Iterator[None]:
    """Inside, matplotlib has its own defaults and ours, whatever a user has set."""
    check_installed()
    import matplotlib

    font = figure["layout"].get("font", {})
    text, size = font.get("color", "black"), font.get("size", 13) * PT_PER_PX
    coloured = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    sized = (
        "font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize",
        "legend.fontsize",
    )  # fmt: skip
    # The backend is not a matter of looks, and to touch it loads pyplot.
    plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    style: Any = plain | _STYLE | dict.fromkeys(coloured, text) | dict.fromkeys(sized, size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands in its place
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)
        with matplotlib.rc_context(style):
            yield


class Colours(NamedTuple):
    """The colour axis: from the numbers of points and cells to colours."""

    norm: Any
    map: Any

    def of(self, colour: Any, n: int) -> Any:
        """Colours ``(n, 4)`` of numbers, or of one colour in words."""
        from matplotlib.colors import to_rgba

        if isinstance(colour, list):
            return self.map(self.norm(np.array(colour, float)))
        return np.tile(to_rgba(rgb(colour)), (n, 1))


def colours_of(layout: Mapping[str, Any], traces: Sequence[Mapping[str, Any]]) -> Colours:
    """The colour axis that all panels share."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    axis = layout.get("coloraxis", {})
    scale = axis.get("colorscale", [[0, "black"], [1, "white"]])
    cells = [value for trace in traces for row in trace.get("z", []) for value in row]
    highest = axis.get("cmax", max((value for value in cells if value is not None), default=1))
    return Colours(
        Normalize(axis.get("cmin", 0), highest or 1),
        LinearSegmentedColormap.from_list("figure", [(at, colour) for at, colour in scale]),
    )


def literal(text: str) -> str:
    """What a reader of Plotly's markup sees: breaks as lines, tags gone, escapes undone."""
    return html.unescape(re.sub(r"<[^>]*>", "", text.replace("<br>", "\n")))


def rgb(css: str | None) -> Any:
    """A colour of CSS as matplotlib takes it; the text's where none is named."""
    if css is not None and css.startswith("rgba"):
        *parts, alpha = map(float, css[5:-1].split(","))
        return (*(part / 255 for part in parts), alpha)
    return css


def dash(line: Mapping[str, Any]) -> Any:
    """How a line is broken."""
    return _DASHES.get(line.get("dash", "solid"), "--")
