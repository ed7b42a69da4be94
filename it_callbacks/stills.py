"""Draw figures as still pictures that stand in HTML."""

from __future__ import annotations

import tempfile
from pathlib import Path

from it_callbacks import pictures
from it_callbacks.figures import Figure
from it_callbacks.report.card import picture
from it_callbacks.report.markup import Html, tag


def still(figure: Figure) -> Html:
    """A still picture of a figure as HTML; without matplotlib, a word on what would draw it.

    Args:
        figure: A dict of `it_callbacks.figures`.
    """
    try:
        pictures.check_installed()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "figure.svg")
            pictures.save(figure, path, style="screen")
            return picture(path.read_bytes(), "The figure as a still picture")
    except Exception as error:  # a user may have added what no picture has; a cell must not fail
        return tag("p", f"There is no still picture: {error}")
