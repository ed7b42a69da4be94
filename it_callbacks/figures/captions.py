"""Write the words of a plane's plots: names, limits, the lines above, why one is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.about import chip, of_plot
from it_callbacks.figures.arranging import Plot, refused
from it_callbacks.figures.axes import Panel, how_read
from it_callbacks.figures.hover import MANY
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.limits import Range, draw_limits
from it_callbacks.figures.marks import MOST_WITH_ARROWS, Way
from it_callbacks.figures.names import MOST_SPARE, Name, chosen, most_named, written
from it_callbacks.figures.readings import READINGS
from it_callbacks.figures.scene import Drawn, Scene
from it_callbacks.figures.subplots import absence, axis_name, line_above
from it_callbacks.figures.theme import MUTED, of_run
from it_callbacks.figures.times import even
from it_callbacks.figures.trajectories import n_dropped, why_empty
from it_callbacks.figures.words import key_line, not_yet, summary, title_of, unreadable
from it_callbacks.records import Status


def layout_of(scene: Scene, panels: Sequence[Panel], both: tuple[Range, Range]) -> dict[str, Any]:
    """The layout of a plane, with its axes and their titles.

    Args:
        scene: What all plots share.
        panels: All that is drawn.
        both: The ranges of both axes.
    """
    first = scene.subplots.boxes[0]
    titles = [
        title_of(panels, name, length) if panels else ""
        for name, length in zip(scene.view.axes, (first.width, first.height), strict=True)
    ]
    layout = scene.subplots.layout(
        *({"title": axis_name(t), "range": r} for t, r in zip(titles, both, strict=True))
    )
    if not panels:
        layout["annotations"].append(absence(first, ["no run is chosen"]))
        for letter in "xy":
            layout[f"{letter}axis"]["visible"] = False
    return layout


def about_plots(scene: Scene, panels: Sequence[Panel], drawn: Sequence[Drawn]) -> dict[str, Any]:
    """What planes say of themselves, as `about` takes it."""
    return {
        "reading": scene.opened.reading,
        "resolution": scene.opened.resolution,
        "arrange": scene.arrangement.name,
        "summary": summary(panels, scene.opened),
        "layers": chips(scene, drawn),
        "panels": [
            of_plot(panel, of.box.place.axis)
            for of in drawn
            for panel in (*of.plot.panels, *of.plot.training)
        ],
        "empty": unreadable(panels) | refused(scene.request, panels, scene.opened),
    }


def write(
    scene: Scene,
    each: Drawn,
    layout: dict[str, Any],
    both: tuple[Range, Range],
    names: dict[str, str],
    spare: list[str],
) -> None:
    """Add the words in a plot: of its limits, the names, or why it is empty."""
    notes = layout["annotations"]
    if not each.whole:
        reading, hidden = READINGS[scene.opened.reading], scene.request.hidden
        panel = each.plot.panels[0]
        why = why_empty(panel, reading, scene.view, scene.opened.resolution)
        if hidden and any(trajectory.steps for trajectory in each.of.all):
            why = ["all layers are hidden"]
        notes.append(absence(each.box, why))
        return
    if not each.ways:
        notes.append(absence(each.box, [not_yet(scene.request, each.plot.panels[0])]))
        return
    drawn = [pixel for way in each.ways for pixel in way.pixels(both)]
    words = draw_limits(layout, each.box, each.limits, both, drawn)
    found, shown = _names(scene, each)
    rest = [number for number in range(len(found)) if number not in set(shown)]
    kept = rest[:MOST_SPARE] if scene.request.highlights else []
    named = written(found, shown, kept, each.ways, words, both)
    spare += [str(len(notes) + len(named.seen) + number) for number in range(len(named.spare))]
    for number, note in zip((*shown, *kept), (*named.seen, *named.spare), strict=True):
        names[str(len(notes))] = _name_of(scene, found[number].way)
        notes.append(note)


def _name_of(scene: Scene, way: Way) -> str:
    return way.panel.run.name if scene.arrangement.is_by_run else way.trajectory.layer


def _names(scene: Scene, each: Drawn) -> tuple[list[Name], list[int]]:
    """The names of a plot, and which of them are seen at once."""
    ways = [way for way in each.ways if not way.is_training]
    width = scene.request.width
    short = labels(scene)
    if scene.arrangement.is_by_run:
        deepest = {way.panel.run.name: way for way in ways}
        runs = [Name(way, shortened(run, 18), way.colour.ink()) for run, way in deepest.items()]
        # The run of each colour, and where there is room for more names: the layers of the first.
        first = [way for way in ways if way.panel is each.plot.panels[0]][:-1]
        shown = chosen(len(runs), width)
        room = even(len(first), max(most_named(width) - len(shown), 0))
        layers = [Name(first[n], short[first[n].trajectory.layer], MUTED) for n in room]
        return [*runs, *layers], [*shown, *(len(runs) + n for n in range(len(layers)))]
    found = [Name(way, short[way.trajectory.layer], way.colour.ink()) for way in ways]
    return found, chosen(len(found), width)


def labels(scene: Scene) -> dict[str, str]:
    """The short names of all layers, by their full ones."""
    short = short_names(scene.layers, 12 if scene.subplots.is_narrow else 18)
    return dict(zip(scene.layers, short, strict=True))


def chips(scene: Scene, drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    """What a page lists: the layers, or runs where colours are those of runs."""
    if scene.arrangement.is_by_run:
        runs = dict.fromkeys(panel.run.name for of in drawn for panel in of.plot.panels)
        return [
            chip(name, shortened(name, 18), of_run(number), is_run=True)
            for number, name in enumerate(runs)
        ]
    return [chip(name, label, scene.colour(name, 0)) for name, label in labels(scene).items()]


def write_above(
    scene: Scene, layout: dict[str, Any], words: str, marks: Sequence[tuple[str, int]] | None
) -> None:
    """Add the lines above all plots.

    Args:
        scene: What all plots share.
        layout: Gets the lines.
        words: The upper line.
        marks: What the lowest line explains, as `key_line` takes it; None where plots have headings
            instead.
    """
    notes, subplots = layout["annotations"], scene.subplots
    has_headings = len(scene.arrangement.plots) > 1
    if marks is not None:
        width = subplots.width - subplots.margin["l"] - subplots.margin["r"]
        notes.append(line_above(0, key_line(marks, width, 11)))
    for number, text in ((1, words), (2, plain(scene.arrangement.refusal))):
        if text:
            notes.append(line_above(number, text, has_headings=has_headings))


def title(plot: Plot) -> str:
    """What one of several plots shows: its run, or how many, and its sets."""
    runs = list(dict.fromkeys(panel.run.name for panel in plot.panels))
    sets = list(dict.fromkeys(panel.set for panel in (*plot.panels, *plot.training)))
    return " · ".join(([*runs] if len(runs) == 1 else [f"{len(runs)} runs"]) + [" and ".join(sets)])


def read_with(scene: Scene, each: Drawn) -> str:
    """With what a plot was read, and what of it is missing."""
    panel = each.plot.panels[0]
    missing, n_points = n_dropped(each.of.all)
    words = [how_read(panel, scene.view.x, scene.opened.resolution)]
    words += [panel.run.wide(panel.set).classes] if scene.view.y == "V_TY" else []
    words += [f"{missing} of {n_points} points have no value in this view"] if missing else []
    return "; ".join(filter(None, words))


def marks(scene: Scene, each: Drawn) -> list[tuple[str, int]]:
    """What the line above a single plot explains: only what is drawn."""
    ways = [way for way in each.ways if not way.is_training]
    if not ways:
        return []
    statuses = {way.trajectory.status_at(s) for way in ways for s in way.trajectory.steps}
    has_moved = any(len(way.trajectory.steps) > 1 for way in ways)
    missing, n_points = n_dropped(each.of.all)
    found = [
        (f"runs: named at {list(labels(scene).values())[-1]}", 1, scene.arrangement.is_by_run),
        ("ring: start", 3, has_moved and ways[0].n_ways <= MANY),
        ("dot: now", 2, True),
        ("faint: early", 5, has_moved),
        ("arrows: direction", 7, any(way.n_ways <= MOST_WITH_ARROWS for way in ways) and has_moved),
        (f"solid: {each.plot.panels[0].set}, dotted: train", 1, bool(each.plot.training)),
        (f"line: mean of {len(each.plot.repeats)} runs", 1, bool(each.plot.repeats)),
        ("ellipse: 1 sd", 4, bool(each.plot.repeats)),
        ("ring with a dot: caution", 1, Status.CAUTION in statuses),
        ("empty: saturated", 1, Status.SATURATED in statuses),
        ("dash: by chance", 4, scene.has_chance),
        (f"{missing} of {n_points} points have no value in this view", 6, missing > 0),
    ]
    return [(plain(text), rank) for text, rank, occurs in found if occurs]
