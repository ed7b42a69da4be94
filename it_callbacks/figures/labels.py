"""Write names of layers, runs and classes as text that Plotly shows as it stands."""

from __future__ import annotations

from it_callbacks.records import Status

CAUTION = "caution"
_STATUSES = {Status.OK: "OK", Status.CAUTION: CAUTION, Status.SATURATED: "saturated"}


def plain(name: str) -> str:
    """Return `name` such that Plotly takes nothing in it for markup or for a template.

    Example:
        >>> plain("<b>50 %{x}</b>")
        '&lt;b&gt;50 &#37;{x}&lt;/b&gt;'
    """
    text = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("%{", "&#37;{")


def shortened(name: str, most: int = 40) -> str:
    """Return `name` with its middle left out where it is longer than `most` characters.

    Example:
        >>> shortened("encoder.blocks.11.mlp", most=13)
        'encode…11.mlp'
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def status_word(status: float) -> str:
    """Return a logged status as hovering shows it; ``unknown`` where none was logged."""
    return _STATUSES[Status(int(status))] if status in _STATUSES else "unknown"
