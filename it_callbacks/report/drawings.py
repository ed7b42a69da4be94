"""Keep the figures of a page, each for wide and narrow windows and for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from it_callbacks.figures import DARK, Figure, Panel, Request, draw_packed
from it_callbacks.report.markup import Html, tag

WIDE, NARROW = 940, 360
"""Widths that figures are drawn for, in pixels: of a page, and of a phone."""
_HEIGHTS = {WIDE: 400, NARROW: 380}
_SLIDER = 90


@dataclass
class Drawings:
    """The figures of a page, each under an id, and the places that are kept for them."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id ``wide`` and ``narrow``, figures, and ``dark``, colours that are others on a dark
    page: from the light one to the dark one."""

    def place(self, request: Request, shown: Sequence[Panel], caption: str) -> Html:
        """Where a figure is drawn, as high as its rows of panels need.

        Args:
            request: What it shows.
            shown: Its panels.
            caption: Stands below it; ``{axis}`` is what goes across: epoch or step.
        """
        wide, narrow = (_sized(request, shown, width) for width in (WIDE, NARROW))
        dark = _drawn(replace(_size(request, wide), theme=DARK), shown)
        id_ = f"figure-{len(self.figures)}"
        self.figures[id_] = {"wide": wide, "narrow": narrow, "dark": dict(_recoloured(wide, dark))}
        axis = wide["layout"].get("xaxis", {}).get("title", {}).get("text", "epoch").split(" ")[0]
        return tag(
            "figure",
            tag("div", class_="drawing", data_figure=id_),
            tag("figcaption", caption.replace("{axis}", axis)),
        )


def _drawn(request: Request, shown: Sequence[Panel]) -> Figure:
    return draw_packed(request, shown)


def _sized(request: Request, shown: Sequence[Panel], width: int) -> Figure:
    """The figure at a width, as high as its rows of panels need, with its size in the layout."""
    request = replace(request, width=width, height=_HEIGHTS[width])
    figure = _drawn(request, shown)
    n_rows = _n_rows(figure)
    if n_rows > 1:
        request = replace(request, height=n_rows * _HEIGHTS[width])
        figure = _drawn(request, shown)
    with_slider = _SLIDER if "sliders" in figure["layout"] else 0
    figure["layout"] |= {"width": width, "height": request.height + with_slider}
    return figure


def _size(request: Request, figure: Figure) -> Request:
    n_rows = _n_rows(figure)
    return replace(request, width=WIDE, height=n_rows * _HEIGHTS[WIDE])


def _n_rows(figure: Figure) -> int:
    axes = [of for name, of in figure["layout"].items() if name.startswith("yaxis")]
    return max(1, len({tuple(axis.get("domain", ())) for axis in axes}))


def _recoloured(light: Any, dark: Any) -> Iterator[tuple[str, str]]:
    """Every colour that is another one in the second of two figures that are else the same."""
    if isinstance(light, dict):
        for key in light.keys() & dark.keys():
            yield from _recoloured(light[key], dark[key])
    elif isinstance(light, list):
        for one, other in zip(light, dark, strict=False):
            yield from _recoloured(one, other)
    elif isinstance(light, str) and light != dark and light.startswith(("#", "rgba(")):
        yield light, dark
