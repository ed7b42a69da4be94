"""One way from a request to a figure: what it needs, what it reads, and how often it looks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.context import RequestContext

from it_callbacks import figures, logs, runs, tags
from it_callbacks.figures import KINDS, Panel, Request, draw, needed, offered, panels
from it_callbacks.quantities import QUANTITIES, Quantity
from it_callbacks.runs import Key, Rulers, Run
from it_callbacks.tensorboard_plugin import query
from it_callbacks.tensorboard_plugin.plugin import InformationPlanePlugin

from .written_logs import provided, write

LAYERED = (
    "I_XT",
    "I_TY",
    "I_TY_chance",
    "I_XT_corrected",
    "I_XT_low",
    "I_XT_high",
    "I_TY_low",
    "I_TY_high",
    "status",
)


def outline() -> Run:
    """Every quantity of one layer, without values; one further ruler."""
    keys = [Key(name, "val", "fc") for name in (*LAYERED, "I_TY_adjusted", "linear_V_TY")]
    keys += [Key(name, "val", "fc", "u5") for name in ("I_XT", "I_TY", "I_TY_chance", "status")]
    keys += [Key("prediction_entropy", "val", name) for name in ("mean", "marginal", "hard")]
    keys += [Key("label_information", "val", "soft"), Key("conditional_entropy", "val", "class_0")]
    keys += [Key("conditional_entropy", "val", "all"), Key("I_XT", "train", "fc")]
    layers = [{"tag": "fc", "tag_of_ruler": ["", "u5"]}]
    settings = {"information_plane/val": {"H_Y": 2.0, "layers": layers}}
    return Run("a", {key: {} for key in keys}, settings=settings)


def read(request: Request) -> set[str]:
    """What is read of the outline, by quantity and ruler."""
    wanted = needed(request, panels(request, [outline()]))
    assert {key.set for key in wanted["a"]} == {"val"}
    return {key.recorded if key.quantity in QUANTITIES else key.name for key in wanted["a"]}


def test_a_figure_reads_what_it_draws_and_what_it_says_of_other_views() -> None:
    """Of all rulers where the best is to be found; of all views also where runs share a plot."""
    ends = {f"I_{of}_{end}" for of in ("XT", "TY") for end in ("low", "high")}
    plane = {"I_XT", "I_TY", "I_TY_chance", "status"}
    views = {"I_XT_corrected", "I_TY_adjusted"}
    of_u5 = {f"{name}_u5" for name in plane}
    assert read(Request()) == {*plane, *views, *ends, *of_u5}
    assert read(Request(resolution=0)) == {*plane, *views, *ends}
    assert read(Request(resolution=0, arrange="overlay")) == {*plane, *views, *ends}
    assert read(Request(view="corrected", resolution=0, arrange="mean")) == {*plane, *views, *ends}
    assert read(Request(resolution=1)) == of_u5
    assert read(Request(view="adjusted", resolution=1)) == of_u5  # derived, not logged
    assert read(Request("curves", quantity="linear_V_TY")) == {"linear_V_TY"}
    assert read(Request("predictions")) == {
        *("prediction_entropy/mean", "prediction_entropy/marginal", "label_information/soft"),
    }
    assert read(Request("classes")) == {"conditional_entropy/class_<c>"}


def test_panels_are_of_the_sets_that_have_what_a_figure_needs() -> None:
    def sets(request: Request, *wanted: str) -> list[str]:
        return [panel.set for panel in panels(request, [outline()], wanted)]

    assert sets(Request()) == ["val"]
    assert sets(Request("curves", quantity="I_XT")) == ["val", "train"]
    assert sets(Request("curves", quantity="I_XT"), "train") == ["train"]
    assert sets(Request("curves", quantity="I_XT"), "train", "val") == ["val", "train"]
    assert sets(Request("curves", quantity="chance_share")) == ["val"]
    assert sets(Request(), "train", "test") == []


def test_what_is_offered_can_be_drawn() -> None:
    run = outline()
    choices = offered(run)
    assert choices is not None
    for name, sets in choices["figures"].items():
        assert sets
        for set_ in sets:
            of_set = choices["quantities"].get(set_, ["I_XT"]) if name == "curves" else ["I_XT"]
            for quantity in of_set:
                request = Request(name, quantity=quantity)
                (panel,) = panels(request, [run], [set_])
                assert draw(request, [panel])["layout"]
    assert choices["resolutions"]["val"] == ["bins[0]", "bins[1]: u5"]
    assert offered(Run("b", {Key("coverage", "val", "fc"): {}})) is None


def test_every_kind_reads_quantities_of_the_table() -> None:
    for kind in KINDS.values():
        for view in figures.VIEWS:
            names = kind.reads(Request(view=view, chance=True, intervals=True), outline())
            assert set(names) <= set(QUANTITIES)


def test_a_quantity_of_a_users_own_is_offered_and_read_with_its_interval() -> None:
    rows = [
        {"name": "knn_I_TY", "interval": ["knn_low", "knn_high"]},
        *({"name": name} for name in ("knn_low", "knn_high")),
    ]
    run = Run(
        "a",
        {Key(name, "val", "fc"): {} for name in ("knn_I_TY", "knn_low", "knn_high")},
        settings={"information_plane/val": {"quantities": rows}},
    )
    assert run.about("knn_I_TY") == Quantity(
        "knn_I_TY",
        chart="information plane",
        figures=("curves",),
        interval=("knn_low", "knn_high"),
    )
    choices = offered(run)
    assert choices is not None
    assert choices["quantities"] == {"val": ["knn_I_TY"]}
    request = Request("curves", quantity="knn_I_TY")
    assert needed(request, panels(request, [run])) == {"a": set(run.series)}


class Query(dict[str, list[str]]):
    """The arguments of an address."""

    def getlist(self, key: str) -> list[str]:
        return dict.get(self, key, [])

    def get(self, key: str, default: Any = None) -> Any:
        return next(iter(self.getlist(key)), default)


def test_a_query_says_how_large_how_arranged_and_until_when() -> None:
    asked = query.parse(
        Query(
            run=["a", "b", "a"], set=["val"], name=["map"], width=["390"], height=["410"],
            scale=["zero"], until=["240"], arrange=["mean"], hidden=["x", "y"], theme=["dark"],
        )
    )  # fmt: skip
    assert (asked.runs, asked.sets) == (["a", "b"], ["val"])
    assert asked.request == Request(
        "map", width=390, height=410, scale="zero", until=240, arrange="mean", hidden=["x", "y"],
        theme=figures.DARK, highlights=True,
    )  # fmt: skip
    # What is not said is left to the figure.
    assert query.parse(Query(run=["a"])).request == Request(hidden=[], highlights=True)


@pytest.mark.parametrize("asked", [{}, {"view": ["adjusted"], "resolution": ["1"]}])
def test_one_request_takes_each_tag_apart_once_and_finds_the_rulers_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, list[str]]
) -> None:
    quantities = ("I_XT", "I_TY", "status", "I_XT_u5", "I_TY_u5", "I_TY_chance_u5", "status_u5")
    written = [f"information_plane/val/{q}/fc{n}" for q in quantities for n in range(3)]
    write(tmp_path / "one", {tag: {0: 1.0, 5: 2.0} for tag in written})
    parsed, found = Counter[str](), Counter[str]()
    parse_tag, rulers = tags.parse_tag, Run.rulers

    def counted(tag: str, *own: Any) -> Any:
        parsed[tag] += 1
        return parse_tag(tag, *own)

    def counted_rulers(run: Run, set_: str) -> list[Rulers]:
        found[set_] += 1
        return rulers(run, set_)

    monkeypatch.setattr(runs, "parse_tag", counted)
    monkeypatch.setattr(Run, "rulers", counted_rulers)
    with provided(tmp_path, "false") as provider:
        plugin = InformationPlanePlugin(SimpleNamespace(data_provider=provider))
        request = query.parse(Query(run=["one"], **asked))
        log = logs.Log(provider, RequestContext(), "")
        drawn = plugin._panels(request, log, log.outlines(log.tags()))
        assert draw(request.request, drawn)["layout"]
    assert parsed == Counter(written)
    assert found == {"val": 1}


def test_a_panel_keeps_its_rulers_when_it_gets_its_values() -> None:
    empty = Panel(outline(), "val")
    assert replace(empty, run=outline()).rulers is empty.rulers


def test_a_kind_that_there_is_not_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"name: need one of plane, .*got 'plain'; did you mean"):
        panels(Request("plain"), [outline()])
