"""Render a figure as a picture, a file or an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.figures import Figure
from it_callbacks.pictures.panels import drawn
from it_callbacks.pictures.style import styled

if TYPE_CHECKING:
    import matplotlib.figure

_DATES = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}
"""The formats, and which of what matplotlib adds would differ from one time to the next."""


def draw(figure: Figure) -> matplotlib.figure.Figure:
    """The figure as it starts, one column wide, or a page where panels stand side by side.

    Sliders, buttons, hover texts and the title over all panels, which a caption says, are left
    out; so are layers that only the legend of the figure shows.

    Args:
        figure: A dict of `it_callbacks.figures`.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        draw(figures.information_plane([Panel(run, "val")])).axes[0].set_title("Fold 3")
    """
    with styled(figure):
        picture: matplotlib.figure.Figure = drawn(figure)
        return picture


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure to `path`; equal figures give equal files.

    Args:
        figure: A dict of `it_callbacks.figures`.
        path: Where to; its ending says which of pdf, png (300 dpi) and svg.

    Raises:
        ValueError: The path has another ending.
        ImportError: matplotlib is not installed.
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in _DATES:
        raise ValueError(
            f"path: need an ending of {', '.join(f'.{known}' for known in _DATES)}, got {path}"
        )
    with styled(figure):
        drawn(figure).savefig(path, format=kind, dpi=300, metadata=_DATES[kind])


def pixels(figure: Figure, dpi: int = 160) -> NDArray[np.uint8]:
    """The figure as an image ``(height, width, 3)``, red, green and blue from 0 to 255.

    Args:
        figure: A dict of `it_callbacks.figures`.
        dpi: Pixels per inch.

    Raises:
        ImportError: matplotlib is not installed.
    """
    with styled(figure):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        picture = drawn(figure)
        picture.set_dpi(dpi)
        canvas: Any = FigureCanvasAgg(picture)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
