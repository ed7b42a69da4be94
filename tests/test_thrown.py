"""Whatever is thrown at the monitors, training ends as without them, and what is missed is said.

Each draw is a training of its own: outputs, batches, labels, loaders, precisions and faults at
random. `pytest tests/test_thrown.py --draws 10000 --first 5000` draws more, from another place on.
"""

from __future__ import annotations

import random
import re
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor, nn
from torch.nn.modules import module as of_the_process
from torch.utils.data import DataLoader, Dataset, IterableDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .toys import MemoryLogger, n_hooks
from .warned import warned

N, WIDTH, K, STEPS = 6, 5, 4, 3
"""Samples in a batch, their numbers, classes, and steps or pixels of a sample."""


class Thrown(Exception):  # noqa: N818 # by the user's own code
    """What the user's own code raises."""


# What a module may do.


class Nothing(nn.Module):
    """Returns what is no tensor."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner, self.wrap = nn.Linear(WIDTH, WIDTH), wrap

    @override
    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.inner(x))


PARTS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "relu": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "norm": lambda: nn.BatchNorm1d(WIDTH),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "dropout": lambda: nn.Dropout(0.5),
    "noise": lambda: nn.RReLU(),
    "softmax": lambda: nn.Softmax(1),
    "constant": lambda: nn.Threshold(1e9, 1.0),
    "huge": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), Scaled(1e30)),
    "tiny": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), Scaled(1e-38)),
    "lazy": lambda: nn.LazyLinear(WIDTH),
    "unused": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), Holds(nn.Linear(3, 3))),
}


class Scaled(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor / self.factor + (x * self.factor).detach().clamp(-1, 1) * 0


class Holds(nn.Module):
    """Has a part that it never calls."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x


Output = namedtuple("Output", ["logits", "hidden"])


@dataclass
class Result:
    """An output as a dataclass."""

    scores: Tensor
    loss: Any = None


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "logits": lambda z: z,
    "probabilities": lambda z: z.softmax(1),
    "sigmoid": lambda z: z.sigmoid(),
    "one logit": lambda z: z[:, :1],
    "one number": lambda z: z[:, 0],
    "squeezed": lambda z: z[:, :1].squeeze(),
    "one sample squeezed": lambda z: z.squeeze(0),
    "sequence": lambda z: z[:, None].expand(-1, STEPS, -1),
    "maps": lambda z: z[:, :, None, None].expand(-1, -1, 2, 2),
    "time major": lambda z: z[:, None].expand(-1, STEPS, -1).transpose(0, 1),
    "dict": lambda z: {"logits": z, "hidden": z.tanh()},
    "dict of others": lambda z: {"a": z.tanh(), "b": z.exp()},
    "tuple": lambda z: (z, z.tanh()),
    "namedtuple": lambda z: Output(z, z[:, :2]),
    "dataclass": lambda z: Result(z),
    "nested": lambda z: [{"x": (z,)}, None],
    "nothing": lambda z: None,
    "text": lambda z: "logits",
    "mean": lambda z: z.mean(),
    "integers": lambda z: z.argmax(1),
    "half": lambda z: z.half(),
    "bfloat16": lambda z: z.bfloat16(),
    "double": lambda z: z.double(),
    "complex": lambda z: z.to(torch.complex64),
    "sparse": lambda z: z.to_sparse(),
    "empty": lambda z: z[:0],
    "no column": lambda z: z[:, :0],
    "twice the rows": lambda z: torch.cat([z, z]),
    "nan row": lambda z: torch.cat([z[:1] * torch.nan, z[1:]]),
    "nan": lambda z: z * torch.nan,
    "infinite": lambda z: z.masked_fill(torch.tensor([True, False, False, False]), torch.inf),
    "masked": lambda z: z.masked_fill(torch.tensor([True, False, False, False]), -torch.inf),
    "huge": lambda z: z * 1e38,
}

ROUTES = ("forward", "forward twice", "parts", "forward sometimes", "nothing")
"""How a validation step runs the model."""

# What a batch may hold.

LABELS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "int64": lambda draw, n: torch.from_numpy(draw.integers(0, K, n)),
    "int8": lambda draw, n: torch.from_numpy(draw.integers(0, K, n)).to(torch.int8),
    "uint8": lambda draw, n: torch.from_numpy(draw.integers(0, K, n)).to(torch.uint8),
    "uint16": lambda draw, n: torch.from_numpy(draw.integers(0, K, n)).to(torch.uint16),
    "bool": lambda draw, n: torch.from_numpy(draw.integers(0, 2, n)).bool(),
    "column": lambda draw, n: torch.from_numpy(draw.integers(0, K, (n, 1))),
    "zero or one": lambda draw, n: torch.from_numpy(draw.integers(0, 2, n)).float(),
    "column of zero or one": lambda draw, n: torch.from_numpy(draw.integers(0, 2, (n, 1))).float(),
    "one-hot": lambda draw, n: torch.eye(K)[draw.integers(0, K, n)],
    "multi-label": lambda draw, n: torch.from_numpy(draw.integers(0, 2, (n, K))).float(),
    "soft": lambda draw, n: torch.from_numpy(draw.dirichlet(np.ones(K), n)).float(),
    "regression": lambda draw, n: torch.from_numpy(draw.normal(size=n)).float(),
    "columns": lambda draw, n: torch.from_numpy(draw.normal(size=(n, 3))).float(),
    "nan": lambda draw, n: torch.full((n,), torch.nan),
    "ignored": lambda draw, n: torch.from_numpy(draw.integers(-1, K, n)),
    "all ignored": lambda draw, n: torch.full((n,), -100),
    "255": lambda draw, n: torch.from_numpy(np.where(draw.random(n) < 0.3, 255, 1)),
    "out of range": lambda draw, n: torch.from_numpy(draw.integers(0, 50, n)),
    "huge": lambda draw, n: torch.full((n,), 2**62),
    "tokens": lambda draw, n: torch.from_numpy(draw.integers(-1, K, (n, STEPS))),
    "pixels": lambda draw, n: torch.from_numpy(draw.integers(0, K, (n, 2, 2))),
    "scalar": lambda draw, n: torch.tensor(1),
    "too few": lambda draw, n: torch.zeros(max(n - 1, 0), dtype=torch.long),
    "texts": lambda draw, n: ["a"] * n,
    "list": lambda draw, n: draw.integers(0, K, n).tolist(),
    "none": lambda draw, n: None,
    "complex": lambda draw, n: torch.zeros(n, dtype=torch.complex64),
}

Named = namedtuple("Named", ["x", "label"])


@dataclass
class Sample:
    """A batch as a dataclass."""

    x: Tensor
    y: Any


class Graph:
    """A batch with attributes."""

    def __init__(self, x: Tensor, y: Any) -> None:
        self.x, self.y = x, y


BATCHES: dict[str, Callable[[Tensor, Any], Any]] = {
    "pair": lambda x, y: (x, y),
    "list": lambda x, y: [x, y],
    "dict": lambda x, y: {"x": x, "labels": y},
    "dict of other names": lambda x, y: {"a": x, "b": y},
    "triple": lambda x, y: (x, y, torch.ones(len(x))),
    "namedtuple": Named,
    "dataclass": Sample,
    "attributes": Graph,
    "input": lambda x, y: x,
    "list of input": lambda x, y: [x],
    "nested": lambda x, y: {"x": x, "more": {"labels": [y]}},
    "reversed": lambda x, y: (y, x),
    "text": lambda x, y: (x, y, ["a"] * len(x)),
    "five": lambda x, y: (x, x, y, None, 3),
}


def x_of(batch: Any) -> Tensor:
    """The input, which the user knows how to find."""
    if isinstance(batch, Tensor):
        return batch
    if isinstance(batch, dict):
        return batch.get("x", batch.get("a"))  # type: ignore[no-any-return] # a tensor
    if hasattr(batch, "x"):
        return batch.x  # type: ignore[no-any-return] # a tensor
    return next(
        part
        for part in batch
        if isinstance(part, Tensor) and part.dtype == torch.float32 and part.shape[1:] == (WIDTH,)
    )


# Faults of the user's own code, and of what it runs in.

FAULTS = (
    *(("",) * 12),
    *("validation step", "validation epoch end", "training step", "forward", "interrupt"),
    *("logger", "checkpoint"),
)


class FailingLogger(MemoryLogger):
    """A logger that loses its server."""

    @override
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if any("/" in name for name in metrics):
            raise OSError("the server is gone")
        super().log_metrics(metrics, step)


@dataclass(frozen=True)
class Draw:
    """One training, drawn at random.

    Args:
        seed: Of all that is drawn.
    """

    seed: int

    @property
    def _rng(self) -> random.Random:
        return random.Random(self.seed)

    def choices(self) -> dict[str, Any]:
        """Everything that makes this training what it is."""
        rng = self._rng
        precisions = ["32-true"] * 8 + ["bf16-mixed", "64-true"]
        return {
            "parts": [rng.choice(list(PARTS)) for _ in range(rng.randint(1, 3))],
            "output": rng.choice(list(OUTPUTS)) if rng.random() < 0.6 else "logits",
            "route": rng.choice(ROUTES) if rng.random() < 0.5 else "forward",
            "labels": rng.choice(list(LABELS)),
            "other labels": rng.choice(list(LABELS)) if rng.random() < 0.1 else None,
            "batch": rng.choice(list(BATCHES)) if rng.random() < 0.6 else "pair",
            "loader": rng.choice(
                ["plain"] * 4
                + ["shuffled", "iterable", "several", "dict", "combined", "ready", "empty", "one"]
            ),
            "sizes": rng.choice([[N, N], [N, 1], [N, N, 2], [1, 1], [1, N]]),
            "fault": rng.choice(FAULTS),
            "sanity": rng.choice([0, 2]),
            "precision": rng.choice(precisions),
            "trainer": rng.choice(
                [{}] * 6
                + [
                    {"limit_val_batches": 0},
                    {"val_check_interval": 0.5},
                    {"check_val_every_n_epoch": 2},
                    {"fast_dev_run": True},
                    {"inference_mode": False},
                    {"accumulate_grad_batches": 2},
                    {"deterministic": True},
                ]
            ),
            "data": rng.choice([None] * 3 + ["val", "train"]),
            "plane": rng.choice(
                [{}] * 4
                + [
                    {"bins": [8, 4]},
                    {"layers": "*"},
                    {"layers": "body.*"},
                    {"max_samples": 5},
                    {"exhaustive": True},
                    {"schedule": 2},
                ]
            ),
        }


class Odd(pl.LightningModule):
    """A user's module, of which a draw decides everything."""

    def __init__(self, choices: dict[str, Any]) -> None:
        super().__init__()
        self.choices = choices
        self.body = nn.Sequential(*(PARTS[name]() for name in choices["parts"]))
        self.head = nn.Linear(WIDTH, K)
        self.n_calls = 0

    def logits(self, x: Tensor) -> Tensor:
        """As everybody has them."""
        return self.head(self.body(x))  # type: ignore[no-any-return] # a tensor

    @override
    def forward(self, x: Tensor) -> Any:
        if isinstance(x, dict):
            x = x_of(x)
        if self.choices["fault"] == "forward" and self.trainer.validating:
            raise Thrown
        return OUTPUTS[self.choices["output"]](self.logits(x))

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if self.choices["fault"] == "training step" and batch_idx == 1:
            raise Thrown
        return self.logits(x_of(batch)).square().mean()

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        if isinstance(batch, dict) and not {"x", "a"} & set(batch):
            batch = next(part for part in batch.values() if part is not None)
        x, route = x_of(batch), self.choices["route"]
        self.n_calls += 1
        if route in ("forward", "forward twice"):
            self(x)
        if route == "forward twice" or (route == "forward sometimes" and self.n_calls % 2):
            self(x + 0.1)
        if route == "parts":
            self.logits(x)
        if self.choices["fault"] == "validation step" and self.n_calls > 2:
            raise Thrown
        if self.choices["fault"] == "interrupt" and self.n_calls > 2:
            raise KeyboardInterrupt
        with torch.no_grad():
            loss = self.logits(x).float().square().mean()
        name = f"user_loss_{dataloader_idx}"
        self.log(name, loss, batch_size=len(x), add_dataloader_idx=False)

    @override
    def on_validation_epoch_end(self) -> None:
        if self.choices["fault"] == "validation epoch end" and not self.trainer.sanity_checking:
            raise Thrown

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


class Ready(Dataset[Any]):
    """Batches that are ready as they are."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Any:
        return self.batches[number]


class Streamed(IterableDataset[Any]):
    """The same without a length."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    @override
    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def batches(choices: dict[str, Any], seed: int) -> list[Any]:
    """Batches as the draw wants them."""
    draw, made = np.random.default_rng(seed), []
    for number, n in enumerate(choices["sizes"]):
        x = torch.from_numpy(draw.normal(size=(n, WIDTH))).float()
        kind = choices["other labels"] if number and choices["other labels"] else choices["labels"]
        made.append(BATCHES[choices["batch"]](x, LABELS[kind](draw, n)))
    return made


def loaders(choices: dict[str, Any]) -> tuple[Any, Any]:
    """Loaders for training and validation."""

    def ready(seed: int, *, shuffle: bool = False) -> Any:
        return DataLoader(Ready(batches(choices, seed)), None, shuffle=shuffle)

    train = DataLoader(Ready([*batches(choices, 0), *batches(choices, 1)]), None, shuffle=True)
    match choices["loader"]:
        case "shuffled":
            val: Any = ready(2, shuffle=True)
        case "iterable":
            val = DataLoader(Streamed(batches(choices, 2)), None)
        case "several":
            val = [ready(2), ready(3)]
        case "dict":
            val = {"a b": ready(2), "a/b": ready(3)}
        case "combined":
            val = CombinedLoader({"one": ready(2), "two": ready(3)}, "max_size")
        case "ready":
            val = batches(choices, 2)
        case "empty":
            val = DataLoader(Ready([]), None)
        case "one":
            val = DataLoader(Ready(batches(choices, 2)[-1:]), None)
        case _:
            val = ready(2)
    return train, val


@dataclass
class Ended:
    """What a training leaves.

    Args:
        error: What ended it, if anything.
        weights: Of the model.
        logged: What the user logged last.
        random: What would be drawn next, by torch, NumPy and Python.
        n_hooks: On the modules.
    """

    error: str
    weights: dict[str, Tensor]
    logged: dict[str, float]
    random: tuple[float, float, float]
    n_hooks: int


def ended(draw: Draw, monitors: list[Any], folder: Any) -> Ended:
    """Run the training of a draw."""
    choices = draw.choices()
    random.seed(draw.seed)
    np.random.seed(draw.seed)
    torch.manual_seed(draw.seed)
    model, error = Odd(choices), ""
    if any("lazy" in name for name in choices["parts"]):
        with torch.no_grad():
            model.eval().logits(torch.zeros(2, WIDTH))
        model.train()
    train, val = loaders(choices)
    logger = FailingLogger() if choices["fault"] == "logger" else MemoryLogger()
    running = None
    try:
        running = pl.Trainer(
            callbacks=[*monitors],
            logger=logger,
            **{
                "accelerator": "cpu",
                "max_epochs": 2,
                "num_sanity_val_steps": choices["sanity"],
                "precision": choices["precision"],
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "enable_checkpointing": choices["fault"] == "checkpoint",
                "default_root_dir": folder,
                "log_every_n_steps": 1,
                **choices["trainer"],
            },
        )
        running.fit(model, train, val)
    except (Exception, SystemExit) as fault:
        error = re.sub(" at 0x[0-9a-f]+", "", f"{type(fault).__name__}: {fault}")
    logged = dict(running.callback_metrics) if running is not None else {}
    return Ended(
        error,
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        {name: float(value) for name, value in logged.items() if name.startswith("user_")},
        (torch.rand(()).item(), float(np.random.random()), random.random()),
        n_hooks(model),
    )


def three(choices: dict[str, Any]) -> list[Any]:
    """All monitors, as the draw wants them."""
    data = choices["data"]
    return [
        PredictionEntropyMonitor(data=data),
        ConditionalEntropyMonitor(data=data),
        InformationPlaneMonitor(data=data, **choices["plane"]),
    ]


def check(draw: Draw, folder: Any) -> None:
    """A training with monitors is the training without; what they miss, they say."""
    choices, hooks = draw.choices(), len(of_the_process._global_forward_hooks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = ended(draw, [], folder)
        monitors = three(choices)
        with warned() as given:
            watched = ended(draw, monitors, folder)
    assert watched.error == alone.error, (watched.error, alone.error, choices)
    assert watched.random == alone.random, choices
    assert watched.n_hooks == alone.n_hooks, choices
    assert len(of_the_process._global_forward_hooks) == hooks, choices
    assert watched.logged.keys() == alone.logged.keys(), choices
    for name, value in alone.logged.items():
        assert np.array_equal(watched.logged[name], value, equal_nan=True), (name, choices)
    for name, tensor in alone.weights.items():
        left, right = (one.reshape(-1).view(torch.uint8) for one in (watched.weights[name], tensor))
        assert torch.equal(left, right), (name, choices)
    if alone.error or choices["trainer"].get("fast_dev_run"):
        return
    for monitor in monitors:
        said = [one for one in given if one.monitor == type(monitor).__name__]
        assert monitor.history or said, (type(monitor).__name__, choices)


# The tests.


def pytest_generate_tests(metafunc: Any) -> None:
    if "block" in metafunc.fixturenames:
        n, first = metafunc.config.getoption("draws"), metafunc.config.getoption("first")
        slow = "many" in metafunc.function.__name__
        n = (1000 if slow else 50) if n is None else n
        blocks = [range(start, min(start + 50, first + n)) for start in range(first, first + n, 50)]
        metafunc.parametrize("block", blocks, ids=lambda block: f"from {block.start}")


def test_a_training_ends_and_is_the_same_whatever_is_thrown_at_it(
    block: range, tmp_path: Any
) -> None:
    run(block, tmp_path)


@pytest.mark.slow
def test_many_trainings_end_and_are_the_same(block: range, tmp_path: Any) -> None:
    run(block, tmp_path)


def run(block: range, folder: Any) -> None:
    """Check all draws, and say which have failed."""
    failed = {}
    for seed in block:
        try:
            check(Draw(seed), folder)
        except AssertionError as error:
            failed[seed] = re.sub(r"\s+", " ", str(error))[:2000]
    assert failed == {}
