"""The page on quantities has every row of the table, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from it_callbacks.quantities import QUANTITIES, Quantity

PAGE = Path(__file__).parents[1] / "docs" / "quantities.md"
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
    for cells in [re.split(r"(?<!\\) ?\| ?", line)[1:-1]]
}
"""By tag or name: symbol, meaning, unit and remarks."""


def first_cell(row: Quantity) -> str:
    return row.tag if row.is_logged else row.name


@pytest.mark.parametrize("row", QUANTITIES.values(), ids=list(QUANTITIES))
def test_the_page_says_of_a_quantity_what_the_table_says(row: Quantity) -> None:
    symbol, meaning, unit, _ = (cell.replace("\\|", "|") for cell in ROWS[first_cell(row)])
    assert (symbol, meaning, unit) == (row.symbol, row.meaning, row.unit)


def test_the_page_names_no_quantity_that_the_table_lacks() -> None:
    assert set(ROWS) == {first_cell(row) for row in QUANTITIES.values()}
