"""Records: tags that every logger accepts, files that keep every digit."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from it_callbacks.records import (
    QUANTITIES,
    Record,
    Status,
    finite_or_none,
    slug,
    unique_slugs,
    write_csv,
    write_json,
)

LEGAL = re.compile(r"[A-Za-z0-9_.\-]{1,200}")


def record(bits: float, layer: str = "encoder.0") -> Record:
    return Record("I_XT", "val", layer, bits, step=120, epoch=2, n_samples=360)


def test_a_tag_is_quantity_set_layer() -> None:
    assert record(3.5).tag == "information_plane/val/I_XT/encoder.0"


def test_records_are_values() -> None:
    assert record(3.5) == record(3.5)
    assert len({record(3.5), record(3.5), record(4.0)}) == 2
    with pytest.raises(AttributeError):
        record(3.5).bits = 0


def test_status_codes_are_those_of_the_tag() -> None:
    assert [Status.OK, Status.CAUTION, Status.SATURATED] == [0, 1, 2]


def test_units_are_bits_unless_said_otherwise() -> None:
    others = {name for name, quantity in QUANTITIES.items() if quantity.unit != "bits"}
    assert others == {"coverage", "chance_share", "status", "information_plane"}


def test_quantities_are_fit_for_tags() -> None:
    assert all(slug(name) == name for name in QUANTITIES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder.0", "encoder.0"),
        ("block-1_a", "block-1_a"),
        ("a b", "a_b"),
        ("a/b", "a_b"),
        ("a/ <>b", "a_b"),
        ("größe", "gr_e"),
        ("", "_"),
        ("层", "_"),
        ("new\nline", "new_line"),
    ],
)
def test_a_slug_keeps_what_every_logger_accepts(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["", "x" * 1000, "層" * 300, "../../etc", "a\0b", "%s{}\\", "💥"])
def test_a_slug_is_always_legal_and_never_empty(name: str) -> None:
    assert LEGAL.fullmatch(slug(name))
    assert slug(slug(name)) == slug(name)


def test_each_name_gets_a_slug_of_its_own() -> None:
    """Also where the numbered slug of one name is the plain name of another."""
    names = ["a b", "a/b", "a_b_2", "a:b", "a_b"]
    slugs = unique_slugs(names)
    assert list(slugs) == names
    assert len(set(slugs.values())) == len(names)
    assert slugs["a b"] == "a_b"


def test_the_csv_file_gives_every_number_back(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, 5e-324, math.nan, math.inf]
    write_csv([record(value) for value in values], tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["bits"]) for row in rows] == pytest.approx(values, rel=0, nan_ok=True)
    assert rows[0] == {
        "tag": "information_plane/val/I_XT/encoder.0",
        "quantity": "I_XT",
        "set": "val",
        "layer": "encoder.0",
        "bits": "0.30000000000000004",
        "step": "120",
        "epoch": "2",
        "n_samples": "360",
    }


def test_a_csv_file_of_nothing_has_a_header(tmp_path: Path) -> None:
    write_csv([], tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().startswith("tag,quantity,set,layer,bits")


def refuse(constant: str) -> None:
    raise ValueError(constant)


def test_the_json_file_is_strict_json_with_null_for_nan(tmp_path: Path) -> None:
    """NaN and Infinity are no JSON; browsers refuse a file that holds them."""
    values = [1 / 3, math.nan, math.inf, -math.inf]
    write_json([record(value) for value in values], {"bins": 30}, tmp_path / "history.json")
    text = (tmp_path / "history.json").read_text(encoding="utf-8")
    held = json.loads(text, parse_constant=refuse)
    assert held["settings"] == {"bins": 30}
    assert [row["bits"] for row in held["records"]] == [1 / 3, None, None, None]
    assert held["records"][0]["tag"] == "information_plane/val/I_XT/encoder.0"


def test_a_setting_that_is_not_json_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json([], {"H": math.nan}, tmp_path / "history.json")
    assert not (tmp_path / "history.json").exists()


@pytest.mark.parametrize("text_path", [True, False])
def test_paths_may_be_text(tmp_path: Path, text_path: bool) -> None:
    path = tmp_path / "history.csv"
    write_csv([record(1.0)], str(path) if text_path else path)
    assert path.exists()


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (math.nan, None), (math.inf, None), (-math.inf, None)]
)
def test_only_finite_numbers_are_numbers_in_json(value: float, expected: float | None) -> None:
    assert finite_or_none(value) == expected


def test_records_need_the_standard_library_only() -> None:
    """TensorBoard imports them at every start, in environments that may lack all the rest."""
    script = (
        "import sys; before = set(sys.modules); import it_callbacks.records; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'it_callbacks'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
