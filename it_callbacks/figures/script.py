"""Read Plotly's script as the installed package ships it."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def plotly_script() -> str:
    """The text of ``plotly.min.js``; finding it does not import plotly, which takes long.

    Raises:
        FileNotFoundError: plotly is not installed, or came without its script.
    """
    spec = importlib.util.find_spec("plotly")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        path = Path(folder, "package_data", "plotly.min.js")
        if path.is_file():
            return path.read_text(encoding="utf-8")
    where = f"in {', '.join(folders)}" if folders else "as plotly is not installed"
    raise FileNotFoundError(
        f"package_data/plotly.min.js was not found {where}; pip install 'plotly>=5.20'"
    )
