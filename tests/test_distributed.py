"""Several processes give the numbers of one, and none waits for ever for another."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor
from it_callbacks.estimators.looks import Look
from it_callbacks.quantities import OF_WIDE

from .forked import Running
from .toys import trainer
from .warned import warned

SCRIPT = Path(__file__).with_name("distributed_run.py")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _as_a_launcher_does(arguments: list[str], out: Path, n_processes: int) -> tuple[bool, str]:
    """Start all processes, as torchrun and SLURM do: Lightning finds out which one it is."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    started = [
        Running(SCRIPT, arguments, out, shared | {"LOCAL_RANK": str(rank)}, f"output{rank}.txt")
        for rank in range(n_processes)
    ]
    ended = [one.wait(240) for one in started]  # one that waits for ever fails here
    return all(one.returncode == 0 for one in ended), "".join(one.output for one in ended)


def _as_a_user_does(arguments: list[str], out: Path) -> tuple[bool, str]:
    """Run the script, from which Lightning starts the other processes."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


@cache
def run(
    case: str, devices: int, strategy: str, *options: str, by_lightning: bool = False
) -> tuple[list[Any], str]:
    """What the monitors of each process measured, and all that was printed."""
    out = Path(mkdtemp())
    arguments = [str(out), "--case", case, "--strategy", strategy, "--devices", str(devices)]
    if by_lightning or strategy == "ddp_spawn":
        succeeded, printed = _as_a_user_does([*arguments, *options], out)
    elif strategy == "ddp":
        succeeded, printed = _as_a_launcher_does([*arguments, *options], out, devices)
    else:
        ended = Running(SCRIPT, [*arguments, *options], out).wait(240)
        succeeded, printed = ended.returncode == 0, ended.output
    assert succeeded == (case != "wrong"), printed[-3000:]
    ranks = sorted(out.glob("rank*.json"))
    return [json.loads(rank.read_text()) for rank in ranks], printed


def check_equal_to_one_process(
    case: str, devices: int, strategy: str, *options: str, by_lightning: bool = False
) -> None:
    (one,), _ = run(case, 1, "auto", *options)
    ranks, printed = run(case, devices, strategy, *options, by_lightning=by_lightning)
    # One process warns of it, of each monitor.
    n_warned = len(re.findall("with ddp_spawn, monitor.history will be empty", printed))
    assert (n_warned > 0) == (strategy == "ddp_spawn")
    assert n_warned <= len(ranks[0]["measured"])
    for rank in ranks:
        assert len(one["callback_metrics"]) > 10
        expected = pytest.approx(one["callback_metrics"], abs=1e-6, nan_ok=True)
        assert rank["callback_metrics"] == expected
        if strategy == "ddp_spawn":
            assert not any(rank["measured"])
            continue  # the history stays with the spawned processes; only the metrics return
        assert rank["n_samples"] == one["n_samples"]
        for several, alone in zip(rank["measured"], one["measured"], strict=True):
            assert_equal_numbers(several, alone)


def assert_equal_numbers(several: dict[str, float], alone: dict[str, float]) -> None:
    """Exact counts are equal; the wide reading takes outputs as they are.

    A forward pass of other batches rounds them otherwise.
    """
    wide = {key for key in alone if OF_WIDE & {*key.partition(" ")[0].split("/")}}
    for keys, tolerance in ((wide, 1e-5), (alone.keys() - wide, 1e-12)):
        expected = {key: alone[key] for key in keys}
        found = {key: several.get(key, math.inf) for key in keys}
        assert found == pytest.approx(expected, abs=tolerance, nan_ok=True)
    assert several.keys() == alone.keys()


@pytest.mark.parametrize("case", ["listen", "data"])
def test_two_processes_give_the_numbers_of_one(case: str) -> None:
    """On 41 samples, which a sampler pads to 42, every number on both processes is that of one."""
    check_equal_to_one_process(case, 2, "ddp")
    assert len(run(case, 2, "ddp")[0]) == 2


@pytest.mark.parametrize("case", ["listen", "data"])
def test_two_processes_remember_the_course_of_one(case: str) -> None:
    """Spreads, pooled from sums, and codes with merged bins are those of all samples."""
    (one,), _ = run(case, 1, "auto")
    for rank in run(case, 2, "ddp")[0]:
        assert rank["looks"].keys() == one["looks"].keys() != set()
        for place, alone in one["looks"].items():
            for name, several, column in zip(
                Look._fields, rank["looks"][place], alone, strict=True
            ):
                # Two processes have as many steps as one has for half of the batches.
                assert name == "step" or several == pytest.approx(
                    column, rel=1e-5, abs=1e-9, nan_ok=True
                )


@pytest.mark.parametrize("case", ["listen", "data"])
def test_two_processes_calibrate_together_at_the_epoch_asked_for(case: str) -> None:
    for rank in run(case, 2, "ddp")[0]:
        (late,) = (of for of in rank["measured"] if any("/late/" in key for key in of))
        codes = [key for key in late if key.startswith("information_plane/late/I_XT/")]
        assert {key.split()[1] for key in codes} == {"2"}


def test_of_many_classes_all_processes_choose_the_same_as_one() -> None:
    """Binned values may differ: a forward pass of other batches moves a sample over an edge."""
    (one,), _ = run("classes", 1, "auto")
    ranks, _ = run("classes", 2, "ddp")
    (chosen,) = {len(set(which)) for which in one["among"]}
    assert chosen == 50
    for rank in ranks:
        assert rank["among"] == one["among"]
        for quantity, tolerance in (("V_TY", 1e-4), ("relative_I_XT", 1e-4), ("spread", 1e-4)):
            expected = {k: v for k, v in one["measured"][0].items() if f"/{quantity}/" in k}
            assert expected
            found = {key: rank["measured"][0][key] for key in expected}
            assert found == pytest.approx(expected, abs=tolerance)
        of_all = {k: v for k, v in one["measured"][1].items() if "/all_sliced_H/" in k}
        assert of_all
        found = {key: rank["measured"][1][key] for key in of_all}
        assert found == pytest.approx(of_all, abs=0.01)


@pytest.mark.parametrize(
    "case",
    ["parts", "tokens", *(pytest.param(c, marks=pytest.mark.slow) for c in ("numbers", "loaders"))],
)
def test_every_kind_of_samples_gives_the_numbers_of_one_process(case: str) -> None:
    """A step that never calls the forward, positions, a regression, two loaders by name."""
    check_equal_to_one_process(case, 2, "ddp")


def test_what_a_strategy_returns_from_a_step_is_no_prediction() -> None:
    """It has a row for each sample and four columns; the last linear layer has three."""
    (one,), _ = run("parts", 1, "auto")
    for rank in run("parts", 2, "ddp")[0]:
        assert rank["sources"] == one["sources"]
        assert rank["sources"][0].endswith("from net.4")


def test_under_two_processes_a_users_own_numbers_are_those_without_monitors() -> None:
    for with_monitors, without in zip(
        run("parts", 2, "ddp")[0], run("alone parts", 2, "ddp")[0], strict=True
    ):
        assert with_monitors["users"] == without["users"] != {}


@pytest.mark.slow
def test_a_random_subset_is_the_same_under_two_processes() -> None:
    check_equal_to_one_process("listen", 2, "ddp", "--max-samples", "20")
    assert run("listen", 2, "ddp", "--max-samples", "20")[0][0]["n_samples"] == [
        [20],
        [41],
        [20],
        [41],
    ]


def test_a_fault_on_one_process_costs_all_the_point_and_says_where() -> None:
    """The others neither wait nor log a number that one has not; training goes on."""
    ranks, printed = run("fails", 2, "ddp")
    assert "process 1: ValueError: something on process 1 only" in printed
    for rank in ranks:
        failing, other = rank["measured"]
        assert {key.split()[1] for key in failing} == {"1"}
        assert {key.split()[1] for key in other} == {"1", "2"}


def test_a_fixed_set_is_measured_with_a_process_that_validates_on_nothing() -> None:
    """That process waits at the end of the loop, where the others come too."""
    (one,), _ = run("lopsided", 1, "auto")
    ranks, _ = run("lopsided", 2, "ddp")
    for rank in ranks:
        assert_equal_numbers(rank["measured"][0], one["measured"][0])
        assert {key.split()[1] for key in rank["measured"][0]} == {"0", "1", "2"}
        assert rank["users"] == {"user_one": 1.0}
        assert "at its end" in rank["weights"][0]
    assert "at its end" not in one["weights"][0]


def test_a_fixed_set_that_one_process_cannot_read_is_measured_on_none() -> None:
    """The others do not wait for its share; what needs no fixed set is measured."""
    ranks, printed = run("lost", 2, "ddp")
    assert "process 1: OSError: the disk is gone" in printed
    for rank in ranks:
        lost, other = rank["measured"]
        assert not lost
        assert {key.split()[1] for key in other} == {"1", "2"}


def test_a_row_of_nan_on_one_process_is_left_out_on_all() -> None:
    """Both points of all layers are those of one process, of one sample less where it is NaN."""
    check_equal_to_one_process("nan", 2, "ddp")
    ranks, printed = run("nan", 2, "ddp")
    assert len(re.findall("layer 'net.4' 1\n", printed)) == 1
    for rank in ranks:
        assert rank["n_samples"] == [[1023, 1024, 1099, 1100]] * 2  # of 1024 at any width
        for measured in rank["measured"]:
            assert {key[-1] for key in measured if "net.4" in key} == {"1", "2"}


def test_a_schedule_that_processes_answer_differently_is_the_first_ones() -> None:
    """Else one would listen and wait for ever for the other."""
    ranks, _ = run("disagree", 2, "ddp")
    assert [{key.split()[1] for key in rank["measured"][0]} for rank in ranks] == [{"1", "2"}] * 2


def test_shares_of_the_users_own_are_not_measured_and_training_goes_on() -> None:
    """Each process goes through all that it has, in order, and half would be left out."""
    ranks, printed = run("shares", 2, "ddp")
    assert [rank["measured"] for rank in ranks] == [[{}]] * 2
    assert printed.count("skipped a measurement") == 1
    assert "processes appear to validate set 'val' on different samples" in printed
    assert "pass data='val'" in printed


def test_an_argument_that_is_wrong_on_one_process_ends_all_before_the_first_step() -> None:
    ranks, printed = run("wrong", 2, "ddp")
    assert ranks == []
    assert printed.count("process 1: ArgumentValueError: target=7: no such index") >= 2


def test_sharded_parameters_can_be_measured() -> None:
    """Under FSDP2 every process takes part in each forward of a fixed set."""
    check_equal_to_one_process("data", 1, "fsdp2")


@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.parametrize("monitor", [InformationPlaneMonitor, PredictionEntropyMonitor])
def test_a_history_that_will_stay_in_spawned_processes_is_warned_of_once(
    monitor: type[Any], start: str
) -> None:
    """Of a Trainer as a user makes it, which starts no process before it is run."""
    running, spawned = trainer([], strategy=f"ddp_{start}", devices=2), monitor()
    with warned() as given:
        spawned.setup(running, None, "fit")
        spawned.setup(running, None, "validate")
    (warning,) = given
    assert (warning.monitor, warning.cause) == (monitor.__name__, "spawned")
    assert "strategy='ddp'" in warning.text


def test_processes_that_run_the_whole_script_keep_their_history_and_say_nothing() -> None:
    running = trainer([], strategy="ddp", devices=2)
    with warned() as given:
        InformationPlaneMonitor().setup(running, None, "fit")
        InformationPlaneMonitor().setup(trainer([]), None, "fit")
    assert given == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["listen", "data"])
def test_processes_that_lightning_starts_give_the_numbers_of_one(case: str) -> None:
    """By running the whole script once more, as ``strategy="ddp"`` does by itself."""
    check_equal_to_one_process(case, 2, "ddp", by_lightning=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["listen", "data"])
@pytest.mark.parametrize(("devices", "strategy"), [(3, "ddp"), (2, "ddp_spawn"), (3, "ddp_spawn")])
def test_three_processes_and_spawned_ones_give_the_numbers_of_one(
    case: str, devices: int, strategy: str
) -> None:
    """With three, six batches and one are dealt out unevenly, and two processes get none."""
    check_equal_to_one_process(case, devices, strategy)
