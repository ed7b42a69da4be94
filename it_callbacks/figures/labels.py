"""Write names of layers, runs and classes as text that Plotly shows as it stands."""

from __future__ import annotations

from collections.abc import Sequence


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


def short_names(names: Sequence[str], most: int = 18) -> list[str]:
    """Return names of layers without what says nothing: what all begin with, and an idle end.

    The last part is left out where names differ without it; numbers stay.

    Example:
        >>> short_names(["net.hidden1.tanh", "net.hidden2.tanh", "net.output"])
        ['hidden1', 'hidden2', 'output']
        >>> short_names(["blocks.0.fc1", "blocks.0.fc2"])
        ['fc1', 'fc2']
    """
    parts = [name.split(".") for name in names]
    while len(parts) > 1 and all(len(p) > 1 and p[0] == parts[0][0] for p in parts):
        parts = [p[1:] for p in parts]
    stems = [p[:-1] if len(p) > 1 and not p[-1].isdecimal() else p for p in parts]
    if len({tuple(stem) for stem in stems}) == len(stems):
        parts = stems
    return [shortened(".".join(p), most) for p in parts]
