"""Names beside points: none over another, none outside, whatever the ways."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from random import Random

import pytest

from it_callbacks.figures import Figure, Panel, Request, draw
from it_callbacks.figures.names import chosen
from it_callbacks.figures.placing import Obstacles, Text, placed
from it_callbacks.runs import Key, Run


def walks(n_layers: int, seed: int, n_points: int = 20) -> Run:
    """Layers that wander, and end close together below H(Y)."""
    random = Random(seed)
    series: dict[Key, dict[int, float]] = {}
    for number in range(n_layers):
        layer = f"net.blocks.{number}.act" if n_layers > 12 else f"net.hidden{number}.act"
        x, y = 7 - 3 * number / n_layers + random.gauss(0, 0.3), random.uniform(0.2, 2.4)
        end_x, end_y = x - random.uniform(0, 3), 2.9 + random.gauss(0, 0.03)
        across, up = {}, {}
        for step in range(n_points):
            share = step / (n_points - 1)
            across[step] = x + share * (end_x - x) + random.gauss(0, 0.05)
            up[step] = y + math.sqrt(share) * (end_y - y) + random.gauss(0, 0.02)
        series[Key("relative_I_XT", "val", layer)] = across
        series[Key("V_TY", "val", layer)] = up
    wide = {"cap": 8.015, "H_Y": 3.32, "n_classes": 10, "n_samples": 512}
    return Run(
        "walks", series, {n: n for n in range(n_points)}, {"information_plane/val": {"wide": wide}}
    )


def scale_of(figure: Figure, size: tuple[int, int]) -> tuple[float, float]:
    """Pixels for each bit across and down."""
    layout = figure["layout"]
    (left, right), (low, high) = layout["xaxis"]["range"], layout["yaxis"]["range"]
    margin = layout["margin"]
    across = (size[0] - margin["l"] - margin["r"]) / (right - left)
    return across, (size[1] - margin["t"] - margin["b"]) / (high - low)


def names_in(figure: Figure, size: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each name that is seen, in pixels of the plot."""
    layout = figure["layout"]
    across, down = scale_of(figure, size)
    left, high = layout["xaxis"]["range"][0], layout["yaxis"]["range"][1]
    boxes = []
    for number in set(layout["meta"]["names"]) - set(layout["meta"]["spare"]):
        note = layout["annotations"][int(number)]
        dx, dy = (
            (note["ax"], note["ay"]) if note["showarrow"] else (note["xshift"], -note["yshift"])
        )
        x, y = (note["x"] - left) * across + dx, (high - note["y"]) * down + dy
        half = 0.56 * 12 * len(note["text"]) / 2
        boxes.append((x - half, y - 7, x + half, y + 7))
    return boxes


def dots_of_lines(figure: Figure, size: tuple[int, int]) -> Iterator[tuple[float, float]]:
    """Points along all that is drawn as a line, at most two pixels apart."""
    across, down = scale_of(figure, size)
    left, high = figure["layout"]["xaxis"]["range"][0], figure["layout"]["yaxis"]["range"][1]
    for trace in figure["data"]:
        if (trace.get("meta") or {}).get("role") != "line":
            continue
        at = [
            ((x - left) * across, (high - y) * down)
            for x, y in zip(trace["x"], trace["y"], strict=True)
            if x is not None
        ]
        for (x, y), (to_x, to_y) in pairwise(at):
            n = int(math.hypot(to_x - x, to_y - y) / 2) + 1
            yield from ((x + (to_x - x) * k / n, y + (to_y - y) * k / n) for k in range(n + 1))


def test_few_names_are_struck_through_by_a_line() -> None:
    """The middle of a word lies over no line, but where many end at one place in a small plot."""
    n_names = n_struck = 0
    size = 600, 420
    for n_layers, seed in product((12, 21), range(6)):
        figure = draw(Request(width=size[0], height=size[1]), [Panel(walks(n_layers, seed), "val")])
        dots = list(dots_of_lines(figure, size))
        for left, top, right, bottom in names_in(figure, size):
            n_names += 1
            n_struck += any(left < x < right and top + 3 < y < bottom - 3 for x, y in dots)
    assert n_names == 108
    assert n_struck <= 20


@pytest.mark.parametrize("n_layers", [3, 5, 8, 12, 21, 50])
@pytest.mark.parametrize("size", [(900, 560), (1100, 640), (600, 420), (390, 420)])
def test_names_lie_neither_over_each_other_nor_outside(
    n_layers: int, size: tuple[int, int]
) -> None:
    """Of three networks of random ways each."""
    width, height = size
    for seed in range(3):
        figure = draw(Request(width=width, height=height), [Panel(walks(n_layers, seed), "val")])
        layout, boxes = figure["layout"], names_in(figure, size)
        across, down = scale_of(figure, size)
        (left, right), (low, high) = layout["xaxis"]["range"], layout["yaxis"]["range"]
        assert len(boxes) == len(chosen(n_layers, width))
        for box in boxes:
            assert box[0] >= 0 <= box[1]
            assert box[2] <= across * (right - left)
            assert box[3] <= down * (high - low)
        for a, b in combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_all_of_few_layers_are_named_and_evenly_spaced_ones_of_many() -> None:
    assert chosen(12, 900) == list(range(12))
    assert chosen(13, 900) == [0, 2, 5, 7, 10, 12]
    assert chosen(5, 390) == list(range(5))
    assert chosen(6, 390) == [0, 2, 3, 5]
    assert chosen(300, 900)[-1] == 299


def test_the_rest_is_kept_for_a_highlight_and_not_seen() -> None:
    shown = [Panel(walks(21, 0), "val")]
    assert draw(Request(), shown)["layout"]["meta"]["spare"] == []
    layout = draw(Request(highlights=True), shown)["layout"]
    names, spare = layout["meta"]["names"], layout["meta"]["spare"]
    assert sorted(names.values()) == sorted(each["name"] for each in layout["meta"]["layers"])
    assert len(spare) == 15
    for number, note in enumerate(layout["annotations"]):
        assert (note.get("opacity") == 0) == (str(number) in spare)


def test_a_name_alone_stands_up_and_to_the_right_close_to_its_point() -> None:
    ((dx, dy),) = placed([(100.0, 100.0)], [Text(40, 16)], Obstacles(200, 200, []))
    assert dx > 0 > dy
    assert math.hypot(dx, dy) < 40


def test_a_name_keeps_off_what_is_drawn_and_inside() -> None:
    wall = [(x, y, 30) for x in range(0, 200, 3) for y in range(0, 100, 3)]
    ((_, dy),) = placed([(100.0, 100.0)], [Text(40, 16)], Obstacles(200, 200, wall))
    assert dy > 0  # below, as all above is full
    ((dx, dy),) = placed([(199.0, 1.0)], [Text(40, 16)], Obstacles(200, 200, []))
    assert 199 + dx + 20 < 200
    assert 1 + dy - 8 > 0


def test_two_points_at_one_place_have_names_apart() -> None:
    texts = [Text(40, 16), Text(40, 16)]
    (ax, ay), (bx, by) = placed([(100.0, 100.0)] * 2, texts, Obstacles(200, 200, []))
    assert abs(ax - bx) >= 40 or abs(ay - by) >= 16


def test_few_lines_to_names_run_through_another_name() -> None:
    """Of 60 crowds of five ends in a plot as small as on a phone, in steps of a pixel."""
    n_lines = n_through = 0
    for seed in range(60):
        random = Random(seed)
        points = [(random.uniform(40, 140), random.uniform(15, 40)) for _ in range(5)]
        ways = placed(points, [Text(44, 15)] * 5, Obstacles(300, 320, []))
        boxes = [
            (x + dx - 22, y + dy - 7, x + dx + 22, y + dy + 7)
            for (x, y), (dx, dy) in zip(points, ways, strict=True)
        ]
        for number, ((x, y), (dx, dy)) in enumerate(zip(points, ways, strict=True)):
            line = [(x + dx * share / 200, y + dy * share / 200) for share in range(201)]
            others = [box for n, box in enumerate(boxes) if n != number]
            n_lines += 1
            n_through += any(
                left < at < right and top < down < bottom
                for left, top, right, bottom in others
                for at, down in line
            )
    assert n_lines == 300
    assert n_through <= 8
