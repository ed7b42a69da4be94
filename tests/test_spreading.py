"""Words right of a plot: none over another, each as near to what it names as can be."""

from __future__ import annotations

from itertools import pairwise

import pytest

from it_callbacks.figures.spreading import GAP, Word, beside, spread_out
from it_callbacks.figures.theme import Colour


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([10, 40, 80], [10, 40, 80]),  # far enough as they are
        ([50, 50, 50], [35, 50, 65]),  # one mean, 15 apart
        ([50, 52, 54, 90], [37, 52, 67, 90]),
        ([54, 50, 52], [67, 37, 52]),  # in the order of the values, not of the list
        ([2, 4, 6], [0, 15, 30]),  # the upper edge holds them
        ([98, 99], [85, 100]),
        ([50], [50]),
        ([], []),
    ],
)
def test_names_are_moved_as_little_as_can_be(wanted: list[float], places: list[float]) -> None:
    assert spread_out(wanted, gap=15, low=0, high=100) == pytest.approx(places)


def test_pools_grow_until_no_pair_is_too_close() -> None:
    """10 and 12 pool to 3.5 and 18.5; 25 is too close to that, and joins: mean of 10, -3, -5."""
    places = spread_out([10, 12, 25], gap=15, low=-50, high=100)
    assert places == pytest.approx([2 / 3, 15 + 2 / 3, 30 + 2 / 3])


def test_where_there_is_no_room_for_all_they_share_what_there_is() -> None:
    places = spread_out([5.0] * 11, gap=15, low=0, high=100)
    assert places == pytest.approx([10 * number for number in range(11)])


def test_words_stand_at_their_values_and_leaders_lead_to_those_that_moved() -> None:
    words = [Word(3.0, "a", Colour("text"), "net.a"), Word(2.9, "b"), Word(0.0, "c")]
    notes = beside(words, "2", (0.0, 4.0), 200)
    assert [note["text"] for note in notes] == ["a", "b", "c"]
    assert {note["xref"] for note in notes} == {"x2 domain"}
    assert [note["y"] for note in notes] == [3.0, 2.9, 0.0]
    # 3.0 is 50 pixels down, 2.9 is 55: they part by 5 pixels each, to be 15 apart.
    assert [notes[0]["ay"], notes[1]["ay"]] == [-5, 5]
    assert notes[2]["showarrow"] is False
    gaps = [b - a for a, b in pairwise((50 - 5, 55 + 5))]
    assert gaps == [GAP]


def test_a_value_outside_the_axis_has_its_word_at_the_edge() -> None:
    (note,) = beside([Word(9.0, "far")], "", (0.0, 4.0), 200)
    assert note["y"] == 4.0
