"""Measure the information plane of a model's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn
from typing_extensions import override

from it_callbacks._version import __version__
from it_callbacks.estimators.verdict import Verdict
from it_callbacks.observation.choices import choice_in_words
from it_callbacks.observation.instrument import (
    Completion,
    Instrument,
    Measured,
    Notice,
    Occasion,
    shift_notice,
)
from it_callbacks.observation.layer_observer import LayerObserver, Observation
from it_callbacks.observation.outputs import Outputs, differing
from it_callbacks.observation.passes import LayerPass, Pass
from it_callbacks.observation.positions import samples_in_words
from it_callbacks.observation.processes import together
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.stages import Stage
from it_callbacks.own_quantities import to_rows
from it_callbacks.plane import notices
from it_callbacks.plane.description import PlanePoint, tags_of_layers, unread_notices
from it_callbacks.plane.extras import Extras
from it_callbacks.plane.following import follow
from it_callbacks.plane.memory import Memory
from it_callbacks.plane.point import classes_of, points_of
from it_callbacks.plane.repeated import share_repeated, stochastic_in
from it_callbacks.plane.wide import WidePoint
from it_callbacks.plane.wide_instrument import WideInstrument
from it_callbacks.quantities import OF_WIDE, QUANTITIES, Quantity
from it_callbacks.records import Value


@dataclass(frozen=True)
class PlaneOptions:
    """What to measure, beside what to observe.

    Args:
        observation: What to observe of a model.
        wide: Reads layers at any width.
        extra: Further estimators.
        own: What those of the user declare.
        exhaustive: Whether the samples are all there is.
        read_by: The arguments that say how layers are read, in words.
        about: Further settings.
    """

    observation: Observation
    wide: WideInstrument
    extra: Extras
    own: tuple[Quantity, ...]
    exhaustive: bool
    read_by: str
    about: Mapping[str, Any]


class PlaneInstrument(Instrument[LayerPass]):
    """Measures I(X;T) and I(T;Y) of the layers of one model.

    Args:
        options: What to measure.
    """

    group = "information_plane"

    def __init__(self, options: PlaneOptions) -> None:
        self._options = options
        self._wide = options.wide
        self._memory = Memory()
        self._observer: LayerObserver | None = None
        self._recalibrated: dict[str, None] = {}
        """Rulers and reductions that could not be restored as an earlier run calibrated them."""
        self._repeats: dict[str, bool] = {}
        """By set, whether inputs were repeated: where none is, they need not be told apart."""
        self._checked: list[frozenset[str]] = []
        """The layers that a batch of the sanity check has shown to be stochastic, if one was run
        again."""

    def __getstate__(self) -> dict[str, Any]:
        # A copy observes nothing: hooks and modules stay with the original. It reads as that does.
        memory = copy(self._memory)
        memory.readers = self._reader_states()
        return {**self.__dict__, "_observer": None, "_memory": memory}

    def _reader_states(self) -> dict[str, Any]:
        observer = self._observer
        specs, readers = (observer.specs, observer.readers) if observer is not None else ({}, {})
        states: dict[str, Any] = self._memory.state(specs, readers)["readers"]
        return states

    @override
    def observe(self, model: nn.Module) -> LayerObserver:
        self._memory.readers = self._reader_states()  # another model is read as the one before
        self._observer = LayerObserver(model, self._options.observation, self._restored)
        return self._observer

    @override
    def dry_run(self, set_: str) -> LayerPass:
        return self._wide.dry_run()

    @override
    def check_ahead(self, run_batch: Callable[[Sequence[LayerPass]], None]) -> None:
        plan = self._layers.plan
        if plan is None or self._checked:
            return
        twice = (Outputs(), Outputs())
        run_batch(twice)
        found = differing(*twice, plan.layers)
        self._checked = [] if found is None else [found]

    @override
    def explored(self) -> None:
        self._wide.explored()
        checked, self._checked = together(lambda: self._checked), []
        if all(checked):  # a process without a batch knows nothing
            self._memory.stochastic = frozenset().union(*(one for of in checked for one in of))

    @override
    def new_pass(self, set_: str, stage: Stage) -> LayerPass:
        hash_inputs = self._repeats.get(set_, True)
        self._layers.unmerged = self._memory.unmerged
        return self._layers.new_pass(
            hash_inputs=hash_inputs, stage=stage, wide=self._wide.sampling(set_, stage)
        )

    @override
    def ahead(self) -> list[Notice]:
        return notices.effort_notices(self._layers.effort, self._options.observation.reduce)

    @override
    def check_determinism(
        self, first: LayerPass, run_first_batch: Callable[[Sequence[LayerPass]], None]
    ) -> bool:
        layers = self._layers
        layers.calibrate(_whole(first))

        def differ() -> set[str]:
            twice = [layers.again(_whole(first)) for _ in range(2)]
            run_first_batch(twice)
            once, again = (current.observed().keys for current in twice)
            return {
                name
                for name, keys in once.items()
                if not all(map(np.array_equal, keys, again.get(name, [])))
            }

        self._memory.stochastic = frozenset().union(*together(differ))
        return not layers.left_out(_whole(first))

    @property
    @override
    def may_draw(self) -> bool:
        return bool(self._options.extra) or not self._layers.is_ready

    @override
    def measure(self, finished: LayerPass, on: Occasion) -> Measured:
        observed = self._layers.finish(_whole(finished))
        if not len(observed.indices):
            raise ValueError("target: no sample has a label >= 0")
        kind = self._memory.kind_of(on.set, observed.targets)
        labels = kind.classes(observed.targets)
        n_classes = 0 if labels is None else len(classes_of(labels)[0])
        left_out = self._layers.left_out(_whole(finished))
        tags = tags_of_layers(self._layers)
        wide = self._wide.point(_whole(finished), on, kind, n_classes, tags)
        all_wait = bool(left_out) and not observed.keys
        unread = [] if all_wait else unread_notices(observed)
        rulers = {name: reader.rulers[0] for name, reader in self._layers.readers.items()}
        stochastic = stochastic_in(observed, rulers, self._memory.stochastic)
        # Of all there is nothing is to be corrected; positions of one row depend on each other.
        with_intervals = not (self._options.exhaustive or observed.by_position)
        points = points_of(
            observed,
            labels,
            tags,
            self._layers.slugs,
            stochastic,
            with_intervals=with_intervals,
        )
        point = PlanePoint(
            on.set,
            observed,
            kind,
            labels,
            points,
            wide,
            self._layers,
            self._memory,
            stochastic,
            tags,
        )
        if all_wait and not isinstance(wide, WidePoint):
            waits = [notices.later_notice(on.set, left_out)]
            waits += [] if wide is None else wide.notices(on.set)
            return Measured((), 0, {}, waits, detail=point)
        values = [
            value
            for of_rulers in point.points.values()
            for each in of_rulers
            for value in each.values(with_intervals=with_intervals)
        ]
        extra = self._options.extra.measured(observed, labels, tags, on)
        specs = self._layers.specs.values()
        found = [
            *(
                notices.recalibrated_notices(self._recalibrated)
                or notices.unstorable_notices(specs)
            ),
            *unread,
            *point.notices(exhaustive=self._options.exhaustive),
            *([shift_notice(on.set)] if observed.is_shifted else []),
            *extra.notices,
        ]
        values += wide.values(on.epoch) if isinstance(wide, WidePoint) else []
        values += extra.values
        values.append(Value("information_plane", "epoch", float(on.epoch)))
        cost = on.cost()
        values.append(Value("information_plane", "overhead", cost.share))
        # A point before the training is no share of it, and the first one has all to prepare.
        if on.is_training and on.n_earlier:
            found += notices.cost_notices(cost)
        about_layers = {"about_layers": extra.about} if extra.about else {}
        return Measured(
            values,
            len(observed.indices),
            {**self._settings(point, on, left_out), **about_layers},
            found,
            not_due=self._not_due(on.n_earlier, is_wide_due=isinstance(wide, WidePoint)),
            detail=point,
        )

    @override
    def keep(self, measured: Measured, on: Occasion) -> None:
        point: PlanePoint = measured.detail
        observed = point.observed
        self._memory.labels[on.set] = point.kind
        self._memory.stochastic = point.stochastic
        self._wide.keep(on.set, point.wide, on)
        if observed.inputs is not None:
            self._repeats[on.set] = share_repeated(observed.inputs) > 0
        follow(self._memory, point, on, exhaustive=self._options.exhaustive)

    @property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """For each set and layer, whether it has compressed since its peak."""
        return self._memory.verdicts()

    @override
    def texts(self) -> dict[str, dict[str, Any]]:
        return {set_: {"verdicts": said} for set_, said in self._memory.in_words().items()}

    @override
    def state(self) -> dict[str, Any]:
        observer = self._observer
        specs, readers = (observer.specs, observer.readers) if observer is not None else ({}, {})
        return {
            **self._memory.state(specs, readers),
            "wide": self._wide.state(),
            "layers": choice_in_words(self._options.observation.layers),
            "read_by": self._options.read_by,
            "samples": self._sampled_by,
        }

    @override
    def restore(self, state: Mapping[str, Any]) -> list[Notice]:
        then, what = state, self._options
        found = []
        if not self._wide.restore(then["wide"]):
            found += notices.changed("wide", self._wide.method, then["wide"]["reading"])
        found += notices.changed("layers", choice_in_words(what.observation.layers), then["layers"])
        if other_bins := notices.changed("bins, reduce", what.read_by, then["read_by"]):
            return found + other_bins
        self._memory.restore_readers(then)
        other_samples = notices.changed("max_samples, seed", self._sampled_by, then["samples"])
        if not other_samples:
            self._memory.restore_looks(then)
        return found + other_samples

    @override
    def reset(self) -> None:
        self._memory = Memory()
        self._wide = WideInstrument(self._wide.reading, self._wide.choice)
        self._observer = None
        self._repeats, self._recalibrated, self._checked = {}, {}, []

    @property
    def _layers(self) -> LayerObserver:
        if self._observer is None:
            raise RuntimeError("the model was not prepared")
        return self._observer

    @property
    def _sampled_by(self) -> str:
        what = self._options.observation
        return f"max_samples={what.max_samples}, seed={what.seed}"

    def _restored(self, layer: str, spec: Reader) -> Reader | None:
        state = self._memory.readers.get(layer)
        if state is None or spec.is_ready:
            return None
        try:
            return spec.restored(state)
        except Exception:  # a resume must not end because of what a user's ruler stored
            self._recalibrated |= dict.fromkeys(map(repr, spec.uncalibrated))
            return None

    @override
    def not_due(
        self, set_: str, n_earlier: int, place: tuple[int, int], *, is_end: bool
    ) -> frozenset[str]:
        return self._not_due(n_earlier, is_wide_due=is_end or self._wide.is_due(set_, place))

    def _not_due(self, n_earlier: int, *, is_wide_due: bool) -> frozenset[str]:
        of_extras = self._options.extra.not_due(n_earlier)
        return of_extras if is_wide_due else of_extras | OF_WIDE

    @override
    def completions(self, settings: Callable[[str], Mapping[str, Any]]) -> list[Completion]:
        return [
            Completion(
                set_,
                later.place,
                Measured(
                    point.values(later.place[0]),
                    len(point.kept.choice.of_x),
                    {**settings(set_), "wide": point.settings(later.n_classes)},
                    point.notices(set_),
                ),
            )
            for set_, later, point in self._wide.postponed()
        ]

    def _settings(
        self, point: PlanePoint, on: Occasion, left_out: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """As they were, unless a layer is read, or lacks rows, for the first time."""
        earlier, wide = on.settings, {}
        if isinstance(point.wide, WidePoint):
            wide = {"wide": point.wide.settings(point.n_classes)}
        known = {layer["tag"] for layer in earlier.get("layers", [])}
        known_to_lack = set(earlier.get("n_left_out", {}))
        if (
            earlier
            and {point.tags[name] for name in point.points} <= known
            and (set(point.n_left_out) <= known_to_lack)
        ):
            return {**earlier, **wide}
        return {
            **point.settings(earlier),
            "exhaustive": self._options.exhaustive,
            "samples": samples_in_words(
                by_position=point.observed.by_position, is_shifted=point.observed.is_shifted
            ),
            "max_samples": self._options.observation.max_samples,
            "extra": list(map(repr, self._options.extra.estimators)),
            "extra_samples": len(point.observed.kept_indices),
            "quantities": to_rows(self._options.own),
            "units": {name: row.unit for name, row in QUANTITIES.items() if row.is_logged},
            "seed": self._options.observation.seed,
            "weights": on.weights,
            "version": __version__,
            **self._options.about,
            **({"calibrated_later": dict(left_out)} if left_out else {}),
            **wide,
        }


def _whole(finished: LayerPass) -> Pass:
    if not isinstance(finished, Pass):
        raise TypeError(f"finished: need a pass, got a {type(finished).__name__}")
    return finished
