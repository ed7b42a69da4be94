"""The ground-truth page tells what its script finds, and the script's truths are the truth."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import entr
from scipy.stats import poisson

from it_callbacks.tasks import szt_task

ROOT = Path(__file__).parents[1]
Cells = dict[str, str]
Tables = dict[str, dict[tuple[str, int], Cells]]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "examples" / "accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy"] = module  # where its annotations are looked up
    spec.loader.exec_module(module)
    return module


def read(text: str) -> Tables:
    """Markdown tables by heading, rows by task and number of samples, cells by column."""
    tables: Tables = {}
    for title, block in re.findall(r"^### (.+)\n\n((?:\|.+\n?)+)", text, flags=re.MULTILINE):
        header, _, *rows = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        )
        cells = [dict(zip(header, row, strict=True)) for row in rows]
        tables[title] = {(row["task"], int(row["N"])): row for row in cells}
        assert len(tables[title]) == len(cells)
    return tables


@pytest.fixture(scope="module")
def fast(script: ModuleType) -> Tables:
    """What ``python examples/accuracy.py --fast`` prints."""
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", printed.append)
        script.main(["--fast"])
    return read("\n".join(printed))


@pytest.fixture(scope="module")
def page() -> Tables:
    return read((ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8"))


H, I = "Entropy H(T)", "Information I(T;Y)"  # noqa: E741 # information
LINEAR = "Linear V-information V(T→Y)"
NOISE_X, NOISE_Y = (f"Noise-injected {what}, σ = 0.5" for what in ("I(X; T+σZ)", "I(T+σZ; Y)"))


# --- the truths ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "truth"),
    [
        ("floored_normal(0.5)", 3.061969249363003),
        ("floored_normal(0.07)", 5.883891343014302),
        ("symmetric_channel(2, 0.1)", 0.5310044064107188),
        ("symmetric_channel(10, 0.2)", 1.9660149997115375),
        ("gao(2)", 0.5),
        ("gao(5)", 1.5219280948873627),
        ("gao(10)", 2.4219280948873627),
        ("binned_binormal()", 0.5584701719509877),
        ("flipped_states(500, 0.25)", 0.1887218755),  # the binary symmetric channel of .25
    ],
)
def test_truths_are_those_of_the_closed_forms(script: ModuleType, made: str, truth: float) -> None:
    assert eval(f"script.{made}").truth == pytest.approx(truth, abs=1e-9)


def test_the_closed_forms_are_those_of_the_outside_reference(
    script: ModuleType, shared: Path
) -> None:
    """Each truth named after a task stands in the file of closed forms, to nine digits."""
    outside = json.loads((shared / "oracle" / "truths.json").read_text())
    known = [entry["bits"] for entry in outside.values()]
    tasks = [*script.entropy_tasks()[:2], *script.information_tasks()[:5]]
    tasks.append(script.binned_binormal())
    for task in tasks:
        assert min(abs(task.truth - bits) for bits in known) < 1e-9, task.name


def test_finer_bins_bring_the_poisson_to_its_closed_form(script: ModuleType) -> None:
    """2 ln 2 - gamma - sum over k of 2^-k ln k nats without bins, which can only lose."""
    k = np.arange(1, 60)
    nats = 2 * math.log(2) - np.euler_gamma - (np.log(k) / 2.0**k).sum()
    truths = [script.zero_inflated_poisson(width, zeros=0).truth for width in (0.5, 0.25, 0.02)]
    assert truths == sorted(truths)
    assert nats / math.log(2) - 2e-4 < truths[-1] < nats / math.log(2)


def test_finer_bins_bring_the_zero_inflated_poisson_to_its_integral(script: ModuleType) -> None:
    """H(Y) - H(Y|X) by quadrature: .3315 bits, not .85 times the Poisson's .4346."""
    k = np.arange(60)

    def bits(of_poisson: np.ndarray) -> float:
        p = 0.85 * of_poisson
        p[0] += 0.15
        return float(entr(p).sum() / math.log(2))

    def given(x: float) -> float:
        return math.exp(-x) * bits(poisson.pmf(k, x))

    exact = bits(0.5 ** (k + 1)) - sum(quad(given, a, a + 2)[0] for a in range(0, 40, 2))
    assert exact == pytest.approx(0.3314966, abs=1e-7)
    assert exact - 2e-4 < script.zero_inflated_poisson(0.02).truth < exact


def test_the_12_bit_truths_are_those_of_all_patterns(script: ModuleType) -> None:
    """Counted row by row from the layer's own states, without codes or estimators."""
    patterns, labels = szt_task()
    weights = torch.cos(torch.arange(1.0, 25) ** 2).reshape(12, 2)
    states = torch.floor((torch.tanh((2 * patterns - 1) @ weights) + 1) * 15).numpy()

    def counted(rows: np.ndarray) -> float:
        share = np.unique(rows, axis=0, return_counts=True)[1] / 4096
        return float(-(share * np.log2(share)).sum())

    both = np.column_stack([states, labels])
    h, h_y = counted(states), counted(labels.numpy()[:, None])
    assert script.twelve_bits(2, "H").truth == pytest.approx(h, abs=1e-9)
    assert script.twelve_bits(2, "I").truth == pytest.approx(h + h_y - counted(both), abs=1e-9)


def test_draws_are_of_the_distribution_that_the_truth_is_of(script: ModuleType) -> None:
    """At 100 000 samples, counts in plain NumPy come within .03 bit of every truth."""

    def counted(states: np.ndarray) -> float:
        return float(entr(np.unique(states, return_counts=True)[1] / 100_000).sum() / math.log(2))

    entropies = script.entropy_tasks()[:4]
    for task in [*entropies, *script.information_tasks()[:9]]:
        x, y = task.draw(np.random.default_rng(0), 100_000)
        pairs = 100 * np.unique(x, return_inverse=True)[1] + y
        of_x = counted(x)
        found = of_x if task in entropies else of_x + counted(y) - counted(pairs)
        assert found == pytest.approx(task.truth, abs=0.03), task.name


# --- the page -----------------------------------------------------------------------------------


def test_the_page_has_every_row_of_the_script_and_no_other(
    script: ModuleType, page: Tables
) -> None:
    h, i = script.entropy_tasks(), script.information_tasks()
    tasks = {
        H: h,
        "Intervals of H(T)": [task._replace(repeats=script.MANY) for task in h[2:4]],
        I: i,
        "Intervals of I(T;Y)": [task._replace(repeats=script.MANY) for task in (i[1], i[6])],
        LINEAR: script.linear_tasks(),
        NOISE_X: script.noise_tasks("I_XT"),
        NOISE_Y: script.noise_tasks("I_TY"),
    }
    assert list(page) == list(tasks)
    for title, rows in page.items():
        expected = {(task.name, n): task.truth for task in tasks[title] for n in task.repeats}
        assert rows.keys() == expected.keys()
        for key, truth in expected.items():
            assert rows[key]["truth"] == f"{truth:.4f}"
    assert {n for table in (H, I) for _, n in page[table]} == {256, 1024, 10_000, 100_000}


def test_the_page_holds_the_numbers_that_the_script_finds(fast: Tables, page: Tables) -> None:
    """Up to 1024 samples, digit for digit but for the last, which rounding may turn."""
    assert list(fast) == list(page)
    for title, rows in fast.items():
        assert rows.keys() == {key for key in page[title] if key[1] <= 1024}
        for key, row in rows.items():
            printed = page[title][key]
            assert row.keys() == printed.keys()
            for column, cell in row.items():
                if re.fullmatch(r"[+-]?\d*\.\d+", cell):
                    assert float(cell) == pytest.approx(float(printed[column]), abs=0.0021)
                else:
                    assert cell == printed[column], (title, key, column)


# --- what the page says of them -----------------------------------------------------------------


def error(row: Cells, name: str) -> float:
    return float(row[name])


def share(cell: str) -> tuple[int, int]:
    if cell == "not drawn":
        return 0, 0
    held, drawn = cell.split(" of ")
    return int(held), int(drawn)


def test_mle_says_too_little_entropy_and_too_much_information(fast: Tables) -> None:
    """Of every entropy; of information wherever chance has a share, the Gao mixtures apart."""
    assert all(error(row, "mle") < 0 for row in fast[H].values())
    chancy = [
        row
        for (task, _), row in fast[I].items()
        if float(row["chance share"]) >= 0.02 and not task.startswith("Gao")
    ]
    assert len(chancy) >= 10
    assert all(error(row, "mle") > 0.05 for row in chancy)


def test_a_correction_is_never_worse_than_none_by_more_than_a_hundredth(fast: Tables) -> None:
    for row in [*fast[H].values(), *fast[I].values()]:
        assert abs(error(row, "chao_wang_jost")) <= abs(error(row, "mle")) + 0.01


def test_corrections_rank_as_the_page_says_where_states_are_missed(fast: Tables) -> None:
    """Miller-Madow takes off a quarter to a half, jackknife and Grassberger more, Chao most."""
    missed = [row for row in fast[H].values() if 0.5 < float(row["coverage"]) < 0.9]
    assert len(missed) == 4
    for row in missed:
        plain, first_order = abs(error(row, "mle")), abs(error(row, "miller_madow"))
        others = [abs(error(row, name)) for name in ("jackknife", "grassberger")]
        assert 0.2 < (plain - first_order) / plain < 0.55
        assert abs(error(row, "chao_wang_jost")) < min(others) < max(others) < first_order


def test_adjusted_is_near_the_truth_where_mle_is_not(fast: Tables) -> None:
    row = fast[I]["500 states, 25% of labels flipped", 1024]
    assert error(row, "mle") > 0.3
    assert abs(error(row, "adjusted")) < 0.06
    lot = fast[I]["12 bits, 10 tanh units, labels by lot", 1024]
    assert error(lot, "mle") > 0.8
    assert abs(error(lot, "adjusted")) < 0.05


def test_adjusted_has_the_two_weaknesses_that_the_page_names(fast: Tables) -> None:
    assert 0.1 < error(fast[I]["symmetric channel, 10 classes", 256], "adjusted") < 0.2
    assert -0.12 < error(fast[I]["Gao mixture, 10 classes", 256], "adjusted") < -0.06


def test_saturated_rows_promise_nothing(fast: Tables) -> None:
    rows = [row for t in (H, I) for row in fast[t].values() if row["status"] == "SATURATED"]
    assert len(rows) >= 5
    assert {row["interval holds"] for row in rows} == {"not drawn"}
    assert fast[I]["12 bits, 10 tanh units, labels by lot", 256]["adjusted"] == "none"


@pytest.mark.parametrize("title", [H, I])
def test_intervals_hold_the_truth_where_they_are_drawn(fast: Tables, title: str) -> None:
    held, drawn = np.sum([share(row["interval holds"]) for row in fast[title].values()], axis=0)
    assert drawn >= 60
    assert held / drawn >= 0.95


def test_intervals_hold_as_often_as_the_page_says(page: Tables) -> None:
    """From the page's own rows, down to a coverage of .71 and a chance share of .05."""
    for title in ("Intervals of H(T)", "Intervals of I(T;Y)"):
        shares = [share(row["holds"]) for row in page[title].values()]
        assert len(shares) == 10
        assert all(held / drawn > 0.95 for held, drawn in shares)
    assert share(page["Intervals of H(T)"]["Zipf, 1000 states", 512]["holds"])[1] > 60


def test_a_linear_reader_never_exceeds_the_truth_by_more_than_its_scatter(page: Tables) -> None:
    for row in page[LINEAR].values():
        assert error(row, "V_TY") <= error(row, "scatters by")
    assert abs(error(page[LINEAR]["two Gaussians, 1 unit", 10_000], "V_TY")) < 0.01
    assert all(error(r, "V_TY") > -0.03 for (t, _), r in page[LINEAR].items() if "noise" in t)
    assert all(error(r, "V_TY") > -0.01 for (t, _), r in page[LINEAR].items() if t == "XOR")


def test_noise_injected_values_do_what_the_page_says(fast: Tables, page: Tables) -> None:
    ten = fast[NOISE_X]["normal, 10 units", 256]
    assert 11.6096 + error(ten, "noise_I_XT") < 8  # log2 256
    assert ten["bounds hold"] == "0 of 10"
    narrow = [row for (task, _), row in page[NOISE_X].items() if "10" not in task]
    for row in [*narrow, *page[NOISE_Y].values()]:
        held, drawn = share(row["bounds hold"])
        assert held == drawn > 0
    for (_, n), row in page[NOISE_Y].items():
        assert abs(error(row, "noise_I_TY")) < (0.015 if n == 2048 else 0.1)
