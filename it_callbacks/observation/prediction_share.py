"""What one process has seen of the predictions of a pass, and what all have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from torch import Tensor

from it_callbacks.log_probabilities import Kind
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.labels import agreed_shift
from it_callbacks.observation.prediction_source import HINT, Source, n_columns


@dataclass(frozen=True)
class Share:
    """What one process has seen of the predictions of a pass.

    Args:
        source: Where they come from; None before the first batch.
        n_columns: How many classes they have.
        n_classes: How many classes the labels have at least.
        like_inputs: Whether all had the shape of their inputs.
        n_admitted: How many samples were admitted.
        by_position: Whether the samples are positions of rows.
        is_shifted: Whether each position has the label of the next one.
        kind: What they are, where that is known.
        shows_logits: Whether single numbers lie outside [0, 1].
        contradicts: Whether one of them came after others had been counted as probabilities.
        undecided: Why it is not known where they come from; "" where it is.
    """

    source: Source | None = None
    n_columns: int = 0
    n_classes: int = 0
    like_inputs: bool = True
    n_admitted: int = 0
    by_position: bool = False
    is_shifted: bool | None = None
    kind: Kind | None = None
    shows_logits: bool = False
    contradicts: bool = False
    undecided: str = ""

    def with_batch(
        self, predictions: Tensor, batch: Batch, source: Source, n_admitted: int
    ) -> Share:
        """The same after one more batch."""
        return Share(
            source,
            max(self.n_columns, n_columns(predictions)),
            max(self.n_classes, least_classes(batch)),
            self.like_inputs and has_shape_of(batch.inputs, predictions),
            self.n_admitted + n_admitted,
            self.by_position or bool(batch.grid.axes),
            agreed_shift(self.is_shifted, batch.labels),
        )

    @staticmethod
    def of_all(shares: Sequence[Share]) -> Share:
        """What all processes have seen.

        Raises:
            ValueError: They found predictions in different places.
        """
        some = [share for share in shares if share.source is not None]
        sources = {replace(share.source, kind=None) for share in some if share.source}
        kinds = {share.kind for share in shares}
        if len(sources) > 1:
            places = ", ".join(sorted(map(str, sources)))
            raise ValueError(f"logits: processes found predictions in {places}. {HINT}")
        return Share(
            some[0].source if some else None,
            max((share.n_columns for share in some), default=0),
            max((share.n_classes for share in some), default=0),
            all(share.like_inputs for share in some),
            sum(share.n_admitted for share in some),
            any(share.by_position for share in some),
            any(share.is_shifted for share in some),
            next((kind for kind in get_args(Kind) if kind in kinds), None),
            any(share.shows_logits for share in shares),
            any(share.contradicts for share in shares),
        )


def least_classes(batch: Batch) -> int:
    """How many classes there are at least, as the labels of a batch show; 2 in any case."""
    return max(2, 0 if batch.labels is None else batch.labels.n_classes)


def has_shape_of(inputs: Any, predictions: Tensor) -> bool:
    """Whether predictions have the shape of what they were made of."""
    return isinstance(inputs, Tensor) and inputs.shape == predictions.shape
