"""The examples run as their docstrings say, and leave the points that they promise."""

from __future__ import annotations

import ast
import gzip
import math
import re
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.demos.boring_classes import BoringModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from it_callbacks import InformationPlaneMonitor, LogSpaced, PredictionEntropyMonitor
from it_callbacks.records import slug
from it_callbacks.reductions import RandomProjection
from it_callbacks.rulers import Calibrated, Uniform, Width

from .forked import Finished, Running
from .toys import MONITORS

EXAMPLES = Path(__file__).parents[1] / "examples"


MNIST = EXAMPLES.parents[1] / "shared" / "data" / "mnist"
COMMANDS: dict[str, list[str | Path]] = {
    "digits_mlp.py": ["--epochs", "2"],
    "mnist_cnn.py": ["--data", MNIST, "--epochs", "1"],
    "custom_layers.py": ["--epochs", "2"],
    "lightning_cli.py": [
        "fit",
        *("--config", EXAMPLES / "lightning_cli.yaml"),
        *("--trainer.max_epochs", "1"),
    ],
}


class Ran(NamedTuple):
    folder: Path
    finished: Finished


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Each example, run once as ``python examples/<script>`` in a folder of its own.

    One after the other, since tests of other files run beside them.
    """

    def run(script: str) -> Ran:
        folder = tmp_path_factory.mktemp(script.removesuffix(".py"))
        return Ran(folder, Running(EXAMPLES / script, COMMANDS[script], folder).wait(200))

    return {script: run(script) for script in COMMANDS}


def read(ran: Ran) -> tuple[EventAccumulator, dict[str, float]]:
    """The TensorBoard run that an example wrote, and the last value of each of its tags."""
    assert ran.finished.returncode == 0, ran.finished.output[-2000:]
    (file,) = ran.folder.rglob("events.out.*")
    events = EventAccumulator(str(file), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return events, {tag: events.Scalars(tag)[-1].value for tag in tags}


def layers_of(values: dict[str, float], quantity: str = "I_XT") -> set[str]:
    return {tag.split("/")[3] for tag in values if f"/{quantity}/" in tag}


def test_digits_mlp(ran: dict[str, Ran]) -> None:
    """All three monitors log, at each epoch, from the one line that attaches them."""
    events, values = read(ran["digits_mlp.py"])
    assert layers_of(values) == {"net.1", "net.3", "net.4"}
    assert values["prediction_entropy/val/label_bound"] > 0.5
    assert {f"conditional_entropy/val/class_{c}" for c in range(10)} <= values.keys()
    assert [event.value for event in events.Scalars("information_plane/val/epoch")] == [1, 2]


@pytest.mark.usefixtures("shared")
def test_mnist_cnn(ran: dict[str, Ran]) -> None:
    """On MNIST's own files: images are learnt, and maps are averaged over their positions."""
    events, values = read(ran["mnist_cnn.py"])
    assert values["val_accuracy"] > 0.6
    assert values["prediction_entropy/val/label_bound"] > 1.5
    assert layers_of(values) == layers_of(values, "status") == {"conv1", "conv2", "head"}
    assert "information_plane/val/I_XT_uniform5/conv2" in values
    (settings,) = events.Tensors("information_plane/val/settings/text_summary")
    assert "MeanPool" in settings.tensor_proto.string_val[0].decode()


def test_custom_layers(ran: dict[str, Ran]) -> None:
    """An LSTM's last step, a glob and a ruler of one's own; their points are also printed."""
    _, values = read(ran["custom_layers.py"])
    assert layers_of(values) == {"lstm", "head.0", "head.1", "head.2"}
    # Three states for each of five units are at most 3**5 symbols.
    assert 0 < values["information_plane/val/I_XT/head.1"] <= 5 * 1.5849625
    output = ran["custom_layers.py"].finished.output
    printed = dict(re.findall(r"^(\S+) +(\S+) bits$", output, flags=re.MULTILINE))
    assert printed.keys() >= {
        "information_plane/val/I_XT/lstm",
        "information_plane/val/I_TY_chance/head.2",
    }
    for tag, bits in printed.items():
        assert float(bits) == pytest.approx(values[tag], abs=0.0051)


def test_lightning_cli(ran: dict[str, Ran]) -> None:
    """The YAML file's monitors measure as it says: rulers, fixed set and schedule in steps."""
    events, values = read(ran["lightning_cli.py"])
    assert layers_of(values) == {"net.hidden3.tanh", "net.hidden4.tanh"}
    # Five bins for each of five units, and 1024 samples of the training set.
    assert 0 < values["information_plane/train/I_XT/net.hidden4.tanh"] <= 10
    assert (
        values["information_plane/val/I_XT_uniform5/net.hidden4.tanh"]
        <= values["information_plane/val/I_XT/net.hidden4.tanh"]
    )
    steps = [
        event.step for event in events.Scalars("information_plane/train/I_XT/net.hidden4.tanh")
    ]
    assert steps[:5] == [0, 1, 2, 3, 4]
    assert steps[-1] == 45
    assert len(steps) < 25
    (settings,) = events.Tensors("conditional_entropy/val/settings/text_summary")
    assert "seven" in settings.tensor_proto.string_val[0].decode()


def test_mnist_cnn_says_which_files_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(b""))
    monkeypatch.setattr(sys, "argv", ["mnist_cnn.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / "mnist_cnn.py"), run_name="__main__")
    assert ended.value.code == 2
    assert f"{tmp_path} has no t10k-labels-idx1-ubyte.gz\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08\x01\0\0\0\x02x", b"\0\0\x0d\x01\0\0\0\x01xxxx"]
)
def test_mnist_cnn_refuses_files_that_are_not_idx(tmp_path: Path, content: bytes) -> None:
    """Empty, cut off, and of floats."""
    (tmp_path / "images.gz").write_bytes(gzip.compress(content))
    read_idx = runpy.run_path(str(EXAMPLES / "mnist_cnn.py"))["read_idx"]
    with pytest.raises(ValueError, match=r"images\.gz is no complete idx file"):
        read_idx(tmp_path / "images.gz")


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_says_how_to_run_it(script: Path) -> None:
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    assert "You learn" in docstring
    assert f"python examples/{script.name}" in docstring


def test_the_shortest_example_is_short() -> None:
    assert len((EXAMPLES / "digits_mlp.py").read_text().splitlines()) < 60


# What a YAML file can say, beyond the example's.


def configured(monitor: str, **arguments: Any) -> Any:
    """A monitor as LightningCLI makes it from what a YAML file holds."""
    callback = {"class_path": f"it_callbacks.{monitor}", "init_args": arguments}
    trainer = {"accelerator": "cpu", "logger": False, "callbacks": [callback]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py"])  # LightningCLI does not want both
        cli = LightningCLI(
            BoringModel, args={"trainer": trainer}, run=False, seed_everything_default=False
        )
    (made,) = (each for each in cli.trainer.callbacks if isinstance(each, MONITORS))
    return made


def value(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"it_callbacks.{name}", "init_args": arguments}


UNIFORM = value("rulers.Uniform", bins=30, low=-1, high=1)


@pytest.mark.parametrize(
    ("written", "bins"),
    [
        (15, 15),
        ([30, 5], [30, 5]),
        (UNIFORM, Uniform(30, -1, 1)),
        ([UNIFORM, 5], [Uniform(30, -1, 1), 5]),
        ({"net.*": UNIFORM, "head": 5}, {"net.*": Uniform(30, -1, 1), "head": 5}),
        (value("rulers.Width", width=0.07), Width(0.07)),
        (value("rulers.Calibrated", bins=9, scope="unit"), Calibrated(9, "unit")),
    ],
)
def test_yaml_names_rulers(written: Any, bins: Any) -> None:
    assert configured("InformationPlaneMonitor", bins=written).bins == bins


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        (3, 3),
        ([0, 1, 10], [0, 1, 10]),
        (value("LogSpaced", per_decade=5), LogSpaced(5)),
        (value("LogSpaced", unit="steps"), LogSpaced(unit="steps")),
        ("math.isqrt", math.isqrt),
    ],
)
def test_yaml_names_schedules(written: Any, schedule: Any) -> None:
    monitor = configured("PredictionEntropyMonitor", schedule=written, data="train")
    assert isinstance(monitor, PredictionEntropyMonitor)
    assert monitor.schedule == schedule


def test_yaml_names_functions_keys_and_reductions() -> None:
    monitor = configured(
        "InformationPlaneMonitor",
        layers=["net.*", "torch.nn.Tanh"],
        reduce=value("reductions.RandomProjection", k=3),
        inputs="image",
        target=1,
        max_samples=None,
        exhaustive=True,
        images=10,
    )
    assert isinstance(monitor, InformationPlaneMonitor)
    assert monitor.layers == ["net.*", "torch.nn.Tanh"]
    assert monitor.reduce == RandomProjection(3)
    assert (monitor.inputs, monitor.target, monitor.max_samples) == ("image", 1, None)
    assert monitor.images == 10
    by_function = configured("PredictionEntropyMonitor", target="it_callbacks.records.slug")
    assert by_function.target is slug


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"bins": "many"}, "bins"),
        ({"bins": value("rulers.Uniform", binz=30)}, "binz"),
        ({"schedule": value("LogSpaced", unit="minutes")}, "minutes"),
        ({"data": "vall"}, "data"),
        ({"layers": 3}, "layers"),
        ({"images": "often"}, "images"),
        ({"laiers": "net"}, "laiers"),
    ],
)
def test_yaml_that_is_wrong_is_refused_by_name(
    arguments: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything trains: the file's own words are in the message."""
    with pytest.raises(SystemExit):
        configured("InformationPlaneMonitor", **arguments)
    assert named in capsys.readouterr().err
