"""Give pictures their style: matplotlib's settings, sizes of letters, and texts without markup."""

from __future__ import annotations

import html
import importlib.util
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: equal pictures on every machine
    "text.parse_math": False,  # a "$" in a name is a dollar
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "pdf.fonttype": 42,  # TrueType inside: publishers refuse type 3
    "svg.fonttype": "none",  # text as text, to be found and edited
    "svg.hashsalt": "it_callbacks",
}


@dataclass(frozen=True)
class Sizes:
    """Sizes in points.

    Args:
        px: Of a pixel of the figure.
        text: Of axis titles and titles.
        small: Of ticks and names.
        tiny: Of the words of reference marks.
    """

    px: float
    text: float
    small: float
    tiny: float


PAPER = Sizes(px=0.55, text=8, small=7, tiny=6)
"""Of a figure one column wide."""


@dataclass(frozen=True)
class Wishes:
    """What a caller wants of a picture; what is None or empty is left to the style.

    Args:
        width: In inches.
        height: In inches.
        title: Above the picture.
        names: Whether layers and runs are named.
    """

    width: float | None = None
    height: float | None = None
    title: str = ""
    names: bool = True


def check_installed() -> None:
    """Raise ImportError unless matplotlib is there; finding it does not import it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("pictures need matplotlib: pip install 'it_callbacks[plot]'")


@contextmanager
def styled(sizes: Sizes, text: Any, lines: Any, ticks: Any) -> Iterator[None]:
    """Inside, matplotlib has its own defaults and ours, whatever a user has set.

    Args:
        sizes: Of letters.
        text: The colour of titles.
        lines: That of axes.
        ticks: That of the numbers at axes.
    """
    import matplotlib

    look = {
        "font.size": sizes.text, "axes.labelsize": sizes.text, "axes.titlesize": sizes.text,
        "figure.titlesize": sizes.text, "xtick.labelsize": sizes.small,
        "ytick.labelsize": sizes.small, "text.color": text, "axes.labelcolor": text,
        "axes.edgecolor": lines, "xtick.color": lines, "ytick.color": lines,
        "xtick.labelcolor": ticks, "ytick.labelcolor": ticks,
    }  # fmt: skip
    # The backend is not a matter of looks, and to touch it loads pyplot.
    plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    style: Any = plain | _STYLE | look
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands in its place
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)
        with matplotlib.rc_context(style):
            yield


def literal(text: str) -> str:
    """What a reader of Plotly's markup sees: breaks as lines, tags gone, escapes undone."""
    return html.unescape(re.sub(r"<[^>]*>", "", text.replace("<br>", "\n")))
