"""Runs in, Plotly figures as plain dicts out: the same for the tab, the report and a notebook.

Standard library only: the tab must open whatever else is missing. Every value is safe for JSON,
names are text wherever they stand, and nothing is ever fetched.
"""

from it_callbacks.figures.axes import CONFIG, Figure, Panel
from it_callbacks.figures.curves import curves
from it_callbacks.figures.plane import information_plane
from it_callbacks.figures.predictions import class_entropies, prediction_entropies
from it_callbacks.figures.script import plotly_script
from it_callbacks.figures.theme import DARK, LIGHT, Theme
from it_callbacks.figures.trajectories import VIEWS

__all__ = [
    "CONFIG",
    "DARK",
    "LIGHT",
    "VIEWS",
    "Figure",
    "Panel",
    "Theme",
    "class_entropies",
    "curves",
    "information_plane",
    "plotly_script",
    "prediction_entropies",
]
