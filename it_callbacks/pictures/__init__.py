"""Render figures of `it_callbacks.figures` as pictures fit for a paper.

Needs matplotlib (``pip install 'it_callbacks[plot]'``), of which pyplot is never touched and no
setting stays changed: a user's own plots, open or to come, are as they were.
"""

from it_callbacks.pictures.render import draw, pixels, save
from it_callbacks.pictures.style import check_installed

__all__ = ["check_installed", "draw", "pixels", "save"]
