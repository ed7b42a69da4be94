"""Render a figure as a picture, a file or an image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.checks import finite, nearest
from it_callbacks.figures import Figure
from it_callbacks.pictures import paper, screen
from it_callbacks.pictures.colours import greyed, rgba
from it_callbacks.pictures.style import Wishes, check_installed, styled

if TYPE_CHECKING:
    import matplotlib.figure

_STYLES = {"paper": paper, "screen": screen}
_DATES = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}
"""The formats, and which of what matplotlib adds would differ from one time to the next."""


def draw(
    figure: Figure,
    *,
    width: float | None = None,
    height: float | None = None,
    title: str = "",
    names: bool = True,
    style: str = "paper",
    grey: bool = False,
) -> matplotlib.figure.Figure:
    """The figure as it starts, as matplotlib's: of which parts may still be changed.

    Args:
        figure: A dict of `it_callbacks.figures`.
        width: In inches. On paper one column (3.4) or more, for many layers or panels; on a screen
            a page (7.2).
        height: In inches; None for what goes with the width.
        title: Above the picture. A caption says what is shown, so there is none by default.
        names: Whether layers and runs are named.
        style: ``"paper"``: letters of 7 and 8 points, lines that grow wider in time, a symbol for
            each layer, and nothing that a caption says; or ``"screen"``: as a page shows it.
        grey: Greys of equal luminance in place of all colours.

    Raises:
        ValueError: An unknown style, or a width or height that is not above 0.
        TypeError: A width or height that is no number.
        ImportError: matplotlib is not installed.

    Example:
        draw(figures.information_plane([Panel(run, "val")])).axes[0].set_title("Fold 3")
    """
    with _drawn(figure, Wishes(width, height, title, names), style, grey=grey) as picture:
        found: matplotlib.figure.Figure = picture
        return found


def save(
    figure: Figure,
    path: str | Path,
    *,
    width: float | None = None,
    height: float | None = None,
    title: str = "",
    names: bool = True,
    style: str = "paper",
    grey: bool = False,
) -> None:
    """Write the figure to `path`; equal figures give equal files.

    Args:
        figure: A dict of `it_callbacks.figures`.
        path: Where to; its ending says which of pdf, png (300 dpi) and svg.
        width: As for `draw`, like all that follow.
        height: In inches.
        title: Above the picture.
        names: Whether layers and runs are named.
        style: ``"paper"`` or ``"screen"``.
        grey: Greys in place of colours.

    Raises:
        ValueError: The path has another ending; and what `draw` raises.
        ImportError: matplotlib is not installed.
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in _DATES:
        raise ValueError(
            f"path: need an ending of {', '.join(f'.{known}' for known in _DATES)}, got {path}"
        )
    with _drawn(figure, Wishes(width, height, title, names), style, grey=grey) as picture:
        picture.savefig(path, format=kind, dpi=300, metadata=_DATES[kind])


def pixels(
    figure: Figure,
    dpi: int = 160,
    *,
    width: float | None = None,
    height: float | None = None,
    title: str = "",
    names: bool = True,
    style: str = "paper",
    grey: bool = False,
) -> NDArray[np.uint8]:
    """The figure as an image ``(height, width, 3)``, red, green and blue from 0 to 255.

    Args:
        figure: A dict of `it_callbacks.figures`.
        dpi: Pixels per inch.
        width: As for `draw`, like all that follow.
        height: In inches.
        title: Above the picture.
        names: Whether layers and runs are named.
        style: ``"paper"`` or ``"screen"``.
        grey: Greys in place of colours.

    Raises:
        ValueError: What `draw` raises.
        ImportError: matplotlib is not installed.
    """
    with _drawn(figure, Wishes(width, height, title, names), style, grey=grey) as picture:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        picture.set_dpi(dpi)
        canvas: Any = FigureCanvasAgg(picture)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@contextmanager
def _drawn(figure: Figure, wishes: Wishes, style: str, *, grey: bool) -> Iterator[Any]:
    """The picture, while matplotlib's settings are its own."""
    check_installed()
    if style not in _STYLES:
        raise ValueError(
            f"style: need one of {', '.join(_STYLES)}, got {style!r}{nearest(style, _STYLES)}"
        )
    for name, inches in (("width", wishes.width), ("height", wishes.height)):
        if inches is not None:
            finite(name, inches, above=0)
    shown: Figure = greyed(figure) if grey else figure
    room, layout = _STYLES[style], shown["layout"]
    text = rgba(layout.get("font", {}).get("color", "black"))
    axis = layout.get("xaxis", {})
    lines, ticks = axis.get("linecolor", text), axis.get("tickfont", {}).get("color", text)
    with styled(room.sizes(shown, wishes), text, rgba(lines), rgba(ticks)):
        yield room.drawn(shown, wishes)
