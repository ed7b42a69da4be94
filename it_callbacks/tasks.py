"""Make two small classification tasks and their networks, for examples and tests.

The 12-bit task is the one of the first information planes (Shwartz-Ziv and Tishby 2017, arXiv
1703.00810). It is small enough to be enumerated, so every information is exact. The digits are real
images, and their network has layers narrow enough to be measured.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

__all__ = ["digits_network", "digits_split", "digits_task", "szt_network", "szt_task"]

_GOLDEN = (1 + math.sqrt(5)) / 2

# The vertex of each of the 12 bits. Which bit is which vertex fixes the labels up to the symmetries
# of the body; this order gives those in the file that the field has passed around since 2017.
_ICOSAHEDRON = np.array(
    [
        (0, 1, _GOLDEN),
        (1, _GOLDEN, 0),
        (0, 1, -_GOLDEN),
        (-1, _GOLDEN, 0),
        (_GOLDEN, 0, -1),
        (0, -1, _GOLDEN),
        (1, -_GOLDEN, 0),
        (-1, -_GOLDEN, 0),
        (-_GOLDEN, 0, -1),
        (0, -1, -_GOLDEN),
        (-_GOLDEN, 0, 1),
        (_GOLDEN, 0, 1),
    ]
) / math.sqrt(1 + _GOLDEN**2)

# Weights of the power spectrum's first four orders, and the cut that halves the patterns best.
# Labels have scores of at most 266.75 (0) and at least 269.25 (1): rounding cannot flip one.
_ORDER_WEIGHTS = (2, 23, 24, 14)
_THRESHOLD = 268


def szt_task() -> tuple[Tensor, Tensor]:
    """All 4096 patterns of 12 bits, and the label of each, in the task of Shwartz-Ziv and Tishby.

    A pattern lights some of the 12 vertices of an icosahedron; its label asks whether the
    spherical-harmonic power spectrum of these points lies above a threshold, and hence does not
    change when the body is turned. H(X) = 12 bits, H(Y) = I(X;Y) = 0.9991571208502711 bit, and
    each single bit has the same 0.0339 bit of information about the label.

    Returns:
        Patterns of zeros and ones, float32 ``(4096, 12)``, in counting order with the first bit
        the most significant; labels 0 and 1, int64 ``(4096,)``, of which 2118 are 1.

    Source: Shwartz-Ziv and Tishby (2017), section 3.1. The labels equal those of their file, bit
    for bit; here they come from its rule.

    Example:
        >>> patterns, labels = szt_task()
        >>> patterns[5]
        tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 0., 1.])
        >>> labels.bincount()
        tensor([1978, 2118])
    """
    patterns = np.arange(4096)[:, None] >> np.arange(11, -1, -1) & 1
    # By the addition theorem, the power of order l is the sum of P_l(v_i . v_j) over lit i and j.
    pair_scores = np.polynomial.legendre.legval(_ICOSAHEDRON @ _ICOSAHEDRON.T, _ORDER_WEIGHTS)
    scores = ((patterns @ pair_scores) * patterns).sum(axis=1)
    labels = scores > _THRESHOLD
    return torch.from_numpy(patterns.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))


def szt_network(
    activation: Callable[[], nn.Module] = nn.Tanh, *, generator: torch.Generator | None = None
) -> nn.Sequential:
    """The fully connected network 12-10-7-5-4-3-2 whose information plane started the debate.

    The hidden weights are drawn from a normal distribution of standard deviation 1/sqrt(fan_out),
    cut at two of these; the output's from Glorot's uniform distribution; biases start at 0. The
    start matters: from PyTorch's own initialisation, the tanh layers hardly compress.

    Args:
        activation: a class or function that makes the activation of a hidden layer, such as
            ``torch.nn.ReLU``.
        generator: the source of the weights; by default PyTorch's global one.

    Returns:
        A network from ``(n, 12)`` to logits ``(n, 2)``. Its layers are ``hidden1.linear``,
        ``hidden1.tanh`` (after the activation's class), ..., ``hidden5.tanh``, ``output``.

    Raises:
        TypeError: if activation does not make modules.

    Source: Shwartz-Ziv and Tishby (2017), section 3.1; initialisation as in Saxe et al. (2018).

    Example:
        >>> network = szt_network(torch.nn.ReLU)
        >>> network.get_submodule("hidden5.relu")
        ReLU()
        >>> network(torch.zeros(1, 12)).shape
        torch.Size([1, 2])
    """
    network = _network((12, 10, 7, 5, 4, 3, 2), activation)
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            if name == "output":
                nn.init.xavier_uniform_(module.weight, generator=generator)
            else:
                std = 1 / math.sqrt(module.out_features)
                nn.init.trunc_normal_(
                    module.weight, std=std, a=-2 * std, b=2 * std, generator=generator
                )
            nn.init.zeros_(module.bias)
    return network


def digits_network() -> nn.Sequential:
    """A tanh network 64-64-16-6-5-10 for the digits, with PyTorch's own initialisation.

    Its layers of 6 and 5 units are narrow enough for binned information to be measured; the layer
    of 64 is not, and shows saturation.

    Returns:
        A network from ``(n, 64)`` to logits ``(n, 10)``. Its layers are ``hidden1.linear``,
        ``hidden1.tanh``, ..., ``hidden4.tanh``, ``output``.

    Example:
        >>> digits_network()(torch.zeros(1, 64)).shape
        torch.Size([1, 10])
    """
    return _network((64, 64, 16, 6, 5, 10), nn.Tanh)


def digits_task() -> tuple[Tensor, Tensor]:
    """The 1797 handwritten digits that ship with scikit-learn: 8 by 8 pixels, and which digit.

    Returns:
        Images between 0 and 1, float32 ``(1797, 64)``; labels 0 to 9, int64 ``(1797,)``.

    Raises:
        ImportError: if scikit-learn is not installed.

    Example:
        >>> images, labels = digits_task()
        >>> images.shape, labels[:4]
        (torch.Size([1797, 64]), tensor([0, 1, 2, 3]))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits ship with scikit-learn, which is not installed; "
            'the extra demo installs it: pip install "it_callbacks[demo]"'
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy((pixels / 16).astype(np.float32)), torch.from_numpy(labels).long()


def digits_split() -> tuple[TensorDataset, TensorDataset]:
    """The digits as (training, validation) sets of 1437 and 360, always the same, by class.

    Each class has its share in both: they are stratified by label. The tensors of a set are
    ``images, labels = training.tensors``.

    Raises:
        ImportError: if scikit-learn is not installed.

    Example:
        >>> training, validation = digits_split()
        >>> len(training), len(validation)
        (1437, 360)
    """
    images, labels = digits_task()
    from sklearn.model_selection import train_test_split

    training, validation = train_test_split(
        np.arange(len(labels)), test_size=0.2, stratify=labels.numpy(), random_state=0
    )
    return (
        TensorDataset(images[training], labels[training]),
        TensorDataset(images[validation], labels[validation]),
    )


def _network(widths: tuple[int, ...], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers of these widths with activations between them, all named."""
    if isinstance(activation, nn.Module) or not callable(activation):
        raise TypeError(
            "activation must be a class or function that makes a module, such as torch.nn.Tanh; "
            f"got {activation!r}"
        )
    *hidden_widths, output_width = widths[1:]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = widths[0]
    for number, next_width in enumerate(hidden_widths, start=1):
        made = activation()
        layers[f"hidden{number}"] = nn.Sequential(
            OrderedDict(
                [("linear", nn.Linear(width, next_width)), (type(made).__name__.lower(), made)]
            )
        )
        width = next_width
    layers["output"] = nn.Linear(width, output_width)
    return nn.Sequential(layers)
