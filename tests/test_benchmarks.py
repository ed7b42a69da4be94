"""The benchmarks measure what they say, and fail when they must; no time is judged here."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from it_callbacks import InformationPlaneMonitor
from it_callbacks.codes import encode, encode_keys
from it_callbacks.estimators import contingency, jackknife, mutual_information
from it_callbacks.observation.layer_observer import LayerObserver
from it_callbacks.observation.sketched import WidePass
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Uniform, Width

from .benchmarks import __main__ as bench
from .benchmarks import (
    chance,
    data,
    estimate,
    memory,
    networks,
    peers,
    ratios,
    streaming,
    threads,
    training,
    vocabulary,
    wide,
)
from .benchmarks.ratios import Ratio, report, seconds

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

needs_proc = pytest.mark.skipif(
    not memory.STATM.exists(), reason="only Linux tells its highest memory"
)


class FakeTime:
    """A processor clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def passes(self, duration: float) -> None:
        self.now += duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(time, "process_time", lambda: fake.now)
    return fake


TINY = (
    partial(networks.resnet, batch_size=4, width=4),
    partial(networks.vit, batch_size=4, width=32, depth=1),
    partial(networks.gpt, batch_size=4, width=32, depth=1, n_steps=8, n_tokens=20),
)

# Ratios and their report.

FAST = Ratio("P5", "ours over a sum", 4.0, must=9, aim=5)
SLOW = FAST._replace(value=9.5)


def test_a_ratio_past_its_must_gives_exit_code_1_after_all_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report([SLOW, FAST]) == 1

    rows = capsys.readouterr().out.splitlines()[2:4]
    assert rows == [
        "| P5 | ours over a sum | 9.50 | ≤ 9 | ≤ 5 | **FAILS** |",
        "| P5 | ours over a sum | 4.00 | ≤ 9 | ≤ 5 | ok |",
    ]


def test_ratios_that_keep_to_their_must_give_exit_code_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missed_aim, no_goal = FAST._replace(value=8.9), Ratio("", "a peer over ours", 0.1)
    assert report([FAST, missed_aim, no_goal]) == 0
    assert "FAILS" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [11.9, math.nan])
def test_where_large_is_good_a_small_ratio_is_past_its_must(value: float) -> None:
    larger = Ratio("P1", "plain over ours", 12.1, must=12, at_least=True)
    assert larger.holds
    assert not larger._replace(value=value).holds


def test_a_ratio_that_could_not_be_measured_does_not_hold() -> None:
    assert not FAST._replace(value=math.nan).holds


def test_shares_are_printed_as_per_cent() -> None:
    share = Ratio("P10", "ours over training", 0.0123, must=0.01, aim=0.003, percent=True)
    assert str(share) == "| P10 | ours over training | 1.23 % | ≤ 1 % | ≤ 0.3 % | **FAILS** |"


def test_the_command_runs_the_subjects_named_and_returns_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "BENCHMARKS", (lambda: iter([FAST]),))
    monkeypatch.setattr(chance, "BENCHMARKS", (lambda: iter([SLOW, FAST]),))
    # The command finds its modules by name, which here are those that this test has imported.
    monkeypatch.setitem(sys.modules, f"{bench.__package__}.chance", chance)
    monkeypatch.setitem(sys.modules, f"{bench.__package__}.estimate", estimate)
    assert bench.run(["estimate"]) == 0
    assert bench.run(["estimate", "chance"]) == 1
    assert capsys.readouterr().out.count("| P5 |") == 4


def test_a_subject_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SystemExit, match=r"no benchmarks of estimates; there are estimate, chance"):
        bench.run(["estimates"])


def test_the_time_of_an_action_is_the_median_of_its_turns(clock: FakeTime) -> None:
    costs = {"a": [9.0, 9.0, 1.0, 2.0, 50.0], "b": [9.0, 9.0, 3.0, 5.0, 4.0]}
    called: list[str] = []

    def action(name: str) -> None:
        called.append(name)
        clock.passes(costs[name].pop(0))

    assert seconds(3, partial(action, "a"), partial(action, "b")) == [2.0, 4.0]
    assert "".join(called) == "aabb" + "ab" * 3


def test_a_short_action_is_called_several_times_a_turn(clock: FakeTime) -> None:
    n_calls = 0

    def action() -> None:
        nonlocal n_calls
        n_calls += 1
        clock.passes(1e-3)

    assert seconds(2, action) == [pytest.approx(1e-3)]
    assert n_calls == 2 + 2 * 5


def test_an_exponent_is_the_power_that_the_time_grows_with(clock: FakeTime) -> None:
    sizes = (10, 20, 40)
    actions = [partial(clock.passes, 0.1 * size**1.5) for size in sizes]
    assert estimate.exponent(sizes, actions, rounds=2) == pytest.approx(1.5)


# Both sides of a ratio compute the same.


def test_the_plain_estimate_is_that_of_a_table_counted_by_hand() -> None:
    """States a a b c, labels 0 0 0 1: H = 1.5 bits; of the three of label 0, log2(3) - 2/3."""
    rows = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [0.9, 0.9]], np.float32)
    of_layer, with_labels = estimate.plain(
        rows, np.array([0, 0, 0, 1]), lambda x: np.floor(x / np.float32(0.5))
    )
    assert of_layer == pytest.approx(1.5)
    assert with_labels == pytest.approx(1.5 - 0.75 * (math.log2(3) - 2 / 3))


@pytest.mark.parametrize("kind", [estimate.TANH, estimate.RELU], ids=lambda kind: kind.name)
@pytest.mark.parametrize("n_units", [2, 10, 40])
def test_the_plain_estimate_equals_ours(kind: estimate.Kind, n_units: int) -> None:
    by_definition, by_symbols = estimate.both(700, n_units, kind)
    assert by_definition() == pytest.approx(by_symbols(), abs=1e-9)
    assert by_symbols()[0] > 1


def test_sides_that_differ_are_not_compared() -> None:
    coarser = estimate.TANH._replace(states=lambda x: np.floor(x * 2))
    with pytest.raises(ArithmeticError, match="P1: plain NumPy says"):
        estimate.over_numpy("P1", 200, 2, coarser, 12, 20, rounds=1)


def test_the_packed_layer_is_narrow_enough_and_the_next_is_not() -> None:
    """Ten states of six bits are a number below 2**60; a hash may be any of 64 bits."""
    narrow, wide = (
        encode(data.layer(50, n_units, nn.Tanh()), estimate.TANH.ruler) for n_units in (10, 11)
    )
    assert narrow.abs().max() < 2**60 < wide.abs().max()


def test_what_is_counted_and_jackknifed_is_the_information_of_layer_and_labels() -> None:
    keys = encode_keys(data.layer(300, 3, nn.Tanh()), Uniform(5, -1, 1)).numpy()
    classes = data.labels(300).numpy()
    plain = mutual_information(keys, classes)
    corrected = mutual_information(keys, classes, estimator=jackknife)
    bits, error = chance.jackknifed(contingency(keys, classes))
    assert chance.counting(torch.from_numpy(keys), classes) == pytest.approx(plain.bits)
    assert bits == pytest.approx(corrected.bits)
    assert error == pytest.approx(plain.standard_error)


def test_each_package_beside_ours_says_the_same() -> None:
    classes = data.labels(200).numpy()
    found = peers.installed(peers.states_of(200, 2, estimate.TANH), classes)
    assert "scikit-learn" in found
    own = estimate.both(200, 2, estimate.TANH)[1]()[1]
    assert [theirs() for theirs in found.values()] == pytest.approx([own] * len(found))


def settings() -> list[streaming.Setting]:
    return [
        streaming.setting(data.mlp(4), data.images(300, 784), 100),
        streaming.setting(data.cnn(8), data.images(90, 1, 8, 8), 40, Joint()),
    ]


@pytest.mark.parametrize("number", [0, 1], ids=["mlp", "cnn"])
def test_collecting_and_listening_find_the_same_bits(number: int) -> None:
    given = settings()[number]
    _, naive = streaming.collect(given)
    _, observed = streaming.listen(given)
    assert naive.keys() == observed.keys.keys() == {layer.name for layer, _ in given.layers}
    for name, (keys,) in observed.keys.items():
        found = mutual_information(keys, observed.targets.numbers)
        assert naive[name][1] == pytest.approx(found.bits, abs=1e-9)


def test_the_convolutions_have_the_activations_that_they_are_said_to_have() -> None:
    given = streaming.setting(data.cnn(), data.images(2, 1, 28, 28), 2, Joint())
    _, observed = streaming.listen(given)
    assert sum(observed.n_units.values()) == 40_778


def test_edges_are_those_of_the_ruler() -> None:
    values = np.array([[-0.3, 0.6]], np.float32)
    assert streaming.edges(Uniform(4, -1, 1), values).tolist() == [-1, -0.5, 0, 0.5, 1]
    assert streaming.edges(Width(0.5), values).tolist() == [-0.5, 0, 0.5, 1]


# What is timed.


class Slow(nn.Module):
    """A layer that takes its time on the fake clock."""

    def __init__(self, clock: FakeTime, *, n_units: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(784, n_units)
        self.clock = clock

    def forward(self, x: Tensor) -> Tensor:
        self.clock.passes(0.5)
        outputs: Tensor = self.linear(x)
        return outputs


def slow_to_hear(monkeypatch: pytest.MonkeyPatch, clock: FakeTime) -> None:
    hear = LayerObserver._take

    def heard(self: LayerObserver, firing: Any) -> None:
        clock.passes(0.125)
        hear(self, firing)

    monkeypatch.setattr(LayerObserver, "_take", heard)


def test_hooks_are_told_from_the_forward_pass_and_from_its_end(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    slow_to_hear(monkeypatch, clock)
    given = streaming.setting(Slow(clock), data.images(40, 784), 10)
    finish = given.observer.finish
    monkeypatch.setattr(
        given.observer, "finish", lambda current: (clock.passes(2.0), finish(current))[1]
    )
    spent, _ = streaming.listen(given)
    assert spent == streaming.Spent(hooks=4 * 0.125, forward=4 * 0.5, end=2.0)

    first, *_ = streaming.over_forward("a layer", given, 0.09, 0.05, rounds=2)
    assert first.value == pytest.approx(0.25)


def test_a_training_is_divided_into_forward_ours_and_the_rest(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """An epoch of 4 batches takes 2 s; a look .5 s, .125 to hear its layer and .25 to log."""
    slow_to_hear(monkeypatch, clock)
    monkeypatch.setattr(training, "log_point", lambda *_: (clock.passes(0.25), [])[1])
    samples = data.images(512, 784), data.labels(512)
    probe = samples[0][:64], samples[1][:64]
    net = Slow(clock, n_units=10)
    assert training.share(net, samples, probe, epochs=3) == training.Share(
        total=pytest.approx(0.875 / 2),
        ours=pytest.approx(0.375 / 2),
        measuring=pytest.approx(0.125 / 2),
    )


def test_a_monitor_that_listens_adds_no_call_and_one_that_does_not_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (listening,) = training.extra_forwards(64, 4)
    assert listening.value == 1.0
    assert listening.holds

    probe = data.images(10, 784), data.labels(10)
    monkeypatch.setattr(
        training, "InformationPlaneMonitor", partial(InformationPlaneMonitor, data=probe)
    )
    (probing,) = training.extra_forwards(64, 4)
    assert not probing.holds


def test_the_least_of_a_kernel_is_the_sum_of_its_exponentials() -> None:
    left, right = (
        np.array([[1.0, 0], [0, 2]], np.float32),
        np.array([[1.0, 0], [0, -1]], np.float32),
    )
    sums = wide.product_and_exp(left, right)
    assert sums == pytest.approx([math.e + 1, 1 + math.exp(-2)])


def test_readings_are_counted_over_the_epochs_of_a_training() -> None:
    """Epochs 1, 2, 3, 4, 7, 10, 16 and 26 are spaced so; the last is 30."""
    assert networks.n_readings() == 9


def test_a_share_of_training_follows_from_its_batches() -> None:
    """Batches of 64: 312.5 of training for each 16 of validation, thirty times over."""
    found = networks.Cost(training=2.0, sketching=0.25, reading=10.0)
    assert found.share(64, 1) == pytest.approx((30 * 16 * 0.25 + 9 * 10) / (30 * 312.5 * 2))
    assert found.share(64, 2) == pytest.approx(2 * found.share(64, 1))


@pytest.mark.parametrize("tiny", TINY, ids=["resnet", "vit", "gpt"])
def test_each_layer_of_a_network_is_sketched_on_the_clock(
    tiny: Callable[[], networks.Network], monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    sketch = WidePass.sketch

    def slow(self: WidePass, output: Tensor, layer: Any) -> Any:
        clock.passes(0.125)
        return sketch(self, output, layer)

    monkeypatch.setattr(WidePass, "sketch", slow)
    network = tiny()
    kept, spent = networks.sketched_of(network, rounds=1)
    assert len(kept.rows) == len(network.layers or ())
    assert spent == 0.125 * len(kept.rows)
    assert {len(rows) for rows in kept.rows.values()} == {4}
    assert len(networks.read(kept).kept.choice.of_x) == 1024


WASTEFUL = """
import numpy as np
from tests.benchmarks import memory

memory.WAYS["wasteful"] = lambda activations, classes: np.ones(64_000_000, np.uint8)
print(memory.extra_bytes("wasteful", "float32", 2000, 2000))
"""


@needs_proc
def test_memory_taken_and_given_back_is_seen() -> None:
    """In processes of their own: of one that lives on, nobody knows what it has free."""
    assert memory.in_a_process("-c", WASTEFUL) >= 63e6
    frugal = ("-m", "tests.benchmarks.memory", "at once", "bfloat16", "2000", "2000")
    assert memory.in_a_process(*frugal) < 16e6 + 200 * 2000


# All of them, small.

Small = tuple[Callable[..., Iterator[Ratio]], dict[str, Any]]

SMALL: dict[str, tuple[Small, ...]] = {
    "estimate": (
        (estimate.beside_numpy, {"one_in": 100}),
        (estimate.beside_memory_pass, {"n_samples": 50, "n_units": 20, "rounds": 1}),
        (
            estimate.growth,
            {"samples": (50, 100), "units": (20, 40), "n_samples": 50, "n_units": 20, "rounds": 1},
        ),
    ),
    "chance": ((chance.beside_counting, {"n_samples": 200, "permutations": 3, "rounds": 1}),),
    "memory": ((memory.beside_activations, {"n_samples": 1000, "n_units": 160}),),
    "streaming": (
        (streaming.of_mlp, {"n_samples": 60, "n_hidden": 4, "batch_size": 20, "rounds": 1}),
        (streaming.of_cnn, {"n_samples": 40, "size": 8, "batch_size": 20, "rounds": 1}),
    ),
    "training": (
        (training.of_mlp, {"n_samples": 400, "n_hidden": 4, "epochs": 2}),
        (training.of_twelve_bits, {"epochs": 2}),
        (training.extra_forwards, {"n_samples": 64, "n_hidden": 4}),
    ),
    "vocabulary": (
        (vocabulary.beside_plain, {"sizes": ((3, 2000), (2, 3000)), "rounds": 1}),
        (vocabulary.beside_logits, {"sizes": ((3, 2000),)}),
    ),
    "wide": (
        (wide.readings, {"n_samples": 300, "n_numbers": 12, "summed": 100, "rounds": 1}),
        (wide.sketching, {"shape": (20, 4, 8, 8), "rounds": 1}),
    ),
    "networks": (
        (networks.of_networks, {"networks": TINY, "rounds": 1}),
        (networks.of_small_mlp, {"n_hidden": 30, "rounds": 1}),
    ),
    "threads": ((threads.unpinned_over_pinned, {"n_samples": 50, "rounds": 1, "processes": 1}),),
    "peers": ((peers.beside_peers, {"n_samples": 200, "n_units": 3, "rounds": 1}),),
}


@needs_proc
def test_every_benchmark_runs_small_and_the_page_has_its_goals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ratios, "_SHORTEST", 1e-6)
    found: list[Ratio] = []
    for subject, small in SMALL.items():
        module = sys.modules[f"{bench.__package__}.{subject}"]
        assert tuple(benchmark for benchmark, _ in small) == module.BENCHMARKS
        for benchmark, sizes in small:
            found += benchmark(**sizes)
    assert tuple(SMALL) == bench.SUBJECTS
    assert all(math.isfinite(ratio.value) for ratio in found)
    assert {ratio.goal for ratio in found if ratio.must is None} == {""}

    def gate(row: str) -> tuple[str, str]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        return cells[0], cells[3]

    gates = [gate(str(ratio)) for ratio in found if ratio.goal]
    table = PAGE.read_text(encoding="utf-8").partition("\n## The table\n")[2]
    rows = re.findall(r"^\| P\d+ .*$", table, re.MULTILINE)
    assert [gate(row) for row in rows] == gates
    assert {number for number, _ in gates} == {
        f"P{n}" for n in (1, 2, 5, *range(7, 15), *range(16, 21))
    }
