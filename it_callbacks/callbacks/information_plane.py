"""The information plane of a network's layers, point by point while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn
from typing_extensions import override

import it_callbacks
from it_callbacks.callbacks import cautions, history
from it_callbacks.callbacks.describing import cautions_of, settings_of
from it_callbacks.callbacks.drawing import Pictures, as_plotly, panels_of, run_of
from it_callbacks.callbacks.faults import OnError
from it_callbacks.callbacks.monitor import Monitor
from it_callbacks.callbacks.readings import (
    Point,
    classes_of,
    noise_of,
    plane_point,
    share_repeated,
)
from it_callbacks.callbacks.schedules import Schedule
from it_callbacks.callbacks.telling import Reading
from it_callbacks.estimators.extra import Extra
from it_callbacks.estimators.verdict import Drop, Peak, Verdict, surprisal
from it_callbacks.figures import information_plane
from it_callbacks.observation.batches import Selector
from it_callbacks.observation.fixed_set import FixedSet
from it_callbacks.observation.layer_observer import LayerObserver, Resolution, check_resolution
from it_callbacks.observation.layers import LayerChoice
from it_callbacks.observation.passes import Observed, Pass
from it_callbacks.observation.processes import together
from it_callbacks.own_quantities import check_own, to_rows
from it_callbacks.pictures import check_installed, pixels
from it_callbacks.records import QUANTITIES, Status, slug, unique_slugs
from it_callbacks.reductions import Reduction
from it_callbacks.rulers import check_bins
from it_callbacks.runs import Run

MOST_CLASSES = 1000


class InformationPlaneMonitor(Monitor):
    """Logs binned I(X;T) and I(T;Y) of layers, each with what says how far to trust it.

    Every point carries its chance level, its coverage and a status; see the docs' page on
    quantities for what each tag is. Without `data` it listens to the validation loop; with one
    it also measures before the first step (epoch 0).

    Args:
        layers: Which layers: dotted names, globs, dotted classes, module types, or a mapping
            from a name to a function that picks ``(n_samples, ...)`` out of its output. None
            takes the leaf modules that fire, in order, read after their activation.
        bins: How to read activations: a number of bins (bounded activations get them on their
            exact range, others a width calibrated once), a `Ruler` for all layers, a mapping
            from layer names or globs to either, or a list of these to read the plane at several
            resolutions. The first of a list has the plain tags.
        reduce: What of a layer is read: ``"auto"`` (maps and token sequences are averaged over
            positions) or a value of `it_callbacks.reductions`.
        extra: Further estimators, `it_callbacks.estimators` values called on at most 2048
            samples.
        data: What to measure on instead of listening: ``"train"`` or ``"val"`` for the data
            set behind that loader, or a data set, a loader or tensors. Fetched once.
        schedule: When to look: every n epochs, `LogSpaced`, a list of epochs, or a function of
            the epoch. The first look is always taken.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels. None takes the second of two, or ``label``,
            ``labels``, ``target`` or ``y`` of a mapping.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        exhaustive: Whether the samples are all there is, so that plug-in values are exact and
            nothing is corrected; else they stand for more.
        on_error: ``"warn"``: a fault during training costs the point, or of a layer that cannot be
            read its numbers there, and one warning; ``"raise"``: it ends training.
        name: What tags call the set; needed to tell two monitors of one kind apart.
        seed: Seed of the random subsets.
        images: Every so many epochs, and at the end, give a picture of the plane to loggers that
            show images, as TensorBoard does; needs matplotlib, ``pip install
            'it_callbacks[plot]'``. None for no pictures.

    Raises:
        ImportError: `images` without matplotlib.
        ValueError: An argument has no meaning.
        TypeError: An argument is of the wrong kind.

    Example:
        ```
        trainer = Trainer(callbacks=[InformationPlaneMonitor()])
        ```
    """

    group: ClassVar[str] = "information_plane"

    def __init__(
        self,
        layers: LayerChoice = None,
        *,
        bins: Resolution | Sequence[Resolution] = 30,
        reduce: Literal["auto"] | Reduction = "auto",
        extra: Sequence[Extra] = (),
        data: Literal["train", "val"] | FixedSet | None = None,
        schedule: Schedule = 1,
        inputs: Selector | None = None,
        target: Selector | None = None,
        max_samples: int | None = 10_000,
        exhaustive: bool = False,
        on_error: OnError = "warn",
        name: str | None = None,
        seed: int = 0,
        images: int | None = None,
    ) -> None:
        super().__init__(
            inputs=inputs,
            target=target,
            data=data,
            schedule=schedule,
            max_samples=max_samples,
            on_error=on_error,
            name=name,
            seed=seed,
        )
        if isinstance(bins, str):  # which is a sequence, too
            check_bins("bins", bins)
        resolutions = list(bins) if isinstance(bins, Sequence) else [bins]
        if not resolutions:
            raise ValueError("bins: an empty list reads nothing")
        for resolution in resolutions:
            check_resolution(resolution)
        if reduce != "auto" and not isinstance(reduce, Reduction):
            raise ValueError(
                f"reduce: need 'auto' or a value of it_callbacks.reductions, got {reduce!r}"
            )
        if not isinstance(extra, (list, tuple)) or not all(isinstance(e, Extra) for e in extra):
            raise TypeError(f"extra: need a list of it_callbacks.estimators values, got {extra!r}")
        self._own = check_own(quantity for each in extra for quantity in each.quantities)
        self._teller.own = self._own
        if not isinstance(exhaustive, bool):
            raise ValueError(f"exhaustive: need True or False, got {exhaustive!r}")
        if images is not None:
            if isinstance(images, bool) or not isinstance(images, int) or images < 1:
                raise ValueError(f"images: need a whole number of epochs >= 1, got {images!r}")
            check_installed()
        self.layers = layers
        self.bins = bins
        self.reduce = reduce
        self.extra = tuple(extra)
        self.exhaustive = exhaustive
        self.images = images
        self._pictures = Pictures(images)
        self._resolutions: list[Resolution] = resolutions
        self._layer_observer: LayerObserver | None = None
        self._frozen: dict[str, Any] = {}
        self._stochastic: set[str] | None = None  # not known while nothing is passed twice
        self._repeats: dict[str, bool] = {}
        self._points: dict[str, int] = {}
        self._peaks: dict[tuple[str, str, int], Peak] = {}
        self._said: dict[str, dict[str, Any]] = {}

    @override
    def _own_state(self) -> dict[str, Any]:
        if self._layer_observer is not None and self._layer_observer.plan is not None:
            # Beside those of layers that this run leaves out: another one may take them up.
            now = history.readers_to_state(
                self._layer_observer.rulers,
                self._layer_observer.reductions,
                self._layer_observer.first_reach,
            )
            self._frozen = {
                kind: {**self._frozen.get(kind, {}), **of_layers} for kind, of_layers in now.items()
            }
        return {
            "readers": self._frozen,
            "points": dict(self._points),
            "stochastic": None if self._stochastic is None else sorted(self._stochastic),
            "peaks": history.peaks_to_state(self._peaks),
            "layers": history.choice_to_state(self.layers),
            "read_by": self._read_by,
            "samples": self._sampled_by,
        }

    @override
    def _restore_own(self, state: dict[str, Any]) -> None:
        stochastic = state["stochastic"]
        self._stochastic = None if stochastic is None else set(stochastic)
        self._points = dict(state["points"])
        layers = history.choice_to_state(self.layers)
        if state["layers"] != layers:
            self._warn(
                f"layers: {layers} now, {state['layers']} in the checkpoint; what was measured "
                "stays in the history, and only layers of both go on",
                cause="other layers",
            )
        if state["read_by"] != self._read_by:
            self._warn(
                f"bins, reduce: {self._read_by} now, {state['read_by']} in the checkpoint; "
                "layers are calibrated anew, and points before and after do not compare"
            )
            return
        self._frozen = history.check_readers(state["readers"])
        if state["samples"] == self._sampled_by:
            self._peaks = history.peaks_from_state(state["peaks"])
        else:
            self._warn(
                f"max_samples, seed: {self._sampled_by} now, {state['samples']} in the checkpoint; "
                "points before and after are of other samples, and verdicts begin anew"
            )

    @property
    def _read_by(self) -> str:
        return f"bins={self.bins!r}, reduce={self.reduce!r}"

    @property
    def _sampled_by(self) -> str:
        return f"max_samples={self.max_samples}, seed={self.seed}"

    @override
    def _reset(self) -> None:
        super()._reset()
        self._layer_observer = None
        self._frozen, self._points, self._repeats, self._peaks = {}, {}, {}, {}
        self._said = {}
        self._teller.own = self._own
        self._stochastic = None
        self._pictures = Pictures(self.images)

    @override
    def _make_observer(self, model: nn.Module) -> LayerObserver:
        self._layer_observer = LayerObserver(
            model,
            self.layers,
            resolutions=self._resolutions,
            reduce=self.reduce,
            max_samples=self.max_samples,
            seed=self.seed,
            keep_rows=bool(self.extra),
            restore=partial(history.restore_readers, self._frozen),
        )
        self._layer_observer.first_reach |= self._frozen.get("reach", {})
        return self._layer_observer

    @property
    def _layers(self) -> LayerObserver:
        if self._layer_observer is None:
            raise RuntimeError("the model was not prepared")
        return self._layer_observer

    @override
    def _new_pass(self, set_: str) -> Pass:
        return self._layers.new_pass(hash_inputs=self._repeats.get(set_, True))

    @override
    def _look_again(self, current: Pass, run_first_batch: Callable[..., None]) -> None:
        self._layers.calibrate(current)

        def differ() -> set[str]:
            twice = [self._layers.new_pass(hash_inputs=False) for _ in range(2)]
            run_first_batch(*twice)
            once, again = (current.observed().keys for current in twice)
            return {
                name
                for name, keys in once.items()
                if not all(map(np.array_equal, keys, again.get(name, [])))
            }

        self._stochastic = set().union(*together(differ))

    def _is_stochastic(self, layer: str) -> bool | None:
        return None if self._stochastic is None else layer in self._stochastic

    @property
    @override
    def _may_draw(self) -> bool:
        return bool(self.extra) or not self._layers.is_calibrated

    @override
    def _finish(self, current: Pass, set_: str, epoch: int) -> tuple[list[Reading], int]:
        observed = self._layers.finish(current)
        if not len(observed.labels):
            raise ValueError("target: no sample has a label >= 0")
        n_classes = len(classes_of(observed.labels)[0])
        if n_classes > MOST_CLASSES:
            raise ValueError(
                f"target: {n_classes} classes, at most {MOST_CLASSES} can be told apart by a "
                "data; pass target=<function that gives a coarser class>"
            )
        self._tell_faults(observed)
        if observed.inputs is not None:
            self._repeats[set_] = share_repeated(observed.inputs) > 0
        points = self._read(observed)
        readings = [
            reading
            for of_layer in points.values()
            for point in of_layer
            for reading in point.readings(exhaustive=self.exhaustive)
        ]
        n_earlier = self._points.get(set_, 0)
        self._points[set_] = n_earlier + 1
        readings += self._extra_readings(observed, n_earlier)
        readings.append(Reading("information_plane", "epoch", float(epoch)))
        overhead = self._overhead()
        readings.append(Reading("information_plane", "overhead", overhead))
        if self._in_training:  # the look before it has no training to be a share of
            for caution in cautions.of_cost(self._stopwatch.share_in_all, self._stopwatch.in_all):
                self._warn(caution.text, cause=caution.cause)
        self._say(set_, observed, points)
        if self._is_fitting:
            self._follow(observed, points, set_, epoch)
        self._caution(observed, points, set_)
        return readings, len(observed.labels)

    def _tell_faults(self, observed: Observed) -> None:
        """A layer that cannot be read costs its own numbers; all of them cost the point.

        Raises:
            ValueError: They all cannot, or it is misuse: training has not begun.
        """
        for name, why in observed.missed.items():
            self._warn(f"layer {name!r} is left out: {why}")
        for name, why in observed.faults.items():
            fault = ValueError(f"layer {name!r}: {why}")
            if not self._in_training or not observed.keys:
                raise fault
            self._faults.tell(fault, f"{fault}; it is left out until it can be read")

    @property
    def _tags(self) -> dict[str, str]:
        """What tags call each layer: of all that there are, so that none takes another's place."""
        plan = self._layers.plan
        return unique_slugs(layer.name for layer in (plan.layers if plan else ()))

    def _read(self, observed: Observed) -> dict[str, list[Point]]:
        names = self._tags
        return {
            name: [
                plane_point(
                    names[name],
                    slug(self._layers.slugs[name][number]) if number else "",
                    keys,
                    observed.labels,
                    noise_of(keys, observed.inputs, stochastic=self._is_stochastic(name)),
                )
                for number, keys in enumerate(of_layer)
            ]
            for name, of_layer in observed.keys.items()
        }

    def _follow(
        self, observed: Observed, points: Mapping[str, list[Point]], set_: str, epoch: int
    ) -> None:
        keeps_identity = self._same_samples(set_)
        for name, of_layer in points.items():
            for number, point in enumerate(of_layer):
                peak = self._peaks.setdefault((set_, point.layer, number), Peak())
                peak.update(
                    epoch,
                    point.of_layer.bits,
                    partial(surprisal, observed.keys[name][number]) if keeps_identity else None,
                    saturated=point.of_layer.status == Status.SATURATED,
                )

    def _caution(self, observed: Observed, points: Mapping[str, list[Point]], set_: str) -> None:
        told = cautions_of(
            set_,
            observed,
            points,
            self._layers,
            stochastic=self._stochastic or (),
            exhaustive=self.exhaustive,
        )
        for caution in told:
            self._warn(caution.text, cause=f"{set_} {caution.layer} {caution.cause}", set_=set_)

    @override
    def _conclude(self, trainer: Any, current: Pass, set_: str, epoch: int) -> None:
        super()._conclude(trainer, current, set_, epoch)
        if self._pictures.are_due(set_, epoch, trainer.global_step):
            self._show(trainer, set_, trainer.global_step)

    @override
    def _tell_the_end(self, trainer: Any) -> None:
        super()._tell_the_end(trainer)
        for set_, texts in self._verdict_texts.items():
            tag = f"information_plane/{set_}/verdicts"
            self._teller.tell_text(trainer, tag, texts, trainer.global_step)
        for set_, step in self._pictures.missing().items():
            self._show(trainer, set_, step)

    def _show(self, trainer: Any, set_: str, step: int) -> None:
        """Give loggers a picture of the set's plane."""

        def draw() -> NDArray[np.uint8]:
            of_set = [record for record in self.history if record.set == set_]
            panels = panels_of(of_set, self.settings, self.group, sets=[set_])
            return pixels(information_plane(panels))

        self._teller.tell_image(trainer, f"information_plane/{set_}/plane", draw, step)

    @override
    def figure(
        self,
        *,
        view: str = "linear",
        resolution: int = 0,
        chance: bool = False,
        intervals: bool = False,
    ) -> Any:
        """The plane: I(X;T) across and I(T;Y) up, a trajectory for each layer.

        The colour is the epoch, the symbol the layer; hollow points are saturated. Lines mark
        H(Y) and log2 N, and a slider joins the layers at a step.

        Args:
            view: ``"linear"``, ``"adjusted"`` for chance, or ``"corrected"`` for bias.
            resolution: Which of the rulers in ``bins=[...]``.
            chance: Mark the chance level of I(T;Y) of each point (linear view).
            intervals: Draw 95 % intervals (corrected view).

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.

        Raises:
            ValueError: There is no such view, or `resolution` is negative.
        """
        plane = information_plane(
            self._panels, view=view, resolution=resolution, chance=chance, intervals=intervals
        )
        return as_plotly(plane)

    @property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """For each set and layer, whether it has compressed since its peak.

        Compressed means that H(bin T) has fallen by more than max(3 standard errors, 0.3 bit)
        under every ruler; no compression is a result too. Standard errors are paired over
        samples, so with a shuffled loader the verdict on a large drop is not available.
        """
        drops: dict[str, dict[str, list[Drop]]] = {}
        for (set_, layer, _), peak in self._peaks.items():
            drops.setdefault(set_, {}).setdefault(layer, []).append(peak.drop())
        return {
            set_: {layer: Verdict(tuple(several)) for layer, several in of_set.items()}
            for set_, of_set in drops.items()
        }

    @property
    @override
    def _run(self) -> Run:
        return run_of(self.history, self.settings, self.group, verdicts=self._verdict_texts)

    @property
    def _verdict_texts(self) -> dict[str, dict[str, str]]:
        return {
            set_: {layer: str(verdict) for layer, verdict in of_set.items()}
            for set_, of_set in self.verdicts.items()
        }

    def _extra_readings(self, observed: Observed, point: int) -> list[Reading]:
        readings: list[Reading] = []
        names = self._tags
        for extra in self.extra:
            if point % extra.every:
                continue
            for name, kept in observed.kept.items():
                try:
                    values = extra(kept.double().numpy(), observed.kept_labels)
                except Exception as error:  # it costs its own number, not the plane's
                    fault = f"layer {name!r}, {extra!r}: {error}"
                    if self.on_error == "raise" or not self._in_training:
                        raise RuntimeError(fault) from error
                    self._warn(f"{fault}; its number is left out")
                    continue
                readings += [
                    Reading(quantity, names[name], float(bits), len(kept))
                    for quantity, bits in values.items()
                ]
        return readings

    def _say(self, set_: str, observed: Observed, points: Mapping[str, list[Point]]) -> None:
        """Keep what the settings say; they are told again where a layer is read at last."""
        tags = self._tags
        if set_ in self._said:
            known = {layer["tag"] for layer in self._said[set_]["layers"]}
            if {tags[name] for name in points} <= known:
                return
            self._teller.forget_settings(set_)
        self._said[set_] = settings_of(
            observed, points, self._layers, tags, self._said.get(set_, {})
        )

    @override
    def _describe(self, set_: str) -> dict[str, Any]:
        return {
            **self._said[set_],
            "measured_on": "a fixed set" if self.data is not None else "the loop that runs anyway",
            "exhaustive": self.exhaustive,
            "max_samples": self.max_samples,
            "extra": [repr(extra) for extra in self.extra],
            "quantities": to_rows(self._own),
            "seed": self.seed,
            "units": {
                name: quantity.unit for name, quantity in QUANTITIES.items() if quantity.is_logged
            },
            "version": it_callbacks.__version__,
        }
