"""The rules of findings: each in a line for who points at a sentence; the docs have them whole."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "dead_network": "Said if the last layer's spread has fallen to a millionth of its largest.",
    "collapse": "Said if H(Ŷ) is less than half of H(Y), beyond its error, or I(X;Ŷ) next to "
    "nothing.",
    "dead_layers": "Said if a layer's spread has fallen to a millionth of its largest.",
    "learnt": "The last value of the deepest layer that can be read, ± 1.96 standard errors.",
    "tells": "What the cross-entropy of the predictions proves, where no layer was read.",
    "gap_of_layers": "Said if y of training minus validation is beyond chance, at least 0.1 bit, "
    "and has grown.",
    "gap_of_predictions": "Said if the cross-entropies of the sets differ beyond chance, by at "
    "least 0.1 bit, and more than at first.",
    "rises_again": "Said if the cross-entropy rose from its lowest three points to its last "
    "three, beyond chance.",
    "gap_unsure": "The last gap is beyond its error, but not beyond how far both curves may stray "
    "by chance.",
    "gap_few": "A gap is judged from 8 common points on; WideReading(schedule=1) gives more.",
    "no_gap": "Said if both sets are there, and no gap is beyond chance.",
    "not_measured": "Said of what no monitor of this run has measured.",
    "begins_late": "Said if the first point is later than the time between it and the next.",
    "learns_last": "Of the layers that gained, the last to reach 90 % of its gain, well after all "
    "others.",
    "learn_together": "No layer reached 90 % of its gain clearly after all others.",
    "confused": "The pair of classes with most mistakes in either direction, if at least 5.",
    "over_confident": "Said if the cross-entropy exceeds the mean entropy by more than its error "
    "and 0.05 bit.",
    "readable": "A layer can be read if its last point has a value and is not saturated.",
    "gained": "The layer whose y rose most, beyond chance and by at least 0.1 bit.",
    "ends": "First and last value of the deepest layer; no change of y was beyond chance, or "
    "points are few.",
    "learns_unsure": "Said if fewer than two layers gained beyond chance, or points are few; "
    "WideReading(schedule=1) gives more.",
    "lost": "Said if y fell from its highest three points to its last three, beyond chance.",
    "gap_unequal": "Said if one set was read on over 1.25 times as many samples, and that alone "
    "may have made what is seen: y of fewer is lower.",
    "fell": "Said if x fell beyond chance from its first point to its lowest three, by 0.3 bit.",
    "fell_by_verdict": "What the verdict on the binned code says of this layer.",
    "dead_units": "Said if a tenth of a layer's units, or more, are in one state for all samples.",
    "agree": "The lowest and the highest y differ by no more than one error of a difference.",
    "uneven": "Said if the settings tell that one row or unit holds much of a layer's spread.",
    "caution": "The last point is marked CAUTION, for this reason.",
    "scattered": "The class whose predictions have the greatest entropy; exact for these samples.",
    "cross_entropies": "The last cross-entropy of each set.",
    "under_confident": "Said if the mean entropy exceeds the cross-entropy by more than its error "
    "and 0.05 bit.",
}
"""By name, most important first."""
