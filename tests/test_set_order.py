"""Sets stand in one order everywhere: validation, then others, those of training last."""

from __future__ import annotations

from it_callbacks.figures import Request, offered, panels
from it_callbacks.findings.planes import main_set
from it_callbacks.runs import Run
from it_callbacks.set_order import in_order

from .drawn_runs import small

SETS = ["val", "val_1", "held", "test", "train", "train_1"]


def run() -> Run:
    series = {
        key._replace(set=set_): of for set_ in sorted(SETS) for key, of in small().series.items()
    }
    return Run("a", series, small().epochs)


def test_figures_the_tab_and_findings_have_one_order() -> None:
    assert in_order(reversed(SETS)) == SETS
    assert run().sets("I_XT") == SETS
    assert [panel.set for panel in panels(Request(), [run()])] == SETS
    choices = offered(run())
    assert choices is not None
    assert choices["figures"]["plane"] == SETS
    assert [main_set(run(), "information_plane", SETS[n:]) for n in range(len(SETS))] == SETS
