"""Slices of hidden layers know what was learnt from what was memorised, through the sketch too."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from it_callbacks.estimators.slices import sliced
from it_callbacks.sketches import Sketch
from it_callbacks.tasks import digits_task


class Trained(NamedTuple):
    """What a network gives for its training samples: layers, and how many it gets right."""

    layers: list[np.ndarray]
    labels: np.ndarray
    accuracy: float


def trained(images: Tensor, labels: Tensor, n_steps: int) -> Trained:
    torch.manual_seed(0)
    widths = (images.shape[1], 256, 30, 30)
    blocks = [nn.Sequential(nn.Linear(*pair), nn.Tanh()) for pair in pairwise(widths)]
    network = nn.Sequential(*blocks, nn.Linear(30, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, n_steps))
    for _ in range(n_steps):
        batch = torch.randint(len(images), (256,))
        loss = cross_entropy(network(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        slower.step()
    layers = [images]
    with torch.no_grad():
        for block in network:
            layers.append(block(layers[-1]))
    accuracy = (layers[-1].argmax(dim=1) == labels).double().mean().item()
    return Trained([layer.numpy() for layer in layers[1:]], labels.numpy(), accuracy)


@pytest.fixture(scope="module")
def learnt() -> Trained:
    images, labels = digits_task()
    return trained(images[:1024], labels[:1024], n_steps=300)


@pytest.fixture(scope="module")
def memorised() -> Trained:
    images, labels = digits_task()
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(0))
    return trained(images[:1024], labels[:1024][order], n_steps=1400)


def test_a_hidden_layer_that_memorises_shows_a_fifth_at_most_of_one_that_learns(
    learnt: Trained, memorised: Trained
) -> None:
    """Both networks get nearly all of their training labels right."""
    assert min(learnt.accuracy, memorised.accuracy) > 0.95
    of_both = [sliced(net.layers[1], net.labels).information for net in (learnt, memorised)]
    assert of_both[0] > 0.8
    assert of_both[1] <= of_both[0] / 5


def test_random_labels_show_nothing_before_training() -> None:
    images, labels = digits_task()
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(1))
    untrained = trained(images[:1024], labels[:1024][order], n_steps=0)
    for layer in untrained.layers:
        assert abs(sliced(layer, untrained.labels).information) <= 0.02


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_sketch_of_a_layer_shows_what_the_layer_shows(learnt: Trained, seed: int) -> None:
    layer = learnt.layers[0]
    of_both = [
        sliced(rows, learnt.labels, n_directions=512).information
        for rows in (layer, Sketch(seed=seed)(layer))
    ]
    assert of_both[0] > 0.5
    assert of_both[1] == pytest.approx(of_both[0], abs=0.04)
