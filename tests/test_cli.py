"""The command line: what it trains, prints and writes, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from scipy.stats import entropy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from it_callbacks import cli, demo
from it_callbacks.cli.demo import view_command
from it_callbacks.findings import findings
from it_callbacks.logs import read_folder
from it_callbacks.runs import Key, Run, Series
from it_callbacks.tasks import digits_task

from .drawn_runs import from_log
from .known_run import PLANE, SETTINGS, STEPS, WIDE, WIDE_SETTINGS

DIGITS_LAYERS = [*(f"net.hidden{n}.tanh" for n in range(1, 5)), "net.output"]
SZT_LAYERS = [*(f"net.hidden{n}.tanh" for n in range(1, 6)), "net.output"]


def scalars(run: Path) -> dict[str, list[float]]:
    """All values of each tag in a TensorBoard run, in order."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def table(output: str) -> dict[tuple[str, str], list[str]]:
    """The printed table of layers: from layer and bins to the cells of the row."""
    rows = re.findall(r"^  (net\.\S+) +(\S+|\S+ wide)  +(.+)$", output, flags=re.MULTILINE)
    return {(layer, bins): re.split(r" -> +| {2,}", rest.strip()) for layer, bins, rest in rows}


class FullDemo(NamedTuple):
    finished: subprocess.CompletedProcess[str]
    folder: Path
    values: dict[str, list[float]]


@pytest.fixture(scope="module")
def full_demo(tmp_path_factory: pytest.TempPathFactory) -> FullDemo:
    """`it-callbacks demo` as a user runs it, to the end."""
    folder = tmp_path_factory.mktemp("demo")
    finished = subprocess.run(
        [sys.executable, "-m", "it_callbacks", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return FullDemo(finished, folder, scalars(folder / "runs" / "digits" / "version_0"))


def test_the_demo_ends_well_and_says_nothing_beside_the_result(full_demo: FullDemo) -> None:
    """Where no terminal shows it there is no bar; the way on is no part of the result."""
    assert full_demo.finished.returncode == 0
    assert re.fullmatch(r"\nTo look at it:\n  .+ view runs/digits\n", full_demo.finished.stderr)
    assert full_demo.finished.stdout.startswith("Digits, 60 epochs, on 360 validation images:\n")
    assert re.search(r"\n  net\.output +cannot tell.+\n\Z", full_demo.finished.stdout)


def test_a_terminal_has_a_bar_and_quiet_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    words = ["demo", "--task", "szt", "--epochs", "2", "--logdir", str(tmp_path)]
    assert cli.main(words) == 0
    on_a_terminal = capsys.readouterr()
    assert "Epoch 1: 100%" in on_a_terminal.err
    assert "To look at it" in on_a_terminal.err
    assert cli.main([*words, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == ""
    assert quiet.out == on_a_terminal.out
    assert "Epoch 1" not in quiet.out


def test_the_demo_learns_to_read(full_demo: FullDemo) -> None:
    """On the validation set, read from the TensorBoard run.

    Another processor's last digits lead a training elsewhere, as another seed does: of eight, the
    least was .939 and 2.87 bits.
    """
    last = {tag: values[-1] for tag, values in full_demo.values.items()}
    assert last["val_accuracy"] >= 0.92
    assert last["prediction_entropy/val/mean"] <= 0.30
    assert last["prediction_entropy/val/label_bound"] >= 2.75


def test_the_demo_shows_the_narrow_layer_rise_and_fall(full_demo: FullDemo) -> None:
    """The 5-unit layer first tells the images apart, then merges those of a class."""
    i_xt = full_demo.values["information_plane/data/I_XT/net.hidden4.tanh"]
    i_ty = full_demo.values["information_plane/data/I_TY/net.hidden4.tanh"]
    assert 2.5 < i_xt[0] < 4.5
    assert max(i_xt) > 8
    assert 4.5 < i_xt[-1] < 7.5
    assert i_ty[0] < 1.2
    assert i_ty[-1] > 3.2


def test_the_demo_says_which_layers_are_saturated(full_demo: FullDemo) -> None:
    """64 and 16 units are beyond 1797 images at 30 bins; 5 units are not."""
    rows = table(full_demo.finished.stdout)
    assert list(rows) == [(layer, bins) for layer in DIGITS_LAYERS for bins in ("30", "5")]
    assert rows["net.hidden1.tanh", "30"][-1] == "SATURATED"
    assert rows["net.hidden2.tanh", "30"][-1] == "SATURATED"
    assert rows["net.hidden4.tanh", "30"][-1] == "CAUTION"


def test_the_table_of_the_demo_shows_saturated_layers_at_any_width() -> None:
    """``fc1`` is saturated in the code, ``fc2`` is not."""
    tags = {tag: dict(zip(STEPS, of, strict=True)) for tag, of in PLANE.items()} | WIDE
    (run,) = from_log("a", {tag: list(of.items()) for tag, of in tags.items()}, {})
    settings = {"information_plane/val": {**SETTINGS, "wide": WIDE_SETTINGS}}
    *code, title, _, fc1 = demo._table(replace(run, settings=settings), "val", ["30"])
    assert title.startswith("Saturated layers, read at any width")
    assert fc1.split()[0] == "fc1"
    expected = [6.0, 6.0, 4.5, -0.03, 0.75, 0.06]  # first, peak, last; first, last; error
    assert [float(n) for n in re.findall(r"-?\d+\.\d+", fc1)] == expected
    assert fc1.endswith("CAUTION one row holds 12 % of the spread")
    assert any(line.split()[0] == "fc2" for line in code if line)
    readable = replace(run, settings=settings, series={**run.series, **_readable(run)})
    assert not [line for line in demo._table(readable, "val", ["30"]) if "any width" in line]


def _readable(run: Run) -> dict[Key, Series]:
    """The statuses of the code, all CAUTION."""
    return {key: dict.fromkeys(of, 1) for key, of in run.series.items() if key[0] == "status"}


def test_the_log_of_the_demo_gives_findings(full_demo: FullDemo) -> None:
    """The plane is of all images, so that over-fitting is not spoken of; the rest is told."""
    found = {each.rule: each for each in findings(read_folder(full_demo.folder / "runs"))}
    last = {tag: values[-1] for tag, values in full_demo.values.items()}
    assert found["learnt"].layer == "net.output"
    assert found["learnt"].values["bits"] == last["information_plane/data/V_TY/net.output"]
    assert found["learnt"].text.endswith("of the 3.32 bits of the label.")
    assert found["readable"].text.startswith("5 of 5 layers can be read here, at any width; as")
    assert found["gained"].tone == "gain"
    assert not {rule for rule in found if "gap" in rule}
    assert "scattered" in found


@pytest.mark.parametrize(("bins", "slug"), [("30", ""), ("5", "_uniform5")])
def test_the_table_is_what_was_logged(full_demo: FullDemo, bins: str, slug: str) -> None:
    layer = "net.hidden3.tanh"
    i_xt, i_ty, chance, coverage, status = (
        full_demo.values[f"information_plane/data/{quantity}{slug}/{layer}"]
        for quantity in ("I_XT", "I_TY", "I_TY_chance", "coverage", "status")
    )
    share = chance[-1] / entropy(digits_task()[1].bincount(), base=2)
    numbers = [i_xt[0], max(i_xt), i_xt[-1], i_ty[0], i_ty[-1], coverage[-1], share]
    *cells, verdict = table(full_demo.finished.stdout)[layer, bins]
    assert [float(cell) for cell in cells] == pytest.approx(numbers, abs=0.0051)
    assert verdict == ["OK", "CAUTION", "SATURATED"][int(status[-1])]


def test_the_first_rows_are_what_was_logged(full_demo: FullDemo) -> None:
    last = {tag: values[-1] for tag, values in full_demo.values.items()}
    of_predictions = "prediction_entropy/val"
    bound, bound_se = (last[f"{of_predictions}/label_bound{end}"] for end in ("", "_se"))
    output = full_demo.finished.stdout
    assert re.search(rf"accuracy +{last['val_accuracy']:.3f}\n", output)
    assert re.search(rf"predictive entropy +{last[f'{of_predictions}/mean']:.3f} bits\n", output)
    assert re.search(
        rf"label bound .+ {bound:.2f} \+- {bound_se:.2f} bits, of H\(Y\) = 3.32\n", output
    )


def test_the_table_has_a_verdict_for_each_layer(full_demo: FullDemo) -> None:
    """The 5-unit layer falls, and wanders; 64 units are unique from first to last."""
    text = full_demo.finished.stdout.split("Compression since the peak")[1].split("\n\n")[0]
    said = dict(re.findall(r"^  (net\.\S+) +(.+)$", text, flags=re.MULTILINE))
    assert list(said) == DIGITS_LAYERS
    assert re.match(
        r"cannot tell: \d\.\d\d bits below its highest, but it", said["net.hidden4.tanh"]
    )
    assert said["net.hidden1.tanh"].startswith("cannot tell: saturated")


def test_the_printed_command_opens_the_run(full_demo: FullDemo) -> None:
    """Pasted into a shell it is the command that shows the run."""
    command = full_demo.finished.stderr.rstrip().splitlines()[-1]
    assert command.endswith(" view runs/digits")
    seen = subprocess.run(
        f"{command} --port 70000",
        shell=True,
        cwd=full_demo.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert seen.returncode == 2
    assert "it-callbacks view: error: argument --port: need a whole number" in seen.stderr


def test_a_second_run_gets_a_folder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", "--logdir", str(tmp_path / "my runs"), "--epochs", "1"]
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--seed", "1"]) == 0
    versions = sorted((tmp_path / "my runs").iterdir())
    assert [version.name for version in versions] == ["version_0", "version_1"]
    first, second = map(scalars, versions)
    assert first.keys() == second.keys()
    assert first["val_accuracy"] != second["val_accuracy"]
    assert shlex.split(capsys.readouterr().err.splitlines()[-1])[-1] == str(tmp_path / "my runs")


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    arguments = ["demo", "--task", "szt", "--epochs", "2", "--seed", "3", "--logdir", str(tmp_path)]
    assert cli.main(arguments) == cli.main(arguments) == 0
    first, second = (scalars(tmp_path / f"version_{n}") for n in (0, 1))
    for run in (first, second):
        del run["information_plane/data/overhead"]  # a time
    assert repr(first) == repr(second)  # as text, where NaN is NaN


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_szt_is_measured_on_all_patterns(
    activation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """H(X) is 12 bits, and the first layer's code of the untrained tanh network is unique."""
    words = ["demo", "--task", "szt", "--epochs", "3", "--activation", activation]
    assert cli.main([*words, "--logdir", str(tmp_path)]) == 0
    output, values = capsys.readouterr().out, scalars(tmp_path / "version_0")
    layers = [layer.replace("tanh", activation) for layer in SZT_LAYERS]
    bins = "30" if activation == "tanh" else "0.07 wide"
    assert list(table(output)) == [(layer, bins) for layer in layers]
    assert values["information_plane/data/epoch"] == [0, 1, 2, 3]
    i_xt = values[f"information_plane/data/I_XT/{layers[4]}"]
    assert f"{layers[4]} dropped by {max(i_xt) - i_xt[-1]:.2f} bits" in output
    if activation == "tanh":
        assert values[f"information_plane/data/I_XT/{layers[0]}"][0] == pytest.approx(12, abs=0.01)
    # All patterns are all there is: nothing is corrected for a sample.
    assert not any(re.search("/I_[XT][TY]_(low|high)/", tag) for tag in values)


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "least", "most"), [("tanh", 2.0, 12), ("relu", 0, 1.2)])
def test_szt_compresses_with_tanh_and_hardly_with_relu(
    activation: str, least: float, most: float, tmp_path: Path
) -> None:
    words = ["demo", "--task", "szt", "--activation", activation, "--logdir", str(tmp_path)]
    assert cli.main(words) == 0
    i_xt = scalars(tmp_path / "version_0")[f"information_plane/data/I_XT/net.hidden5.{activation}"]
    assert least <= max(i_xt) - i_xt[-1] <= most


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("demo", "it-callbacks demo --task szt"),
        ("view", "it-callbacks view runs/digits"),
        ("report", "it-callbacks report runs/digits -o report.html"),
        ("export", "it-callbacks export runs/digits -o plane.csv"),
    ],
)
def test_help_has_an_example_and_is_quick(command: str, example: str) -> None:
    """Reading the command line loads nothing that takes time."""
    program = (
        f"import sys; from it_callbacks import cli; code = cli.main([{command!r}, '--help'])\n"
        "heavy = {'torch', 'numpy', 'pytorch_lightning', 'lightning', 'tensorboard', 'plotly'}\n"
        "print(code, sorted(heavy & {*sys.modules}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert example in ran.stdout
    assert ran.stdout.endswith("0 []\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: command"),
        (["dmo"], "invalid choice: 'dmo'"),
        (["demo", "--task", "mnist"], "argument --task: invalid choice: 'mnist'"),
        (["demo", "--epochs", "0"], "argument --epochs: need a whole number from 1"),
        (["demo", "--epochs", "many"], "got 'many'"),
        (["demo", "--seed", "-1"], "argument --seed: need a whole number from 0"),
        (["demo", "--activation", "relu"], "only --task szt"),
        (["view"], "the following arguments are required: LOGDIR"),
        (["view", "missing"], "view: error: argument LOGDIR: no such folder: missing"),
        (["view", ".", "--port", "65536"], "argument --port: need a whole number from 0 to 65535"),
        (["report", "."], "argument -o: a page needs a file, -o report.html; --format md prints"),
        (["report", ".", "--format", "md", "-o", "a.html"], "--format md a report is .md, got 'a"),
        (["report", ".", "--format", "yaml"], "invalid choice: 'yaml'"),
        (["report", ".", "-o", "a.pdf"], "a report is .html, got 'a.pdf'"),
        (["export", "."], "the following arguments are required: -o/--output"),
        (["export", ".", "-o", "a.xls"], "one of .csv, .json, .pdf, .png, .svg; got 'a.xls'"),
        (["export", ".", "-o", "a"], "the suffix must be one of"),
        (["export", ".", "-o", "a.csv", "--figure", "plane"], "--figure: only for drawings"),
        (["export", ".", "-o", "a.json", "--each"], "argument --each: only for drawings"),
        (["export", ".", "-o", "a.pdf", "--quantity", "I_TY"], "only with --figure map or curves"),
        (["export", ".", "-o", "a.pdf", "--figure", "classes", "--chance"], "--figure plane"),
        (["export", ".", "-o", "a.pdf", "--figure", "pie"], "invalid choice: 'pie'"),
    ],
)
def test_a_wrong_command_line_is_said_and_ends_in_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


def test_version_ends_in_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"it_callbacks \d+\.\d+\.\d+(\.dev\d+)?\n", capsys.readouterr().out)


def test_a_logdir_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert cli.main(["demo", "--logdir", str(tmp_path / "taken")]) == 2
    assert "argument --logdir: cannot make the folder" in capsys.readouterr().err


def test_missing_scikit_learn_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert cli.main(["demo", "--logdir", str(tmp_path)]) == 2
    assert "it_callbacks[demo]" in capsys.readouterr().err


@pytest.fixture
def _interrupts_restored() -> Iterator[None]:
    """Lightning, once interrupted, ignores all further interrupts of the process."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_interrupts_restored")
def test_an_interrupt_ends_in_130_and_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the third epoch: no traceback, and the points so far are in the run."""

    def interrupt(self: demo._Szt) -> None:
        if self.current_epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(demo._Szt, "on_train_epoch_start", interrupt)
    assert cli.main(["demo", "--task", "szt", "--logdir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nit-callbacks: interrupted\n"
    assert scalars(tmp_path / "version_0")["information_plane/data/epoch"] == [0, 1, 2]


def test_the_command_is_short_where_the_shell_finds_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert view_command(Path("my runs")) == "it-callbacks view 'my runs'"


def test_the_command_names_this_environments_program_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another one on the path would bring another environment's TensorBoard."""
    (tmp_path / "it-callbacks").write_text("#!/bin/sh\n")
    (tmp_path / "it-callbacks").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    program, *rest = shlex.split(view_command(Path("runs")))
    own = shutil.which("it-callbacks", path=str(Path(sys.executable).parent))
    assert own is not None
    assert Path(program).resolve() == Path(own).resolve()
    assert rest == ["view", "runs"]
