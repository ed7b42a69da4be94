"""Layers that are worked out together have the estimates that each has alone, and of a slow way."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import hypergeom

from it_callbacks.estimators import entropy, mutual_information
from it_callbacks.estimators.counting import Symbols, contingency_of_each, spectrum_of_each
from it_callbacks.estimators.estimate import entropy_estimates, information_estimates
from it_callbacks.observation.observed import Observed
from it_callbacks.plane import point as rooms
from it_callbacks.plane.point import Point, points_of

N_STATES = (1, 2, 3, 7, 20, 45, 10**6)
"""Of a dead layer, of layers whose states repeat, and of one that is saturated."""


def layers_of(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Keys ``(n, 2)`` of layers: hashed ones, packed ones, and one whose first keys collide."""
    rng = np.random.default_rng(seed)
    found = {}
    for n_states in N_STATES:
        first, second = rng.integers(-(2**62), 2**62, (2, n))
        state = rng.integers(0, n_states, n) % n
        found[f"hashed {n_states}"] = np.stack([first[state], second[state]], axis=1)
        found[f"packed {n_states}"] = np.stack([state, state], axis=1) * 1000 - 7
        found[f"huge {n_states}"] = np.stack([first[state], first[state]], axis=1)
        found[f"colliding {n_states}"] = np.stack([state % 2, second[state]], axis=1)
    return found


def labels_of(n: int, n_classes: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n_classes, n)


# --- the slow way ---------------------------------------------------------------------------------


def plug_in(symbols: list[Any]) -> float:
    n = len(symbols)
    return max(0.0, math.fsum(-k / n * math.log2(k / n) for k in Counter(symbols).values()))


def unseen_and_all(symbols: list[Any]) -> tuple[float, float]:
    """Bits of the states not seen, and of all, by the series of Chao, Wang & Jost."""
    n, times = len(symbols), Counter(Counter(symbols).values())
    once, twice = times[1], times[2]
    nats = math.fsum(m * k / n * (digamma(n) - digamma(k)) for k, m in times.items())
    if not once:
        return 0.0, nats / math.log(2)
    a = 2 / ((n - 1) * (once - 1) + 2)
    if twice:
        a = 2 * twice / ((n - 1) * once + 2 * twice)
    k = np.arange(int(40 / a) + 1)
    unseen = once / n * float(((1 - a) ** (k + 1) / (n + k)).sum())
    return unseen / math.log(2), (nats + unseen) / math.log(2)


def information(x: list[Any], y: list[Any]) -> float:
    return plug_in(x) + plug_in(y) - plug_in(list(zip(x, y, strict=True)))


def left_out_error(measure: Any, *sequences: list[Any]) -> float:
    """Jackknife standard error: each sample left out in turn."""
    n = len(sequences[0])
    if n < 2:
        return math.nan
    found = [measure(*([*s[:i], *s[i + 1 :]] for s in sequences)) for i in range(n)]
    return math.sqrt((n - 1) / n * math.fsum((np.array(found) - np.mean(found)) ** 2))


def ends_of_entropy(symbols: list[Any], n_states: int | None = None) -> tuple[float, float, float]:
    """The corrected value and both ends, NaN where none is drawn."""
    n, times = len(symbols), Counter(Counter(symbols).values())
    once, twice = times[1], times[2]
    error = left_out_error(plug_in, symbols)
    unseen, centre = unseen_and_all(symbols)
    ignorance = 20 * once / (n * (twice + 1)) / math.log(2)
    if 1 - once / n < 0.6 or not ignorance <= 1.96 * error:
        low = plug_in(symbols) - 1.96 * error
        return math.nan, low if math.isnan(low) else max(0.0, low), math.nan
    squares = (len(set(symbols)) - 1) / (2 * n**2)
    squares += (once / n) ** 2 * (1 / max(once, 1) + 1 / (twice + 1))
    reach = 1.96 * math.hypot(error, math.sqrt(squares) / math.log(2))
    half = math.log2(n) / (2 * n)
    low = centre - reach - half
    high = centre + max(3 * unseen + reach + half, 3 * math.log2(n) / n)
    if n_states is not None:
        high = min(high, math.log2(n_states))
    return centre, max(0.0, low if low < high else high - half), high


def chance(x: list[Any], y: list[Any]) -> float:
    """By the law of every cell."""
    n, bits = len(x), 0.0
    for a in Counter(x).values():
        for b in Counter(y).values():
            k = np.arange(max(1, a + b - n), min(a, b) + 1)
            bits += float(hypergeom.pmf(k, n, a, b) @ (k / n * np.log2(n * k / (a * b))))
    return bits


def held_out(x: list[Any], y: list[Any], n_classes: int) -> tuple[float, float]:
    """The best reader of the others of a state, and its standard error."""
    n, scores = len(x), []
    in_x, in_y, in_cell = Counter(x), Counter(y), Counter(zip(x, y, strict=True))
    for weight in (0.25, 1, 4, 16, 64, 256, 1024, 1e6):
        each = []
        for state, label in zip(x, y, strict=True):
            share = (in_y[label] - 0.5) / (n - 1 + n_classes / 2)
            right = in_cell[state, label] - 1 + weight * share
            each.append(math.log2(right / (in_x[state] - 1 + weight)) - math.log2(in_y[label] / n))
        scores.append((np.mean(each), np.std(each) / math.sqrt(n - 1)))
    return max(scores)


def slow_entropy(symbols: list[Any]) -> dict[str, float]:
    corrected, low, high = ends_of_entropy(symbols)
    return {
        "bits": plug_in(symbols),
        "standard_error": left_out_error(plug_in, symbols),
        "low": low,
        "high": high,
        "coverage": 1 - Counter(Counter(symbols).values())[1] / len(symbols),
        "corrected": corrected,
        "n_samples": len(symbols),
        "n_states": len(set(symbols)),
    }


def slow_information(x: list[Any], y: list[Any], n_classes: int | None = None) -> dict[str, float]:
    n, bits, by_chance, of_y = len(x), information(x, y), chance(x, y), plug_in(y)
    error, share = left_out_error(information, x, y), by_chance / of_y if of_y else 0.0
    low = high = math.nan
    if n > 1:
        m, k = len(set(x)), len(set(y)) if n_classes is None else n_classes
        cells = len(set(zip(x, y, strict=True)))
        freedom = min((m - 1) * (k - 1), cells)
        reach = math.hypot(error, math.sqrt(2 * freedom) / (2 * n) / math.log(2))
        value, of_value = held_out(x, y, k)
        low = value - 1.96 * max(reach, of_value)
        if share <= 0.25:
            high = bits + max(1.96 * reach, 3 * math.log2(n) / n) + (k - 1) / (2 * n) / math.log(2)
            if k > 1 or n_classes is not None:
                most = ends_of_entropy(y, k)[2]
                high = min(high, math.log2(k) if math.isnan(most) else most)
            low = low if low < high else high - math.log2(n) / (2 * n)
        low = max(0.0, low)
    adjusted = of_y * (bits - by_chance) / (of_y - by_chance) if share <= 0.9 and of_y else 0.0
    return {
        "bits": bits,
        "standard_error": error,
        "low": low,
        "high": high,
        "chance": by_chance,
        "adjusted": adjusted if share <= 0.9 else math.nan,
        "coverage": 1 - Counter(Counter(x).values())[1] / n,
        "n_samples": n,
        "n_states": len(set(x)),
        "chance_share": share,
    }


def states(keys: np.ndarray) -> list[Any]:
    return list(map(tuple, keys.tolist()))


# --- the estimates --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_entropies_together_are_those_alone_and_of_a_slow_way(n: int) -> None:
    layers = layers_of(n)
    several = [Symbols.of(keys, "keys") for keys in layers.values()]
    found = entropy_estimates(spectrum_of_each(several))
    for keys, estimate in zip(layers.values(), found, strict=True):
        assert estimate == entropy(keys)
        slow = slow_entropy(states(keys))
        fields = asdict(estimate)
        assert {name: fields[name] for name in slow} == pytest.approx(slow, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("own_classes", [None, 9])
@pytest.mark.parametrize(("n", "n_classes"), [(1, 1), (2, 2), (3, 1), (60, 1), (60, 2), (60, 9)])
def test_informations_together_are_those_alone_and_of_a_slow_way(
    n: int, n_classes: int, own_classes: int | None
) -> None:
    layers, labels = layers_of(n), labels_of(n, n_classes)
    several = [Symbols.of(keys, "keys") for keys in layers.values()]
    table = contingency_of_each(several, Symbols.of(labels, "labels"))
    found = information_estimates(table, n_classes=own_classes)
    for keys, estimate in zip(layers.values(), found, strict=True):
        assert estimate == mutual_information(keys, labels, n_classes=own_classes)
        slow = slow_information(states(keys), labels.tolist(), own_classes)
        fields = asdict(estimate)
        assert {name: fields[name] for name in slow} == pytest.approx(slow, abs=2e-12, nan_ok=True)


def test_chance_does_not_depend_on_what_was_asked_before() -> None:
    """What a row adds is remembered; others that come later have what they would have had."""
    labels = labels_of(60, 5, seed=7)
    for seed in range(3):
        for keys in layers_of(60, seed).values():
            found = mutual_information(keys, labels).chance
            assert found == pytest.approx(chance(states(keys), labels.tolist()), abs=1e-13)


@pytest.mark.parametrize("n", [1, 2, 60, 5000])
def test_samples_that_all_differ_are_the_cells_of_their_table(n: int) -> None:
    """Alone, beside others of the kind, and beside layers whose states repeat."""
    order = np.random.default_rng(0).permutation(n)
    rising, falling = (np.stack([s * 2**45 - 7, s % 3], axis=1) for s in (order, -order))
    labels = np.arange(n) % 4
    by_symbol = np.empty(n, int)
    by_symbol[order] = labels  # symbols rise with the order, or fall
    for layers in ([rising], [rising, falling], [rising, falling, falling // 2**46]):
        several = [Symbols.of(keys, "keys") for keys in layers]
        table = contingency_of_each(several, Symbols.of(labels, "labels"))
        begins, columns = table.cell_parts.firsts.tolist(), [by_symbol, by_symbol[::-1]]
        assert table.row_parts.firsts.tolist() == begins
        for begin, expected in zip(begins, columns[: len(layers)], strict=False):
            cells = slice(begin, begin + n)
            assert table.cell_columns[cells].tolist() == expected.tolist()
            assert table.cell_rows[cells].tolist() == list(range(begin, begin + n))
            assert table.cell_counts[cells].tolist() == table.row_counts[cells].tolist() == [1] * n
        for keys, found in zip(layers, information_estimates(table), strict=True):
            assert found == mutual_information(keys, labels)


# --- the points -----------------------------------------------------------------------------------


def observed(layers: dict[str, np.ndarray], **more: Any) -> Observed:
    n = len(next(iter(layers.values())))
    unused = dict.fromkeys(("targets", "kept", "kept_indices", "n_units", "max_state"))
    given = {"indices": np.arange(n), "inputs": None, "n_unlabelled": 0, **more}
    keys = {name: [of_layer, of_layer // 2] for name, of_layer in layers.items()}
    return Observed(keys=keys, missed={}, faults={}, **unused, **given)  # type: ignore[arg-type]


def read(
    layers: dict[str, np.ndarray], labels: np.ndarray | None, **more: Any
) -> dict[str, list[Point]]:
    tags, slugs = {name: name for name in layers}, {name: ["", "coarse"] for name in layers}
    return points_of(observed(layers, **more), labels, tags, slugs, {"hashed 7"})


@pytest.mark.parametrize("at_once", [1, 200, 1 << 16], ids=["alone", "in blocks", "all"])
@pytest.mark.parametrize("n_classes", [None, 1, 4])
@pytest.mark.parametrize("n", [1, 2, 60])
@pytest.mark.parametrize("repeat", [False, True])
def test_points_do_not_depend_on_what_else_is_read(
    monkeypatch: pytest.MonkeyPatch, repeat: bool, n: int, n_classes: int | None, at_once: int
) -> None:
    """Blocks of any size, inputs that repeat, two rulers, layers that lack rows, and no labels."""
    monkeypatch.setattr(rooms, "_AT_ONCE", at_once)
    layers = layers_of(n)
    labels = None if n_classes is None else labels_of(n, n_classes)
    inputs = np.arange(n) // 3 if repeat else np.arange(n)
    more = {
        "inputs": np.stack([inputs, -inputs], axis=1),
        "merged": {
            name: [None if i % 3 else keys // 5, None]
            for i, (name, keys) in enumerate(layers.items())
        },
        "left_out": {"packed 7": np.arange(n) % 5 == 1, "hashed 3": np.arange(n) % 7 == 2},
    }
    together = read(layers, labels, **more)
    assert list(together) == list(layers)
    for name, of_rulers in together.items():
        one = {name: layers[name]}
        mine = {**more, "left_out": {k: v for k, v in more["left_out"].items() if k == name}}
        alone = read(one, labels, **mine)[name]
        for point, same in zip(of_rulers, alone, strict=True):
            assert point._replace(symbols=same.symbols) == same or math.isnan(point.merged_bits)
            assert (point.entropy, point.information, point.noise) == same[2:5]
            assert np.array_equal(point.symbols.values, same.symbols.values)
            assert point.symbols.states.tolist() == same.symbols.states.tolist()


@pytest.mark.parametrize("n_classes", [None, 4])
def test_where_inputs_repeat_the_distinct_ones_count(n_classes: int | None) -> None:
    """But for the value itself, of which all samples are."""
    n = 60
    layers = {name: keys.repeat(2, axis=0)[:n] for name, keys in layers_of(n).items()}
    inputs = np.stack([np.arange(n) // 2] * 2, axis=1)
    labels = None if n_classes is None else labels_of(n, n_classes)
    pairs = list(
        dict.fromkeys(
            zip(
                (np.arange(n) // 2).tolist(),
                (labels if labels is not None else np.zeros(n, int)).tolist(),
                strict=True,
            )
        )
    )
    for name, (point, _) in read(layers, labels, inputs=inputs).items():
        every = states(layers[name])
        once = slow_entropy(every[::2])
        slow = {**once, "bits": plug_in(every), "n_samples": n}
        fields = asdict(point.entropy)
        assert {k: fields[k] for k in slow} == pytest.approx(slow, abs=1e-12, nan_ok=True)
        assert point.noise.bits == 0
        if labels is None:
            assert point.information is None
            continue
        assert point.information is not None
        of_pairs = slow_information([every[2 * i] for i, _ in pairs], [y for _, y in pairs])
        of_y, bits = plug_in(labels.tolist()), information(every, labels.tolist())
        assert point.information.bits == pytest.approx(bits, abs=1e-12)
        assert point.information.coverage == pytest.approx(once["coverage"])
        for field in ("chance", "chance_share", "low", "high", "standard_error", "n_states"):
            found = getattr(point.information, field)
            assert found == pytest.approx(of_pairs[field], abs=1e-12, nan_ok=True)
        if of_pairs["chance_share"] <= 0.9:
            room = of_y - of_pairs["chance"]
            adjusted = of_y * (bits - of_pairs["chance"]) / room
            assert point.information.adjusted == pytest.approx(adjusted, abs=1e-11)


def test_noise_of_repeated_inputs_is_what_symbols_leave_open() -> None:
    """H(T given X) of layers that differ between equal inputs, by counting."""
    n, rng = 400, np.random.default_rng(3)
    x = rng.integers(0, 4, n)
    noisy = x * 2 + (rng.random(n) < 0.3)
    layers = {"plain": np.stack([x, x], axis=1), "noisy": np.stack([noisy, noisy], axis=1)}
    found = read(layers, None, inputs=np.stack([x, x], axis=1))
    both = plug_in(list(zip(noisy.tolist(), x.tolist(), strict=True)))
    assert found["noisy"][0].noise.bits == pytest.approx(both - plug_in(x.tolist()), abs=1e-12)
    assert found["noisy"][0].noise.known == "measured"
    assert found["plain"][0].noise == (0.0, "0, deterministic")
