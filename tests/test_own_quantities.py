"""A quantity of a user's own goes all the way: from its estimator to tab, report and tables."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.context import RequestContext
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, cli, pictures
from it_callbacks.charts import layout
from it_callbacks.estimators import (
    Extra,
    LinearVInformation,
    NoiseInjected,
    SlicedInformation,
    UnitInformation,
)
from it_callbacks.figures import draw
from it_callbacks.logs import Log, read_folder
from it_callbacks.own_quantities import check_own, from_rows, to_rows
from it_callbacks.quantities import OF_EXTRAS, QUANTITIES, Quantity
from it_callbacks.report import report
from it_callbacks.runs import Key
from it_callbacks.tensorboard_plugin import query
from it_callbacks.tensorboard_plugin.plugin import InformationPlanePlugin

from .drawn_runs import traces
from .toys import fit
from .written_logs import provided


@dataclass(frozen=True)
class Knn(Extra):
    """A neighbour's estimate with an interval, and a share."""

    every: int = 1

    @property
    @override
    def quantities(self) -> tuple[Quantity | str, ...]:
        return (
            Quantity(
                "knn_I_TY",
                "I(T;Y), kNN",
                "I(T;Y) by nearest neighbours",
                interval=("knn_I_TY_low", "knn_I_TY_high"),
            ),
            *("knn_I_TY_low", "knn_I_TY_high"),
            Quantity("dead", "dead units", unit="share"),
        )

    @override
    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        value = {"knn_I_TY": 0.5, "knn_I_TY_low": 0.25, "knn_I_TY_high": 0.625}
        return {**value, "dead": 0.125}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[InformationPlaneMonitor, Path]:
    """A monitor with an estimator of a user's own, and the folder of its log."""
    folder = tmp_path_factory.mktemp("logs")
    plane = InformationPlaneMonitor("net.4", extra=[Knn(), LinearVInformation(every=1)])
    fit([plane], logger=TensorBoardLogger(folder, name="run", version=0))
    return plane, folder


def test_it_is_read_from_the_log_with_unit_symbol_and_meaning(logged: Any) -> None:
    (run,) = read_folder(logged[1])
    assert run.values(Key("knn_I_TY", "val", "net.4")) == {5: 0.5, 10: 0.5}
    assert run.about("knn_I_TY").label == "I(T;Y), kNN"
    assert run.about("dead").unit == "share"
    assert run.about("linear_V_TY") is QUANTITIES["linear_V_TY"]


def test_it_is_in_the_tab(logged: Any) -> None:
    _, folder = logged
    with provided(folder, "false") as provider:
        plugin = InformationPlanePlugin(SimpleNamespace(data_provider=provider))
        log = Log(provider, RequestContext(), "")
        ((outline,),) = log.outlines(log.tags()).values()
        name = outline.run.name
        asked = SimpleNamespace(
            get={"name": "curves", "quantity": "knn_I_TY"}.get,
            getlist=lambda key: [name] if key == "run" else [],
        )
        request = query.parse(asked)
        figure = draw(request.request, plugin._panels(request, log, log.outlines(log.tags())))
    (line,) = traces(figure, "points", layer="net.4")
    assert ([epoch for epoch, _ in line["customdata"]], line["y"]) == ([1, 2], [0.5, 0.5])
    (band,) = traces(figure, "bar")
    assert sorted(set(band["y"])) == [0.25, 0.625]
    assert figure["layout"]["yaxis"]["title"]["text"] == "I(T;Y), bits, kNN"


def test_it_is_in_the_report(logged: Any) -> None:
    page = report(read_folder(logged[1]))
    summaries = re.findall(r"<summary>(.*?)</summary>", page)
    assert "I(T;Y), kNN: I(T;Y) by nearest neighbours" in summaries
    assert "dead units" in summaries
    assert not any("knn_I_TY_low" in text for text in summaries)  # a band, no curve


def test_it_is_in_tables_with_its_unit(logged: Any, tmp_path: Path) -> None:
    """The monitor's own and the command line's, which are one table of one run."""
    plane, folder = logged
    plane.to_csv(tmp_path / "monitor.csv")
    assert cli.main(["export", str(folder), "-o", str(tmp_path / "export.csv")]) == 0
    tables = []
    for name in ("monitor", "export"):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["bits"] != "nan"]
        tables.append({(row["tag"], row["step"]): row for row in rows})
    monitor, export = tables
    assert monitor.keys() == export.keys()
    for place, row in monitor.items():
        same = {key: value for key, value in row.items() if key not in ("run", "bits")}
        assert same == {key: export[place][key] for key in same}
        assert list(row) == list(export[place])
        assert float(row["bits"]) == pytest.approx(float(export[place]["bits"]), abs=1e-5)
    units = {row["quantity"]: row["unit"] for row in export.values()}
    assert (units["knn_I_TY"], units["dead"], units["coverage"]) == ("bits", "share", "share")
    assert {row["n_samples"] for row in export.values()} == {"105"}


def test_monitor_and_command_line_write_json_of_one_form(logged: Any, tmp_path: Path) -> None:
    plane, folder = logged
    plane.to_json(tmp_path / "monitor.json")
    assert cli.main(["export", str(folder), "-o", str(tmp_path / "export.json")]) == 0
    monitor, export = (
        json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("monitor", "export")
    )
    (of_monitor,), (of_export,) = monitor["runs"].values(), export["runs"].values()
    assert of_monitor == of_export
    assert monitor.keys() == export.keys()
    assert monitor["rows"][0].keys() == export["rows"][0].keys()


def test_it_can_be_drawn_from_the_command_line(
    logged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []

    def save(figure: Any, path: Path, **_: Any) -> None:
        drawn.append(figure)
        path.write_text("drawn")

    monkeypatch.setattr(pictures, "save", save)
    words = ["export", str(logged[1]), "-o", str(tmp_path / "a.svg")]
    assert cli.main([*words, "--figure", "curves", "--quantity", "dead"]) == 0
    assert drawn[0]["layout"]["yaxis"]["title"]["text"] == "dead units, share"


def test_it_has_charts_and_a_band() -> None:
    names = ("knn_I_TY", "knn_I_TY_low", "knn_I_TY_high", "dead", "stranger")
    tags = [f"information_plane/val/{name}/fc" for name in names]
    charts = layout(tags, own=check_own(Knn().quantities))
    assert charts == {
        "information plane, val": {
            "knn_I_TY fc, 95 %": ["Margin", tags[:3]],
            "dead": ["Multiline", ["information_plane/val/dead/.+"]],
        }
    }


# What a user may declare, and what a log may say.


def test_a_name_alone_is_a_quantity_in_bits_with_a_curve() -> None:
    (row,) = check_own(["mine"])
    assert (row.unit, row.figures, row.tag) == (
        *("bits", ("curves",)),
        "information_plane/<set>/mine/<layer>",
    )


def test_estimators_of_this_package_declare_rows_of_the_table() -> None:
    extras = LinearVInformation(), NoiseInjected(), SlicedInformation(), UnitInformation()
    assert set(check_own(row for extra in extras for row in extra.quantities)) == OF_EXTRAS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["a b"], "need letters, digits"),
        (["a/b"], "need letters, digits"),
        ([""], "need letters, digits"),
        (["I_XT"], "'I_XT' is a name of this package's own"),
        (["linear_V_TY"], "is a name of this package's own"),
        (["chance_share"], "is a name of this package's own"),
        (["epoch"], "is a name of this package's own"),  # a folder beside a value
        (["settings"], "is a name of this package's own"),
        (["I_TY_knn"], "could be 'I_TY' read by a ruler 'knn'"),
        (["I_TY_chance_knn"], "could be 'I_TY_chance' read by a ruler 'knn'"),
        (["status_of_mine"], "could be 'status' read by a ruler"),
        (["mine", Quantity("mine")], "two estimators give 'mine'"),
    ],
)
def test_a_name_that_could_be_taken_for_another_is_refused(given: list[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"quantities: .*{reason}"):
        check_own(given)


def test_what_is_neither_a_name_nor_a_row_is_refused() -> None:
    with pytest.raises(TypeError, match="need Quantity values or names, got 3"):
        check_own([3])  # type: ignore[list-item]


def test_a_monitor_refuses_such_names_before_it_measures() -> None:
    class Bad(Knn):
        @property
        @override
        def quantities(self) -> tuple[Quantity | str, ...]:
            return ("coverage",)

    with pytest.raises(ValueError, match="quantities: 'coverage' is a name"):
        InformationPlaneMonitor(extra=[Bad()])


def test_rows_come_back_from_json() -> None:
    own = check_own(Knn().quantities)
    found = from_rows(json.loads(json.dumps(to_rows(own))))
    assert tuple(found.values()) == own


@pytest.mark.parametrize(
    "rows",
    [
        *(None, 3, "knn", {"name": "knn"}, [3, None, []], [{}], [{"name": 3}]),
        *([{"name": "I_XT"}], [{"name": "I_TY_knn"}], [{"name": "a/b"}], [{"name": "epoch"}]),
        to_rows(OF_EXTRAS),
    ],
)
def test_rows_that_no_monitor_writes_are_passed_over(rows: object) -> None:
    assert from_rows(rows) == {}


def test_a_row_of_odd_parts_keeps_what_is_of_use() -> None:
    rows = [{"name": "knn", "unit": 3, "symbol": None, "interval": ["a"], "figures": ["plane"]}]
    assert from_rows(rows)["knn"] == check_own(["knn"])[0]
