"""How a layer is read is a value: calibrated once, stored and restored as it was."""

from __future__ import annotations

from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.codes import encode_keys
from it_callbacks.observation.calibrating import Waiting, stream_of
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import PCA, Joint, MeanPool
from it_callbacks.rulers import Calibrated, Ruler, Uniform, Unstorable, Width

ROWS = torch.linspace(-4.0, 4.0, 200).reshape(50, 4)


@dataclass(frozen=True)
class Fixed(Ruler):
    scale: float

    @property
    def slug(self) -> str:
        return "fixed"

    def levels(self, activations: Tensor) -> Tensor:
        return (activations / self.scale).floor()


@dataclass(frozen=True)
class Largest(Ruler):
    """Ten bins up to the largest activation: a user's own, which cannot be stored."""

    frozen = False

    @property
    def slug(self) -> str:
        return "largest"

    def freeze(self, activations: Tensor) -> Ruler:
        return Fixed(float(activations.abs().max()) / 10)

    def levels(self, activations: Tensor) -> Tensor:
        return self.freeze(activations).levels(activations)


def test_a_reader_of_ready_parts_is_ready_and_others_are_not() -> None:
    assert Reader(Joint(), (Width(0.5), Uniform(4, -1, 1))).is_ready
    assert not Reader(Joint(), (Width(0.5), Calibrated(4))).is_ready
    assert not Reader(PCA(2), (Width(0.5),)).is_ready


@pytest.mark.parametrize(
    "spec",
    [
        Reader(Joint(), (Calibrated(4), Uniform(3, -4, 4))),
        Reader(Joint(), (Calibrated(4, scope="unit"),)),
        Reader(PCA(2), (Calibrated(8), Width(0.5))),
        Reader(MeanPool(), (Width(0.5),)),
    ],
)
def test_what_was_calibrated_comes_back_from_its_state(spec: Reader) -> None:
    ready = spec.calibrated(ROWS)
    again = spec.restored(spec.state(ready))
    assert again.is_ready
    assert again.rulers == ready.rulers
    assert torch.equal(again.reduction(ROWS), ready.reduction(ROWS))


def test_a_ruler_that_cannot_be_stored_is_known_before_and_refused_after() -> None:
    """Never calibrated again without a word."""
    spec = Reader(Joint(), (Largest(), Calibrated(4)))
    assert spec.unstorable == (Largest(),)
    state = spec.state(spec.calibrated(ROWS))
    with pytest.raises(Unstorable, match="Largest"):
        spec.restored(state)


@pytest.mark.parametrize("state", [{}, {"parts": None}, {"parts": [None]}, {"parts": [None] * 3}])
def test_a_state_of_another_form_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="readers: need the states of 2 parts"):
        Reader(Joint(), (Calibrated(4),)).restored(state)


def test_outputs_wait_for_their_calibration_and_are_then_read_as_others() -> None:
    """The two streams of one layer give the same keys, whatever came before the calibration."""
    spec = Reader(Joint(), (Calibrated(4),))
    waiting = stream_of(spec, alone=True)
    assert isinstance(waiting, Waiting)
    for part in ROWS.split(20):
        assert waiting.take(part, keep=torch.tensor([0, 2])) is waiting
    stream = waiting.freeze()
    again = stream_of(stream.reader, alone=True)
    assert isinstance(again, KeyStream)
    for part in ROWS.split(20):
        again.add(part, keep=torch.tensor([0, 2]))
    assert (stream.read().keys[0] == again.read().keys[0]).all()
    assert torch.equal(stream.kept(), ROWS[[0, 2, 20, 22, 40, 42]])
    assert torch.equal(stream.kept(), again.kept())
    assert (stream.n_samples, stream.read().n_units) == (50, 4)
    # The middle 99.8 % of -4..4 are 7.984, a quarter of it 1.996: -4 lies in the bin -3.
    assert stream.read().max_state == 3.0


def test_alone_a_process_calibrates_on_enough_rows_and_several_wait_for_the_end() -> None:
    for alone, is_full in ((True, True), (False, False)):
        waiting = stream_of(Reader(Joint(), (Calibrated(4),)), alone=alone)
        assert isinstance(waiting, Waiting)
        for _ in range(30):
            waiting.add_owned(ROWS)
        assert waiting.is_full is is_full


@pytest.mark.parametrize(
    ("n_units", "n_rows"), [(4, 1024), (256, 1024), (1024, 256), (9000, 29), (40_000, 8)]
)
def test_wide_layers_are_calibrated_on_fewer_rows(n_units: int, n_rows: int) -> None:
    """2**18 numbers are enough; the rows behind them are so large that they would show."""
    rows = torch.randn(n_rows + 176, n_units, generator=torch.Generator().manual_seed(0))
    rows[n_rows:] *= 50
    stream = stream_of(Reader(Joint(), (Calibrated(4),)), alone=True)
    for part in rows.split(400):
        stream = stream.take(part) if isinstance(stream, Waiting) else stream
    assert isinstance(stream, KeyStream)
    assert stream.reader.rulers == (Calibrated(4).freeze(rows[:n_rows]),)


def test_a_batch_that_calibrates_a_layer_is_not_copied() -> None:
    """It may change at once, since it has been encoded; those before it were copied."""
    rows = torch.randn(2000, 300, generator=torch.Generator().manual_seed(0))
    first, second = rows[:500].clone(), rows[500:].clone()
    stream = stream_of(Reader(Joint(), (Calibrated(4),)), alone=True)
    assert isinstance(stream, Waiting)
    assert stream.take(first, torch.tensor([1])) is stream
    first.zero_()  # as a layer in place does
    copied: list[int] = []
    clone = Tensor.clone
    with mock.patch.object(Tensor, "clone", lambda one: copied.append(one.numel()) or clone(one)):
        calibrated = stream.take(second, torch.tensor([0]))
    second.zero_()
    assert sum(copied) <= 2**18
    assert isinstance(calibrated, KeyStream)
    ruler = Calibrated(4).freeze(rows[: 2**18 // 300])
    np.testing.assert_array_equal(calibrated.read().keys[0], encode_keys(rows, ruler).numpy())
    assert torch.equal(calibrated.kept(), rows[[1, 500]])


def test_nothing_can_be_calibrated_on_no_rows() -> None:
    waiting = Waiting(Reader(Joint(), (Calibrated(4),)))
    assert waiting.rows() is None
    with pytest.raises(ValueError, match="rows: there are none"):
        waiting.freeze()
