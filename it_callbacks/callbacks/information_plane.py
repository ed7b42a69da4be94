"""The monitor of the information plane."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from it_callbacks.callbacks.faults import OnError
from it_callbacks.callbacks.monitor import Monitor
from it_callbacks.callbacks.options import Argument, Data, Options
from it_callbacks.checks import whole
from it_callbacks.drawing import Pictures, as_plotly, with_y
from it_callbacks.estimators.extra import Extra
from it_callbacks.estimators.verdict import Verdict
from it_callbacks.estimators.wide import WideReading
from it_callbacks.figures import Request
from it_callbacks.observation.choices import LayerChoice
from it_callbacks.observation.layer_observer import Observation
from it_callbacks.observation.positions import Samples
from it_callbacks.observation.resolutions import Resolution, check_resolution
from it_callbacks.observation.selecting import Selector
from it_callbacks.own_quantities import check_own
from it_callbacks.pictures import check_installed
from it_callbacks.plane.extras import Extras
from it_callbacks.plane.instrument import PlaneInstrument, PlaneOptions
from it_callbacks.plane.wide import choice_of
from it_callbacks.plane.wide_instrument import WideInstrument
from it_callbacks.reductions import Reduction
from it_callbacks.schedules import Schedule


class InformationPlaneMonitor(Monitor[PlaneInstrument]):
    """Logs binned I(X;T) and I(T;Y) of layers, each with indicators of how far to trust it.

    Every point has its chance level, its coverage and a status; the docs' page on quantities
    explains each tag. Without `data` it listens to the validation loop; with `data` it also
    measures before the first step (epoch 0).

    Args:
        layers: Which layers: dotted names, globs, dotted classes, module types, or a mapping
            from a name to a function that picks ``(n_samples, ...)`` out of its output. None
            takes the leaf modules that fire, in order, read after their activation; of more
            than 24, the outermost blocks in their place (``layer1.0``, ``blocks.3``), and of more
            than that again 24 of them, evenly. Tuples and mappings give their first tensor.
        bins: How to read activations: a number of bins (bounded activations get them on their
            exact range, others a width calibrated once), a `Ruler` for all layers, a mapping
            from layer names or globs to either, or a list of these to read the plane at several
            resolutions. The first of a list has the plain tags.
        reduce: Which numbers of a layer are read: ``"auto"`` (maps and token sequences are averaged
            over positions) or a value of `it_callbacks.reductions`.
        wide: How to read layers of any width, for a plane of its own that shows the whole network
            on one scale; None for not at all.
        extra: Further estimators, `it_callbacks.estimators` values called on at most 2048
            samples.
        data: A fixed set to measure instead of listening: ``"train"`` or ``"val"`` for the data
            set behind that loader, or a data set, a loader or tensors. Fetched once.
        schedule: When to measure: every n epochs, `LogSpaced`, a list of epochs, or a function of
            the epoch. The first point is always measured.
        inputs: Which part of a batch the model takes: a key, an index or a function of it.
        target: Which part holds the labels. None takes the second of two, or ``label``,
            ``labels``, ``target`` or ``y`` of a mapping or object; see the docs' page on labels.
        samples: What the samples are: ``"rows"`` of a batch or ``"positions"`` in them (tokens,
            pixels). ``"auto"``: positions where each has a label of its own.
        ignore_index: A number that marks samples without a label, as negative numbers do.
        max_samples: Beyond this many samples a seeded random subset is measured; None for all.
        exhaustive: Whether the samples are all there is, so that plug-in values are exact and
            nothing is corrected. Otherwise they stand for a population.
        on_error: ``"warn"``: what cannot be measured is skipped, with one warning of each cause;
            only a wrong argument is raised, before the first step. ``"raise"``: all is raised.
        name: The name of the set in tags, followed by ``_test`` in a test; two monitors of one kind
            on the same set need different ones.
        seed: Seed of the random subsets.
        images: Every this many epochs, and at the end, log a picture of the plane with loggers that
            show images, such as TensorBoard's; needs matplotlib, ``pip install
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

    seed = Argument()

    def __init__(
        self,
        layers: LayerChoice = None,
        *,
        bins: Resolution | Sequence[Resolution] = 30,
        reduce: Literal["auto"] | Reduction = "auto",
        wide: WideReading | None = WideReading(),  # noqa: B008 # a frozen value
        extra: Sequence[Extra] = (),
        data: Data = None,
        schedule: Schedule = 1,
        inputs: Selector | None = None,
        target: Selector | None = None,
        samples: Samples = "auto",
        ignore_index: int | None = None,
        max_samples: int | None = 10_000,
        exhaustive: bool = False,
        on_error: OnError = "warn",
        name: str | None = None,
        seed: int = 0,
        images: int | None = None,
    ) -> None:
        options = Options(
            data, schedule, inputs, target, max_samples, on_error, name, seed, ignore_index, samples
        )
        resolutions = _resolutions(bins)
        if not isinstance(reduce, Reduction) and reduce != "auto":
            raise ValueError(
                f"reduce: need 'auto' or a value of it_callbacks.reductions, got {reduce!r}"
            )
        if not isinstance(extra, (list, tuple)) or not all(isinstance(e, Extra) for e in extra):
            raise TypeError(f"extra: need a list of it_callbacks.estimators values, got {extra!r}")
        if wide is not None and not isinstance(wide, WideReading):
            raise TypeError(f"wide: need estimators.WideReading(...) or None, got {wide!r}")
        if not isinstance(exhaustive, bool):
            raise ValueError(f"exhaustive: need True or False, got {exhaustive!r}")
        own = check_own(quantity for each in extra for quantity in each.quantities)
        self.layers = layers
        self.bins = bins
        self.reduce = reduce
        self.wide = wide
        self.extra = tuple(extra)
        self.exhaustive = exhaustive
        self.images = None if images is None else whole("images", images, at_least=1)
        if self.images is not None:
            check_installed()
        choice = choice_of(wide, options.max_samples, options.seed)
        takes = {each.rows for each in extra}
        what = Observation(
            layers,
            resolutions,
            reduce,
            options.max_samples,
            options.seed,
            keep_rows="kept" in takes,
            keep_sketches="sketched" in takes,
            wide=choice,
        )
        read_by = re.sub(" at 0x[0-9a-fA-F]+", "", f"bins={bins!r}, reduce={reduce!r}")
        about = {"measured_on": options.measured_on}
        super().__init__(
            PlaneInstrument(
                PlaneOptions(
                    what,
                    WideInstrument(wide, choice),
                    Extras(self.extra),
                    own,
                    exhaustive,
                    read_by,
                    about,
                )
            ),
            options,
            own_quantities=own,
            pictures=None if self.images is None else Pictures(self.images),
        )

    def figure(
        self,
        *,
        reading: Literal["code", "wide"] | None = None,
        view: str = "linear",
        resolution: int = 0,
        chance: bool = False,
        intervals: bool = False,
    ) -> Any:
        """The plane: information about X across and about Y up, a trajectory for each layer.

        Without labels there is no plane, and the figure shows what is across over the epochs. The
        colour is the epoch, the symbol the layer; hollow points are saturated. Lines mark what
        there is to know, and a slider joins the layers at a step.

        Args:
            reading: ``"code"``: I(X;T) against I(T;Y) of the binned layers. ``"wide"``:
                I(X;T+σZ) against V(T→Y), of layers of any width. None for the one in which more
                layers can be read at their last point; any width if there are as many.
            view: ``"linear"``, ``"adjusted"`` for chance, or ``"corrected"`` for what is unseen;
                like `resolution` and `chance` of the code only.
            resolution: Which of the rulers in ``bins=[...]``.
            chance: Mark the chance level of I(T;Y) of each point (linear view).
            intervals: Draw 95 % intervals (corrected view, or any width).

        Returns:
            A `plotly.graph_objects.Figure`, one panel for each set; before the first point it
            says that there is none.

        Raises:
            ValueError: There is no such reading or view, `resolution` is negative, or the
                reading does not have what is asked for.
        """
        request = Request(
            reading=reading, view=view, resolution=resolution, chance=chance, intervals=intervals
        )
        panels = self._journal.panels(self._source.bench.options.set)
        return as_plotly(with_y(request, panels), panels)

    @property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """For each set and layer, whether it has compressed, or why that cannot be told.

        Compressed means that H(bin T) has fallen from its highest three points to its last three
        by more than .3 bit, three standard errors and 2.2 times what the curve would stray if it
        wandered blindly; and that a change of the layer's scale cannot explain it. ``by_ruler``
        has the verdict of each ruler, ``compressed`` is True, False or None for unknown.
        """
        return self._instrument.verdicts


def _resolutions(bins: Resolution | Sequence[Resolution]) -> list[Resolution]:
    if isinstance(bins, str):  # which is a sequence, too
        check_resolution(bins)
    several = list(bins) if isinstance(bins, Sequence) else [bins]
    if not several:
        raise ValueError("bins: an empty list reads nothing")
    for each in several:
        check_resolution(each)
    return several
