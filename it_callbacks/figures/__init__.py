"""Draw runs as Plotly figures, plain dicts: the same for the tab, the report and a notebook.

Standard library only: the tab must open whatever else is missing. Every value is safe for JSON,
names are text wherever they stand, and nothing is ever fetched.
"""

from it_callbacks.figures.axes import CONFIG, Figure, Panel
from it_callbacks.figures.classes import entropies_by_class
from it_callbacks.figures.curves import curves
from it_callbacks.figures.entropies import prediction_entropies
from it_callbacks.figures.growing import play
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.plane import information_plane
from it_callbacks.figures.quantity_shown import DIFFERENCE, TRAIN_MINUS_VAL
from it_callbacks.figures.readings import (
    ARRANGEMENTS,
    READINGS,
    SCALES,
    VIEWS,
    Opening,
    check,
    opening,
)
from it_callbacks.figures.request import KINDS, OPENS_AT, draw, needed, offered, panels
from it_callbacks.figures.script import plotly_script
from it_callbacks.figures.shown import shown_values
from it_callbacks.figures.theme import DARK, LIGHT, Theme

__all__ = [
    "ARRANGEMENTS",
    "CONFIG",
    "DARK",
    "DIFFERENCE",
    "KINDS",
    "LIGHT",
    "OPENS_AT",
    "READINGS",
    "SCALES",
    "TRAIN_MINUS_VAL",
    "VIEWS",
    "Figure",
    "Opening",
    "Panel",
    "Request",
    "Theme",
    "check",
    "curves",
    "draw",
    "entropies_by_class",
    "information_plane",
    "needed",
    "offered",
    "opening",
    "panels",
    "play",
    "plotly_script",
    "prediction_entropies",
    "shown_values",
]
