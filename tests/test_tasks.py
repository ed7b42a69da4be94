"""The 12-bit task against its file and theory; the networks' shapes, names and first weights."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torch import nn

from it_callbacks.measures import entropy, mutual_information
from it_callbacks.tasks import (
    digits_network,
    digits_split,
    digits_task,
    szt_network,
    szt_task,
)

G = (1 + math.sqrt(5)) / 2
VERTICES = np.array(
    [
        *[(0, 1, G), (1, G, 0), (0, 1, -G), (-1, G, 0), (G, 0, -1), (0, -1, G)],
        *[(1, -G, 0), (-1, -G, 0), (-G, 0, -1), (0, -1, -G), (-G, 0, 1), (G, 0, 1)],
    ]
)


def joint_table(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """The joint distribution of two columns of whole numbers, every row equally likely."""
    counts = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(counts, (a.long().numpy(), b.long().numpy()), 1)
    return counts / len(a)


def numbered(patterns: torch.Tensor) -> torch.Tensor:
    """Each pattern as the number that its bits write, the first one the most significant."""
    return (patterns.long() * 2 ** torch.arange(patterns.shape[1] - 1, -1, -1)).sum(1)


# The 12-bit task


def test_the_task_is_that_of_the_file_bit_for_bit(shared: Path) -> None:
    """All 4096 patterns and labels equal those that came with Saxe et al. (2018)."""
    published = scipy.io.loadmat(shared / "data" / "var_u.mat")
    patterns, labels = szt_task()

    assert np.array_equal(patterns.numpy(), published["F"])
    assert np.array_equal(labels.numpy(), published["y"][0])


def test_patterns_count_from_0_to_4095() -> None:
    patterns, labels = szt_task()

    assert patterns.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert torch.equal(numbered(patterns), torch.arange(4096))


def test_the_label_has_the_published_entropy() -> None:
    """H(X) = 12 and H(Y) = I(X;Y) = 0.9991571208502711, as each pattern has one label."""
    patterns, labels = szt_task()
    joint = joint_table(numbered(patterns), labels)

    assert entropy(joint.sum(1)) == 12
    assert entropy(joint.sum(0)) == pytest.approx(0.9991571208502711, abs=1e-14)
    assert mutual_information(joint) == pytest.approx(0.9991571208502711, abs=1e-14)


def test_every_bit_tells_the_same_little() -> None:
    """Turning the body carries any vertex to any other, so no bit is special."""
    patterns, labels = szt_task()
    tables = np.stack([joint_table(bit, labels) for bit in patterns.T])

    assert (tables == tables[0]).all()
    assert mutual_information(tables[0]) == pytest.approx(0.0339062579, abs=5e-11)


def test_the_number_of_lit_points_tells_much_of_the_label() -> None:
    patterns, labels = szt_task()
    joint = joint_table(patterns.sum(1), labels)

    assert entropy(joint.sum(1)) == pytest.approx(2.8385287, abs=5e-8)
    assert mutual_information(joint) == pytest.approx(0.6276412, abs=5e-8)


def test_the_first_half_of_the_bits_tells_a_quarter() -> None:
    patterns, labels = szt_task()
    joint = joint_table(numbered(patterns[:, :6]), labels)

    assert mutual_information(joint) == pytest.approx(0.2608961, abs=5e-8)


def symmetries() -> list[np.ndarray]:
    """Every orthogonal map of the icosahedron onto itself, as a permutation of its vertices.

    Where three neighbours go fixes the map; those that keep all distances are the symmetries.
    """
    distances = np.linalg.norm(VERTICES[:, None] - VERTICES, axis=-1).round(6)
    found = []
    for images in itertools.permutations(range(12), 3):
        chosen = [0, 5, 11]  # a face: vertices with three equal mutual distances
        if not np.array_equal(distances[np.ix_(images, images)], distances[np.ix_(chosen, chosen)]):
            continue
        turn = np.linalg.solve(VERTICES[chosen], VERTICES[list(images)])
        gaps = np.linalg.norm((VERTICES @ turn)[:, None] - VERTICES, axis=-1)
        assert (gaps.min(axis=1) < 1e-9).all()
        found.append(gaps.argmin(axis=1))
    return found


def test_labels_do_not_change_when_the_body_is_turned() -> None:
    """All 120 symmetries, 60 rotations and 60 reflections, leave all 4096 labels alone."""
    patterns, labels = szt_task()
    maps = symmetries()

    assert len({tuple(permutation) for permutation in maps}) == 120
    for permutation in maps:
        assert torch.equal(labels[numbered(patterns[:, permutation])], labels)


def test_labels_do_change_when_two_vertices_trade_places() -> None:
    """What the test above relies on: not every permutation of the bits is harmless."""
    patterns, labels = szt_task()
    swapped = patterns[:, [1, 0, *range(2, 12)]]

    assert not torch.equal(labels[numbered(swapped)], labels)


def test_every_call_gives_tensors_of_its_own() -> None:
    """A user who edits the patterns does not edit the task."""
    patterns, labels = szt_task()
    patterns.zero_()
    labels.zero_()

    assert szt_task()[0].sum() == 4096 * 6
    assert szt_task()[1].sum() == 2118


# Networks


def weights(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for name, parameter in network.named_parameters() if "weight" in name]


@pytest.mark.parametrize(
    ("network", "widths"),
    [
        (szt_network, [12, 10, 7, 5, 4, 3, 2]),
        (digits_network, [64, 64, 16, 6, 5, 10]),
    ],
)
def test_layers_have_the_widths_and_names_they_promise(network, widths: list[int]) -> None:
    net = network()
    shapes = [tuple(weight.shape) for weight in weights(net)]
    leaves = [name for name, module in net.named_modules() if not list(module.children())]
    hidden = [
        f"hidden{number}.{part}"
        for number in range(1, len(widths) - 1)
        for part in ("linear", "tanh")
    ]

    assert shapes == [(after, before) for before, after in itertools.pairwise(widths)]
    assert leaves == [*hidden, "output"]
    assert isinstance(net.get_submodule("hidden1.tanh"), nn.Tanh)
    assert net(torch.zeros(3, widths[0])).shape == (3, widths[-1])


def test_layers_are_named_after_the_activation() -> None:
    names = dict(szt_network(nn.ReLU).named_modules())

    assert isinstance(names["hidden5.relu"], nn.ReLU)
    assert not any("tanh" in name for name in names)
    assert isinstance(szt_network(lambda: nn.LeakyReLU(0.1)).hidden1.leakyrelu, nn.LeakyReLU)


@pytest.mark.parametrize("wrong", [nn.Tanh(), "tanh", None])
def test_an_activation_that_makes_no_module_is_refused(wrong: object) -> None:
    with pytest.raises(
        TypeError, match=r"activation must be a class or function .*torch\.nn\.Tanh"
    ):
        szt_network(wrong)


def test_hidden_weights_are_a_normal_cut_at_two_sigma() -> None:
    """Pooled over 300 networks: the spread of the cut normal, .8796 sigma, and nothing beyond 2.

    A fan_in scale, an uncut normal and a rescaled one all miss these by more than the tolerance.
    """
    networks = [szt_network() for _ in range(300)]

    for layer in range(5):
        drawn = torch.stack([weights(network)[layer].detach() for network in networks])
        scaled = drawn * math.sqrt(drawn.shape[1])  # in sigmas: 1/sqrt(fan_out)
        assert 1.95 < scaled.abs().max() <= 2 + 1e-6
        assert scaled.std().item() == pytest.approx(0.8796, abs=0.04)
        assert scaled.mean().item() == pytest.approx(0, abs=0.06)


def test_output_weights_are_glorot_uniform() -> None:
    """Between plus and minus sqrt(6 / (3 + 2)), evenly: the spread is that over sqrt 3."""
    bound = math.sqrt(6 / 5)
    drawn = torch.stack([szt_network().output.weight.detach() for _ in range(300)])

    assert 0.98 * bound < drawn.abs().max() <= bound
    assert drawn.std().item() == pytest.approx(bound / math.sqrt(3), abs=0.03)


def test_biases_start_at_zero() -> None:
    biases = [p for name, p in szt_network().named_parameters() if name.endswith("bias")]

    assert len(biases) == 6
    assert not any(bias.any() for bias in biases)


def test_a_generator_decides_the_weights() -> None:
    """Equal seeds give equal networks whatever the global state; other seeds give others."""

    def drawn(seed: int) -> torch.Tensor:
        network = szt_network(generator=torch.Generator().manual_seed(seed))
        return torch.cat([parameter.detach().ravel() for parameter in network.parameters()])

    first = drawn(7)
    torch.rand(3)

    assert torch.equal(first, drawn(7))
    assert not torch.equal(first, drawn(8))


def test_the_global_seed_decides_the_weights_otherwise() -> None:
    for network in (szt_network, digits_network):
        torch.manual_seed(3)
        first = weights(network())
        torch.manual_seed(3)
        assert all(map(torch.equal, first, weights(network())))


def test_the_digits_network_starts_as_torch_starts_it() -> None:
    """Uniform up to 1/sqrt(fan_in), biases included."""
    for module in digits_network().modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            assert 0.9 * bound < module.weight.abs().max() <= bound
            assert module.bias.any()


# The digits


def test_digits_are_scaled_images_with_their_labels() -> None:
    images, labels = digits_task()

    assert (images.shape, images.dtype) == ((1797, 64), torch.float32)
    assert (labels.shape, labels.dtype) == ((1797,), torch.int64)
    assert (images.min().item(), images.max().item()) == (0, 1)
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_split_is_stratified_complete_and_always_the_same() -> None:
    """A fifth of each class is for validation, to one image; every image is on one side."""
    training, validation = digits_split()
    images, labels = digits_task()
    both = torch.cat([training.tensors[0], validation.tensors[0]])

    assert (len(training), len(validation)) == (1437, 360)
    share = validation.tensors[1].bincount() - labels.bincount() / 5
    assert share.abs().max() < 1
    assert torch.equal(both.unique(dim=0), images.unique(dim=0))
    assert torch.equal(validation.tensors[0], digits_split()[1].tensors[0])


@pytest.mark.parametrize("function", [digits_task, digits_split])
def test_without_scikit_learn_the_error_names_the_extra(
    function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(ImportError, match=r"it_callbacks\[demo\]"):
        function()
