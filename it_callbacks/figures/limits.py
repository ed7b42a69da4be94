"""Draw the lines in a plane that values are read against: what there is to know, and ceilings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from it_callbacks.figures.axes import Panel, Place, finite, note
from it_callbacks.figures.theme import MUTED
from it_callbacks.runs import Key
from it_callbacks.wide_settings import WideSettings

LABEL_BOUND = "prediction_entropy/label_bound"
"""Name of the quantity that every layer of any width is compared with."""
_BOUND = "label bound"


class Limit(NamedTuple):
    """A line across one axis."""

    axis: str
    """Which axis it marks: ``x`` or ``y``."""
    at: float
    name: str
    text: str
    """What is written beside it."""


def limits(panel: Panel, reading: str) -> list[Limit]:
    """Return the lines of a panel, as far as its settings and the run hold them."""
    return _of_any_width(panel) if reading == "wide" else _of_the_code(panel)


def _of_the_code(panel: Panel) -> list[Limit]:
    n = panel.run.setting("information_plane", panel.set, "n_samples")
    log_n = math.log2(n) if n is not None and n >= 1 else None
    h_y = panel.run.label_entropy(panel.set)
    return [
        *_limit("y", h_y, "H(Y)", _label_entropy(panel)),
        *_limit("x", log_n, "log2 N", "log₂ N ="),
    ]


def _of_any_width(panel: Panel) -> list[Limit]:
    wide = panel.run.wide(panel.set)
    log_k = math.log2(wide.n_classes) if wide.n_classes else None
    is_below = log_k is not None and log_k < (math.inf if wide.ceiling is None else wide.ceiling)
    bound = None if wide.among else _last_bound(panel)
    return [
        *_limit("x", log_k if is_below else None, "log2 K", "log₂ K ="),
        *_ceiling(wide),
        Limit("y", 0.0, "0", ""),
        *_limit("y", wide.label_entropy, "H(Y)", _label_entropy(panel), wide.classes),
        # A bound below 0 says nothing; far below, it would stretch the axis.
        *_limit("y", bound if bound and bound > 0 else None, _BOUND, "H(Y) − CE ="),
    ]


def _ceiling(wide: WideSettings) -> list[Limit]:
    """The cap of little noise is far beyond what so few samples can show: log2 N is the limit."""
    if wide.cap is None or wide.log_n is None or wide.cap < wide.log_n + 1:
        return _limit("x", wide.cap, "cap", "at most")
    return _limit("x", wide.log_n, "log2 N", "log₂ N =")


def _limit(axis: str, at: float | None, name: str, text: str, remark: str = "") -> list[Limit]:
    at = finite(at)
    return [] if at is None else [Limit(axis, at, name, f"{text} {at:.2f} {remark}".rstrip())]


def _label_entropy(panel: Panel) -> str:
    return f"H({panel.run.label_symbol(panel.set)}) ="


def _last_bound(panel: Panel) -> float | None:
    root, _, kind = LABEL_BOUND.partition("/")
    values = panel.run.values(Key(root, panel.set, kind)).values()
    return next((value for value in reversed(list(values)) if math.isfinite(value)), None)


def draw_limits(drawn: dict[str, Any], place: Place, found: list[Limit]) -> None:
    """Add lines and their texts to a layout."""
    is_crossed = any(limit.axis == "y" and limit.at == 0 for limit in found)
    for limit in found:
        axes = {"x": f"x{place.axis}", "y": f"y{place.axis}"}
        other = "y" if limit.axis == "x" else "x"
        drawn["shapes"].append(
            {
                "type": "line",
                "name": limit.name,
                "line": {"color": MUTED, "width": 1, "dash": "dash"},
                **{f"{limit.axis}ref": axes[limit.axis], f"{other}ref": f"{axes[other]} domain"},
                **{f"{limit.axis}{end}": limit.at for end in "01"},
                **{f"{other}0": 0, f"{other}1": 1},
            }
        )
        if limit.text:
            drawn["annotations"].append(_text(limit, place, axes, is_crossed))


def _text(limit: Limit, place: Place, axes: Mapping[str, str], is_crossed: bool) -> dict[str, Any]:
    """The text of a line, beside it; where a line at 0 crosses that of x, above the crossing."""
    if limit.axis == "x":
        low = {"y": 0.0, "yref": axes["y"]} if is_crossed else {"y": 0.01}
        where = {"x": limit.at, "xref": axes["x"], "xanchor": "right", "yanchor": "bottom", **low}
    elif limit.name == _BOUND:  # close below H(Y), whose text is on the left
        where = {"x": 0.99, "xanchor": "right", "yanchor": "top"}
    else:
        where = {"x": 0.01, "xanchor": "left", "yanchor": "bottom"}
    across = {} if limit.axis == "x" else {"y": limit.at, "yref": axes["y"]}
    return note(place, limit.text, font={"color": MUTED, "size": 12}, **where, **across)
