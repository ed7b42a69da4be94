"""Show figures in notebooks: live where Plotly is, and as a still picture in what was saved.

Loads plotly, which takes long: only what draws imports this room.
"""

from __future__ import annotations

from typing import Any

from plotly import graph_objects

from it_callbacks.figures import Figure as Drawn
from it_callbacks.report.card import figure_card
from it_callbacks.runs import Run
from it_callbacks.stills import still

_HTML = "text/html"
_PLAYED = ("so far", "head")
"""Roles of what is empty unless a figure is played."""


class Figure(graph_objects.Figure):  # type: ignore[misc] # plotly has no types
    """A figure that saved and exported notebooks show, too.

    Plotly alone gives a notebook data that need its script to be seen. A page that was exported,
    or a site that shows notebooks, has none, and would leave the place empty. A copy is Plotly's
    own figure.
    """

    # Others, W&B among them, know a figure by the name of its type alone.
    __module__ = graph_objects.Figure.__module__
    _run: Run | None = None
    """What is drawn; None where that is not known."""

    @classmethod
    def of(cls, figure: Drawn, run: Run) -> Figure:
        """A figure of this package, of a run."""
        drawn = cls(figure)
        drawn._run = run
        return drawn

    def __reduce__(self) -> tuple[Any, ...]:
        _, *state = super().__reduce__()
        return graph_objects.Figure, *state

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What Plotly is set to give, and HTML that needs nothing."""
        bundle = dict(super()._repr_mimebundle_(*args, **kwargs))
        bundle.setdefault(_HTML, self._still())
        return bundle

    def _ipython_display_(self) -> None:
        bundle = dict(super()._repr_mimebundle_())
        if not bundle or _HTML in bundle:  # a browser, or whatever else a user has set
            super()._ipython_display_()
        else:
            from IPython.display import display

            display({**bundle, _HTML: self._still()}, raw=True)

    def show(self, *args: Any, **kwargs: Any) -> None:
        """Show the figure, as Plotly does; in a notebook so that it stays when that is saved."""
        if args or kwargs:
            super().show(*args, **kwargs)
        else:
            self._ipython_display_()

    def _still(self) -> str:
        figure = self.to_plotly_json()  # as it is now: a user may have changed it
        traces = [t for t in figure["data"] if t.get("meta", {}).get("role") not in _PLAYED]
        return figure_card(self._run or Run("", {}), still({**figure, "data": traces}))
