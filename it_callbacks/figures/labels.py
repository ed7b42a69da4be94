"""Write names of layers, runs and classes as text that Plotly shows as it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_Parts = list[list[str]]
"""Names, split at their dots."""


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

    Left out are first parts that all names of several parts share, then a last part that several
    share, then a last number; only where names stay unique, and none becomes a mere number, or the
    name of what another layer lies in, which is another module.

    Example:
        >>> short_names(["net.hidden1.tanh", "net.hidden2.tanh", "net.output"])
        ['hidden1', 'hidden2', 'output']
        >>> short_names(["blocks.0.fc1", "blocks.0.fc2"])
        ['fc1', 'fc2']
        >>> short_names(["stages.stage1.1", "stages.stage2.1", "classify"])
        ['stage1', 'stage2', 'classify']
        >>> short_names(["blocks.0.attn", "blocks.1.attn", "blocks.1.mlp.2"])
        ['blocks.0.attn', 'blocks.1.attn', 'blocks.1.mlp']
    """
    parts = _without_last_number(_without_last_word(_without_first([n.split(".") for n in names])))
    return [shortened(".".join(p), most) for p in parts]


def _without_first(parts: _Parts) -> _Parts:
    """Without the first parts that all names of several parts share."""
    kept = rest = parts
    while len(several := [p for p in rest if len(p) > 1]) > 1 and len({p[0] for p in several}) == 1:
        rest = [p[1:] if len(p) > 1 else p for p in rest]
        if _are_unique(rest) and not any(p[0].isdecimal() for p in rest):
            kept = rest
    return kept


def _without_last_word(parts: _Parts) -> _Parts:
    """Without last parts that several names share, as activations are."""
    ends = Counter(p[-1] for p in parts if len(p) > 1 and not p[-1].isdecimal())
    stems = [p[:-1] if len(p) > 1 and ends[p[-1]] > 1 else p for p in parts]
    return stems if _still_name(stems, parts) else parts


def _without_last_number(parts: _Parts) -> _Parts:
    """Without last numbers, save where another number stands before them."""
    stems = [
        p[:-1] if len(p) > 1 and p[-1].isdecimal() and not p[-2].isdecimal() else p for p in parts
    ]
    return stems if _still_name(stems, parts) else parts


def _still_name(stems: _Parts, parts: _Parts) -> bool:
    """Whether names are unique, and none that was cut is that of what another layer lies in."""
    cut = {tuple(stem) for stem, p in zip(stems, parts, strict=True) if len(stem) < len(p)}
    around = (tuple(stem[:end]) for stem in stems for end in range(1, len(stem)))
    return _are_unique(stems) and cut.isdisjoint(around)


def _are_unique(parts: _Parts) -> bool:
    return len({tuple(p) for p in parts}) == len(parts)
