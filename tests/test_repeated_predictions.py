"""A sample that comes twice tells no more: what predictions are worth is that of distinct ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import ConditionalEntropyMonitor, PredictionEntropyMonitor
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy
from it_callbacks.observation import batches
from it_callbacks.observation.distinct import Distinct, sample_numbers
from it_callbacks.observation.input_keys import input_keys, row_keys
from it_callbacks.observation.positions import Grid
from it_callbacks.observation.prediction_pass import Predicted
from it_callbacks.observation.prediction_source import Source
from it_callbacks.predictions import notices
from it_callbacks.predictions.defined import OF_DISTINCT, DefinedRows
from it_callbacks.report import report
from it_callbacks.runs import Key, Run

from .toys import fit, samples, values
from .warned import Warnings, warned

X, Y = samples(120, seed=1)
OF_SMALL = ("few", "missing")


def repeated(times: int, batch_size: int = 50) -> DataLoader[Any]:
    return DataLoader(TensorDataset(X.repeat(times, 1), Y.repeat(times)), batch_size)


def measured(times: int, **options: Any) -> tuple[dict[str, float], Warnings, Any]:
    monitors = [PredictionEntropyMonitor(**options), ConditionalEntropyMonitor(**options)]
    with warned() as given:
        fit(monitors, val=repeated(times), logger=False)
    return values(monitors[0]) | values(monitors[1]), given, monitors[0].settings["val"]


def told(given: Warnings) -> set[str]:
    return set(given.causes) - {*OF_SMALL, "no logger"}


@pytest.mark.parametrize("options", [{}, {"max_samples": 100_000}])
def test_ten_times_the_samples_are_worth_no_more(options: dict[str, Any]) -> None:
    once, given, settings = measured(1, **options)
    assert told(given) == set()
    assert settings["share_of_repeated_inputs"] == 0
    ten, given, settings = measured(10, **options)
    assert ten == pytest.approx(once, abs=1e-6)
    assert {one.monitor for one in given.of("repeated")} == {
        *("PredictionEntropyMonitor", "ConditionalEntropyMonitor")
    }
    assert settings["share_of_repeated_inputs"] == pytest.approx(0.9)
    assert all("120 samples" in one.text for one in given.of("few"))


def test_where_nothing_repeats_only_the_first_pass_tells_inputs_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return row_keys(*arguments)

    monkeypatch.setattr(batches, "row_keys", counted)
    fit([PredictionEntropyMonitor()], val=repeated(1, 60), max_epochs=3)
    assert len(asked) == 2
    asked.clear()
    with warned() as given:
        fit([PredictionEntropyMonitor()], val=repeated(2, 60), max_epochs=3)
    assert len(given.of("repeated")) == 1
    assert len(asked) == 3 * 4


def test_a_nan_in_one_input_does_not_hide_that_others_repeat() -> None:
    """Of 239 rows of predictions that are a distribution 119 are repeated."""

    class OneNaN(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 240

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            x = X[index % 120].clone()
            x[0] = torch.nan if index == 0 else x[0]
            return x, Y[index % 120]

    monitor = PredictionEntropyMonitor()
    with warned() as given:
        fit([monitor], val=DataLoader(OneNaN(), 60), max_epochs=1, num_sanity_val_steps=0)
    assert monitor.settings["val"]["share_of_repeated_inputs"] == pytest.approx(119 / 239)
    assert len(given.of("repeated")) == 1


# One pass


def keys_of(numbers: Tensor) -> Any:
    return row_keys(numbers, len(numbers))


@pytest.mark.parametrize(
    "kind",
    [
        *(PredictionEntropy, ConditionalEntropy),
        *(MultiLabelPredictionEntropy, MultiLabelConditionalEntropy),
    ],
)
def test_values_are_of_all_samples_and_worth_that_of_distinct_ones(kind: type[Any]) -> None:
    """Also where repeats are spread over batches, and a batch holds the same sample twice."""
    generator = torch.Generator().manual_seed(0)
    x, logits = torch.arange(30.0)[:, None], torch.randn(30, 3, generator=generator)
    several = "Multi" in kind.__name__
    labels = torch.randint(2, (30, 3) if several else (30,), generator=generator)
    order = torch.cat([torch.arange(30), torch.tensor([3, 3, 7, 29])])
    rows, alone, whole = DefinedRows({"": kind(3)}), kind(3), kind(3)
    for part in order.split(9):
        rows.update(logits[part], labels[part], keys_of(x[part]))
    alone.update(logits, labels)
    whole.update(logits[order], labels[order])
    got = rows.computed("")
    one, all_ = ({n: float(v) for n, v in metric.compute().items()} for metric in (alone, whole))
    assert rows.share_repeated == pytest.approx(4 / 34)
    for name in set(got) - OF_DISTINCT - {"label_bound"}:
        assert got[name] == pytest.approx(all_[name], abs=1e-12)
    for name in OF_DISTINCT & set(got):
        if not name.endswith("adjusted"):
            assert got[name] == pytest.approx(one[name], abs=1e-12)


def test_one_input_with_two_labels_is_two_samples() -> None:
    inputs = keys_of(torch.tensor([[1.0], [1.0], [2.0]]))
    rows = DefinedRows({"": PredictionEntropy(2)})
    rows.update(torch.randn(3, 2), torch.tensor([0, 1, 0]), inputs)
    assert rows.share_repeated == 0
    rows.update(torch.randn(1, 2), torch.tensor([1]), inputs[:1])
    assert rows.share_repeated == 0.25
    assert rows.once("").n_counted == 3


def of_process(numbers: list[float], *, apart: bool = True) -> DefinedRows:
    x = torch.tensor(numbers)[:, None]
    rows = DefinedRows({"": ConditionalEntropy(2)})
    rows.update(torch.cat([x, -x], 1), (x[:, 0] > 0).long(), keys_of(x) if apart else None)
    return rows


def test_processes_with_the_same_inputs_say_that_nobody_knows() -> None:
    one = of_process([1.0, -1.0, 2.0])
    one.merge_state(of_process([2.0, -3.0]))
    got = one.computed("")
    assert {name for name, value in got.items() if math.isnan(value)} == OF_DISTINCT & set(got)
    assert one.share_repeated == pytest.approx(0.2)


def test_processes_with_inputs_of_their_own_are_added_up() -> None:
    together = of_process([1.0, -1.0, 1.0])
    together.merge_state(of_process([2.0, -3.0]))
    alone = of_process([1.0, -1.0, 1.0, 2.0, -3.0])
    assert together.computed("") == pytest.approx(alone.computed(""), abs=1e-12, nan_ok=True)
    assert together.share_repeated == alone.share_repeated == pytest.approx(0.2)
    unknown = of_process([1.0, 1.0])
    unknown.merge_state(of_process([2.0], apart=False))
    assert unknown.share_repeated is None
    assert unknown.once("") is unknown.metric


def test_repeats_are_found_in_any_stream() -> None:
    generator = np.random.default_rng(0)
    met, seen = Distinct(), set[int]()
    for _ in range(40):
        numbers = generator.integers(300, size=generator.integers(1, 30))
        expected = []
        for number in numbers.tolist():
            expected.append(number not in seen)
            seen.add(number)
        assert met.first(numbers).tolist() == expected
    assert len(met) == len(seen)


def test_positions_repeat_where_row_and_position_do() -> None:
    """The same number at another position is another sample."""
    tokens = torch.tensor([[5, 5], [6, 5], [5, 5]])
    of_rows = row_keys(tokens, 3)
    assert of_rows is not None
    inputs = input_keys(of_rows, Grid(3, (2,)), np.arange(6))
    first = Distinct().first(sample_numbers(inputs, torch.zeros(6, dtype=torch.long)))
    assert first.tolist() == [True, True, True, True, False, False]


# What is said


def found(rows: DefinedRows, n: int, *, by_position: bool = False) -> Predicted[DefinedRows]:
    """A pass that has left these rows."""
    source = Source("", is_guess=False)
    return Predicted(rows, "logits", "classes", n, 0, source, by_position, False, False)


def of_counts(*counts: int) -> DefinedRows:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    rows = DefinedRows({"": PredictionEntropy(len(counts))})
    rows.update(torch.zeros(len(labels), len(counts)), labels)
    return rows


@pytest.mark.parametrize(
    ("counts", "by_position", "said"),
    [
        ((512, 512), False, []),
        ((511, 512), False, ["1023 samples, 511 in the smallest class, are few"]),
        ((2000, 49), False, ["2049 samples, 49 in the smallest class, are few"]),
        ((2000, 49), True, []),  # a rare word among many
        ((20, 49), True, ["69 samples are few"]),
    ],
)
def test_few_samples_are_told(counts: tuple[int, ...], by_position: bool, said: list[str]) -> None:
    got = notices.notices(
        "val", found(of_counts(*counts), sum(counts), by_position=by_position), "", []
    )
    assert [one.cause for one in got] == ["few"] * len(said)
    assert all(part in one.text for one, part in zip(got, said, strict=True))


def test_that_nobody_has_counted_once_is_told() -> None:
    mixed = of_process([1.0, -1.0, 2.0])
    mixed.merge_state(of_process([2.0, -3.0]))
    got = {one.cause: one.text for one in notices.notices("val", found(mixed, 5), "", [])}
    assert "processes have met the same inputs" in got["repeated"]


def test_the_report_writes_a_status_in_words() -> None:
    key = Key("label_information", "val", "status")
    of_soft = Key("label_information", "val", "soft_chance")
    mean = Key("prediction_entropy", "val", "mean")
    run = Run("a", {mean: {0: 1.0}, of_soft: {0: 0.25}, key: {0: 0.0, 1: 2.0}}, {0: 0, 1: 1})
    text = report([run])
    row = text[text.index("status of label information") :][:200]
    assert "OK" in row
    assert "SATURATED" in row
    assert "0.250" in text
