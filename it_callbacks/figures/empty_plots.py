"""Keep plots apart in which nothing is drawn: Plotly has no axes where there is no trace."""

from __future__ import annotations

from it_callbacks.figures.axes import Figure


def kept(figure: Figure) -> Figure:
    """The figure, with an unseen trace in each of several plots that has none.

    Plotly would leave out the axes of such a plot, and write its words over those of another.

    Example:
        >>> axes = {"xaxis": {}, "yaxis": {}, "xaxis2": {}, "yaxis2": {}}
        >>> [trace["yaxis"] for trace in kept({"data": [], "layout": axes})["data"]]
        ['y', 'y2']
    """
    layout = figure["layout"]
    plots = [name[5:] for name in layout if name.startswith("yaxis") and f"x{name[1:]}" in layout]
    held = {trace.get("yaxis", "y") for trace in figure["data"]}
    unseen = [
        {
            "type": "scatter",
            "mode": "markers",
            "xaxis": f"x{plot}",
            "yaxis": f"y{plot}",
            "x": [None],
            "y": [None],
            "hoverinfo": "skip",
            "uid": f"e{plot}",
            "meta": {"layer": None, "role": "empty", "panel": number, "run": "", "set": ""},
        }
        for number, plot in enumerate(plots)
        if len(plots) > 1 and f"y{plot}" not in held
    ]
    return {**figure, "data": [*figure["data"], *unseen]}
