"""The colours of a figure: two themes, for light and for dark pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as CSS writes them.

    Args:
        background: Of the page and the plot.
        text: Titles, labels and the line that joins the layers.
        muted: Reference lines, chance levels, what is said beside the plot.
        grid: Grid lines and edges.
        scale: From the first epoch to the last; each one readable on the background.
        areas: What the predictions tell about labels, tell about the inputs alone, leave open.
    """

    background: str
    text: str
    muted: str
    grid: str
    scale: tuple[str, ...]
    areas: tuple[str, str, str]


# Viridis without the end that vanishes: its yellow on white, its violet on black.
LIGHT = Theme(
    background="#ffffff",
    text="#1f2933",
    muted="#6b7683",
    grid="#e4e7eb",
    scale=("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fce3a"),
    areas=("#277f8e", "#e0a030", "#c3c9d1"),
)
DARK = Theme(
    background="#1e2125",
    text="#e6e8eb",
    muted="#98a2ae",
    grid="#3a4047",
    scale=("#8a6fc4", "#6d8fd0", "#3fa3b5", "#2fb58f", "#5cc863", "#aadc32", "#fde725"),
    areas=("#35a3b5", "#d99a2b", "#5d6772"),
)
