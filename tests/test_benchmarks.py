"""The benchmarks measure what they say, and fail when they must; no time is judged here."""

from __future__ import annotations

import math
import platform
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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

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
    extras,
    history,
    logged,
    memory,
    networks,
    peers,
    plain_callback,
    ratios,
    reading,
    shares,
    streaming,
    threads,
    training,
    vocabulary,
    wide,
)
from .benchmarks.ratios import Ratio, seconds
from .benchmarks.repeated import Repeated, repeated, report

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


def runs(*values: float, of: Ratio = FAST) -> Repeated:
    return Repeated(tuple(of._replace(value=value) for value in values))


def test_a_ratio_past_its_must_gives_exit_code_1_after_all_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report([runs(9.5), runs(3.9, 4.0, 4.3)]) == 1

    rows = capsys.readouterr().out.splitlines()[2:4]
    assert rows == [
        "| P5 | ours over a sum | 9.50 |  | ≤ 9 | ≤ 5 | **FAILS** |",
        "| P5 | ours over a sum | 4.00 | 5% | ≤ 9 | ≤ 5 | ok |",
    ]


def test_ratios_that_keep_to_their_must_give_exit_code_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report([runs(4.0), runs(8.9), runs(0.1, of=Ratio("", "a peer over ours", 0))]) == 0
    assert "FAILS" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [11.9, math.nan])
def test_where_large_is_good_a_small_ratio_is_past_its_must(value: float) -> None:
    larger = Ratio("P1", "plain over ours", 12.1, must=12, at_least=True)
    assert larger.holds
    assert not larger._replace(value=value).holds
    assert runs(value, of=larger).fails


@pytest.mark.parametrize("values", [[math.nan], [1.0, 2.0, math.nan]])
def test_a_ratio_that_could_not_be_measured_fails(values: list[float]) -> None:
    assert runs(*values).fails


def test_shares_are_printed_as_per_cent() -> None:
    share = Ratio("P10", "ours over training", 0.0123, must=0.01, aim=0.003, percent=True)
    assert str(Repeated((share,))) == (
        "| P10 | ours over training | 1.23 % |  | ≤ 1 % | ≤ 0.3 % | **FAILS** |"
    )


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [(99.94, False, "99.9"), (527.4, False, "527"), (5.274, True, "527 %"), (0.02, True, "2.00 %")],
)
def test_ratios_are_printed_with_three_digits(value: float, percent: bool, text: str) -> None:
    assert FAST._replace(value=value, percent=percent).printed(value) == text


def test_the_spread_is_the_middle_half_over_the_median() -> None:
    """Of 1 to 5 the quartiles are 2 and 4; the ends do not count."""
    assert runs(5.0, 2.0, 3.0, 1.0, 4.0).spread == pytest.approx(2 / 3)
    assert runs(500.0, 2.0, 3.0, -70.0, 4.0).spread == pytest.approx(2 / 3)
    assert runs(0.0, 0.0, 0.0).spread == 0.0


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((8.0, 8.1, 8.2), "ok"),
        ((4.0, 6.0, 9.5), "ok, noisy"),
        ((9.1, 9.2, 9.3), "**FAILS**"),
        ((7.0, 9.1, 12.0), "noisy: cannot tell"),  # the better quartile is 8.05
        ((9.1, 12.0, 15.0), "**FAILS**, noisy"),
        ((8.9, 9.5, 10.0, 12.0, 15.0), "**FAILS**, noisy"),  # its best run alone says nothing
    ],
)
def test_a_noisy_ratio_fails_if_three_runs_of_four_do(
    values: tuple[float, ...], verdict: str
) -> None:
    found = runs(*values)
    assert found.verdict == verdict
    assert found.fails == ("FAILS" in verdict)
    mirrored = FAST._replace(must=1 / 9, at_least=True)
    assert runs(*(1 / value for value in values), of=mirrored).fails == found.fails


def test_what_cannot_be_told_is_said_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([runs(7.0, 9.1, 12.0)]) == 0
    assert "1 too noisy to tell" in capsys.readouterr().out


def benchmark_of(*values: float) -> Callable[[], list[Ratio]]:
    left = list(values)
    return lambda: [FAST, FAST._replace(what="another", value=left.pop(0))]


@pytest.mark.parametrize(
    ("values", "n_runs"),
    [
        ((4.0, 4.1, 4.2, 0.0), 3),
        ((4.0, 5.0, 6.0, 5.0, 5.0, 0.0), 5),  # of the first four the quartiles are 4.75 and 5.25
        ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0), 7),
    ],
)
def test_a_benchmark_is_repeated_until_all_its_ratios_are_steady(
    values: tuple[float, ...], n_runs: int
) -> None:
    rows = repeated(benchmark_of(*values), may_go_on=lambda: True)
    assert [len(row.runs) for row in rows] == [n_runs, n_runs]
    assert [run.value for run in rows[1].runs] == list(values[:n_runs])


def test_a_benchmark_that_takes_long_is_run_three_times_however_noisy() -> None:
    (_, row) = repeated(benchmark_of(1.0, 2.0, 3.0, 4.0), may_go_on=lambda: False)
    assert len(row.runs) == 3
    assert row.is_noisy


def test_runs_that_measure_different_things_are_not_put_together() -> None:
    names = ["one", "one", "another"]
    with pytest.raises(ValueError, match=r"one run measured .* another"):
        repeated(lambda: [FAST._replace(what=names.pop(0))], may_go_on=lambda: True)


def test_the_command_runs_the_subjects_named_and_returns_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"memory": [[FAST]], "chance": [[FAST._replace(value=9.5)], [FAST, FAST]]}
    monkeypatch.setattr(bench, "_benchmarks", of.get)
    monkeypatch.setattr(bench, "in_a_process", lambda subject, number: of[subject][number])
    assert bench.run(["memory"]) == 0
    assert bench.run(["memory", "chance"]) == 1
    out, err = capsys.readouterr()
    assert out.count("| P5 |") == 5
    assert err.count("3 runs of memory") == 2


def test_a_benchmark_runs_in_a_process_of_its_own_with_one_thread() -> None:
    (ratio, *_) = bench.in_a_process("training", training.BENCHMARKS.index(training.extra_forwards))
    assert ratio == Ratio("P12", "calls of the model, listening over not listening", 1.0, 1, 1)


def test_the_table_names_the_kind_of_machine_and_not_the_machine() -> None:
    said = bench.machine()
    assert f"torch {torch.__version__}" in said
    assert bench.processor() in said
    assert platform.node() not in said


@pytest.mark.slow
def test_a_benchmark_that_fails_is_told_with_what_it_wrote() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)benchmarks of training failed:.*IndexError"):
        bench.in_a_process("training", 99)


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


@pytest.mark.parametrize("package", ["scikit-learn", "infomeasure"])
def test_each_package_beside_ours_says_the_same(package: str) -> None:
    classes = data.labels(200).numpy()
    found = peers.installed(peers.states_of(200, 2, estimate.TANH), classes)
    if package not in found:
        pytest.skip(f"{package} is not installed; `make bench` installs it")
    own = estimate.both(200, 2, estimate.TANH)[1]()[1]
    assert found[package]() == pytest.approx(own)


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

    monkeypatch.setattr(streaming, "summed", lambda given: 0.25)
    in_hooks, in_all, of_forward = streaming.over_sums("a layer", given, 1, 1, rounds=2)
    assert [in_hooks.value, in_all.value] == pytest.approx([0.5 / 0.25, (0.5 + 2) / 0.25])
    assert of_forward.value == pytest.approx(0.25)


def test_what_a_sum_takes_is_told_from_the_forward_pass(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    given = streaming.setting(Slow(clock), data.images(40, 784), 10)
    total = Tensor.sum

    def slow(x: Tensor) -> Tensor:
        clock.passes(0.0625)
        return total(x)

    monkeypatch.setattr(Tensor, "sum", slow)
    assert streaming.summed(given) == 4 * 0.0625


def test_a_training_is_divided_into_forward_ours_and_the_rest(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """An epoch of 4 batches takes 2 s; a look .5 s, .125 to hear its layer and .25 to log."""
    slow_to_hear(monkeypatch, clock)
    log_points = training.log_points

    def slow(*given: Any) -> Any:
        clock.passes(0.25)
        return log_points((), *given[1:])

    monkeypatch.setattr(training, "log_points", slow)
    samples = data.images(512, 784), data.labels(512)
    probe = samples[0][:64], samples[1][:64]
    net = Slow(clock, n_units=10)
    assert training.share(net, samples, probe, epochs=3) == training.Share(
        total=pytest.approx(0.875 / 2),
        ours=pytest.approx(0.375 / 2),
        measuring=pytest.approx(0.125 / 2),
    )


def tiny_case(clock: FakeTime, *, times: int = 1) -> shares.Case:
    samples = data.images(20, 784), data.labels(20)
    return shares.Case(Slow(clock, n_units=10), samples, samples, 10, epochs=5, times=times)


@pytest.mark.parametrize("times", [1, 3])
def test_a_share_of_training_is_what_is_ours_over_the_rest(
    times: int, monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """An epoch of two batches in each loop takes 2 s, and .125 are heard in each of validation."""
    slow_to_hear(monkeypatch, clock)
    case = tiny_case(clock, times=times)
    found, by_name = shares.taken(case, shares.all_three(case, wide=False))
    share = 0.25 / (1 + times)  # a batch of training stands for so many
    assert found.plain == found.with_wide == found.share == pytest.approx(share)
    # The first batch of all finds the layers, and the second one calibrates them in the hook.
    end = "InformationPlaneMonitor.on_validation_batch_end"
    assert by_name.by_name["forward hooks"] == 0.125
    assert by_name.by_name[end] == 4 * 0.25
    assert list(shares.parts(by_name)) == [f"   88.9% {end}", "   11.1% forward hooks"]

    longer = shares.longer(case, wide=False, turns=1)
    assert longer == pytest.approx(share)


def test_the_wide_plane_counts_as_often_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """At every other epoch here, at nine of thirty as it is by default; each takes 1 s."""
    record = InformationPlaneMonitor.on_validation_epoch_end

    def slow(self: InformationPlaneMonitor, trainer: Any, model: Any) -> None:
        if trainer.current_epoch % 2:  # of epochs 2 and 4
            clock.passes(1.0)
        record(self, trainer, model)

    monkeypatch.setattr(InformationPlaneMonitor, "on_validation_epoch_end", slow)
    case = tiny_case(clock)
    found, _ = shares.taken(case, shares.all_three(case, wide=True))
    assert found == shares.Taken(plain=0.0, with_wide=pytest.approx(0.5))
    assert found.share == pytest.approx(9 / 30 * 0.5)


def test_a_plain_callback_counts_what_it_keeps() -> None:
    """Two states that each hold two samples of a class; then two that hold one of either."""
    rows = np.array([[0.0, 5.0], [0.0, 5.0], [1.0, 5.0], [1.0, 5.0]], np.float32)
    assert plain_callback.of_layer(rows, np.array([3, 3, 1, 1])) == (1.0, 1.0)
    assert plain_callback.of_layer(rows, np.array([3, 1, 3, 1])) == (1.0, 0.0)


def test_what_a_plain_callback_takes_is_counted_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """Two batches in each loop take 2 s; two layers are kept of each, and counted at the end."""
    keep, count = plain_callback.PlainCallback.keep, plain_callback.of_layer

    def slowly_kept(self: plain_callback.PlainCallback, layer: str, output: Tensor) -> None:
        clock.passes(0.125)
        keep(self, layer, output)

    def slowly_counted(*given: Any) -> tuple[float, float]:
        clock.passes(0.25)
        return count(*given)

    monkeypatch.setattr(plain_callback.PlainCallback, "keep", slowly_kept)
    monkeypatch.setattr(plain_callback, "of_layer", slowly_counted)
    case = tiny_case(clock)
    case = case._replace(net=nn.Sequential(case.net, nn.Tanh()))
    assert shares.taken_by_plain(case) == pytest.approx((4 * 0.125 + 2 * 0.25) / 2)

    callback = plain_callback.plain_callback(case.net, "net")
    training.fit(
        training.Classifier(case.net),
        case.training,
        [callback],
        epochs=1,
        validation=case.validation,
        folder=str(tmp_path),
    )
    (file,) = tmp_path.rglob("events.*")
    logged_values = EventAccumulator(str(file))
    logged_values.Reload()
    tags = {"H_T/net.1", "I_TY/net.0.linear", "entropy/9", "accuracy"}
    assert tags <= set(logged_values.Tags()["scalars"])


def test_each_case_trains_the_network_that_it_is_named_for() -> None:
    n_layers = {name: len(list(make().net.modules())) for name, make in shares.SMALL.items()}
    assert n_layers["60-layers"] == 1 + 2 * 60 + 1
    twelve = shares.twelve_bits()
    assert (len(twelve.training[0]), twelve.batch_size) == (4096, 256)
    assert shares.LINES.keys() == shares.CASES.keys()
    sequences = shares.gpt_of_sequences(2)
    assert sequences.model(sequences.inputs).shape == (2, data.N_CLASSES)


def test_the_bytes_of_a_point_are_those_of_its_records(tmp_path: Path) -> None:
    """Tags of 22 and 23 bytes; a record more for what is not ours, which does not count."""
    with SummaryWriter(str(tmp_path)) as writer:
        for step in (1, 2):
            writer.add_scalar("information_plane/a/bb", 1.0, step)
            writer.add_scalar("information_plane/a/ccc", 1.0, step)
            writer.add_scalar("val_loss", 1.0, step)
    found = logged.written(str(tmp_path))
    assert found._replace(bytes=0) == (2, 4, 2 * (22 + 4 + 23 + 4), 0)
    assert found.least < found.bytes < sum(path.stat().st_size for path in tmp_path.iterdir())


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

    def slow(self: WidePass, output: Tensor, layer: Any, **options: Any) -> Any:
        clock.passes(0.125)
        return sketch(self, output, layer, **options)

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


def test_a_process_without_pinned_threads_tells_what_a_reading_takes() -> None:
    assert threads.in_a_process("as monitors read", 50, 1, is_pinned=False) > 0


# All of them, small.


def tiny_share() -> shares.Case:
    samples = data.images(20, 64), data.labels(20)
    return shares.Case(nn.Linear(64, data.N_CLASSES), samples, samples, 10, epochs=3)


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
    "extras": ((extras.linear, {"n_samples": 50, "n_units": 6, "rounds": 1}),),
    "history": ((history.in_checkpoints, {"epochs": 3, "layers": 2, "rounds": 1}),),
    "memory": ((memory.beside_activations, {"n_samples": 1000, "n_units": 160}),),
    "streaming": (
        (streaming.of_mlp, {"n_samples": 60, "n_hidden": 4, "batch_size": 20, "rounds": 1}),
        (
            streaming.of_small_batches,
            {"n_samples": 20, "n_hidden": 4, "batch_sizes": (10, 5, 3), "rounds": 1},
        ),
        (streaming.in_half_precision, {"n_samples": 20, "n_hidden": 4, "rounds": 1}),
        (streaming.of_deep, {"n_samples": 20, "n_layers": 3, "rounds": 1}),
        (streaming.of_cnn, {"n_samples": 40, "size": 8, "batch_size": 20, "rounds": 1}),
    ),
    "training": (
        (training.of_mlp, {"n_samples": 400, "n_hidden": 4, "epochs": 2}),
        (training.of_twelve_bits, {"epochs": 2}),
        (training.extra_forwards, {"n_samples": 64, "n_hidden": 4}),
    ),
    "shares": tuple((share, {"make": tiny_share}) for share in shares.BENCHMARKS),
    "logged": ((logged.points, {"n_layers": 2, "epochs": 2}),),
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
    "threads": (
        (threads.unpinned_over_pinned, {"n_samples": 50, "rounds": 1, "epochs": 3, "processes": 1}),
    ),
    "peers": ((peers.beside_peers, {"n_samples": 200, "n_units": 3, "rounds": 1}),),
    "reading": (
        (reading.of_files, {"n_layers": 2, "n_epochs": 10, "rounds": 1}),
        (reading.of_tab, {"n_layers": 2, "n_epochs": 60, "rounds": 1}),
    ),
}


@needs_proc
def test_every_benchmark_runs_small_and_the_page_has_its_goals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ratios, "_SHORTEST", 1e-6)
    in_a_process = memory.in_a_process

    def here(*code: str) -> int:
        """Without the seconds that each process of its own takes to begin; two are seen above."""
        if code[:2] != ("-m", memory.__name__):
            return in_a_process(*code)
        way, kind, *size = code[2:]
        return memory.extra_bytes(way, kind, *map(int, size))

    def in_pinned_threads(what: str, *sizes: int, is_pinned: bool) -> float:
        return threads.measured(what, *sizes)

    monkeypatch.setattr(memory, "in_a_process", here)
    monkeypatch.setattr(threads, "in_a_process", in_pinned_threads)
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
        return cells[0], cells[4]

    gates = [gate(str(Repeated((ratio,)))) for ratio in found if ratio.goal]
    table = PAGE.read_text(encoding="utf-8").partition("\n## The table\n")[2]
    rows = re.findall(r"^\| P\d+ .*$", table, re.MULTILINE)
    assert [gate(row) for row in rows] == gates
