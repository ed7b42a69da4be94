"""Compute entropies and information, in bits, of given probabilities: nothing is estimated.

The five measures take NumPy arrays (or what NumPy can turn into one) and torch tensors, and return
the same kind, in float64. The last axis is the distribution (of a joint table, the last two axes);
axes before it are batches. Whole numbers are accepted as probabilities, as in one-hot rows.

Three things hold for all of them:

- Zero probabilities are exact: 0 log 0 = 0, so a one-hot distribution has 0 bits, not NaN.
- What is not a distribution raises a ``ValueError`` that names the argument: negative, NaN or
  infinite entries, no entries, too few axes, a sum that differs from 1 by more than the rounding of
  its dtype (1e-6 for float64, 3e-5 for float32, 0.004 for float16, 0.03 for bfloat16). A smaller
  difference is divided out, so that the bounds hold: no entropy below 0 or above log2 K.
- torch tensors keep their gradient. Zero entries get a finite one, as if log 0 were 0: that of the
  entropy is 0 there, although the one-sided derivative of -p log p is infinite. Through a softmax
  that underflows this gives the true limit, not the NaN of 0 times infinity. Terms that are
  infinite pass no gradient.

To estimate these quantities from samples, see `it_callbacks.estimators`.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "mutual_information",
]

Probabilities: TypeAlias = Any
"""An array-like of numbers or a torch tensor."""

Bits: TypeAlias = Any
"""NumPy float64 or a float64 torch tensor, in kind; one number per batch entry."""

# How far a sum of probabilities may miss 1. A softmax over 50 000 classes misses by 1e-5 in
# float32, .0003 in float16, .003 in bfloat16; float64 allows for numbers born in float32. Counts,
# logits, percentages and probabilities printed to three digits miss by more.
_TOLERANCE = {"float64": 1e-6, "float32": 3e-5, "float16": 4e-3, "bfloat16": 3e-2}


def entropy(p: Probabilities) -> Bits:
    """H(p), in bits: how many yes-or-no questions a draw from p is worth.

    Args:
        p: probabilities, shape ``(..., K)``.

    Returns:
        -Σ_k p_k log2 p_k, shape ``(...)``; from 0 (one outcome is certain) to log2 K (all alike).

    Raises:
        ValueError: if p is no distribution along its last axis.

    Source: Shannon (1948), section 6.

    Example:
        >>> print(entropy([0.5, 0.25, 0.25]))
        1.5
        >>> print(entropy([[0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]]))
        [0. 2.]
    """
    p = _distribution("p", p)
    return (-p * _log2(p)).sum(axis=-1)


def cross_entropy(p: Probabilities, q: Probabilities) -> Bits:
    """H(p, q), in bits: the mean code length when draws from p are coded as if from q.

    It is H(p) + KL(p || q), hence never less than H(p). With a one-hot p (a label) it is the usual
    loss of one sample, -log2 q_label; its mean over samples is torch's loss in bits, not nats.

    Args:
        p: the probabilities that draws have, shape ``(..., K)``.
        q: the probabilities they are believed to have, shape ``(..., K)`` with the same K; the
            axes before it broadcast against those of p.

    Returns:
        -Σ_k p_k log2 q_k, shape ``(...)``; from 0 to infinity, which is the answer where something
        that can happen is believed impossible (q_k = 0 < p_k).

    Raises:
        ValueError: if p or q is no distribution along its last axis, or their shapes disagree.

    Example:
        >>> print(cross_entropy([0, 1], [0.75, 0.25]))
        2.0
        >>> print(cross_entropy([0, 1], [[0.5, 0.5], [1, 0]]))
        [ 1. inf]
    """
    p, q = _pair(p, q)
    return _infinite_where_impossible(p, q, -p * _log2(q)).sum(axis=-1)


def kl_divergence(p: Probabilities, q: Probabilities) -> Bits:
    """KL(p || q), in bits: the extra code length of assuming q when draws come from p.

    It is not symmetric, and it compares two distributions over the same outcomes: it is not the
    mutual information of two variables, which needs their joint table.

    Args:
        p: the probabilities that draws have, shape ``(..., K)``.
        q: the probabilities they are believed to have, shape ``(..., K)`` with the same K; the
            axes before it broadcast against those of p.

    Returns:
        Σ_k p_k log2(p_k / q_k), shape ``(...)``; 0 if and only if p = q, infinite where
        q_k = 0 < p_k.

    Raises:
        ValueError: if p or q is no distribution along its last axis, or their shapes disagree.

    Source: Kullback and Leibler (1951), equation 2.4.

    Example:
        >>> print(kl_divergence([0, 1], [0.75, 0.25]))
        2.0
        >>> print(kl_divergence([0.5, 0.5], [0.5, 0.5]))
        0.0
    """
    p, q = _pair(p, q)
    bits = _infinite_where_impossible(p, q, p * (_log2(p) - _log2(q))).sum(axis=-1)
    return bits.clip(0.0)  # where p and q all but agree, rounding may leave -1e-17


def conditional_entropy(joint: Probabilities) -> Bits:
    """H(A|B), in bits: the uncertainty about A that remains once B is known.

    Args:
        joint: the probability of every pair, ``joint[..., a, b]``, shape ``(..., n_a, n_b)``, each
            table summing to 1. For H(B|A), swap the last two axes.

    Returns:
        Σ_b p(b) H(A|B=b) = -Σ_ab p(a,b) log2 p(a|b), shape ``(...)``; from 0 (B determines A) to
        H(A) (independent).

    Raises:
        ValueError: if joint is no distribution along its last two axes.

    Source: Shannon (1948), section 6.

    Example:
        >>> print(conditional_entropy([[0.5, 0.25], [0, 0.25]]))  # only B = 0 determines A
        0.5
    """
    joint = _distribution("joint", joint, axes=(-2, -1))
    b = joint.sum(axis=-2, keepdims=True)
    return (joint * (_log2(b) - _log2(joint))).sum(axis=(-2, -1))


def mutual_information(joint: Probabilities) -> Bits:
    """I(A;B), in bits: the information of either of A and B about the other.

    Args:
        joint: the probability of every pair, ``joint[..., a, b]``, shape ``(..., n_a, n_b)``, each
            table summing to 1.

    Returns:
        Σ_ab p(a,b) log2(p(a,b) / (p(a) p(b))), shape ``(...)``; from 0 (independent) to the lesser
        of H(A) and H(B) (one determines the other).

    Raises:
        ValueError: if joint is no distribution along its last two axes.

    Source: Shannon (1948), section 12, where it is the rate of transmission.

    Example:
        >>> print(mutual_information([[0.5, 0], [0, 0.5]]))
        1.0
        >>> print(mutual_information([[0.25, 0.25], [0.25, 0.25]]))
        0.0
    """
    joint = _distribution("joint", joint, axes=(-2, -1))
    a = joint.sum(axis=-1, keepdims=True)
    b = joint.sum(axis=-2, keepdims=True)
    bits = (joint * (_log2(joint) - _log2(a) - _log2(b))).sum(axis=(-2, -1))
    return bits.clip(0.0)  # of independent variables, rounding may leave -1e-17


def _is_tensor(value: Any) -> bool:
    """Whether it is a torch tensor; who holds one has imported torch, so we need not."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _library(array: Any) -> Any:
    """The module, numpy or torch, whose functions take this array."""
    return sys.modules["torch"] if _is_tensor(array) else np


def _log2(p: Any) -> Any:
    """log2 p, and 0 where p is 0: there the factor before it is 0, and so must be the gradient."""
    library = _library(p)
    return library.log2(library.where(p > 0, p, 1.0))


def _infinite_where_impossible(p: Any, q: Any, terms: Any) -> Any:
    """The terms, but infinite where q rules out what p allows."""
    return _library(terms).where((q == 0) & (p > 0), np.inf, terms)


def _pair(p: Probabilities, q: Probabilities) -> tuple[Any, Any]:
    """Two distributions over the same outcomes, both of one kind: tensors if either is one."""
    p, q = _distribution("p", p), _distribution("q", q)
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            "p and q must be over the same outcomes (equal last axes), "
            f"but their shapes are {tuple(p.shape)} and {tuple(q.shape)}"
        )
    try:
        np.broadcast_shapes(tuple(p.shape), tuple(q.shape))
    except ValueError:
        raise ValueError(
            "the batch axes of p and q (all but the last) must be equal or broadcast, "
            f"but their shapes are {tuple(p.shape)} and {tuple(q.shape)}"
        ) from None
    if _is_tensor(p) and not _is_tensor(q):
        q = _library(p).as_tensor(q, device=p.device)
    elif _is_tensor(q) and not _is_tensor(p):
        p = _library(q).as_tensor(p, device=q.device)
    return p, q


def _distribution(name: str, value: Probabilities, axes: tuple[int, ...] = (-1,)) -> Any:
    """The value in float64, summing to 1 over `axes`, or a ValueError that says why it cannot."""
    array, tolerance = _float64(name, value)
    shape = tuple(array.shape)
    span = "its last axis" if len(axes) == 1 else "its last two axes"
    if len(shape) < len(axes):
        wanted = f"{name}[..., k]" if len(axes) == 1 else f"{name}[..., a, b]"
        raise ValueError(
            f"{name} must have probabilities along {span}, {wanted}; its shape is {shape}"
        )
    if 0 in shape:
        raise ValueError(f"{name} is empty (shape {shape}): there is no distribution in it")

    finite = _library(array).isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must hold finite probabilities; {_first(name, array, ~finite)}")
    if (array < 0).any():
        raise ValueError(
            f"{name} must not hold negative probabilities; {_first(name, array, array < 0)} "
            "(if these are logits, take their softmax first)"
        )
    # Detached, so that the gradient is that of the measure itself and not of this division.
    sums = (array.detach() if _is_tensor(array) else array).sum(axis=axes, keepdims=True)
    off = abs(sums - 1.0) > tolerance
    if off.any():
        raise ValueError(
            f"{name} must sum to 1 over {span}, to within {tolerance:g}; "
            f"{_first(f'the sum of {name}', sums.squeeze(axes), off.squeeze(axes))} "
            "(counts: divide them by their total; logits: take their softmax)"
        )
    return array / sums


def _float64(name: str, value: Probabilities) -> tuple[Any, float]:
    """The value as a float64 array or tensor, and the tolerance that its own dtype asks for."""
    if _is_tensor(value):
        real = not value.is_complex()
    else:
        try:
            value = np.asarray(value)
        except (TypeError, ValueError) as error:  # lists of unequal lengths, say
            raise ValueError(f"{name} must be an array of probabilities; {error}") from None
        real = value.dtype.kind in "buif"
    if not real:
        raise ValueError(f"{name} must hold real numbers; its dtype is {value.dtype}")
    tolerance = _TOLERANCE.get(str(value.dtype).removeprefix("torch."), _TOLERANCE["float64"])
    array = value.double() if _is_tensor(value) else value.astype(np.float64)
    return array, tolerance


def _first(name: str, values: Any, wrong: Any) -> str:
    """Where the first wrong value stands, and what it is: ``p[3, 1] is -0.5``."""
    if _is_tensor(values):
        values, wrong = values.detach().cpu().numpy(), wrong.cpu().numpy()
    values, wrong = np.asarray(values), np.asarray(wrong)
    place = np.argwhere(wrong)[0]
    index = f"[{', '.join(map(str, place))}]" if place.size else ""
    return f"{name}{index} is {float(values[tuple(place)]):.10g}"
