"""Small modules, data and a `fit` that the tests of the monitors share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
import torchmetrics
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

N_UNITS, N_CLASSES = 8, 3


def samples(n: int = 120, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`n` inputs and labels of three classes that a small network can learn."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, N_UNITS, generator=generator)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def loader(
    n: int = 120, batch_size: int = 25, *, shuffle: bool = False, seed: int = 0
) -> DataLoader[Any]:
    """A loader over `samples`; 120 in batches of 25 leave a short last one."""
    return DataLoader(TensorDataset(*samples(n, seed)), batch_size, shuffle=shuffle)


def mlp() -> nn.Sequential:
    """Three linear layers with a bounded and an in-place activation."""
    return nn.Sequential(
        nn.Linear(N_UNITS, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 3)
    )


class Classifier(pl.LightningModule):
    """The usual module: a network, a loss, a metric."""

    def __init__(self, net: nn.Module | None = None, lr: float = 1e-2) -> None:
        super().__init__()
        self.net = mlp() if net is None else net
        self.loss = nn.CrossEntropyLoss()
        self.acc = torchmetrics.Accuracy("multiclass", num_classes=N_CLASSES)
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
        loss, logits = self.step(batch)
        if logits.ndim == 2 and len(logits):
            self.acc(logits, self.parts(batch)[1].clamp(0, 2))
        self.log("val_loss", loss, batch_size=len(logits))
        self.log("val_acc", self.acc, batch_size=len(logits))

    @override
    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)


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


def trainer(callbacks: Any, **options: Any) -> pl.Trainer:
    """A quiet Trainer of two epochs on the CPU that writes no files unless told to."""
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


def curve(monitor: Any, tag: str) -> list[float]:
    """The values under `tag`, in the order they were measured."""
    return [record.bits for record in monitor.history if record.tag == tag]


def when(monitor: Any) -> list[tuple[int, int]]:
    """(epoch, step) of each point, in order."""
    return list(dict.fromkeys((record.epoch, record.step) for record in monitor.history))


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
