"""Names of layers, runs and classes in; text that Plotly shows as it stands out."""

from __future__ import annotations

from it_callbacks.records import Status

SATURATED = "saturated"
WORDS = {Status.OK: "OK", Status.CAUTION: "caution", Status.SATURATED: SATURATED}
"""A status as hovering tells it."""


def plain(name: str) -> str:
    """`name` such that Plotly takes nothing in it for markup or for a template.

    Example:
        >>> plain("<b>50 %{x}</b>")
        '&lt;b&gt;50 &#37;{x}&lt;/b&gt;'
    """
    text = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("%{", "&#37;{")


def shortened(name: str, most: int = 40) -> str:
    """`name` with its middle left out where it is longer than `most` characters.

    Example:
        >>> shortened("encoder.blocks.11.mlp", most=13)
        'encode…11.mlp'
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def told(status: float) -> str:
    """A logged status in a word; ``unknown`` where none was logged."""
    return WORDS[Status(int(status))] if status in WORDS else "unknown"
