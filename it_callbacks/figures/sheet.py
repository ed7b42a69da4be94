"""Divide a figure into plots, so many pixels wide and high, and give it what all figures have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from it_callbacks.figures.axes import Place
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.theme import BACKGROUND, GRID, MARK, MUTED, TEXT

NARROW = 520
"""Pixels of a figure below which plots stand below each other, with less around them."""
MOST_COLUMNS = 3
_FONT = "Inter, Roboto, 'Helvetica Neue', Arial, sans-serif"
_BETWEEN_ROWS = 78
"""Pixels: ticks and title of an axis, and the heading of the plot below."""
_PER_LETTER = 0.56
"""Width of a letter over its height, on average."""


class Box(NamedTuple):
    """A plot: its axes, and its size in pixels."""

    place: Place
    width: float
    height: float


@dataclass(frozen=True)
class Sheet:
    """The plots of a figure, at most three in a row.

    Args:
        n: How many.
        width: Of the figure, in pixels.
        height: The same.
        above: Lines of small text above the plots.
        right: Pixels to the right of the plots.
        below: Pixels below the axes' titles.
    """

    n: int
    width: int
    height: int
    above: int = 1
    right: int = 0
    below: int = 0

    @property
    def is_narrow(self) -> bool:
        """Whether there is little room to the sides."""
        return self.width < NARROW

    @property
    def margin(self) -> dict[str, int]:
        """Pixels around the plots."""
        left, right, bottom = (46, 8, 46) if self.is_narrow else (58, 18, 52)
        return {
            "l": left,
            "r": right + self.right,
            "t": 12 + 16 * self.above,
            "b": bottom + self.below,
            # What stands below has its room already; Plotly would add as much again.
            **({"autoexpand": False} if self.below else {}),
        }

    @property
    def boxes(self) -> list[Box]:
        """Of the plots, row by row; at least one."""
        margin = self.margin
        across = max(self.width - margin["l"] - margin["r"], 60)
        up = max(self.height - margin["t"] - margin["b"], 60)
        n = max(self.n, 1)
        columns = 1 if self.is_narrow else min(n, MOST_COLUMNS)
        rows = -(-n // columns)
        between = 0.055 * across
        wide = (across - (columns - 1) * between) / columns
        high = max((up - (rows - 1) * _BETWEEN_ROWS) / rows, 0.3 * up / rows)
        step = (up - high) / (rows - 1) if rows > 1 else 0.0
        found = []
        for number in range(n):
            row, column = divmod(number, columns)
            left, bottom = column * (wide + between), up - high - row * step
            found.append(
                Box(
                    Place(
                        str(number + 1) if number else "",
                        (round(left / across, 4), round((left + wide) / across, 4)),
                        (round(max(bottom, 0) / up, 4), round(min(bottom + high, up) / up, 4)),
                    ),
                    wide,
                    high,
                )
            )
        return found

    def layout(self, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
        """What Plotly needs besides traces: colours, fonts, and a pair of axes for each plot.

        All pairs zoom as one; the vertical axis is named and numbered in the first of a row only.

        Args:
            x: What the horizontal axes have: title, range and such.
            y: What the vertical axes have.
        """
        drawn = base(self.margin)
        for number, box in enumerate(self.boxes):
            axis, is_first = box.place.axis, not box.place.across[0]
            drawn[f"xaxis{axis}"] = {
                **AXIS, **x, "domain": list(box.place.across), "anchor": f"y{axis}",
                **({"matches": "x"} if number else {}),
            }  # fmt: skip
            drawn[f"yaxis{axis}"] = {
                **AXIS, **y, "domain": list(box.place.up), "anchor": f"x{axis}",
                **({"matches": "y"} if number else {}),
                **({} if is_first else {"title": {"text": ""}, "showticklabels": False}),
            }  # fmt: skip
        return drawn


def base(margin: dict[str, int]) -> dict[str, Any]:
    """What the layouts of all figures have, besides axes.

    Args:
        margin: Pixels around the plots, as Plotly names them.
    """
    return {
        "paper_bgcolor": BACKGROUND,
        "plot_bgcolor": BACKGROUND,
        "font": {"family": _FONT, "size": 13, "color": TEXT},
        "showlegend": False,
        "hovermode": "closest",
        "hoverdistance": 24,
        "hoverlabel": {
            "bgcolor": BACKGROUND,
            "bordercolor": MARK,
            "font": {"family": _FONT, "size": 12, "color": TEXT},
            "align": "left",
            "namelength": 0,
        },
        "modebar": {"color": MUTED, "activecolor": TEXT, "bgcolor": "rgba(0,0,0,0)"},
        "dragmode": "pan",
        "margin": margin,
        "uirevision": "kept",  # zoom outlives a reload
        "annotations": [],
        "shapes": [],
    }


AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": MARK,
    "tickfont": {"size": 12, "color": MUTED},
    "linecolor": MARK,
    "showline": True,
    "nticks": 7,
    "automargin": False,
}


def axis_name(text: str) -> dict[str, Any]:
    """The title of an axis as a layout has it; `text` is markup already."""
    return {"text": text, "standoff": 10, "font": {"size": 13, "color": TEXT}}


def line_above(number: int, text: str, *, has_headings: bool = False) -> dict[str, Any]:
    """A small line above all plots; number 0 is the lowest, where headings stand if there are."""
    return {
        "text": text,
        "xref": "paper",
        "x": 0,
        "yref": "paper",
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 3 + 15 * number + 5 * has_headings,
        "showarrow": False,
        "font": {"size": 11, "color": MUTED},
    }


def heading(box: Box, title: str, below: str = "") -> dict[str, Any]:
    """The title above a plot, and smaller beside it what its values were read with.

    Both are any text; they are cut to what fits.
    """
    room = int(box.width / (13 * _PER_LETTER))
    text = f"<b>{plain(shortened(title, room))}</b>"
    left = int((room - len(title)) * 13 / 11) - 3
    if below and left > 6:
        text += f'  <span style="font-size: 11px">{plain(shortened(below, left))}</span>'
    return {
        "text": text,
        "xref": f"x{box.place.axis} domain",
        "x": 0,
        "yref": f"y{box.place.axis} domain",
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 3,
        "showarrow": False,
        "font": {"size": 13},
    }


def absence(box: Box, lines: Sequence[str]) -> dict[str, Any]:
    """A text in the middle of a plot that has nothing to show: any text, a line each."""
    room = max(int(box.width / (13 * _PER_LETTER)), 12)
    return {
        "text": "<br>".join(plain(part) for line in lines for part in _wrapped(line, room)),
        "xref": f"x{box.place.axis} domain",
        "x": 0.5,
        "yref": f"y{box.place.axis} domain",
        "y": 0.5,
        "showarrow": False,
        "font": {"size": 13, "color": MUTED},
    }


def _wrapped(text: str, most: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def width_of(text: str, size: float) -> float:
    """About how many pixels a text is wide, written so many pixels high."""
    return _PER_LETTER * size * len(text)
