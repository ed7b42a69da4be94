"""Define the quantities that are measured: the one table of their names, symbols and meanings.

Tags, parser, charts, figures, report, tables and the docs read these rows; a new quantity is a new
row. Standard library only, as `it_callbacks.records`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PLANE = "information_plane"
ROOTS = ("prediction_entropy", "conditional_entropy", "label_information", PLANE)
"""What every tag begins with."""


@dataclass(frozen=True)
class Quantity:
    """One row of the table of quantities: its name, and how it is shown.

    Tags, parser, charts, figures, report, tables and the docs' page on quantities read these rows.

    Args:
        name: Of a layer's quantity: what stands in its tag, ``"I_XT"``. Else the root and what
            follows the set, ``"prediction_entropy/mean"``; ``<c>`` is any class number,
            ``<k>`` any column of several labels.
        symbol: How axes and tables write it, ``"I(X;T)"``; the name if empty.
        meaning: What it is, in words.
        unit: Of its values.
        chart: Heading of TensorBoard's custom scalars that it stands under; none if empty.
        figures: The figures that draw it: ``plane``, ``curves``, ``predictions``, ``classes``.
        interval: Names of the quantities that are the lower and the upper end around it.
        per_ruler: Whether it is logged of further rulers, too.
        is_logged: Whether it has tags, or is only derived from others where it is shown.

    Example:
        >>> Quantity("knn_I_TY", "I(T;Y), kNN").tag
        'information_plane/<set>/knn_I_TY/<layer>'
    """

    name: str
    symbol: str = ""
    meaning: str = ""
    unit: str = "bits"
    chart: str = ""
    figures: tuple[str, ...] = ()
    interval: tuple[str, ...] = ()
    per_ruler: bool = False
    is_logged: bool = True

    @property
    def label(self) -> str:
        """The symbol; the name where there is none."""
        return self.symbol or self.name

    @property
    def axis_title(self) -> str:
        """The label with the unit, as an axis has it.

        Example:
            >>> Quantity("x", "I(T;Y), adjusted").axis_title
            'I(T;Y), bits, adjusted'
        """
        symbol, comma, remark = self.label.partition(", ")
        return f"{symbol}, {self.unit}{comma}{remark}"

    @property
    def tag(self) -> str:
        """Its tag, with ``<set>``, ``<layer>``, ``<c>`` and ``<k>`` for what varies."""
        root, _, rest = self.name.partition("/")
        return f"{root}/<set>/{rest}" if rest else f"{PLANE}/<set>/{root}/<layer>"

    @property
    def monitor(self) -> str:
        """Root of the settings of the monitor that logs it."""
        return monitor_of(self.name.partition("/")[0])


def monitor_of(quantity: str) -> str:
    """Return the root of the settings of the monitor that logs a record's `quantity`.

    Example:
        >>> monitor_of("label_information"), monitor_of("I_XT_uniform5")
        ('conditional_entropy', 'information_plane')
    """
    if quantity == "label_information":
        return "conditional_entropy"
    return quantity if quantity in ROOTS else PLANE


_WHOLE, _INSIDE = "predictions", "predictions inside classes"
WIDE_CHART = "information plane, any width"
PLANE_CHART, _INTERVALS = "information plane", "information plane, 95 % intervals"
_DRAWN, _STACKED = ("plane", "curves"), ("predictions",)
# fmt: off
_BY_MONITORS = (
    Quantity("prediction_entropy/mean", "H(Ŷ|X)",
             "mean entropy of one prediction: unsureness per sample", chart=_WHOLE,
             figures=_STACKED),
    Quantity("prediction_entropy/marginal", "H(Ŷ)",
             "entropy of the mean prediction; 0 when all collapse onto one class", chart=_WHOLE,
             figures=_STACKED),
    Quantity("prediction_entropy/hard", "H(argmax)", "entropy of the predicted classes",
             chart=_WHOLE),
    Quantity("prediction_entropy/input_information", "I(X;Ŷ)",
             "information of the predictions about the inputs, H(Ŷ) - H(Ŷ|X)", chart=_WHOLE),
    Quantity("prediction_entropy/cross_entropy", "CE", "cross-entropy of labels and predictions",
             chart=_WHOLE),
    Quantity("prediction_entropy/label_bound", "H(Y) - CE",
             "a lower bound on I(T;Y) of every layer that the prediction is a function of",
             chart=_WHOLE),
    Quantity("prediction_entropy/label_bound_se", "SE of H(Y) - CE",
             "standard error of the lower bound", chart=_WHOLE),
    Quantity("prediction_entropy/label_<k>", "H(Ŷₖ|X)",
             "mean entropy of column k of the predictions, of several labels", chart=_WHOLE),
    Quantity("prediction_entropy/epoch", "epoch", "finished epochs at each point", "epochs"),
    Quantity("conditional_entropy/class_<c>", "H(Ŷ|Y=c)",
             "entropy of the predictions inside class c", chart=_INSIDE, figures=("classes",)),
    Quantity("conditional_entropy/within/class_<c>", "H(Ŷ|X,Y=c)",
             "mean entropy of one prediction inside class c", chart=_INSIDE),
    Quantity("conditional_entropy/hard/class_<c>", "H(argmax|Y=c)",
             "entropy of the predicted classes inside class c", chart=_INSIDE),
    Quantity("conditional_entropy/all", "H(Ŷ|Y)",
             "mean over the samples of H(Ŷ|Y=c) of their class", chart=_INSIDE),
    Quantity("conditional_entropy/epoch", "epoch", "finished epochs at each point", "epochs"),
    Quantity("label_information/soft", "I(Y;Ŷ)", "information of the predictions about the labels",
             chart=_WHOLE, figures=_STACKED),
    Quantity("label_information/hard", "I(Y;argmax)",
             "information of the predicted classes about the labels", chart=_WHOLE),
    Quantity("label_information/soft_chance", "I(Y;Ŷ) by chance",
             "mean of I(Y;Ŷ) over permutations of the labels", chart=_WHOLE),
    Quantity("label_information/soft_adjusted", "I(Y;Ŷ), adjusted for chance",
             "I(Y;Ŷ) on a scale where chance is 0 and H(Y) stays H(Y)", chart=_WHOLE),
    Quantity("label_information/hard_chance", "I(Y;argmax) by chance",
             "mean of I(Y;argmax) over all permutations of the labels, exact", chart=_WHOLE),
    Quantity("label_information/hard_adjusted", "I(Y;argmax), adjusted for chance",
             "I(Y;argmax) on a scale where chance is 0 and H(Y) stays H(Y)", chart=_WHOLE),
    Quantity("label_information/status", "status of label information",
             "0 OK, 1 CAUTION, 2 SATURATED; by the chance share of both informations", "code",
             chart=_WHOLE),
    Quantity("label_information/equivocation", "H(Y|argmax)",
             "what the predicted classes leave open about the labels", chart=_WHOLE),
    Quantity("label_information/confused_first", "confused class",
             "number of one of the two classes most often taken for each other", "class"),
    Quantity("label_information/confused_second", "confused with",
             "number of the other one of them", "class"),
    Quantity("label_information/confused_share", "confused share",
             "share of all samples where one of them was taken for the other", "share"),
    Quantity("I_XT", "I(X;T)", "information of the binned layer about the input", chart=PLANE_CHART,
             figures=_DRAWN, per_ruler=True),
    Quantity("I_TY", "I(T;Y)", "information of the binned layer about the label", chart=PLANE_CHART,
             figures=_DRAWN, per_ruler=True),
    Quantity("I_TY_chance", "I(T;Y) by chance",
             "mean of I(T;Y) over all permutations of the labels, exact", chart=PLANE_CHART,
             figures=("plane",), per_ruler=True),
    Quantity("I_TY_adjusted", "I(T;Y), adjusted for chance",
             "I(T;Y) on a scale where chance is 0 and H(Y) stays H(Y)", chart=_INTERVALS,
             figures=_DRAWN, interval=("I_TY_low", "I_TY_high")),
    Quantity("I_XT_corrected", "I(X;T), corrected",
             "I(X;T) with what is unseen added, by Chao, Wang & Jost", chart=_INTERVALS,
             figures=_DRAWN, interval=("I_XT_low", "I_XT_high")),
    Quantity("I_XT_low", "I(X;T), low",
             "lower end of the 95 % interval of I(X;T); without an upper end: at least so much"),
    Quantity("I_XT_high", "I(X;T), high", "upper end of the 95 % interval of I(X;T)"),
    Quantity("I_TY_low", "I(T;Y), low",
             "lower end of the 95 % interval of I(T;Y); without an upper end: at least so much"),
    Quantity("I_TY_high", "I(T;Y), high", "upper end of the 95 % interval of I(T;Y)"),
    Quantity("coverage", "coverage", "share of the distribution that the symbols seen stand for",
             "share", chart=PLANE_CHART, per_ruler=True),
    Quantity("status", "status", "0 OK, 1 CAUTION, 2 SATURATED", "code", chart=PLANE_CHART,
             figures=("plane",), per_ruler=True),
    Quantity("information_plane/epoch", "epoch", "finished epochs at each point", "epochs"),
    Quantity("information_plane/overhead", "overhead",
             "share of the time since the last point that was spent observing", "share"),
)
_BY_WIDE = (
    Quantity("relative_I_XT", "I(X;T+σZ), σ = 0.3 of spread",
             "information about the input of the layer plus noise of 0.3 of its present spread",
             chart=WIDE_CHART, figures=_DRAWN),
    Quantity("relative_I_XT_se", "SE of I(X;T+σZ)", "standard error of the relative noise reading"),
    Quantity("relative_I_XT_high", "I(X;T+σZ), high",
             "the same of a Gaussian layer with the same covariance: an upper bound"),
    Quantity("V_TY", "V(T→Y)", "what a cross-fitted linear reader of the layer tells of the label",
             chart=WIDE_CHART, figures=_DRAWN),
    Quantity("V_TY_se", "SE of V(T→Y)", "standard error of what the linear reader tells"),
    Quantity("sliced_I_TY", "sliced I(T;Y)",
             "mean information about the label of the layer in random directions, minus chance",
             chart=WIDE_CHART, figures=("curves",)),
    Quantity("sliced_I_TY_se", "SE of sliced I(T;Y)",
             "standard error over directions and permutations"),
    Quantity("spread", "spread", "root of the summed variances of the layer's units",
             "activation units", figures=("curves",)),
    Quantity("wide_status", "status, any width", "0 OK, 1 CAUTION; of a layer read at any width",
             "code", chart=WIDE_CHART, figures=("plane",)),
    Quantity("information_plane/wide_epoch", "epoch", "finished epochs at each wide reading",
             "epochs"),
)
_BY_EXTRAS = (
    Quantity("linear_V_TY", "V(T→Y), linear",
             "what a linear reader of the layer tells about the label", chart=PLANE_CHART,
             figures=("curves",)),
    Quantity("linear_V_TY_se", "SE of V(T→Y)", "standard error of linear V-information"),
    Quantity("noise_I_XT", "I(X;T+σZ)", "information about the input of the layer plus noise",
             chart=PLANE_CHART, figures=("curves",),
             interval=("noise_I_XT_low", "noise_I_XT_high")),
    Quantity("noise_I_XT_low", "I(X;T+σZ), low", "lower kernel bound of I(X;T+σZ)"),
    Quantity("noise_I_XT_high", "I(X;T+σZ), high", "upper kernel bound of I(X;T+σZ)"),
    Quantity("noise_I_TY", "I(T+σZ;Y)", "information about the label of the layer plus noise",
             chart=PLANE_CHART, figures=("curves",),
             interval=("noise_I_TY_low", "noise_I_TY_high")),
    Quantity("noise_I_TY_permuted", "I(T+σZ;Y), labels permuted",
             "the same for permuted labels: what no information at all shows", chart=PLANE_CHART,
             figures=("curves",)),
    Quantity("noise_I_TY_low", "I(T+σZ;Y), low", "lower kernel bound of I(T+σZ;Y)"),
    Quantity("noise_I_TY_high", "I(T+σZ;Y), high", "upper kernel bound of I(T+σZ;Y)"),
    Quantity("all_sliced_I_TY", "sliced I(T;Y), all samples",
             "mean information about the label of the layer in random directions, minus chance",
             chart=PLANE_CHART, figures=("curves",)),
    Quantity("all_sliced_I_TY_se", "SE of sliced I(T;Y), all samples",
             "standard error over directions and permutations"),
    Quantity("all_sliced_H", "H of a slice, all samples",
             "mean entropy of the binned layer in random directions", chart=PLANE_CHART,
             figures=("curves",)),
    Quantity("unit_I_TY", "I(Tⱼ;Y) of a unit",
             "mean over units of the information of one about the label, minus chance",
             chart=PLANE_CHART, figures=("curves",)),
    Quantity("unit_H", "H(Tⱼ) of a unit", "mean over units of the entropy of one",
             chart=PLANE_CHART, figures=("curves",)),
    Quantity("unit_dead", "dead units", "share of units that are in one state for all samples",
             "share", chart=PLANE_CHART, figures=("curves",)),
)
_DERIVED = (
    Quantity("chance_share", "chance share", "chance level of I(T;Y) over H(Y)", "share",
             per_ruler=True, is_logged=False),
)
# fmt: on

QUANTITIES: Mapping[str, Quantity] = {
    row.name: row for row in (*_BY_MONITORS, *_BY_WIDE, *_BY_EXTRAS, *_DERIVED)
}
"""All quantities, by name, in reading order."""

OF_WIDE = frozenset(row.name for row in _BY_WIDE)
"""Names of what the reading at any width gives."""
OF_LABELS = frozenset(("V_TY", "V_TY_se", "sliced_I_TY", "sliced_I_TY_se"))
"""Those of them that are about the label, and may be of other samples."""
OF_EXTRAS = frozenset(_BY_EXTRAS)
"""Rows of the estimators that `extra=` takes from this package."""
PER_RULER = tuple(
    sorted((row.name for row in QUANTITIES.values() if row.per_ruler), key=len, reverse=True)
)
"""Quantities that further rulers have, too; the longest name first."""
SUFFIXES = frozenset(
    {"se"}
    | {
        name.removeprefix(f"{base}_").partition("_")[0]
        for name in QUANTITIES
        for base in PER_RULER
        if name.startswith(f"{base}_")
    }
)
"""First words of what follows a quantity's name in the name of another."""

BESIDE = frozenset(
    {"settings", "warnings", "verdicts", "plane"}
    | {
        row.name.partition("/")[2]
        for row in (*_BY_MONITORS, *_BY_WIDE)
        if row.name.startswith(f"{PLANE}/")
    }
)
"""What stands beside quantities below a set: none of them can be a folder, too."""
