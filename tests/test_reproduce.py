"""The literature's experiments show their signatures, and say so when they do not."""

from __future__ import annotations

import ast
import gzip
import importlib
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn

from it_callbacks import InformationPlaneMonitor, LogSpaced, Record
from it_callbacks.codes import symbols
from it_callbacks.estimators import entropy
from it_callbacks.rulers import Width
from it_callbacks.tasks import digits_task, szt_network, szt_task

FOLDER = Path(__file__).parents[1] / "examples" / "reproduce"
SCRIPTS = [
    *("szt", "artefacts", "quantised", "minimal_model"),
    *("bottleneck", "convolutional", "transformer", "wide", "label_information"),
    *("memorised", "grokking"),
]
BY_THEMSELVES = {"verdicts", "trained_verdicts"}
"""Experiments of half an hour, whose short runs are in test_verdict.py."""


@pytest.fixture(autouse=True)
def _beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts import what they share from their own folder, as when they are run."""
    monkeypatch.syspath_prepend(str(FOLDER))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def run(name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a script, run as from a command line."""
    path = FOLDER / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    return ended.value.code


# Of the others what is fast is tested below: what they must tell from what they are about.
FAST = {"minimal_model", "bottleneck", "label_information"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in SCRIPTS],
)
def test_each_signature_is_there_in_a_short_run(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All bounds hold, the table says so, and figures are written where they are asked for."""
    assert run(name, "--fast", "--out", str(tmp_path), monkeypatch=monkeypatch) == 0
    table = capsys.readouterr().out
    assert "PASS: " in table
    assert "MISSED" not in table
    assert "seed 0" in table
    pictures = list(tmp_path.iterdir())
    assert pictures
    for picture in pictures:
        assert ET.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.slow
def test_all_signatures_are_there_in_a_plain_run() -> None:
    """What `make reproduce` does: every experiment on all its seeds, then one table."""
    ran = subprocess.run(
        [sys.executable, str(FOLDER)], capture_output=True, text=True, timeout=3600, check=False
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "All signatures" in ran.stdout


def test_every_script_is_among_those_that_are_run_together() -> None:
    together = runpy.run_path(str(FOLDER / "__main__.py"), run_name="together")["SCRIPTS"]
    with_a_command = {
        path.stem for path in FOLDER.glob("*.py") if "conclude(__doc__" in path.read_text()
    }
    assert {script.__name__ for script in together} == set(SCRIPTS)
    assert with_a_command == set(SCRIPTS) | BY_THEMSELVES


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_says_what_is_learnt_and_how_to_run_it(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    assert "You learn" in docstring
    assert f"python examples/reproduce/{name}.py" in docstring


def test_a_missed_bound_fails_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """One seed in three is enough, on either side."""
    signatures = module("signatures")
    lost = signatures.Signature("bits lost", {0: 2.5, 1: 1.9, 2: 3.0}, low=2.0)
    kept = signatures.Signature("share kept", {0: 0.9, 1: 0.7, 2: 0.8}, high=0.85)
    told = signatures.Signature("accuracy", {0: 0.1, 1: 0.2, 2: 0.3})
    assert signatures.conclude("Both", [told, lost, kept]) == 1
    assert "FAIL: 2 of 2 bounds missed: bits lost, share kept" in capsys.readouterr().out
    assert signatures.summarise({"one": [lost, told]}) == 1
    assert "bits lost  1.900  3.000  >= 2   MISSED" in capsys.readouterr().out


def test_bounds_include_their_ends_and_need_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing holds where every seed was set apart, and NaN is within no bounds."""
    Signature = module("signatures").Signature
    assert Signature("", {0: 2.0}, low=2.0).holds
    assert Signature("", {0: 2.0}, high=2.0).holds
    assert not Signature("", {}, low=2.0).holds
    assert not Signature("", {0: 3.0, 1: float("nan")}, low=2.0).holds
    one = Signature("bits", {0: 2.0, 2: 3.0}, low=1.0)
    other = Signature("accuracy", {0: 1.0, 1: 0.5, 2: 1.0})
    assert module("signatures").conclude("A title\n\nand more", [one, other]) == 0
    assert capsys.readouterr().out == (
        "A title\n"
        "            seed 0  seed 1  seed 2  bound\n"
        "  bits      2.000   apart   3.000   >= 1   ok\n"
        "  accuracy  1.000   0.500   1.000\n"
        "PASS: 1 of 1 bounds hold in every seed\n\n"
    )


def test_drop_and_keep_are_from_the_peak_to_the_end() -> None:
    signatures = module("signatures")
    assert signatures.drop([3.0, 8.0, 5.0, 6.0]) == 2.0
    assert signatures.keep([3.0, 8.0, 5.0, 6.0]) == 0.75


def test_a_seed_that_has_not_learnt_is_warned_of_and_set_apart() -> None:
    """ReLU with seed 1 is dead from the start: its table has an accuracy and no curve."""
    szt = module("szt")
    with pytest.warns(UserWarning, match=r"seed 1: train accuracy 0\.\d\d is below 0\.9"):
        signatures = szt.experiment(szt.Settings((1,), lr=4e-3, batch_size=512, epochs=2))
    of_relu = {one.what: one for one in signatures if one.what.startswith("relu")}
    assert of_relu.pop("relu: train accuracy").values[1] < 0.6
    assert len(of_relu) == 3
    for one in of_relu.values():
        assert not one.values
        assert not one.holds


@pytest.mark.parametrize("epochs", [1, 7])
def test_activations_are_recorded_at_the_moments_of_a_monitor_and_are_those_that_it_reads(
    epochs: int,
) -> None:
    """Seven epochs are not due by 3 a decade, and are recorded as the last; weights are as ever."""
    training = module("training")
    layer, schedule = "net.hidden4.relu", LogSpaced(3)

    def run(*callbacks: Any) -> Any:
        training.seeded(0)
        net, task = szt_network(nn.ReLU), training.part_of_szt_task()
        model = training.Classifier(net, lr=4e-3)
        training.fit(model, training.batches(task, 512), epochs, callbacks)
        return model

    plane = InformationPlaneMonitor(
        [layer], bins=Width(0.07), data=szt_task(), schedule=schedule, exhaustive=True
    )
    recorder = training.Recorder(layer, szt_task()[0], schedule)
    both, alone = run(plane, recorder), run()
    read = [
        record for record in plane.history if record.tag == f"information_plane/data/I_XT/{layer}"
    ]
    assert [one[:2] for one in recorder.recorded] == [(one.epoch, one.step) for one in read]
    assert [one.epoch for one in recorder.recorded] == {1: [0, 1], 7: [0, 1, 3, 5, 7]}[epochs]
    bits = [entropy(symbols(Width(0.07)(one.values))).bits for one in recorder.recorded]
    assert bits == pytest.approx([one.bits for one in read], abs=1e-12)
    assert all(map(torch.equal, both.parameters(), alone.parameters()))
    assert both.training


def test_quantised_activations_are_whole_steps_and_have_the_gradient_of_their_activation() -> None:
    """255 steps between the ends; equal levels are equal numbers, to the last digit."""
    layer = module("quantised").Quantise(nn.Tanh()).eval()
    x = torch.linspace(-6, 6, 5000, requires_grad=True)
    t = layer(x)
    assert len(t.unique()) == 256
    assert torch.allclose(t.unique(), torch.linspace(-1, 1, 256), atol=1e-6)
    assert (t - x.tanh()).abs().max() <= 1 / 255 + 1e-6
    t.sum().backward()
    assert torch.allclose(x.grad, 1 - x.detach().tanh() ** 2, atol=1e-6)


def test_quantised_relu_follows_its_largest_activation_in_training_only() -> None:
    """The top moves a hundredth of the way from 1 to 5; what lies above it is the top."""
    layer = module("quantised").Quantise(nn.ReLU())
    layer.eval()(torch.tensor([5.0]))
    assert layer.high.item() == 1.0
    layer.train()(torch.tensor([5.0]))
    assert layer.high.item() == pytest.approx(1.04)
    assert layer.eval()(torch.tensor([-2.0, 9.0])).tolist() == pytest.approx([0.0, 1.04])


def test_a_layer_that_seems_to_know_more_than_the_one_before_is_a_violation() -> None:
    """By .5 bit, once, between the third layer and the fourth."""
    quantised = module("quantised")
    bits = [[6.0, 6.0], [5.0, 5.0], [4.0, 4.0], [3.0, 4.5], [2.0, 2.0], [1.0, 1.0]]
    plane = SimpleNamespace(
        history=[
            Record("I_XT", "data", layer, value, step=epoch, epoch=epoch, n_samples=4096)
            for layer, values in zip(quantised.LAYERS, bits, strict=True)
            for epoch, value in enumerate(values)
        ]
    )
    assert quantised.violation(plane, "I_XT") == 0.5
    with pytest.raises(
        KeyError, match=r"'information_plane/data/I_TY/net\.hidden1\.quantise' was not measured"
    ):
        quantised.violation(plane, "I_TY")


@pytest.mark.parametrize(
    ("curve", "w", "bits"),
    [
        *(("exact_tanh", w, bits) for w, bits in ((0.1, 2.6445), (1, 4.8771), (10, 2.0442))),
        *(("exact_relu", w, bits) for w, bits in ((0.1, 1.1444), (1, 3.3253), (10, 5.1140))),
    ],
)
def test_the_closed_forms_of_the_minimal_model(curve: str, w: float, bits: float) -> None:
    assert getattr(module("minimal_model"), curve)(w) == pytest.approx(bits, abs=6e-5)


def written_as_mnist(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """900 of the small digits, as images of 28 by 28 pixels in files like MNIST's."""
    pixels, labels = load_digits(return_X_y=True)
    images = np.zeros((900, 28, 28), np.uint8)
    images[:, 2:26, 2:26] = (15 * pixels[:900]).reshape(-1, 8, 8).repeat(3, 1).repeat(3, 2)
    which = labels[:900].astype(np.uint8)
    for name, values in (("images-idx3", images), ("labels-idx1", which)):
        lengths = b"".join(length.to_bytes(4, "big") for length in values.shape)
        header = bytes([0, 0, 8, values.ndim]) + lengths
        file = folder / f"{part}-{name}-ubyte.gz"
        file.write_bytes(gzip.compress(header + values.tobytes()))
    return images, which


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_mnist_is_read_from_its_files(tmp_path: Path, part: str) -> None:
    images, which = written_as_mnist(tmp_path, part)
    read, labels = module("convolutional").mnist(tmp_path)
    assert read.shape == (900, 1, 28, 28)
    assert np.array_equal((255 * read[:, 0]).round().numpy(), images)
    assert np.array_equal(labels.numpy(), which)


def test_a_folder_without_mnist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has neither"):
        module("convolutional").mnist(tmp_path)


def test_images_of_mnists_size_go_through_the_network(tmp_path: Path) -> None:
    written_as_mnist(tmp_path, "t10k")
    images, _ = module("convolutional").mnist(tmp_path)
    assert module("convolutional").network(28)(images[:5]).shape == (5, 10)


@pytest.mark.slow
def test_the_convolutional_network_on_mnist(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(shared / "data" / "mnist")
    assert run("convolutional", "--fast", "--data", folder, monkeypatch=monkeypatch) == 0


def test_the_bounds_of_the_wide_plane_hold_there_and_are_all_missed_by_binned_codes() -> None:
    """Codes are saturated: all layers at (log2 N, H(Y)), at every moment and on both sets."""
    wide = module("wide")
    module("training").seeded(0)
    images, labels = digits_task()
    images = images.reshape(-1, 1, 8, 8)
    run = {0: wide.train(wide.NETWORKS["relu"], images, labels, epochs=7)}
    of_both = [wide.of_network("relu", run, axes) for axes in (wide.WIDE, wide.CODE)]
    on_the_plane, of_codes = ([one for one in of if one.bound] for of in of_both)
    assert [one.what for one in on_the_plane if not one.holds] == []
    assert [one.what for one in of_codes if one.holds] == []
    assert len(of_codes) == 4


@pytest.mark.parametrize("side", [8, 28])
@pytest.mark.parametrize("name", ["tanh", "relu", "cnn", "resnet", "transformer"])
def test_the_networks_of_the_wide_plane_take_images_of_both_sizes(name: str, side: int) -> None:
    net = module("wide").NETWORKS[name].build(side)
    assert net(torch.rand(3, 1, side, side)).shape == (3, 10)


def test_the_bounds_of_memorised_labels_are_missed_by_learnt_ones() -> None:
    """Held-out digits are known after a few epochs, and no finding speaks of over-fitting."""
    memorised = module("memorised")
    module("training").seeded(0)
    learnt = {0: memorised.train(*digits_task(), epochs=4, out=None, name="learnt")}
    bounded = [one for one in memorised.of_labels_by_lot(learnt) if one.bound]
    assert [one.what for one in bounded if one.holds] == []
    assert len(bounded) == 3
    assert not memorised.over_fitted(learnt[0])


def test_the_chance_of_independent_labels_is_that_of_permutations() -> None:
    """Three standard deviations, from 4000 tables of independent labels."""
    memorised = module("memorised")
    generator = np.random.default_rng(0)
    y, labels = generator.integers(0, memorised.K, (2, 4000, memorised.N))
    cells = memorised.K * y + labels + memorised.K**2 * np.arange(4000)[:, None]
    p = np.bincount(cells.ravel(), minlength=4000 * memorised.K**2) / memorised.N
    p = p.reshape(4000, memorised.K, memorised.K)
    logs = np.log2(np.where(p > 0, p, 1) / (p.sum(1, keepdims=True) * p.sum(2, keepdims=True)))
    bits = np.where(p > 0, p * logs, 0).sum((1, 2))
    assert 3 * bits.std() == pytest.approx(memorised.CHANCE, rel=0.05)


def test_a_network_that_has_only_memorised_sums_has_not_grokked() -> None:
    grokking = module("grokking")
    found = grokking.experiment(grokking.Settings((0,), lr=1e-2, epochs=60))
    holds = {one.what: one.holds for one in found if one.bound}
    of_memorised = {name: of for name, of in holds.items() if name.startswith("fitted: ")}
    assert len(of_memorised) == 3
    assert all(of_memorised.values())
    assert not any(of for name, of in holds.items() if name.startswith("learnt: "))
    assert not holds["times as many"]


def test_sums_are_of_all_pairs_and_no_pair_is_in_both_halves() -> None:
    grokking = module("grokking")
    seen = {}
    for name, half in grokking.halves().items():
        inputs, labels = half.tensors
        a, b = inputs.reshape(-1, 2, grokking.P).argmax(2).unbind(1)
        assert torch.equal((a + b) % grokking.P, labels)
        seen[name] = set(zip(a.tolist(), b.tolist(), strict=True))
    assert not seen["train"] & seen["val"]
    assert len(seen["train"] | seen["val"]) == grokking.P**2


def test_the_label_is_the_token_after_the_marker() -> None:
    transformer = module("transformer")
    tokens, labels = transformer.sequences(500)
    assert tokens.shape == (500, 8)
    for sequence, label in zip(tokens.tolist(), labels.tolist(), strict=True):
        assert sequence.count(transformer.MARKER) == 1
        assert sequence[sequence.index(transformer.MARKER) + 1] == label
