"""The passes over the sets of a validation or test loop that runs anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from it_callbacks.callbacks.options import Options
from it_callbacks.observation.at_hand import batch_before, keep_batch, read_once
from it_callbacks.observation.batches import Batch, inputs_of, labels_of, mask_of, n_rows_of
from it_callbacks.observation.instrument import Instrument
from it_callbacks.observation.loaders import (
    is_surely_filled,
    is_unshuffled,
    repeats_whole_set,
    sample_indices,
)
from it_callbacks.observation.modules import padding_of
from it_callbacks.observation.processes import n_processes, together
from it_callbacks.records import unique_slugs


class _Place(NamedTuple):
    """Where a batch comes from: asked once in a loop, since Lightning is slow to say.

    Args:
        loop: ``"val"`` or ``"test"``.
        loader: The loader.
        set: What tags call the set behind it.
    """

    loop: str
    loader: Any
    set: str


class Loop:
    """A validation or test loop that is listened to.

    Args:
        new_pass: Makes the pass over a set, from the set's name.
        options: What the user asked for.
    """

    def __init__(self, new_pass: Callable[[str], Any], options: Options) -> None:
        self._passes: dict[str, Any] = {}
        self.beside: list[Instrument[Any]] = []  # that the passes serve, too
        self.n_batches = 0
        self.unshuffled: set[str] = set()
        """The sets that give the same samples in the same order in every loop."""
        self._fault: Exception | None = None
        """What went wrong on this process and waits for the others' end of the loop."""
        self._first_labels: dict[str, list[float]] = {}
        self._new_pass = new_pass
        self._options = options
        self._n_seen: Counter[str] = Counter()
        self._places: dict[int, _Place] = {}
        """By number of the loader."""
        self._way = options.way
        self._of_padding: tuple[int | None] | None = None
        """The number of padding, asked for once a loop."""

    def batch(self, trainer: Any, raw: Any, dataloader_idx: int) -> tuple[Batch, Any]:
        """What is needed of a batch that is about to run, and the pass that it belongs to.

        Raises:
            ValueError: Its labels cannot be read, or its samples not be counted.
        """
        place = self._places.get(dataloader_idx)
        if place is None:
            place = _place_of(trainer, dataloader_idx, self._options.name)
            self._places[dataloader_idx] = place
        loop, loader, set_ = place
        start = self._n_seen[set_]
        way = (loop, dataloader_idx, start, self._way)
        batch = read_once(trainer, raw, way, lambda: self._read(trainer, raw, loader, start, way))
        if set_ not in self._passes:
            labels = batch.labels
            if is_unshuffled(loader):
                self.unshuffled.add(set_)
            if repeats_whole_set(loader):
                values = None if labels is None else labels.values.flatten().nan_to_num()
                self._first_labels[set_] = [] if values is None else values.tolist()
        self._n_seen[set_] += batch.grid.n_rows
        self.n_batches += 1
        return batch, self.pass_over(set_)

    def _read(self, trainer: Any, raw: Any, loader: Any, start: int, way: Hashable) -> Batch:
        options, model = self._options, trainer.lightning_module
        is_step_routed = trainer.strategy.model is not model
        before = batch_before(trainer, way)
        known = None if before is None else before.labels
        labels = labels_of(raw, options.target, options.ignore_index, options.samples, known)
        inputs = self._inputs_of(raw)
        mask = mask_of(raw, inputs, self._padding(model))
        is_known = before is not None and labels is known and mask is None
        if before is not None and is_known and before.is_step_routed == is_step_routed:
            return before.beside(inputs)
        rows = sample_indices(loader, start, n_rows_of(raw, labels))
        batch = Batch.of(inputs, labels, rows, is_step_routed=is_step_routed, mask=mask)
        if n_processes() == 1:  # of several, a sampler decides which samples they are
            keep_batch(trainer, way, batch)
        return batch

    def _padding(self, model: Any) -> int | None:
        if self._of_padding is None:
            self._of_padding = (padding_of(model),)
        return self._of_padding[0]

    def pass_over(self, set_: str) -> Any:
        """The pass over a set; a new one if no batch of it has come."""
        if set_ not in self._passes:
            self._passes[set_] = self._new_pass(set_)
            for instrument in self.beside:
                instrument.join(self._passes[set_])
        return self._passes[set_]

    def fail(self, error: Exception) -> None:
        """Something went wrong on this process; the others learn of it by `report`."""
        self._fault = error

    @property
    def has_failed(self) -> bool:
        """Whether something went wrong on this process."""
        return self._fault is not None

    def report(self) -> dict[str, list[float] | None]:
        """The sets that have begun on this process, for the others.

        Of those that all processes are taken to go through, with the labels of the first batch.

        Raises:
            Exception: What went wrong on this process.
        """
        if self._fault is not None:
            raise self._fault
        return {set_: self._first_labels.get(set_) for set_ in self._passes}

    def _inputs_of(self, raw: Any) -> Any:
        try:
            return inputs_of(raw, self._options.inputs, self._options.target)
        except ValueError:
            if self._options.inputs is not None:
                raise
            return None  # they only serve to see whether inputs repeat


def set_names(loaders: Any, loop: str, name: str | None) -> list[str]:
    """What tags call the sets behind the loaders of a loop.

    Args:
        loaders: One loader, a list of them, or a mapping whose keys the sets keep.
        loop: ``"val"`` or ``"test"``.
        name: The monitor's own name for the set.

    Example:
        >>> set_names(["a loader", "another"], "val", None)
        ['val', 'val_1']
        >>> set_names({"iid": "a loader", "o/d": "another"}, "test", "mine")
        ['mine_test_iid', 'mine_test_o_d']
    """
    base = loop if name is None else name if loop == "val" else f"{name}_{loop}"
    if isinstance(loaders, Mapping):
        return [f"{base}_{key}" for key in unique_slugs(map(str, loaders)).values()]
    n_loaders = len(loaders) if isinstance(loaders, (list, tuple)) else 1
    return [base, *(f"{base}_{number}" for number in range(1, n_loaders))]


def sets_of_trainer(trainer: Any, name: str | None) -> list[str]:
    """What the sets of all loops are called, as far as their loaders are known yet."""
    return [
        *set_names(getattr(trainer, "val_dataloaders", None), "val", name),
        *set_names(getattr(trainer, "test_dataloaders", None), "test", name),
    ]


def all_processes_validate(trainer: Any) -> bool:
    """Whether each process certainly has a batch in the validation loop that begins."""
    if n_processes() == 1:
        return True
    owners = (trainer.lightning_module, trainer.datamodule)
    if any(getattr(o, "allow_zero_length_dataloader_with_multiple_devices", False) for o in owners):
        return False  # a process without a batch skips the loop, so that it cannot be asked
    loaders = _in_order(trainer.val_dataloaders)
    return all(together(lambda: all(map(is_surely_filled, loaders))))


def _place_of(trainer: Any, dataloader_idx: int, name: str | None) -> _Place:
    loop = "test" if trainer.testing else "val"
    loaders = getattr(trainer, f"{loop}_dataloaders")
    set_ = set_names(loaders, loop, name)[dataloader_idx]
    return _Place(loop, _in_order(loaders)[dataloader_idx], set_)


def _in_order(loaders: Any) -> Sequence[Any]:
    if isinstance(loaders, Mapping):
        return list(loaders.values())
    return loaders if isinstance(loaders, (list, tuple)) else [loaders]


def refuse_own_shares(reports: Sequence[Mapping[str, list[float] | None]]) -> None:
    """Raise a ValueError if processes that seem to go through one set have different samples.

    Args:
        reports: `Loop.report` of each process.
    """
    for set_, labels in reports[0].items():
        if labels is not None and any(other.get(set_) != labels for other in reports):
            raise ValueError(
                f"data: processes appear to validate set {set_!r} on different samples and the "
                "sampler does not say which; let Lightning insert its DistributedSampler, or pass "
                "data='val'"
            )
