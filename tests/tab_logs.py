"""Small logs that tests of the tab open in a browser."""

from __future__ import annotations

from pathlib import Path

from .written_logs import plane, settings, write

LAYERS = ["first", "second", "third"]
STEPS = range(10, 60, 10)


def points(rise: float) -> dict[str, dict[int, tuple[float, float]]]:
    """Three layers at five steps, all values apart and exact in four decimals."""
    return {
        layer: {step: (2.0 + depth + step / 80, rise + depth / 4 + step / 160) for step in STEPS}
        for depth, layer in enumerate(LAYERS)
    }


ONE, TWO = points(0.25), points(0.75)
HOSTILE_RUN = "<img src=x onerror=alert(1)>"
HOSTILE_LAYER = "<b onclick=alert(2)>%{x}<b>"
DEEP = [f"layer{number}" for number in range(50)]
N_RUNS = 5


def write_logs(folder: Path, n_steps: int = 200) -> None:
    """Two runs of three layers, one of fifty, one with names of a stranger, one of predictions.

    The one of fifty has `n_steps` of the first 1000 steps, more than are drawn; reading many takes
    the server its time.
    """
    write(folder / "one", plane(ONE), settings(LAYERS, rulers=["", "uniform5"]))
    write(folder / "two", plane(TWO), settings(LAYERS))
    write(folder / "two", plane(ONE, "train"), settings(LAYERS, "train"))
    write(folder / HOSTILE_RUN, plane({HOSTILE_LAYER: {1: (1.0, 0.5), 2: (2.0, 0.75)}}))
    deep = {
        layer: {
            step: (8 - n / 10 + step / 4000, 2 - step / 1000)
            for step in range(0, 1000, 1000 // n_steps)
        }
        for n, layer in enumerate(DEEP)
    }
    write(folder / "deep", plane(deep), settings(DEEP))
    parts = {"prediction_entropy/val/marginal": {0: 3.0, 9: 2.0}}
    parts |= {"prediction_entropy/val/mean": {0: 2.5, 9: 0.25}}
    parts |= {"label_information/val/soft": {0: 0.125, 9: 1.5}}
    classes = {f"conditional_entropy/val/class_{c}": {0: 3.0, 9: c / 4} for c in range(4)}
    write(folder / "predicting", parts | classes)
