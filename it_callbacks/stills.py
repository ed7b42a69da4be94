"""Draw figures as still pictures that stand in HTML."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from it_callbacks import pictures
from it_callbacks.figures import Figure
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
            data = base64.b64encode(path.read_bytes()).decode("ascii")
        source = f"data:image/svg+xml;base64,{data}"  # needs neither a script nor a network
        return tag("img", src=source, alt="The figure as a still picture")
    except Exception as error:  # a user may have added what no picture has; a cell must not fail
        return tag("p", f"There is no still picture: {error}")
