"""Write the words of a plane's plots: names, limits, the lines above, why one is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.arranging import Plot
from it_callbacks.figures.axes import how_read
from it_callbacks.figures.hover import MANY
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.limits import Range, draw_limits
from it_callbacks.figures.marks import MOST_WITH_ARROWS, Way
from it_callbacks.figures.names import Name, chosen, written
from it_callbacks.figures.readings import READINGS
from it_callbacks.figures.scene import Drawn, Scene
from it_callbacks.figures.sheet import absence, heading, line_above
from it_callbacks.figures.theme import of_run
from it_callbacks.figures.trajectories import n_dropped, why_empty
from it_callbacks.figures.words import key_line
from it_callbacks.records import Status


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
    drawn = [pixel for way in each.ways for pixel in way.pixels(both)]
    words = draw_limits(layout, each.box, each.limits, both, drawn)
    found, shown = _names(scene, each)
    named = written(found, shown, each.ways, words, both)
    order = [*shown, *(n for n in range(len(found)) if n not in set(shown))]
    for number, note in enumerate(named.annotations):
        names[str(len(notes))] = _name_of(scene, found[order[number]].way)
        if number in named.spare:
            spare.append(str(len(notes)))
        notes.append(note)


def _name_of(scene: Scene, way: Way) -> str:
    return way.panel.run.name if scene.arrangement.is_by_run else way.trajectory.layer


def _names(scene: Scene, each: Drawn) -> tuple[list[Name], list[int]]:
    """The names of a plot, and which of them are seen at once."""
    ways = [way for way in each.ways if not way.is_training]
    width = scene.request.width
    if scene.arrangement.is_by_run:
        deepest = {way.panel.run.name: way for way in ways}
        return [
            Name(way, shortened(run, 18), way.colour.ink()) for run, way in deepest.items()
        ], chosen(len(deepest), width)
    labels = dict(zip(scene.layers, _labels(scene), strict=True))
    found = [Name(way, labels[way.trajectory.layer], way.colour.ink()) for way in ways]
    return found, chosen(len(found), width)


def _labels(scene: Scene) -> list[str]:
    return short_names(scene.layers, 12 if scene.sheet.is_narrow else 18)


def chips(scene: Scene, drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    """What a page lists: the layers, or runs where colours are those of runs."""
    if scene.arrangement.is_by_run:
        runs = dict.fromkeys(panel.run.name for of in drawn for panel in of.plot.panels)
        return [
            {
                "name": name,
                "label": shortened(name, 18),
                "colour": of_run(number),
                "ink": of_run(number).ink(),
                "run": True,
            }
            for number, name in enumerate(runs)
        ]
    return [
        {
            "name": name,
            "label": label,
            "colour": scene.colour(name, 0),
            "ink": scene.colour(name, 0).ink(),
        }
        for name, label in zip(scene.layers, _labels(scene), strict=True)
    ]


def write_above(scene: Scene, drawn: Sequence[Drawn], layout: dict[str, Any], words: str) -> None:
    """Add the lines above the plots, or a heading above each of several."""
    notes, sheet = layout["annotations"], scene.sheet
    width = sheet.width - sheet.margin["l"] - sheet.margin["r"]
    if len(drawn) == 1:
        notes.append(line_above(0, key_line(_marks(scene, drawn[0]), width, 11)))
    for each in drawn if len(drawn) > 1 else ():
        notes.append(heading(each.box, _title(each.plot), _read_with(scene, each)))
    if words:
        notes.append(line_above(1, words, has_headings=len(drawn) > 1))
    if scene.arrangement.refusal:
        text = plain(scene.arrangement.refusal)
        notes.append(line_above(2, text, has_headings=len(drawn) > 1))


def _title(plot: Plot) -> str:
    runs = list(dict.fromkeys(panel.run.name for panel in plot.panels))
    sets = list(dict.fromkeys(panel.set for panel in (*plot.panels, *plot.training)))
    return " · ".join(([*runs] if len(runs) == 1 else [f"{len(runs)} runs"]) + [" and ".join(sets)])


def _read_with(scene: Scene, each: Drawn) -> str:
    panel = each.plot.panels[0]
    missing, n_points = n_dropped(each.of.all)
    words = [how_read(panel, scene.view.x, scene.opened.resolution)]
    words += [panel.run.wide(panel.set).classes] if scene.view.y == "V_TY" else []
    words += [f"{missing} of {n_points} points have no value in this view"] if missing else []
    return "; ".join(filter(None, words))


def _marks(scene: Scene, each: Drawn) -> list[tuple[str, int]]:
    """What the line above a single plot explains: only what is drawn."""
    ways = [way for way in each.ways if not way.is_training]
    if not ways:
        return []
    statuses = {way.trajectory.status_at(s) for way in ways for s in way.trajectory.steps}
    has_moved = any(len(way.trajectory.steps) > 1 for way in ways)
    missing, n_points = n_dropped(each.of.all)
    found = [
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
