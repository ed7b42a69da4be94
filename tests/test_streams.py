"""A layer's outputs come in batch by batch; its keys do not depend on how they were split."""

from __future__ import annotations

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.codes import encode_keys
from it_callbacks.observation.calibrating import Waiting, stream_of
from it_callbacks.observation.gathering import Gathered
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.streams import KeyStream, encode_held
from it_callbacks.reductions import PCA, Joint, MeanPool, RandomProjection
from it_callbacks.rulers import Calibrated, Exact, Ruler, Uniform, Width


def clustered(n_samples: int, *shape: int, seed: int = 0) -> Tensor:
    """Floats whose rows repeat: a few hundred distinct ones."""
    generator = torch.Generator().manual_seed(seed)
    distinct = torch.randn(max(1, n_samples // 4), *shape, generator=generator)
    return distinct[torch.randint(len(distinct), (n_samples,), generator=generator)]


class Read:
    """A layer as a pass reads it: calibrated as soon as there are rows enough, or at the end."""

    def __init__(self, reduction, rulers) -> None:
        self.stream = stream_of(Reader(reduction, tuple(rulers)), alone=True)

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        if isinstance(self.stream, Waiting):
            self.stream = self.stream.take(output, keep)
        else:
            self.stream.add(output, keep)

    @property
    def frozen(self) -> bool:
        return isinstance(self.stream, KeyStream)

    def freeze(self) -> KeyStream:
        if isinstance(self.stream, Waiting):
            self.stream = self.stream.freeze()
        return self.stream

    def all_keys(self):
        return self.freeze().read().keys

    def kept(self) -> Tensor:
        return self.freeze().kept()

    def __getattr__(self, name: str) -> object:
        return getattr(self.freeze(), name)


def read(batches, *rulers: Ruler, reduction=None, keep=None) -> Read:
    stream = Read(reduction or Joint(), rulers)
    for number, batch in enumerate(batches):
        stream.add(batch, None if keep is None else keep[number])
    return stream


SPLITS = [
    [3000],
    [1024] * 2 + [952],
    [1023, 1, 1976],
    [256] * 11 + [184],
    [1, 2999],
    [7] * 428 + [4],
]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: f"{len(split)}x{split[0]}")
@pytest.mark.parametrize("reduction", [Joint(), RandomProjection(2), PCA(2)], ids=repr)
def test_a_stream_equals_one_shot_calibrated_on_the_first_1024_rows(split, reduction) -> None:
    activations = clustered(3000, 6) * torch.linspace(1, 5, 3000)[:, None]
    stream = read(activations.split(split), Calibrated(30), Width(0.5), reduction=reduction)
    frozen = reduction.freeze(activations[:1024])
    reading = frozen(activations)
    ruler = Calibrated(30).freeze(reading[:1024])
    calibrated, fixed = stream.all_keys()
    assert stream.n_samples == 3000
    assert stream.reader.rulers[0].width == pytest.approx(ruler.width, rel=1e-12)
    np.testing.assert_array_equal(calibrated, encode_keys(reading, stream.reader.rulers[0]).numpy())
    np.testing.assert_array_equal(fixed, encode_keys(reading, Width(0.5)).numpy())


def test_random_splits_with_empty_batches_equal_one_shot() -> None:
    activations = clustered(3000, 6)
    expected = encode_keys(activations, Calibrated(9).freeze(activations[:1024])).numpy()
    generator = np.random.default_rng(0)
    for _ in range(20):
        cuts = np.sort(generator.integers(0, 3001, size=generator.integers(0, 40)))
        batches = torch.tensor_split(activations, cuts.tolist())
        (streamed,) = read(batches, Calibrated(9)).all_keys()
        np.testing.assert_array_equal(streamed, expected)


@pytest.mark.parametrize("n_samples", [1, 2, 1023, 1024, 1025])
@pytest.mark.parametrize("batch_size", [1, 256, 5000])
def test_fewer_rows_than_a_calibration_wants_are_calibrated_on_as_they_are(
    n_samples: int, batch_size: int
) -> None:
    activations = clustered(n_samples, 3)
    (streamed,) = read(activations.split(batch_size), Calibrated(9)).all_keys()
    ruler = Calibrated(9).freeze(activations[:1024])
    np.testing.assert_array_equal(streamed, encode_keys(activations, ruler).numpy())


def test_rows_after_the_first_1024_do_not_move_the_ruler() -> None:
    activations = clustered(2000, 3)
    grown = activations.clone()
    grown[1024:] *= 100
    widths = [read(a.split(300), Calibrated(30)).reader.rulers for a in (activations, grown)]
    assert widths[0] == widths[1]


def test_a_stream_is_frozen_by_its_1024th_row() -> None:
    stream = Read(Joint(), (Calibrated(30),))
    stream.add(clustered(1023, 3))
    assert not stream.frozen
    stream.add(clustered(1, 3))
    assert stream.frozen


def test_a_stream_of_fixed_rulers_never_waits() -> None:
    stream = Read(MeanPool(), (Width(0.1), Uniform(30, -1, 1)))
    assert stream.frozen
    stream.add(clustered(5, 3, 4, 4))
    assert [len(part) for part in stream.all_keys()] == [5, 5]


def test_a_stream_without_samples_has_no_keys() -> None:
    stream = Read(Joint(), (Width(0.5), Exact()))
    assert [part.shape for part in stream.all_keys()] == [(0, 2), (0, 2)]


def test_keys_can_be_read_while_the_stream_goes_on() -> None:
    activations = clustered(3000, 3)
    stream = Read(Joint(), (Width(0.5),))
    lengths = []
    for batch in activations.split(1000):
        stream.add(batch)
        lengths.append(len(stream.all_keys()[0]))
    assert lengths == [1000, 2000, 3000]
    expected = encode_keys(activations, Width(0.5)).numpy()
    np.testing.assert_array_equal(stream.all_keys()[0], expected)


@pytest.mark.parametrize("reduction", [Joint(), PCA(2)], ids=repr)
def test_kept_rows_are_readings_of_the_rows_asked_for(reduction) -> None:
    """Also of batches that came before the reduction was fitted, and with nothing to keep."""
    activations = clustered(1500, 4)
    batches = activations.split(500)
    keep = [torch.tensor([3, 499]), torch.tensor([], dtype=torch.int64), torch.tensor([0])]
    stream = read(batches, Calibrated(30), reduction=reduction, keep=keep)
    expected = reduction.freeze(activations[:1024])(activations[[3, 499, 1000]])
    torch.testing.assert_close(stream.kept().double(), expected.double(), rtol=0, atol=1e-12)


def test_a_stream_holds_keys_and_no_activations() -> None:
    """16 bytes per sample and ruler, and again for its merged bins, whatever the layer's width."""
    stream = Read(Joint(), (Calibrated(30), Width(0.1)))
    for _ in range(8):
        stream.add(torch.randn(500, 200))
    assert len(stream.all_keys()) == 2
    tensors, arrays = held_by(stream)
    assert tensors == 0
    assert arrays == 8 * 500 * 16 * 2 * 2


def test_a_waiting_stream_holds_the_rows_it_waits_for_only() -> None:
    stream = Read(Joint(), (Calibrated(30),))
    stream.add(torch.randn(1000, 200))
    assert held_by(stream) == (1000 * 200 * 4, 0)
    stream.add(torch.randn(1000, 200))
    assert held_by(stream) == (0, 2000 * 16 * 2)


def test_a_stream_does_not_keep_the_output_of_a_layer_alive() -> None:
    for ruler in (Calibrated(30), Width(0.1)):
        stream = Read(Joint(), (ruler,))
        output = torch.randn(100, 7)
        gone = weakref.ref(output)
        stream.add(output, torch.tensor([1, 2]))
        del output
        gc.collect()
        assert gone() is None


def test_a_layer_that_is_changed_in_place_afterwards_was_read_before() -> None:
    """An in-place ReLU rewrites the output of the layer before it."""
    output = torch.randn(100, 7)
    expected = encode_keys(output, Calibrated(30)).numpy()
    stream = Read(Joint(), (Calibrated(30),))
    stream.add(output, torch.arange(3))
    rows = output[:3].clone()
    output.relu_()
    np.testing.assert_array_equal(stream.all_keys()[0], expected)
    assert torch.equal(stream.kept(), rows)


def held_by(read: Read) -> tuple[int, int]:
    """Bytes of tensors and of arrays that can be reached from the stream's attributes."""
    tensors, arrays = [], dict[int, int]()
    waiting = list(vars(read.stream).values())
    while waiting:
        held = waiting.pop()
        if isinstance(held, Tensor):
            tensors.append(held.untyped_storage().nbytes())
        elif isinstance(held, np.ndarray):
            whole = held if held.base is None else held.base
            arrays[id(whole)] = whole.nbytes
        elif isinstance(held, (list, tuple)):
            waiting.extend(held)
        elif isinstance(held, Gathered):
            waiting.extend(vars(held).values())
    return sum(tensors), sum(arrays.values())


def test_streams_that_are_encoded_together_read_as_each_alone() -> None:
    """Of one kind or not, and with a row that is not finite."""
    normal = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    layers = [normal * scale for scale in (1.0, 300.0, 2.0, 1.0, 1.0)]
    layers[2][7, 1] = math.nan
    layers[4] = layers[4].double()
    rulers = [Width(0.1), Width((0.1, 0.2, 0.3, 0.4, 0.5)), Width(0.3), Uniform(9, -1, 1), Exact()]

    def streams() -> list[KeyStream]:
        made = [KeyStream(Reader(Joint(), (ruler,))) for ruler in rulers]
        for stream, layer in zip(made, layers, strict=True):
            for batch in layer.split(25):
                stream.add(batch)
        return made

    together, alone = streams(), streams()
    encode_held(together)
    for layer, ruler, one, other in zip(layers, rulers, together, alone, strict=True):
        found, expected = one.read(), other.read()
        left_out = layer.isnan().any(1)
        np.testing.assert_array_equal(found.left_out, left_out.numpy())
        of_ruler = encode_keys(layer[~left_out], ruler).numpy()
        np.testing.assert_array_equal(found.keys[0][~left_out], of_ruler)
        np.testing.assert_array_equal(found.merged[0], expected.merged[0])
        assert (found.n_units, found.max_state) == (expected.n_units, expected.max_state)


def test_what_one_ruler_refuses_is_raised_by_its_stream_only() -> None:
    streams = [KeyStream(Reader(Joint(), (Width(width),))) for width in (0.1, 1e-30)]
    for stream in streams:
        stream.add(torch.ones(20, 3))
    encode_held(streams)
    assert len(streams[0].read().keys[0]) == 20
    with pytest.raises(ValueError, match="does not fit a 64-bit state"):
        streams[1].read()
