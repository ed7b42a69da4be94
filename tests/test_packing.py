"""A packed figure is the figure, taken apart by what is written of it, and in a browser."""

from __future__ import annotations

import json
import math
import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.data.provider import ScalarDatum
from werkzeug.test import Client

from it_callbacks.figures import Panel, Request, draw, draw_packed, unpack_script
from it_callbacks.figures.packing import packed
from it_callbacks.runs import Key, Run
from it_callbacks.tensorboard_plugin.plugin import InformationPlanePlugin

from .benchmarks.reading import InMemory, points
from .browsing import chromium

N_STEPS = 300


def run_of(name: str, first: int = 0) -> Run:
    """Three layers with all that a plane can have to tell, at every third step from `first` on."""
    random, steps = Random(name), range(first, first + 3 * N_STEPS, 3)
    series: dict[Key, dict[int, float]] = {}
    for number, layer in enumerate(("a", "b<1>", "c")):
        for quantity, scale in (("I_XT", 9.0), ("I_TY", 0.02), ("I_TY_chance", 1.0)):
            walk = {step: scale * random.random() - number / 100 for step in steps}
            series[Key(quantity, "val", layer)] = walk
        low = {step: value - 0.5 for step, value in walk.items()}
        high = {s: value + 0.5 if s % 2 else math.nan for s, value in walk.items()}
        series |= {
            Key("I_XT_low", "val", layer): low,
            Key("I_XT_high", "val", layer): high,
            Key("I_TY_low", "val", layer): low,
            Key("I_TY_high", "val", layer): high,
            Key("I_XT_corrected", "val", layer): series[Key("I_XT", "val", layer)],
            Key("I_TY_adjusted", "val", layer): walk,
            Key("status", "val", layer): {step: float(step // 300 % 3) for step in steps},
        }
    for step in list(steps)[5::7]:
        series[Key("I_XT", "val", "a")][step] = math.nan
        del series[Key("I_TY", "val", "c")][step]
    settings = {"information_plane/val": {"n_samples": 500, "H_Y": 2.0}}
    return Run(name, series, {step: step // 3 for step in steps}, settings)


PANELS = [Panel(run_of("one"), "val"), Panel(run_of("two", 1), "val")]
REQUESTS = {
    "plane": Request(),
    "chance": Request(chance=True, hidden=["b&lt;1&gt;"]),
    "corrected": Request(view="corrected", intervals=True),
    "curves": Request("curves", quantity="I_XT"),
}
SHOWN = {"one": PANELS[:1], "two": PANELS}


def column(columns: list[Any], number: int) -> list[Any]:
    """A column, read as the module says that it is written."""
    here = columns[number]
    if "words" in here:
        runs = zip(here["of"][::2], here["of"][1::2], strict=True)
        words = [here["words"][word] for word, times in runs for _ in range(times)]
        numbers = [iter(column(columns, each)) for each in here.get("numbers", ())]
        rows = zip(*numbers, strict=True) if numbers else [()] * len(words)
        for at, row in enumerate(rows):
            for value in row:
                if value is not None:
                    words[at] = words[at].replace("\x01", f"{value:.3f}", 1)
        return words
    whole = here["of"]
    if isinstance(whole, str):
        raw = b64decode(whole)
        above = struct.unpack(f"<{len(raw) // 2}H", raw)
        whole = [None if n == 65535 else n + here["least"] for n in above]
    if here.get("as") == "text":
        return list(map(str, whole))
    return [n if n is None or here["scale"] == 1 else n / here["scale"] for n in whole]


def full(value: Any, columns: list[Any]) -> Any:
    """A part of a figure with its columns in their places."""
    if isinstance(value, dict) and value.keys() == {"column"}:
        return column(columns, value["column"])
    if isinstance(value, dict) and value.keys() == {"rows"}:
        parts = (column(columns, part) for part in value["rows"])
        return [list(row) for row in zip(*parts, strict=True)]
    if isinstance(value, dict):
        return {name: full(of, columns) for name, of in value.items()}
    if isinstance(value, list):
        return [full(of, columns) for of in value]
    return value


def check_same(found: Any, expected: Any, where: str = "") -> None:
    """All texts are the same, gaps are gaps, and every number is, as far as hovering prints it."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name in expected:
            check_same(found[name], expected[name], f"{where}/{name}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for number, each in enumerate(expected):
            check_same(found[number], each, f"{where}/{number}")
    elif isinstance(expected, float) and found is not None:
        printed = (f"{value:.3f}".replace("-0.000", "0.000") for value in (found, expected))
        assert len(set(printed)) == 1, where
    else:
        assert found == expected, where


def sent(request: Request, panels: list[Panel]) -> Any:
    return json.loads(json.dumps(draw_packed(request, panels), allow_nan=False))


@pytest.mark.parametrize("panels", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_traces_are_those_of_the_figure(request_: Request, panels: list[Panel]) -> None:
    figure = sent(request_, panels)
    expected = draw(request_, panels)
    check_same(full(figure["data"], figure["columns"]), expected["data"])
    assert figure["layout"].keys() == expected["layout"].keys()


def test_every_moment_of_every_layer_is_there() -> None:
    """Of two panels whose steps differ one begins later."""
    figure = sent(Request(), PANELS)
    moments = full(figure["moments"], figure["columns"])
    frames = draw(Request(), PANELS)["frames"]
    assert moments["names"] == [frame["name"] for frame in frames]
    for number, frame in enumerate(frames):
        for panel, line in zip(moments["panels"], frame["data"], strict=True):
            at = panel["at"][number]
            if at is None:
                assert line["x"] == [None] * 3
                continue
            for name in ("x", "y", "customdata"):
                check_same([layer[name][at] for layer in panel["layers"]], line[name])
            assert [panel["epochs"][at], panel["steps"][at]] == line["meta"]


def test_a_small_figure_is_sent_as_plotly_reads_it() -> None:
    run = run_of("small")
    few = {key: dict(list(series.items())[:10]) for key, series in run.series.items()}
    panels = [Panel(replace(run, series=few), "val")]
    expected = json.loads(json.dumps(draw(Request(), panels)))
    assert sent(Request(), panels) == {**expected, "columns": []}


def test_numbers_that_two_bytes_cannot_hold_are_written_out() -> None:
    values = [0.5 * n for n in range(100)] + [1e6, -3e9, None]
    figure = packed({"data": [{"z": values, "w": list(map(str, range(0, 10**7, 10**5)))}]})
    assert column(figure["columns"], 0) == values
    assert column(figure["columns"], 1) == list(map(str, range(0, 10**7, 10**5)))


# In the tab.


QUERIES = [
    "run=run&set=val",
    "run=run&set=val&chance=1",
    "run=run&set=val&view=adjusted",
    "run=run&set=val&view=corrected&intervals=1",
    "run=run&set=val&name=curves&quantity=I_XT",
]


class Counted(InMemory):
    """Counts how often values are read."""

    n_reads = 0

    def list_runs(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def read_scalars(self, *_: Any, **more: Any) -> dict[str, dict[str, Any]]:
        self.n_reads += 1
        return super().read_scalars(**more)


def client_of(provider: Any, path: str) -> Client:
    plugin = InformationPlanePlugin(SimpleNamespace(data_provider=provider))
    return Client(plugin.get_plugin_apps()[path])


@pytest.mark.parametrize("query", QUERIES)
def test_the_figure_of_a_long_run_of_many_layers_is_small(query: str) -> None:
    client = client_of(InMemory(points(20, 1000), 20), "/figure")
    answer = client.get(f"/figure?{query}")
    assert answer.status_code == 200
    assert len(answer.data) < 300_000


def test_a_figure_is_drawn_anew_once_there_is_another_value_and_not_before() -> None:
    provider = Counted(points(2, 60), 2)
    client = client_of(provider, "/figure")
    first = client.get(f"/figure?{QUERIES[0]}").data
    assert client.get(f"/figure?{QUERIES[0]}").data == first
    assert provider.n_reads == 1
    for of in provider.scalars.values():
        of.append(ScalarDatum(of[-1].step + 12, of[-1].wall_time + 1, 1.0))
    assert client.get(f"/figure?{QUERIES[0]}").data != first
    client.get(f"/figure?{QUERIES[1]}")
    assert provider.n_reads == 3


def test_settings_that_come_later_are_seen() -> None:
    provider = Counted(points(2, 60), 2)
    texts, provider.texts = provider.texts, {}
    client = client_of(provider, "/figure")
    first = client.get(f"/figure?{QUERIES[0]}").json
    provider.texts = texts
    then = client.get(f"/figure?{QUERIES[0]}").json
    names = [{shape["name"] for shape in of["layout"]["shapes"]} for of in (first, then) if of]
    assert "H(Y)" not in names[0]
    assert "H(Y)" in names[1]


def test_a_hundred_runs_are_listed_without_a_look_at_their_values() -> None:
    class Hundred(Counted):
        def list_scalars(self, *_: Any, **__: Any) -> dict[str, Any]:
            (tags,) = super().list_scalars().values()
            return {f"run{number}": tags for number in range(100)}

    provider = Hundred(points(20, 2), 20)
    plugin = InformationPlanePlugin(SimpleNamespace(data_provider=provider))
    assert plugin.is_active()
    state = Client(plugin.get_plugin_apps()["/state"]).get("/state").json
    assert state is not None
    assert len(state["runs"]) == 100
    assert provider.n_reads == 0


# In a browser.


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page()
        opened.add_script_tag(content=unpack_script())
        yield opened


@pytest.mark.parametrize("panels", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_script_makes_the_same_figure(
    request_: Request, panels: list[Panel], page: Any
) -> None:
    found = page.evaluate("(figure) => unpacked(figure)", sent(request_, panels))
    expected = json.loads(json.dumps(draw(request_, panels)))
    check_same(found["data"], expected["data"], "data")
    check_same(found["frames"], expected["frames"], "frames")
    assert found["layout"] == expected["layout"]
    assert not re.search("\x01", json.dumps(found, ensure_ascii=False))
