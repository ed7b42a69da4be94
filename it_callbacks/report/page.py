"""Put sections on a page that holds everything they need."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from it_callbacks import __version__
from it_callbacks.figures import CONFIG, plotly_script
from it_callbacks.report.drawings import Drawings
from it_callbacks.report.markup import Html, joined, json_script, script, script_body, tag
from it_callbacks.report.sections import Section, sections
from it_callbacks.runs import Run

_STATIC = Path(__file__).parent / "static"


def report(runs: Sequence[Run]) -> str:
    """Return the page of some runs, as HTML that fetches nothing from anywhere.

    Several runs stand side by side; where they are repeats of one training (`are_repeats`), their
    mean and spread come first.

    Args:
        runs: At least one, each under a name of its own.

    Raises:
        ValueError: There is no run.
    """
    if not runs:
        raise ValueError("runs: a report needs at least 1 run, got none")
    drawings = Drawings()
    found = sections(runs, drawings)
    draw = (_STATIC / "draw.js").read_text(encoding="utf-8")
    scripts = (plotly_script(), draw)
    title = f"Information plane: {', '.join(run.name for run in runs[:3])}"
    title += f" and {len(runs) - 3} more" if len(runs) > 3 else ""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"it_callbacks {__version__}"),
        tag("title", title),
        tag("style", Html((_STATIC / "style.css").read_text(encoding="utf-8"))),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), *_contents(found)),
        tag(
            "noscript",
            tag("p", "The figures need JavaScript; the tables below do not.", class_="caution"),
        ),
        tag(
            "main",
            *(tag("section", tag("h2", s.title), *s.content, id=s.id) for s in found),
        ),
        *(json_script(figure, id_) for id_, figure in drawings.figures.items()),
        json_script(CONFIG, "config"),
        *map(script, scripts),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{joined([head, body])}</html>\n'


def _contents(found: Sequence[Section]) -> list[Html]:
    return [
        tag("p", f"Made by it_callbacks {__version__}; all values in bits.", class_="faint"),
        tag("nav", *(tag("a", section.title, href=f"#{section.id}") for section in found)),
    ]


def _policy(scripts: Sequence[str]) -> str:
    """What a browser may do with the page: run these scripts, and fetch nothing.

    Styles may stand in the page, since Plotly sets them; they can fetch nothing either.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script_body(source).encode()).digest()).decode()}'"
        for source in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
