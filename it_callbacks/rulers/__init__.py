"""Turn float activations into integer states, with a ruler that is chosen once and then frozen.

A point of the plane is only comparable with the next one if both were read with the same ruler (a
discretizer). Bins that are re-fitted as the network trains, or that clip what outgrows them, show
"compression" of one to four bits that is not there. `Uniform`, `Width`, `Calibrated` and `Exact`
are for use; `ibsgd`, `idnns`, `exactib`, `Quantile` and `Refitted` are for comparison, the last two
and most of `exactib` on arrays only: they are `Moving`, not rulers.
"""

from it_callbacks.rulers.calibration import CALIBRATION_ROWS, calibration_rows
from it_callbacks.rulers.comparison import (
    ExactIB,
    ExactIBGrid,
    Moving,
    Quantile,
    Refitted,
    exactib,
    ibsgd,
    idnns,
)
from it_callbacks.rulers.merged import PairMerged, pair_merged
from it_callbacks.rulers.numbers import (
    as_states,
    few_rows,
    finite_rows,
    floating,
    real,
    refuse_mostly_nonfinite,
    refuse_nonfinite,
    wide_type,
)
from it_callbacks.rulers.per_unit import PerUnit
from it_callbacks.rulers.ruler import (
    Calibrated,
    Exact,
    Ruler,
    Uniform,
    Unstorable,
    Width,
    of_activation,
    range_of,
)

__all__ = [
    "CALIBRATION_ROWS",
    "Calibrated",
    "Exact",
    "ExactIB",
    "ExactIBGrid",
    "Moving",
    "PairMerged",
    "PerUnit",
    "Quantile",
    "Refitted",
    "Ruler",
    "Uniform",
    "Unstorable",
    "Width",
    "as_states",
    "calibration_rows",
    "exactib",
    "few_rows",
    "finite_rows",
    "floating",
    "ibsgd",
    "idnns",
    "of_activation",
    "pair_merged",
    "range_of",
    "real",
    "refuse_mostly_nonfinite",
    "refuse_nonfinite",
    "wide_type",
]
