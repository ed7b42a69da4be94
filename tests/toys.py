"""What the tests of the monitors share: small data, small networks, and a `fit`.

Sections: data, networks that train, networks with a quirk, modules with a quirk, estimators,
loggers and callbacks, running, what was measured.
"""

from __future__ import annotations

import random
from collections import namedtuple
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torchmetrics
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators import Extra
from it_callbacks.tasks import digits_task

N_UNITS, N_CLASSES = 8, 3

MONITORS: tuple[type[Any], ...] = (
    PredictionEntropyMonitor,
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
)
"""The three public monitors, the plane last."""

ROOTS = ("prediction_entropy", "conditional_entropy", "label_information", "information_plane")
"""What every tag of theirs begins with."""

MLP = ["net.1", "net.3", "net.4"]
"""The layers that the plane takes of `mlp` by default."""


# Data.


def samples(n: int = 120, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`n` inputs and labels of three classes that a small network can learn."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, N_UNITS, generator=generator)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


VAL = samples(105, seed=1)
"""What `fit` validates on."""


def loader(
    n: int = 120, batch_size: int = 25, *, shuffle: bool = False, seed: int = 0
) -> DataLoader[Any]:
    """A loader over `samples`; 120 in batches of 25 leave a short last one."""
    return DataLoader(TensorDataset(*samples(n, seed)), batch_size, shuffle=shuffle)


def digits_loader() -> DataLoader[Any]:
    """The handwritten digits of scikit-learn in batches of 256."""
    return DataLoader(TensorDataset(*digits_task()), 256)


Pair = namedtuple("Pair", ["x", "label"])  # made at run time, as users do


@dataclass
class Sample:
    """A batch as a dataclass."""

    image: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.image)


BATCHES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "tuple": lambda x, y: (x, y),
    "list": lambda x, y: [x, y],
    "dict": lambda x, y: {"image": x, "label": y},
    "reversed_dict": lambda x, y: {"labels": y, "x": x},
    "namedtuple": Pair,
    "dataclass": Sample,
    "column": lambda x, y: (x, y[:, None]),
    "one_hot": lambda x, y: (x, nn.functional.one_hot(y, N_CLASSES)),
    "one_hot_float": lambda x, y: (x, nn.functional.one_hot(y, N_CLASSES).float()),
    "int32": lambda x, y: (x, y.int()),
}
"""The kinds of batches in which labels and inputs are found without arguments."""


def collated(kind: str) -> Callable[[Any], Any]:
    """A `collate_fn` that makes batches of one of these kinds."""
    return lambda items: BATCHES[kind](*map(torch.stack, zip(*items, strict=True)))


class Augmented(Dataset[Any]):
    """Adds noise to each item, drawn from what the user gives: a global generator, say."""

    def __init__(self, noise: Callable[[], float], n: int = 120) -> None:
        self.x, self.y = samples(n)
        self.noise = noise

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.1 * self.noise(), self.y[index]


class Stream(IterableDataset[Any]):
    """The samples without a length or an order that one could know."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    @override
    def __iter__(self) -> Iterator[Any]:
        return zip(self.x, self.y, strict=True)


class OnALostDisk(Dataset[Any]):
    """A data set that cannot be read."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        raise OSError("the disk is gone")


# Networks that train.


def mlp() -> nn.Sequential:
    """Three linear layers with a bounded and an in-place activation."""
    return nn.Sequential(
        nn.Linear(N_UNITS, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 3)
    )


class Classifier(pl.LightningModule):
    """The usual module: a network and a loss. It logs nothing, so that what is logged is ours."""

    def __init__(self, net: nn.Module | None = None, lr: float = 1e-2) -> None:
        super().__init__()
        self.net = mlp() if net is None else net
        self.loss = nn.CrossEntropyLoss()
        self.lr = lr

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x)

    def parts(self, batch: Any) -> tuple[Any, Tensor]:
        """The input and the labels of a batch."""
        x, y = batch
        return x, y

    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and its logits."""
        x, y = self.parts(batch)
        logits = self(x)
        return self.loss(logits, y), logits

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.step(batch)[0]

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)

    @override
    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)


class LogsLoss(Classifier):
    """Logs its loss in validation."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        loss, logits = self.step(batch)
        self.log("val_loss", loss, batch_size=len(logits))


class LogsMetrics(Classifier):
    """Logs its loss and its accuracy in validation, as most modules do."""

    def __init__(self, net: nn.Module | None = None, lr: float = 1e-2) -> None:
        super().__init__(net, lr)
        self.acc = torchmetrics.Accuracy("multiclass", num_classes=N_CLASSES)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        loss, logits = self.step(batch)
        self.acc(logits, self.parts(batch)[1].clamp(0, 2))
        self.log("val_loss", loss, batch_size=len(logits))
        self.log("val_acc", self.acc, batch_size=len(logits))


class Lenient(Classifier):
    """Trains as usual; its validation step only runs the model, whatever labels there are."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        if isinstance(batch, dict):
            batch = next(iter(batch.values()))
        self(batch if isinstance(batch, Tensor) else batch[0])


class Digits(Classifier):
    """A classifier of digits with one hidden layer."""

    def __init__(self, width: int, lr: float = 1e-3) -> None:
        super().__init__(nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)), lr)


class NoValidation(pl.LightningModule):
    """Has no validation_step at all."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(N_UNITS, N_CLASSES)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class AnyBatch(Classifier):
    """Takes apart every kind of batch in `BATCHES`."""

    @override
    def parts(self, batch: Any) -> tuple[Any, Tensor]:
        if isinstance(batch, dict):
            x, y = batch.get("image", batch.get("x")), batch.get("label", batch.get("labels"))
        elif isinstance(batch, Sample):
            x, y = batch.image, batch.target
        else:
            x, y = batch
        y = y.argmax(1) if y.ndim == 2 and y.shape[1] == N_CLASSES else y.reshape(-1)
        return x, y.long()


class TakesAPair(Classifier):
    """Its forward takes both inputs as one."""

    @override
    def forward(self, pair: Any) -> Any:
        return self.net(pair[0] + pair[1])


class Binary(Classifier):
    """Answers by one logit per sample whether its class is beyond 0; `ends` come behind it."""

    def __init__(self, *ends: nn.Module) -> None:
        super().__init__(nn.Sequential(nn.Linear(N_UNITS, 1), *ends))

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y = batch
        z = self(x)
        target = (y > 0).float()
        return nn.functional.binary_cross_entropy_with_logits(z.reshape(-1), target), z


def beyond_0(batch: Any) -> Tensor:
    """The labels of `Binary`, for `target=`."""
    return (batch[1] > 0).long()  # type: ignore[no-any-return] # a tensor


class Views(Classifier):
    """Two views of each sample, one below the other, as in contrastive learning."""

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y = batch
        logits = self(torch.cat([x, x + 0.1]))
        return self.loss(logits, y.repeat(2)), logits


class Pixels(Classifier):
    """A class for each of eight pixels."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv1d(1, N_CLASSES, 1)))


# Kinds of networks.


def with_part(part: nn.Module, kind: type[Classifier] = LogsLoss) -> Classifier:
    """A small network that logs its loss, with a part of the test's own in its middle."""
    return kind(nn.Sequential(nn.Linear(N_UNITS, 4), part, nn.Tanh(), nn.Linear(4, 3)))


def normed_and_dropped() -> Classifier:
    """BatchNorm and dropout."""
    return with_part(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3)))


def convolutional() -> Classifier:
    """Maps of 2 x 4, and all that normalises, pools, drops or reshapes."""
    return Classifier(
        nn.Sequential(
            nn.Unflatten(1, (1, 2, 4)),
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 3, (1, 2)),
            nn.Tanh(),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Identity(),
            nn.Linear(3, 3),
        )
    )


class Sequences(Classifier):
    """Four steps of two numbers through `net`, then a read-out of what `last` picks."""

    def __init__(self, net: nn.Module, width: int, last: Callable[[Any], Tensor]) -> None:
        super().__init__(net)
        self.head = nn.Linear(width, N_CLASSES)
        self.last = last

    def steps(self, x: Tensor) -> Any:
        """The inputs ``(n_samples, 4 steps, 2)``."""
        return x.reshape(-1, 4, 2)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.last(self.net(self.steps(x))))


class TimeMajor(Sequences):
    """The time axis comes before the samples'."""

    @override
    def steps(self, x: Tensor) -> Any:
        return super().steps(x).transpose(0, 1)


class Packed(Sequences):
    """Sequences of unequal length."""

    @override
    def steps(self, x: Tensor) -> Any:
        lengths = torch.arange(len(x)) % 4 + 1
        return pack_padded_sequence(super().steps(x), lengths, True, enforce_sorted=False)


def last_of_packed(output: tuple[PackedSequence, Any]) -> Tensor:
    """The last true step of each sequence."""
    padded, lengths = pad_packed_sequence(output[0], batch_first=True)
    return padded[torch.arange(len(padded)), lengths - 1]


def recurrent() -> Classifier:
    """An LSTM that returns (steps, (h, c))."""
    return Sequences(nn.LSTM(2, 5, batch_first=True), 5, lambda output: output[0][:, -1])


def time_major() -> Classifier:
    """An LSTM that returns steps of shape (steps, n_samples, 5)."""
    return TimeMajor(nn.LSTM(2, 5), 5, lambda output: output[0][-1])


def packed() -> Classifier:
    """An LSTM that returns (PackedSequence, (h, c))."""
    return Packed(nn.LSTM(2, 5, batch_first=True), 5, last_of_packed)


def transformer() -> Classifier:
    """Two encoder layers, which have a fast path in eval mode."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.1, batch_first=True)
    net = nn.Sequential(nn.Linear(2, 4), nn.TransformerEncoder(layer, 2))
    return Sequences(net, 4, lambda output: output.mean(1))


class Steps(nn.Module):
    """A recurrent module, a linear and an activation on each step, a read-out of the last one."""

    def __init__(self, recurrent: nn.Module, width: int = 5) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.project, self.act = nn.Linear(width, 4), nn.Tanh()
        self.head = nn.Linear(4, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Any:
        steps = self.act(self.project(self.recurrent(x)[0]))
        return self.head(steps[:, -1] if self.recurrent.batch_first else steps[-1])


class EightSteps(Classifier):
    """Eight steps of one number through a time-major LSTM."""

    def __init__(self) -> None:
        super().__init__(Steps(nn.LSTM(1, 5)))

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x.T[..., None])


class CalledTwice(Classifier):
    """One linear and one activation, each called twice; a module that is never called."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(N_UNITS, N_UNITS))
        self.act, self.head, self.spare = nn.Tanh(), nn.Linear(N_UNITS, 3), nn.Linear(2, 2)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.act(self.net(self.act(self.net(x)))))


class BlockTwice(Classifier):
    """One block of two layers is called twice in a forward."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(N_UNITS, N_UNITS), nn.Tanh()))
        self.head = nn.Linear(N_UNITS, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.net(self.net(x)))


class TwoNames(Classifier):
    """One network under two names, called by the second; its first layer under a third."""

    def __init__(self) -> None:
        super().__init__()
        self.zz, self.twin = self.net[0], self.net

    @override
    def forward(self, x: Tensor) -> Any:
        return self.twin(x)


class Branches(nn.Module):
    """Two layers side by side, of which neither is computed from the other."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(N_UNITS, 1), nn.Linear(N_UNITS, 5)
        self.head = nn.Linear(6, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(torch.cat([self.narrow(x), self.wide(x)], 1))


def lazy() -> Classifier:
    """Layers that learn their sizes from the sanity check's first batch."""
    return Classifier(
        nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.Tanh(), nn.LazyLinear(3))
    )


def parametrised() -> Classifier:
    """Weight and spectral norm: layers that have children of their own."""
    return Classifier(
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(N_UNITS, 4)),
            nn.Tanh(),
            parametrizations.spectral_norm(nn.Linear(4, 4)),
            nn.ReLU(),
            nn.Linear(4, 3),
        )
    )


def pruned() -> Classifier:
    """Half of the weights are masked."""
    model = Classifier()
    prune.l1_unstructured(model.net.get_submodule("0"), "weight", amount=0.5)
    return model


def frozen() -> Classifier:
    """The first layer has no gradients."""
    model = Classifier()
    model.net.get_submodule("0").requires_grad_(False)
    return model


class TwoOptimizers(Classifier):
    """Manual optimisation: the body and the read-out take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        for optimizer in self.optimizers():
            loss = self.step(batch)[0]
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    @override
    def configure_optimizers(self) -> Any:
        body, head = list(self.net[:4].parameters()), self.net[4].parameters()
        return [torch.optim.SGD(body, 0.1), torch.optim.Adam(head, 0.01)]


class Checkpointed(Classifier):
    """Its body is run a second time from inside the backward pass."""

    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.use_reentrant = use_reentrant

    @override
    def forward(self, x: Tensor) -> Any:
        if not torch.is_grad_enabled():
            return self.net(x)
        x = x.clone().requires_grad_()  # which the reentrant mode needs
        return self.net[4](checkpoint(self.net[:4], x, use_reentrant=self.use_reentrant))


@dataclass(frozen=True)
class Hidden:
    """What a part of the user's returns."""

    hidden: Tensor
    mask: Any = None


class Returns(nn.Module):
    """Gives its layer's output in a wrapping of the user's."""

    def __init__(self, wrapped: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(N_UNITS, 4)
        self.wrapped = wrapped

    @override
    def forward(self, x: Tensor) -> Any:
        return self.wrapped(self.linear(x))


class ReturnsNothing(nn.Module):
    """Has nothing to return."""

    @override
    def forward(self, x: Tensor) -> None:
        return None


class ReturnsTwo(nn.Module):
    """Returns two tensors."""

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Wrapped(Classifier):
    """A part that returns no tensor, another that returns nothing; `hidden` unwraps."""

    def __init__(self, wrapped: Callable[[Tensor], Any], hidden: Callable[[Any], Tensor]) -> None:
        super().__init__(Returns(wrapped))
        self.nothing, self.head = ReturnsNothing(), nn.Linear(4, N_CLASSES)
        self.hidden = hidden

    @override
    def forward(self, x: Tensor) -> Any:
        self.nothing(x)
        # In place, so that whoever keeps a reference reads what the layer never gave.
        return self.head(self.hidden(self.net(x)).tanh_())


def as_dict() -> Classifier:
    """A part returns a mapping."""
    return Wrapped(lambda h: {"hidden": h, "mask": None}, lambda out: out["hidden"])


def as_dataclass() -> Classifier:
    """A part returns a frozen dataclass."""
    return Wrapped(Hidden, lambda out: out.hidden)


class ByTheWay(Lenient):
    """Calls modules that do not give one row per sample."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.pair = ReturnsTwo()

    @override
    def forward(self, x: Tensor) -> Any:
        self.pair(self.pool(x.reshape(1, -1)))
        return self.net(x)


class CompiledForward(Classifier):
    """The network's forward is compiled, not the network."""

    def __init__(self) -> None:
        super().__init__()
        self._f: Callable[[Tensor], Tensor] = torch.compile(self.net.forward, backend="eager")

    @override
    def forward(self, x: Tensor) -> Any:
        return self._f(x)


class Functional(Classifier):
    """Weights are used directly."""

    @override
    def forward(self, x: Tensor) -> Any:
        hidden = torch.tanh(nn.functional.linear(x, self.net[0].weight))
        return nn.functional.linear(hidden, self.net[2].weight)


def scripted() -> Classifier:
    """Its body is TorchScript."""
    body = torch.jit.script(nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh()))
    return Classifier(nn.Sequential(body, nn.Linear(4, 3)))


def traced() -> Classifier:
    """Its body is traced."""
    body = torch.jit.trace(nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh()), samples(2)[0])
    return Classifier(nn.Sequential(body, nn.Linear(4, 3)))


class Sharded(Classifier):
    """Its parameters are spread over the processes."""

    @override
    def configure_model(self) -> None:
        from torch.distributed.fsdp import fully_shard

        fully_shard(self.net, mesh=self.device_mesh["data_parallel"])


# Networks that change, log or fail while they train.


class FrozenNorm(LogsLoss):
    """One BatchNorm is kept in eval mode while the rest trains."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(nn.Linear(N_UNITS, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3))
        )

    @override
    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 0:
            self.net.get_submodule("1").eval()


class Scales(Classifier):
    """Multiplies the weights of one layer by `factor` at the end, or start, of each epoch."""

    def __init__(self, layer: int, factor: float, *, at_the_start: bool = False) -> None:
        super().__init__()
        self.layer, self.factor, self.at_the_start = layer, factor, at_the_start

    def scale(self) -> None:
        """Once more."""
        with torch.no_grad():
            for parameter in self.net[self.layer].parameters():
                parameter.mul_(self.factor)

    @override
    def on_train_epoch_start(self) -> None:
        if self.at_the_start:
            self.scale()

    @override
    def on_train_epoch_end(self) -> None:
        if not self.at_the_start:
            self.scale()


class Dead(Classifier):
    """All its hidden units are off."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.net[2].bias.fill_(-1e3)


class Replaced(Classifier):
    """Gets a new head before its second epoch."""

    @override
    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.net[4] = nn.Linear(3, 3)


class AugmentsOnDevice(Classifier):
    """Lightning's documented way to augment a batch where it trains."""

    @override
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        x, y = batch
        if self.trainer.training:
            x = x + torch.randn_like(x)
        return x, y


class SignNet(Classifier):
    """Two units of sign, then noise that flips each with probability 1/4: H(T|X) is 2 h(1/4)."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 3))
        self.noise = Flipping()

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(self.noise(x[:, :2].sign()))


class LogsInForward(Classifier):
    """Logs from its forward, once a step or an epoch."""

    def __init__(self, net: nn.Module | None = None, *, on_step: bool = False) -> None:
        super().__init__(net)
        self.on_step = on_step

    @override
    def forward(self, x: Tensor) -> Any:
        if self._trainer is not None:
            self.log("size", float(len(x)), on_step=self.on_step, on_epoch=True, batch_size=1)
        return super().forward(x)


class LogsTag(Classifier):
    """A user whose metric has the name of one of ours, from the first training step on."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log(self.tag, 123.0)
        return super().training_step(batch, batch_idx)


class CountsCalls(Classifier):
    """Counts its forward passes."""

    calls = 0

    @override
    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        return super().forward(x)


class Fails(Classifier):
    """Raises `error` at the second batch of the second epoch's `where`, or inside its forward."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        super().__init__()
        self.where, self.error = where, error

    def _perhaps(self, where: str, batch_idx: int) -> None:
        if where == self.where and batch_idx == 1 and self.trainer.current_epoch == 1:
            raise self.error("of the user's")

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self._perhaps("train", batch_idx)
        return super().training_step(batch, batch_idx)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)
        self._perhaps("val", batch_idx)


class Diverges(Classifier):
    """From its second epoch on, all layers give NaN in validation; training goes on."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x = batch[0]
        self(x * torch.nan if self.trainer.current_epoch >= 1 else x)


class Side(nn.Module):
    """Gives two inputs back; while `ill`, some rows hold NaN.

    Args:
        one_in: In one of how many rows.
    """

    ill = False

    def __init__(self, one_in: int = 1) -> None:
        super().__init__()
        self.one_in = one_in

    @override
    def forward(self, x: Tensor) -> Tensor:
        out = x[:, :2].clone()
        if self.ill and not self.training:
            out[:: self.one_in, 1] = float("nan")
        return out


class WithSide(nn.Module):
    """Two layers in a row, and one aside that training does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(N_UNITS, 4)
        self.side = Side()
        self.last = nn.Linear(4, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Tensor:
        first = torch.tanh(self.first(x))
        self.side(x)
        out: Tensor = self.last(first)
        return out


class Bypassed(WithSide):
    """Its layer aside is not called in the last batch of the first validation."""

    validations = 0

    @override
    def forward(self, x: Tensor) -> Tensor:
        is_last = not self.training and len(x) == 5
        self.validations += is_last
        if is_last and self.validations == 1:
            out: Tensor = self.last(torch.tanh(self.first(x)))
            return out
        return super().forward(x)


class FallsIll(Classifier):
    """Its layer aside, or all of it, gives NaN in the validations of some epochs."""

    def __init__(
        self, epochs: Collection[int], net: nn.Module | None = None, *, wholly: bool = False
    ) -> None:
        super().__init__(WithSide() if net is None else net)
        (self.side,) = [part for part in self.net.modules() if isinstance(part, Side)]
        self.epochs = epochs
        self.wholly = wholly

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x * float("nan") if self.wholly and self.side.ill else x)

    @override
    def on_train_epoch_start(self) -> None:
        self.side.ill = self.current_epoch + 1 in self.epochs

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return self.loss(self.net(x), y)


class IllOnTheLastProcess(Classifier):
    """In the first validation its last layer is NaN for the last sample of the last process."""

    ill = False

    def __init__(self, lr: float) -> None:
        super().__init__(lr=lr)
        self.net[4].register_forward_hook(self.fall_ill)

    def fall_ill(self, module: Any, args: Any, output: Tensor) -> Tensor | None:
        """A hook that spoils the last row."""
        if not self.ill:
            return None
        output = output.clone()
        output[-1] = float("nan")
        return output

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        is_last = batch_idx + 1 == self.trainer.num_val_batches[0]
        on_last = self.trainer.global_rank == self.trainer.world_size - 1
        self.ill = is_last and on_last and not self.current_epoch
        self.step(batch)
        self.ill = False


# Modules with a memory or a die.


class Drawing(nn.Module):
    """Dropout that stays on in eval mode, as for Monte Carlo uncertainty."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.3, training=True)


class Noisy(nn.Module):
    """Adds noise in every mode."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Flipping(nn.Module):
    """Flips the sign of each unit with probability 1/4, in eval mode too."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.where(torch.rand_like(x) < 0.25, -1.0, 1.0)


class Rebinding(nn.Module):
    """Puts a new tensor in the place of its buffer at every call."""

    level: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.level = 0.9 * self.level + 0.1 * x.detach().mean(0)
        return x - self.level


class Counting(nn.Module):
    """Counts its calls in place, in a buffer that no checkpoint holds, in eval mode too."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + 0.01 * self.calls


class Remembering(nn.Module):
    """Keeps what it needs in plain attributes: a state, a count, a memory, generators."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Tensor = torch.zeros(4)
        self.running: Tensor = torch.zeros(4)
        self.calls = 0
        self.seen: list[float] = []
        self.shares: dict[str, float] = {}
        self.of_torch = torch.Generator().manual_seed(1)
        self.of_numpy = np.random.default_rng(2)
        self.of_python = random.Random(3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.state = 0.9 * self.state + 0.1 * x.detach().mean(0)
        self.running += 0.01 * self.state
        self.seen.append(self.state.sum().item())
        self.shares["last"] = self.of_python.random()
        if not hasattr(self, "first"):
            self.first = x.detach().mean(0)
        noise = torch.randn(4, generator=self.of_torch) + self.of_numpy.standard_normal()
        at_all = self.calls + sum(self.seen) + self.shares["last"]
        return x - self.state - self.running + 0.1 * noise + 0.01 * at_all + self.first


class RegistersLate(nn.Module):
    """Makes its buffer from the first batch that it sees, drawing on the way."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "centre"):
            self.register_buffer("centre", x.detach().mean(0) + 0.1 * torch.randn(4))
        return x - self.centre


# A user's own estimator.


class Own(Extra):
    """One number for each layer, by a function of its activations and the labels."""

    def __init__(
        self, quantity: str, value: Callable[[NDArray[Any], NDArray[Any]], float], every: int = 1
    ) -> None:
        self.quantity, self.value, self.every = quantity, value, every

    @property
    @override
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    @override
    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        return {self.quantity: float(self.value(activations, labels))}


def raises(error: Exception, *, after: int = 0) -> Callable[..., float]:
    """A function that gives 1 the first `after` times it is called, then fails for good."""
    calls: list[int] = []

    def value(*_: Any) -> float:
        calls.append(1)
        if len(calls) > after:
            raise error
        return 1.0

    return value


# Loggers and callbacks.


def callback(name: str, **options: Any) -> Any:
    """A callback of Lightning's own; where this version has none of that name, the test skips."""
    made = getattr(pl.callbacks, name, None)
    if made is None:
        pytest.skip(f"Lightning {pl.__version__} has no {name}")
    return made(**options)


class MergesClasses(pl.Callback):
    """Changes the labels of a batch in place, between the hooks of others: 2 becomes 1."""

    @override
    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *_: Any) -> None:
        batch[1].clamp_(max=1)


class MemoryLogger(Logger):
    """Keeps what it is given: a logger that writes no files and takes no text."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[int | None, dict[str, float]]] = []

    @property
    @override
    def name(self) -> str:
        return "memory"

    @property
    @override
    def version(self) -> int:
        return 0

    @override
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logged.append((step, dict(metrics)))

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


class ShowsImages(MemoryLogger):
    """Takes pictures, as TensorBoard does, and keeps what it was given of each."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Any, ...]] = []

    @property
    @override
    def experiment(self) -> Any:
        return SimpleNamespace(add_image=lambda *given, **_: self.shown.append(given))


class Refuses(MemoryLogger):
    """Raises `error` at every metric whose tag holds `part`."""

    def __init__(self, error: Exception, part: str = "") -> None:
        super().__init__()
        self.error, self.part = error, part

    @override
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if any(self.part in tag for tag in metrics):
            raise self.error
        super().log_metrics(metrics, step)


class BreaksOff(pl.Callback):
    """Ends training at the start of its third epoch, by an exception."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @override
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 2:
            raise self.error


def all_three(data: Any = None, layers: Any = None, bins: Any = 30, **options: Any) -> list[Any]:
    """The three monitors, the plane last, with options that all of them take."""
    return [
        PredictionEntropyMonitor(data=data, **options),
        ConditionalEntropyMonitor(data=data, **options),
        InformationPlaneMonitor(layers, bins=bins, data=data, **options),
    ]


# Running.


def trainer(callbacks: Any, **options: Any) -> pl.Trainer:
    """A quiet Trainer of two epochs on the CPU that writes no files unless asked to."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "log_every_n_steps": 1,
    }
    if "logger" not in options and not options.get("barebones"):
        options["logger"] = MemoryLogger()
    return pl.Trainer(callbacks=callbacks, **(defaults | options))


def fit(
    callbacks: Any,
    model: pl.LightningModule | Callable[[], pl.LightningModule] = Classifier,
    *,
    train: Any = None,
    val: Any = "default",
    seed: int = 1,
    ckpt_path: str | None = None,
    **options: Any,
) -> tuple[pl.LightningModule, pl.Trainer]:
    """Train a model, or what makes one once all is seeded, and return it with its Trainer."""
    torch.manual_seed(seed)
    if not isinstance(model, pl.LightningModule):
        model = model()
    running = trainer(callbacks, **options)
    running.fit(
        model,
        loader() if train is None else train,
        loader(105, seed=1) if isinstance(val, str) else val,
        ckpt_path=ckpt_path,
    )
    return model, running


# What was measured.


def curve(monitor: Any, tag: str) -> list[float]:
    """The values under `tag`, in the order they were measured."""
    return [record.bits for record in monitor.history if record.tag == tag]


def values(monitor: Any) -> dict[str, float]:
    """The last value of each tag but the share of time, which no two runs have in common."""
    return {r.tag: r.bits for r in monitor.history if r.layer != "overhead"}


def rows(monitor: Any) -> list[tuple[Any, ...]]:
    """All that was measured but the share of time, number by number."""
    return [
        (r.tag, r.bits, r.step, r.epoch, r.n_samples)
        for r in monitor.history
        if r.layer != "overhead"
    ]


def when(monitor: Any) -> list[tuple[int, int]]:
    """(epoch, step) of each point, in order."""
    return list(dict.fromkeys((record.epoch, record.step) for record in monitor.history))


def epochs(monitor: Any) -> list[int]:
    """The epoch of each point, in order."""
    return [epoch for epoch, _ in when(monitor)]


def rulers(monitor: Any, set_: str = "val") -> dict[str, list[str]]:
    """How the settings say that each layer is read, by its tag."""
    return {layer["tag"]: layer["rulers"] for layer in monitor.settings[set_]["layers"]}


def layer_names(monitor: Any, set_: str = "val") -> list[str]:
    """The layers that the settings say were taken, in order."""
    return [layer["tag"] for layer in monitor.settings[set_]["layers"]]


def outputs(model: nn.Module, layers: Sequence[str], batches: Sequence[Tensor]) -> list[Tensor]:
    """What `layers` give for `batches`, collected by plain hooks of the test's own."""
    parts = dict(model.named_modules())
    kept: dict[str, list[Tensor]] = {name: [] for name in layers}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _args, output: kept[name].append(output.detach().clone())

    handles = [parts[name].register_forward_hook(keep(name)) for name in layers]
    model.eval()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    for handle in handles:
        handle.remove()
    return [torch.cat(kept[name]) for name in layers]


_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def n_hooks(model: nn.Module) -> int:
    """Hooks of all kinds on all modules."""
    return sum(len(getattr(part, kind)) for part in model.modules() for kind in _HOOKS)
