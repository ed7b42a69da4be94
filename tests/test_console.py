"""Few lines on the console, whatever there is to say; all of it in the texts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import InformationPlaneMonitor
from it_callbacks.callbacks.console import MOST_LINES, MonitorWarning

from .toys import Classifier, MemoryLogger, Noisy, Own, all_three, fit, raises, trainer
from .warned import Warnings, printed


def troubled_samples() -> tuple[Tensor, Tensor]:
    """300 samples, a third of them repeated, of 100 classes, nearly all of one; one is NaN."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 8, generator=generator)
    x[200:] = x[:100]
    x[7, 3] = torch.nan
    y = torch.zeros(300, dtype=torch.long)
    y[:20] = torch.arange(80, 100)
    return x, y


class Dies(nn.Module):
    """A layer that gives one number, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] * 0.0


def troubled() -> Classifier:
    body = nn.Sequential(nn.Linear(8, 60), Noisy(), nn.Linear(60, 4), nn.Tanh())
    dead = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4), Dies(), nn.Linear(3, 100))
    return Classifier(nn.Sequential(*body, *dead))


def run(callbacks: Any, **options: Any) -> Warnings:
    x, y = troubled_samples()
    train, val = TensorDataset(x[8:100], y[8:100]), TensorDataset(x, y)
    with printed() as given:
        fit(callbacks, troubled, train=DataLoader(train, 50), val=DataLoader(val, 50), **options)
    return given


def test_a_run_with_every_fault_prints_five_lines(caplog: pytest.LogCaptureFixture) -> None:
    """The last of them says what else there is; the texts have all of it."""
    logger, monitors = MemoryLogger(), all_three()
    with caplog.at_level(logging.INFO):
        given = run(monitors, logger=logger)
    informed = [r for r in caplog.records if "Monitor: " in r.getMessage()]
    assert 1 < len(given) + len(informed) <= MOST_LINES
    assert given[-1].cause == "more"
    assert len(set(given.causes)) == len(given)
    plane = monitors[-1]
    texts = plane._journal.faults.texts("val")
    for word in ("few", "repeated", "no sample of class", "left out", "SATURATED", "stochastic"):
        assert any(word in text for text in texts), word


def test_each_monitor_has_the_texts_that_another_one_has_printed() -> None:
    monitors = all_three()
    given = run(monitors)
    assert len(given.of("left out")) == 1
    for monitor in monitors:
        assert any("left out" in text for text in monitor._journal.faults.texts())


def test_another_training_has_lines_of_its_own() -> None:
    for _ in range(2):
        assert len(run(all_three()).of("few")) == 1


def test_one_more_warning_is_printed_itself() -> None:
    given = run([InformationPlaneMonitor(["net.3"])], logger=False)
    assert 1 < len(given) <= MOST_LINES
    assert ("more" in given.causes) == (len(given) == MOST_LINES)


def test_errors_are_printed_however_much_was_said() -> None:
    extra = [Own("own_I_TY", raises(ArithmeticError("not today")))]
    given = run([*all_three()[:2], InformationPlaneMonitor(["net.0", "net.3"], extra=extra)])
    assert len(given.of("extra")) == 2


def test_a_validation_on_its_own_ends_with_its_last_line() -> None:
    set_ = TensorDataset(*troubled_samples())
    with printed() as given:
        trainer(all_three()).validate(troubled(), DataLoader(set_, 50), verbose=False)
    assert 1 < len(given) <= MOST_LINES
    assert given[-1].cause == "more"


def test_a_warning_is_of_the_line_that_trains() -> None:
    """A line of the package or of Lightning would tell nobody where to look."""
    with pytest.warns(MonitorWarning, match="are few") as found:
        fit([InformationPlaneMonitor()], logger=MemoryLogger())
    here = [one.filename for one in found if isinstance(one.message, MonitorWarning)]
    assert here
    assert {Path(name).parent for name in here} == {Path(__file__).parent}
