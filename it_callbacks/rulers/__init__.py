"""Float activations in, integer states out: a ruler is chosen once per layer and then frozen.

A point of the plane is only comparable with the next one if both were read with the same ruler.
Bins that are re-fitted as the network trains, or that clip what outgrows them, show
"compression" of one to four bits that is not there. `Uniform`, `Width`, `Calibrated` and `Exact`
are for use; `ibsgd`, `idnns`, `exactib`, `Quantile` and `Refitted` are for comparison.
"""

from it_callbacks.rulers.comparison import Moving, Quantile, Refitted, exactib, ibsgd, idnns
from it_callbacks.rulers.ruler import (
    CALIBRATION_ROWS,
    Calibrated,
    Exact,
    Ruler,
    Uniform,
    Unstorable,
    Width,
    as_states,
    check_bins,
    floating,
    of_activation,
    range_of,
    refuse_nonfinite,
)

__all__ = [
    "CALIBRATION_ROWS",
    "Calibrated",
    "Exact",
    "Moving",
    "Quantile",
    "Refitted",
    "Ruler",
    "Uniform",
    "Unstorable",
    "Width",
    "as_states",
    "check_bins",
    "exactib",
    "floating",
    "ibsgd",
    "idnns",
    "of_activation",
    "range_of",
    "refuse_nonfinite",
]
