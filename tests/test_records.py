"""Records: tags that every logger accepts, and quantities that no tag confuses."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from it_callbacks.quantities import PER_RULER
from it_callbacks.records import (
    QUANTITIES,
    Record,
    Status,
    check_slug,
    slug,
    split_ruler,
    unique_slugs,
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
    names = ["a b", "a/b", "a_b_1", "a:b", "a_b"]
    slugs = unique_slugs(names)
    assert list(slugs) == names
    assert len(set(slugs.values())) == len(names)
    assert slugs["a b"] == "a_b"


# The table.


def test_quantities_are_named_once_and_have_a_symbol_and_a_meaning() -> None:
    assert all(name == row.name and row.symbol and row.meaning for name, row in QUANTITIES.items())


def test_units_are_bits_unless_said_otherwise() -> None:
    units = {name: row.unit for name, row in QUANTITIES.items() if row.unit != "bits"}
    assert units == {
        "label_information/status": "code",
        "label_information/confused_first": "class",
        "label_information/confused_second": "class",
        "label_information/confused_share": "share",
        "coverage": "share",
        "chance_share": "share",
        "status": "code",
        "information_plane/overhead": "share",
        "information_plane/epoch": "epochs",
        "prediction_entropy/epoch": "epochs",
        "conditional_entropy/epoch": "epochs",
        "information_plane/wide_epoch": "epochs",
        "wide_status": "code",
        "spread": "activation units",
        "unit_dead": "share",
    }


def test_quantities_are_fit_for_tags() -> None:
    for name in QUANTITIES:
        assert all(slug(part) == part for part in re.sub("<.>", "0", name).split("/"))


def test_an_interval_is_of_quantities_in_the_table() -> None:
    ends = [end for row in QUANTITIES.values() for end in row.interval]
    assert ends
    assert all(QUANTITIES[end].is_logged for end in ends)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("I_XT", ("I_XT", "")),
        ("I_XT_uniform5", ("I_XT", "uniform5")),
        ("I_TY_chance_width0.1", ("I_TY_chance", "width0.1")),
        ("I_TY_low", ("I_TY_low", "")),
        ("I_TY_lowest", ("I_TY", "lowest")),
        ("linear_V_TY", ("linear_V_TY", "")),
        ("linear_V_TY_uniform5", None),  # extras are read by no ruler
        ("I_XT_corrected", ("I_XT_corrected", "")),
        ("I_XT_corrected_uniform5", None),  # of the first ruler only
        ("I_XT_corrected_low", None),
        ("I_TY_adjusted_uniform5", None),
        ("chance_share", None),
        ("chance_share_uniform5", None),
        ("I_XT_", None),
        ("I_XTra", None),
        ("prediction_entropy/mean", None),
        ("loss", None),
    ],
)
def test_a_quantity_is_split_from_its_ruler(name: str, expected: tuple[str, str] | None) -> None:
    assert split_ruler(name) == expected


@pytest.mark.parametrize("slug_", ["uniform5", "width0.1", "calibrated30", "lowest", "sea", "5"])
def test_a_slug_of_a_ruler_may_be_any_word_of_its_own(slug_: str) -> None:
    check_slug(slug_)


@pytest.mark.parametrize(
    "slug_", ["adjusted", "chance", "chance_uniform5", "low", "high_5", "se", "corrected_low"]
)
def test_a_slug_that_could_end_another_quantity_is_refused(slug_: str) -> None:
    """Two values under one tag: nobody could tell them apart."""
    with pytest.raises(ValueError, match=f"slug: '{slug_}' begins like the end of a quantity"):
        check_slug(slug_)


@pytest.mark.parametrize("slug_", ["", "a b", "a/b", "größe"])
def test_a_slug_that_is_no_part_of_a_tag_is_refused(slug_: str) -> None:
    with pytest.raises(ValueError, match="slug: need letters, digits"):
        check_slug(slug_)


@pytest.mark.parametrize("base", PER_RULER)
@pytest.mark.parametrize("name", sorted(QUANTITIES))
def test_no_slug_that_is_allowed_makes_a_tag_of_two_meanings(base: str, name: str) -> None:
    """Whatever follows one quantity's name in another's is refused as a slug."""
    ending = name.removeprefix(f"{base}_")
    if ending != name:
        with pytest.raises(ValueError, match="slug"):
            check_slug(ending)


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
