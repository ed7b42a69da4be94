"""What LightningCLI says of a wrong argument: its last line names it, and the nearest right one."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import pytest
from pytorch_lightning import LightningModule

pytest.importorskip("jsonargparse", reason="LightningCLI is an extra")
from pytorch_lightning.cli import LightningCLI

from it_callbacks import InformationPlaneMonitor
from it_callbacks.argument_errors import last_line, name_arguments

PLANE, PREDICTIONS = "it_callbacks.InformationPlaneMonitor", "it_callbacks.PredictionEntropyMonitor"
WIDTH = "it_callbacks.rulers.Width"


class Empty(LightningModule):
    """No test trains it."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        if width < 1:
            raise ValueError("width: none of ours")


class Mine(InformationPlaneMonitor):
    """What a user names whose defaults YAML cannot say."""


def said(capsys: pytest.CaptureFixture[str], callbacks: Any, **trainer: Any) -> str:
    """All that LightningCLI says of a configuration before it gives up."""
    config = {"trainer": {"accelerator": "cpu", "logger": False, "callbacks": callbacks, **trainer}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((SystemExit, ValueError)) as stopped:
            LightningCLI(
                Empty, run=False, args=config, save_config_callback=None, seed_everything_default=0
            )
    if isinstance(stopped.value, SystemExit):
        assert stopped.value.code == 2
        return capsys.readouterr().err.rstrip()
    return str(stopped.value)


@pytest.mark.parametrize(
    ("monitor", "arguments", "last"),
    [
        (
            PLANE,
            {"binz": 3},
            "InformationPlaneMonitor has no argument 'binz'; did you mean 'bins'?",
        ),
        (PLANE, {"max_sampels": 9}, "did you mean 'max_samples'?"),
        (PREDICTIONS, {"trget": 1}, "PredictionEntropyMonitor has no argument 'trget'; did you"),
        (PLANE, {"data": "trian"}, "data: need 'train', 'val', a data set, a loader or tensors"),
        (PLANE, {"data": "trian"}, "; did you mean 'train'?"),
        (PLANE, {"on_error": "rise"}, "got 'rise'; did you mean 'raise'?"),
        (PLANE, {"exhaustive": "all"}, "exhaustive: need True or False, got 'all'"),
        (PLANE, {"bins": "many"}, "bins: need a whole number >= 2, got 'many'"),
        (PLANE, {"extra": ["abc"]}, "extra: not a value that it takes"),
        # What has the right type is refused by the monitor itself.
        (PLANE, {"bins": 1}, "bins: need a whole number >= 2, got 1"),
        (PLANE, {"schedule": 0}, "schedule: need a whole number >= 1, got 0"),
        (PLANE, {"wide": {"n_samples": -5}}, "n_samples: need a whole number >= 25, got -5"),
        # Values of arguments that are classes have arguments, too.
        (PLANE, {"wide": {"n_samplse": 5}}, "WideReading has no argument 'n_samplse'; did you"),
        (PLANE, {"bins": {"class_path": WIDTH, "init_args": {"widht": 1}}}, "mean 'width'?"),
        (
            PLANE,
            {"bins": {"class_path": WIDTH, "init_args": {"width": -1}}},
            "width: need a finite",
        ),
        (
            *(PLANE, {"bins": {"class_path": f"{WIDTH[:-5]}Widht", "init_args": {"width": 1}}}),
            "class_path: there is no 'it_callbacks.rulers.Widht'; did you mean 'Width'?",
        ),
        (
            *("it_callbacks.InformationPlaneMonitr", {}),
            "there is no 'it_callbacks.InformationPlaneMonitr'; did you mean 'InformationPlaneMoni",
        ),
    ],
)
def test_the_last_line_names_the_argument_and_the_nearest(
    monitor: str, arguments: dict[str, Any], last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = said(capsys, [{"class_path": monitor, "init_args": arguments}])
    assert last in message.splitlines()[-1]
    assert "Given value type" in message  # all that jsonargparse says is there as well


def test_a_users_own_kind_of_monitor_is_named_too(capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{__name__}.Mine"
    message = said(capsys, [PLANE, {"class_path": path, "init_args": {"layrs": "net"}}])
    assert (
        message.splitlines()[-1].strip() == "Mine has no argument 'layrs'; did you mean 'layers'?"
    )


@pytest.mark.parametrize(
    ("callbacks", "trainer"),
    [
        ([PLANE], {"max_epohcs": 3}),
        (
            [PLANE, {"class_path": "pytorch_lightning.callbacks.Timer", "init_args": {"bnis": 1}}],
            {},
        ),
    ],
)
def test_what_others_are_given_is_left_to_jsonargparse(
    callbacks: list[Any], trainer: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    message = said(capsys, callbacks, **trainer)
    assert "did you mean" not in message
    assert "has no argument" not in message


@pytest.mark.parametrize(
    ("package", "first", "path"),
    [
        ("lightning.pytorch", "cli", PLANE),
        pytest.param(
            "pytorch_lightning", "monitor", "InformationPlaneMonitor", marks=pytest.mark.slow
        ),
        pytest.param("pytorch_lightning", "cli", "InformationPlaneMonitor", marks=pytest.mark.slow),
        pytest.param("lightning.pytorch", "monitor", PLANE, marks=pytest.mark.slow),
    ],
)
def test_it_takes_plain_lightningcli_and_no_order_of_imports(
    package: str, first: str, path: str
) -> None:
    """As on a command line, also by the short name of a monitor that the script has imported."""
    if package != "pytorch_lightning":
        pytest.importorskip("lightning")
    imports = [
        "from it_callbacks import InformationPlaneMonitor",
        f"from {package}.cli import LightningCLI",
    ]
    lines = imports if first == "monitor" else imports[::-1]
    lines += [f"from {package} import LightningModule", "class Net(LightningModule): pass"]
    words = [
        f"--trainer.callbacks+={path}",
        "--trainer.callbacks.max_sampels=3",
    ]
    lines += [f"LightningCLI(Net, run=False, args={words!r}, save_config_callback=None)"]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    last = ran.stderr.rstrip().splitlines()[-1]
    assert (
        last == "InformationPlaneMonitor has no argument 'max_sampels'; did you mean 'max_samples'?"
    )


def test_a_message_that_nobody_foresaw_stays_as_it_is() -> None:
    strange = "Problem with given class_path 'it_callbacks.nowhere.X':\n  'a' 'b'"

    class Parser:
        def error(self, message: str, ex: Exception | None = None) -> str:
            return message

        def instantiate_classes(self, config: object) -> object:
            raise ValueError("one line")

    name_arguments(Parser)
    once = Parser.error
    name_arguments(Parser)
    assert Parser.error is once
    assert Parser().error(strange) == strange
    assert Parser().error("of another package", ex=None) == "of another package"
    with pytest.raises(ValueError, match=r"^one line$"):
        Parser().instantiate_classes({})
    assert last_line("the value of 'it_callbacks.LogSpaced' is odd") == ""
