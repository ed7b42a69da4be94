"""The tab's server side, over both of TensorBoard's loaders and without a browser."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from tensorboard import program
from tensorboard.backend.application import TensorBoardWSGIApp
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from werkzeug.test import Client, TestResponse

from it_callbacks.figures.request import NO_LABELS
from it_callbacks.tensorboard_plugin import plugin
from it_callbacks.tensorboard_plugin.plugin import InformationPlanePlugin

from .known_run import WIDE, write_plane, write_wide
from .written_logs import plane, provided, settings, write

HERE = "/data/plugin/information_plane"
LAYERS = ["fc10", "fc2"]
"""In order of depth, which is neither that of the alphabet nor that of the numbers."""
POINTS = {"fc10": {7: (3.0, 0.5), 14: (3.5, 1.0)}, "fc2": {7: (2.0, 0.25), 14: (2.5, 0.75)}}
HOSTILE = "<img src=x onerror=alert(1)>"


def _write_logs(folder: Path) -> None:
    fine = {
        re.sub("/(I_[XT][TY])/", r"/\1_uniform5/", tag): dict.fromkeys(of, 9.0)
        for tag, of in plane(POINTS).items()
        if "/I_" in tag
    }
    write(folder / "one", plane(POINTS) | fine, settings(LAYERS, rulers=["", "uniform5"]))
    write(folder / "two", plane(POINTS, "train"), settings(LAYERS, "train"))
    write(folder / "two", plane(POINTS, "val"), settings(LAYERS))
    tags = {"label_information/val/soft": {0: 0.25, 9: 0.5}}
    tags |= {f"prediction_entropy/val/{name}": {0: 1.0, 9: 0.5} for name in ("marginal", "mean")}
    tags |= {f"conditional_entropy/val/class_{c}": {0: 1.0, 9: 0.25} for c in range(3)}
    write(folder / "predictions", tags)
    write(folder / HOSTILE, plane({"<script>alert(2)<script>": {0: (1.0, 0.5)}}))
    write(folder / "foreign", {"loss": {0: 1.0}, "information_plane/val/I_XT/alone": {0: 1.0}})


def _client(data_provider: Any, prefix: str = "") -> Client:
    board = program.TensorBoard(plugins=[CorePluginLoader()])
    board.configure(argv=["", "--logdir", "unused", "--path_prefix", prefix])
    plugins = [CorePluginLoader(), InformationPlanePlugin]
    return Client(TensorBoardWSGIApp(board.flags, plugins, data_provider))


@pytest.fixture(scope="module", params=["true", "false"], ids=["fast", "python"])
def client(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks a TensorBoard over the logs that are written above."""
    folder = tmp_path_factory.mktemp("logs")
    _write_logs(folder)
    with provided(folder, request.param) as found:
        yield _client(found)


def _figure(client: Client, query: str) -> Any:
    answer = client.get(f"{HERE}/figure?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def _points(figure: Any, layer: str) -> list[tuple[float, float]]:
    """Where a layer is drawn."""
    (trace,) = (trace for trace in _of_layers(figure) if trace["meta"]["layer"] == layer)
    return list(zip(trace["x"], trace["y"], strict=True))


def _of_layers(figure: Any) -> list[Any]:
    return [trace for trace in figure["data"] if trace["meta"]["role"] == "points"]


def test_the_package_registers_the_tab() -> None:
    (found,) = entry_points(group="tensorboard_plugins", name="information_plane")
    assert found.load() is InformationPlanePlugin


def test_a_plane_has_the_points_that_were_written(client: Client) -> None:
    figure = _figure(client, "name=plane&run=one&set=val")
    for layer, points in POINTS.items():
        assert _points(figure, layer) == list(points.values())


def test_layers_are_in_order_of_depth(client: Client) -> None:
    figure = _figure(client, "name=plane&run=one")
    assert [trace["meta"]["layer"] for trace in _of_layers(figure)] == LAYERS


def test_another_resolution_has_points_of_its_own(client: Client) -> None:
    figure = _figure(client, "name=plane&run=one&set=val&resolution=1")
    assert _points(figure, "fc2") == [(9.0, 9.0), (9.0, 9.0)]


def test_hidden_layers_are_left_out(client: Client) -> None:
    partly = _figure(client, "name=plane&run=one&hidden=fc2")
    assert {trace["meta"]["layer"] for trace in partly["data"]} == set(LAYERS) - {"fc2"}


def test_a_figure_is_as_it_stood_at_a_step_and_of_the_size_that_is_asked_for(
    client: Client,
) -> None:
    whole, early = (_figure(client, f"run=one&{more}") for more in ("width=390", "until=7"))
    stops = whole["layout"]["meta"]["moments"]
    assert len(_points(whole, "fc2")) == len(stops) > 1
    assert stops[0] == {"step": 7, "label": "epoch 1, step 7"}
    assert len(_points(early, "fc2")) == 1
    assert whole["layout"]["margin"]["l"] < early["layout"]["margin"]["l"]
    for wrong in ("until=x", "width=1e9", "scale=log", "arrange=heap"):
        answer = client.get(f"{HERE}/figure?run=one&{wrong}")
        assert answer.status_code == 400
        assert wrong.partition("=")[0] in answer.text


def test_runs_and_sets_stand_side_by_side_where_they_exist(client: Client) -> None:
    figure = _figure(client, "name=plane&run=one&run=two&set=val&set=train&arrange=side")
    shown = [(each["run"], each["set"]) for each in figure["layout"]["meta"]["panels"]]
    assert sorted(shown) == [("one", "val"), ("two", "train"), ("two", "val")]
    titles = [text["text"] for text in figure["layout"]["annotations"]]
    assert any(title.startswith("<b>two · train</b>") for title in titles)
    assert figure["layout"]["xaxis2"]["matches"] == figure["layout"]["xaxis3"]["matches"] == "x"


def test_predictions_and_classes_have_figures(client: Client) -> None:
    areas = _figure(client, "name=predictions&run=predictions")
    assert sum(trace.get("stackgroup") is not None for trace in areas["data"]) == 3
    (heat,) = _figure(client, "name=classes&run=predictions")["data"]
    assert [10 ** row[-1] for row in heat["z"]] == pytest.approx([0.25] * 3, abs=1e-4)


def test_a_theme_colours_the_page(client: Client) -> None:
    light, dark = (
        _figure(client, f"run=one&theme={theme}")["layout"]["paper_bgcolor"]
        for theme in ("light", "dark")
    )
    assert light != dark


def test_the_state_names_runs_sets_resolutions_and_quantities(client: Client) -> None:
    state = client.get(f"{HERE}/state").json
    assert state is not None
    runs = {run["name"]: run["figures"] for run in state["runs"]}
    assert set(runs) == {"one", "two", "predictions", "foreign", HOSTILE}
    only_layers = {"predictions": [], "classes": []}
    ways = ("plane", "through", "map")
    assert runs["one"] == {**{key: ["val"] for key in (*ways, "curves")}, **only_layers}
    assert runs["two"]["plane"] == ["val", "train"]
    alone = {"plane": [], "through": [], "map": ["val"], "curves": ["val"]}
    assert runs["foreign"] == {**alone, **only_layers}
    only_predictions = {key: [] for key in (*ways, "curves")}
    assert runs["predictions"] == {"predictions": ["val"], "classes": ["val"], **only_predictions}
    (one,) = (run for run in state["runs"] if run["name"] == "one")
    assert one["resolutions"] == {"val": ["bins[0]", "bins[1]: uniform5"]}
    assert one["quantities"] == {"val": ["I_XT", "I_TY"]}
    assert one["maps"] == {}
    (two,) = (run for run in state["runs"] if run["name"] == "two")
    (difference,) = {name for of in two["maps"].values() for name in of}
    assert difference in state["quantities"]
    assert state["newest"] in runs


def test_the_page_gets_its_lists_of_figures_views_and_quantities(client: Client) -> None:
    """Nothing of them stands in its script."""
    state = client.get(f"{HERE}/state").json
    assert state is not None
    kinds = [kind["name"] for kind in state["kinds"]]
    assert kinds == ["plane", "through", "map", "curves", "predictions", "classes"]
    assert [view["name"] for view in state["views"]] == ["linear", "adjusted", "corrected"]
    assert state["quantities"]["I_XT"]["title"] == "I(X;T)"
    scripts = "".join(client.get(f"{HERE}/{name}").text for name in STATIC if name != "help.js")
    words = [*kinds[1:], *state["quantities"], "linear", "adjusted", "corrected"]
    assert not [word for word in words if re.search(rf"[\"']{word}[\"']", scripts)]


def test_a_curve_has_the_values_that_were_written(client: Client) -> None:
    for resolution, expected in ((0, [2.0, 2.5]), (1, [9.0, 9.0])):
        query = f"name=curves&run=one&quantity=I_XT&resolution={resolution}"
        lines = _figure(client, query)["data"]
        (line,) = (trace for trace in lines if "fc2" in json.dumps(trace["meta"]))
        assert line["y"] == expected
        assert [row[1] for row in line["customdata"]] == [7, 14]


def test_the_state_says_how_deep_a_plane_is_and_when_its_last_point_came(client: Client) -> None:
    before = time.time()
    state = client.get(f"{HERE}/state").json
    assert state is not None
    (two,) = (run for run in state["runs"] if run["name"] == "two")
    assert two["layers"] == {"train": 2, "val": 2}
    # It was written by this process.
    assert 0 < before - two["last"] < 600
    assert before <= state["now"] <= time.time()


def _csv(client: Client, query: str) -> list[dict[str, str]]:
    answer = client.get(f"{HERE}/csv?{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == "attachment"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_table_of_the_figure_has_its_values_as_they_were_logged(client: Client) -> None:
    rows = _csv(client, "name=plane&run=one&set=val&width=400&theme=dark")
    for layer, points in POINTS.items():
        for place, quantity in enumerate(("I_XT", "I_TY")):
            values = {
                int(row["step"]): float(row["bits"])
                for row in rows
                if (row["layer"], row["quantity"], row["tag"].count("uniform5"))
                == (layer, quantity, 0)
            }
            assert values == {step: point[place] for step, point in points.items()}
    assert {row["run"] for row in rows} == {"one"}
    hidden = _csv(client, "name=plane&run=one&hidden=fc10")
    assert {row["layer"] for row in hidden} == {"fc2"}
    both = _csv(client, "name=curves&run=one&run=two&set=val&quantity=I_TY&resolution=0")
    assert {row["run"] for row in both} == {"one", "two"}
    assert {row["quantity"] for row in both} == {"I_TY", "status"}
    assert client.get(f"{HERE}/csv?run=nobody").status_code == 404


def test_a_table_holds_what_is_shown_in_a_stable_order(client: Client) -> None:
    """Of the ruler and the sets that are shown, up to the moment, by layer in order of depth."""
    rows = _csv(client, "name=plane&run=two&reading=code&resolution=0&set=val&set=train")
    places = [(row["set"], row["layer"], row["quantity"], int(row["step"])) for row in rows]
    assert places == [
        (set_, layer, quantity, step)
        for set_ in ("val", "train")
        for layer in LAYERS
        for quantity in ("I_XT", "I_TY", "status")
        for step in (7, 14)
    ]
    early = _csv(client, "name=plane&run=two&set=val&until=7&hidden=fc2")
    assert {(row["set"], row["layer"], row["step"]) for row in early} == {("val", "fc10", "7")}
    fine = _csv(client, "name=plane&run=one&reading=code&resolution=1")
    assert {row["bits"] for row in fine if row["quantity"] != "status"} == {"9.0"}
    usual = _csv(client, "name=plane&run=one")
    assert not [row for row in usual if "uniform5" in row["tag"]]


def test_a_table_is_of_the_reading_that_is_shown(tmp_path: Path) -> None:
    write_plane(tmp_path / "run")
    write_wide(tmp_path / "run")
    with provided(tmp_path, "false") as found:
        client = _client(found)
        wide, code = (
            {row["quantity"] for row in _csv(client, f"run=run&reading={reading}")}
            for reading in ("wide", "code")
        )
    assert {"relative_I_XT", "V_TY"} <= wide
    assert {"I_XT", "I_TY"} <= code
    assert not wide & code


def test_a_run_without_labels_has_no_plane_and_says_why(tmp_path: Path) -> None:
    tags = plane(POINTS)
    write(tmp_path / "run", {tag: of for tag, of in tags.items() if "/I_TY/" not in tag})
    with provided(tmp_path, "false") as found:
        state = _client(found).get(f"{HERE}/state").json
    assert state is not None
    (run,) = state["runs"]
    why = NO_LABELS
    assert run["absent"] == {"plane": why, "through": why}
    assert [name for name in state["opens_at"] if run["figures"][name]] == ["curves"]


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("name=curves&run=one&quantity=coverage", 404, "none of the runs has what .*'curves'"),
        ("run=oen", 404, "run: there is no 'oen'; there is .*'one'.*did you mean 'one'"),
        ("run=foreign", 404, "none of the runs has what the figure 'plane' shows"),
        ("run=one&set=train", 404, "set: there is no 'train'; there is 'val'"),
        ("run=one&resolution=2", 404, "resolution: there is no '2'; there is '0', '1'"),
        ("run=one&resolution=-1", 400, "resolution: got '-1'"),
        ("run=one&width=9", 400, "width: got '9', expected a number from 200 to 4000"),
        ("run=one&until=soon", 400, "until: got 'soon'"),
        ("run=one&scale=log", 400, "scale: there is no 'log'; there is 'fit', 'zero'"),
        ("run=one&arrange=sied", 400, "arrange: there is no 'sied'.*did you mean 'side'"),
        ("run=one&view=lineal", 400, "view: there is no 'lineal'.*did you mean 'linear'"),
        ("run=one&theme=pink", 400, "theme: there is no 'pink'"),
        ("run=one&name=pie", 400, "name: there is no 'pie'; there is 'plane'"),
        ("set=val", 400, "run: none was asked for"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    client: Client, query: str, code: int, words: str
) -> None:
    answer = client.get(f"{HERE}/figure?{query}")
    assert answer.status_code == code
    assert answer.mimetype == "text/plain"  # so that no name in it can be markup
    assert re.search(words, answer.text)


STATIC = sorted(path.name for path in (Path(plugin.__file__).parent / "static").iterdir())


@pytest.mark.parametrize("path", STATIC)
def test_static_files_are_served_as_what_they_are(client: Client, path: str) -> None:
    answer = client.get(f"{HERE}/{path}")
    assert answer.status_code == 200
    assert answer.mimetype == ("text/css" if path.endswith("css") else "text/javascript")
    assert len(answer.data) > 100


def test_plotly_is_served_from_the_installed_package(client: Client) -> None:
    import plotly.offline

    assert client.get(f"{HERE}/plotly.js").text == plotly.offline.get_plotlyjs()


def test_a_missing_plotly_is_told_and_stops_nothing_else(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = client.get(f"{HERE}/plotly.js")
    assert answer.status_code == 404
    assert "plotly is not installed" in answer.text
    assert client.get(f"{HERE}/state").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["../../../etc/passwd", "..%2f..%2fetc/passwd", "static/index.js", "plugin.py", "/etc/passwd"],
)
def test_nothing_but_the_table_of_routes_is_served(client: Client, path: str) -> None:
    assert client.get(f"{HERE}/{path}").status_code in (302, 404)
    assert client.get(f"{HERE}/figure?run={path}").status_code == 404


@pytest.mark.parametrize("route", ["state", "figure", "findings", "csv", "index.js", "plotly.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get_is_answered(client: Client, route: str, method: str) -> None:
    answer: TestResponse = client.open(f"{HERE}/{route}", method=method)
    assert answer.status_code == 405


def test_at_most_six_panels_are_drawn(tmp_path: Path) -> None:
    for number in range(8):
        write(tmp_path / f"run{number}", plane(POINTS))
    with provided(tmp_path, "false") as found:
        client = _client(found)
        query = "&".join(f"run=run{number}" for number in range(8))
        layout = _figure(client, query)["layout"]
    assert "xaxis6" in layout
    assert "xaxis7" not in layout


@pytest.mark.parametrize(
    ("values", "active"),
    [
        (plane(POINTS), True),
        ({"prediction_entropy/val/mean": {0: 1.0}}, True),
        ({"mine-conditional_entropy/val/class_0": {0: 1.0}}, True),
        ({"information_plane/val/I_XT/fc": {0: 1.0}}, True),  # as a curve
        ({"information_plane/val/status/fc": {0: 1.0}}, False),
        ({"label_information/val/soft": {0: 1.0}}, False),
        ({"loss": {0: 1.0}, "epoch": {0: 0.0}}, False),
    ],
)
@pytest.mark.parametrize("fast", ["true", "false"], ids=["fast", "python"])
def test_the_tab_is_active_only_where_there_is_something_to_show(
    tmp_path: Path, values: Any, active: bool, fast: str
) -> None:
    write(tmp_path / "run", values)
    with provided(tmp_path, fast) as found:
        listing = _client(found).get("/data/plugins_listing").json
    assert listing is not None
    assert listing["information_plane"]["enabled"] is active


def test_a_path_prefix_changes_nothing_but_the_address(tmp_path: Path) -> None:
    write(tmp_path / "one", plane(POINTS))
    with provided(tmp_path, "false") as found:
        client = _client(found, "/below")
        state = client.get(f"/below{HERE}/state")
        assert client.get(f"{HERE}/state").status_code == 404
    assert [run["name"] for run in json.loads(state.text)["runs"]] == ["one"]


def test_loading_the_tab_loads_neither_torch_nor_plotly() -> None:
    """TensorBoard imports it at every start."""
    script = (
        "import sys, it_callbacks.tensorboard_plugin.plugin\n"
        "heavy = {'torch', 'lightning', 'pytorch_lightning', 'plotly', 'matplotlib'}\n"
        "print(heavy & set(sys.modules))"
    )
    run = [sys.executable, "-c", script]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert output.strip() == "set()"


# Layers of any width.


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks over a run with both readings of a plane, and one with the code alone."""
    folder = tmp_path_factory.mktemp("logs")
    write_wide(folder / "both")
    write_plane(folder / "code")
    with provided(folder, "false") as found:
        yield _client(found)


def _wide_points(layer: str) -> list[tuple[float, float]]:
    x, y = (WIDE[f"information_plane/val/{name}/{layer}"] for name in ("relative_I_XT", "V_TY"))
    return [(round(x[step], 4), round(y[step], 4)) for step in x]


def test_a_plane_opens_at_the_reading_with_more_layers_and_says_which(both: Client) -> None:
    """Of two layers the code has one that is saturated."""
    figure = _figure(both, "run=both")
    assert figure["layout"]["meta"]["reading"] == "wide"
    for layer in ("fc1", "fc2"):
        assert _points(figure, layer) == _wide_points(layer)
    assert figure == _figure(both, "run=both&reading=wide")
    assert _figure(both, "run=code")["layout"]["meta"]["reading"] == "code"


def test_each_reading_is_drawn_where_it_is_asked_for(both: Client) -> None:
    code = _figure(both, "run=both&reading=code")
    assert _points(code, "fc2") == [(1.0, 0.125), (3.5, 0.5), (2.25, 0.75)]
    assert _figure(both, "run=both&view=adjusted")["layout"]["meta"]["reading"] == "code"
    bars = _figure(both, "run=both&reading=wide&intervals=1")
    (first, *_) = (trace for trace in bars["data"] if "error_x" in trace)
    assert first["error_x"]["array"] == pytest.approx([1.96 * 0.125, 1.96 * 0.0625], abs=1e-4)
    lacks = _figure(both, "run=code&reading=wide")["layout"]["annotations"]
    assert "no layer of this set was read at any width" in [note["text"] for note in lacks]


def test_a_reading_without_what_is_asked_for_is_refused_in_a_sentence(both: Client) -> None:
    for query, words in (
        ("reading=wide&view=adjusted", "view: got 'adjusted', which only the binned code has"),
        ("reading=wide&chance=1", "chance: got True, which only the binned code has"),
        ("reading=wied", "reading: there is no 'wied'; there is 'code', 'wide'"),
    ):
        answer = both.get(f"{HERE}/figure?run=both&{query}")
        assert answer.status_code == 400
        assert words in answer.text


def test_the_state_says_which_readings_a_run_has_and_what_they_take(both: Client) -> None:
    state = both.get(f"{HERE}/state").json
    assert state is not None
    readings = {run["name"]: run["readings"] for run in state["runs"]}
    assert readings == {"both": {"val": ["code", "wide"]}, "code": {"val": ["code"]}}
    options = {reading["title"]: reading["options"] for reading in state["readings"]}
    assert options["Any width"] == ["intervals"]
    assert set(options["Binned code"]) == {"view", "resolution", "chance", "intervals"}
    assert {"relative_I_XT", "V_TY", "spread"} <= set(state["quantities"])
