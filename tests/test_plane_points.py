"""The points of one pass: what layers share is worked out once, and no value depends on that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from it_callbacks.estimators import counting, entropy, mutual_information
from it_callbacks.estimators.counting import Symbols, contingency
from it_callbacks.estimators.looks import surprisal
from it_callbacks.observation.observed import Observed
from it_callbacks.plane.point import Point, points_of

N = 300
LABELS = np.arange(N) % 7
NAMES = ("a", "b", "c")
SLUGS = {name: ["", "coarse"] for name in NAMES}
TAGS = {name: f"tag of {name}" for name in NAMES}
LEFT_OUT = np.arange(N) % 11 == 0


def keys_of(n_states: int, seed: int, *, hashed: bool) -> np.ndarray:
    """Keys ``(N, 2)`` of random states: two hashes, or one number twice."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(-(2**62), 2**62, (2, n_states))
    states = rng.integers(0, n_states, N)
    return np.stack([first[states], (second if hashed else first)[states]], axis=1)


KEYS = {
    "a": [keys_of(40, 1, hashed=True), keys_of(6, 2, hashed=False)],
    "b": [keys_of(5, 3, hashed=False), keys_of(3, 4, hashed=True)],
    "c": [keys_of(10**6, 5, hashed=True), keys_of(90, 6, hashed=True)],
}


def observed(**more: Any) -> Observed:
    """Three layers, each with two rulers: of states that repeat, and of some that hardly do."""
    unused = dict.fromkeys(("targets", "kept", "kept_indices", "n_units", "max_state"))
    given = {"indices": np.arange(N), "inputs": None, "keys": KEYS, "n_unlabelled": 0, **more}
    return Observed(**unused, missed={}, faults={}, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("left_out", [{}, {"b": LEFT_OUT}], ids=["all", "without some rows"])
def test_points_are_those_of_each_layer_and_ruler_alone(left_out: dict[str, np.ndarray]) -> None:
    found = points_of(observed(left_out=left_out), LABELS, TAGS, SLUGS, None)
    assert list(found) == list(NAMES)
    for name, (first, second) in found.items():
        read = ~left_out.get(name, np.zeros(N, bool))
        assert (first.layer, first.slug, second.slug) == (TAGS[name], "", "coarse")
        for point, keys in zip((first, second), KEYS[name], strict=True):
            alone = mutual_information(keys[read], LABELS[read])
            assert point.entropy == entropy(keys[read])
            about = point.information
            assert about is not None
            for field in ("bits", "chance", "adjusted", "coverage", "status", "n_states"):
                assert getattr(about, field) == pytest.approx(
                    getattr(alone, field), abs=1e-14, nan_ok=True
                )
            if point is first:
                assert (about.low, about.standard_error) == (alone.low, alone.standard_error)


def test_a_further_ruler_has_no_interval_of_what_is_logged_without_one() -> None:
    for first, second in points_of(observed(), LABELS, TAGS, SLUGS, None).values():
        assert first.information is not None
        assert second.information is not None
        assert math.isfinite(first.information.low)
        assert math.isnan(second.information.low)
        assert math.isnan(second.information.standard_error)
        logged = {value.quantity for value in second.values(with_intervals=True)}
        assert not {name for name in logged if "low" in name or "high" in name}
        assert math.isfinite(second.entropy.standard_error)  # which its verdict needs


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was put in states, one after the other."""
    found: list[str] = []
    number = counting.number

    def noted(symbols: np.ndarray) -> Any:
        are_labels = symbols.ndim == 1 and set(symbols.tolist()) <= set(LABELS.tolist())
        found.append("labels" if are_labels else "keys")
        return number(symbols)

    monkeypatch.setattr(counting, "number", noted)
    return found


def test_labels_are_put_in_states_once_for_all_layers(numbered: list[str]) -> None:
    points_of(observed(), LABELS, TAGS, SLUGS, None)
    assert numbered.count("labels") == 1
    numbered.clear()
    points_of(observed(left_out={"b": LEFT_OUT}), LABELS, TAGS, SLUGS, None)
    assert numbered.count("labels") == 2  # and again for the one that was read on fewer samples


def test_a_verdict_reuses_the_states_that_the_table_was_made_of(numbered: list[str]) -> None:
    points = points_of(observed(), LABELS, TAGS, SLUGS, None)

    def hashed(point: Point) -> bool:
        return point.symbols.values.ndim == 2

    several = [point for of_layer in points.values() for point in of_layer if hashed(point)]
    assert len(several) == 4
    numbered.clear()
    found = [surprisal(point.symbols) for point in several]
    assert numbered == []
    for point, bits in zip(several, found, strict=True):
        assert bits.mean() == pytest.approx(point.entropy.bits, abs=1e-12)


@pytest.mark.parametrize("n_states", [3, 50, 10**6])
@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_table_of_symbols_is_that_of_their_values(n_states: int, is_hashed: bool) -> None:
    """Counted by hand, sample by sample."""
    keys = keys_of(n_states, 7, hashed=is_hashed)
    labels = Symbols.of(LABELS, "labels")
    table = contingency(Symbols.of(keys, "symbols"), labels)
    pairs: dict[tuple[int, int], int] = {}
    for key, label in zip(keys[:, 0].tolist(), LABELS.tolist(), strict=True):
        pairs[key, label] = pairs.get((key, label), 0) + 1
    states = sorted({key for key, _ in pairs})
    cells = zip(table.cell_rows, table.cell_columns, table.cell_counts, strict=True)
    assert {(states[row], int(column)): int(n) for row, column, n in cells} == pairs
    assert table.column_symbols.tolist() == list(range(7))
    assert table.columns is labels
