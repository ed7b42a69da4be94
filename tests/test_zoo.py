"""Networks of torchvision, timm and transformers train as without the monitors, which measure them.

The sizes are tiny and the weights random: nothing is fetched. A package that is missing fails here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from .toys import all_three, n_hooks, trainer
from .warned import warned

# These packages, and the networks in them, warn of what is to change in torch.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_CLASSES = 4
N_TOKENS = 60
EPOCHS = 2


# Data


class Rows(Dataset[dict[str, Tensor]]):
    """Samples as mappings, as transformers has them."""

    def __init__(self, **columns: Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["labels"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[index] for name, column in self.columns.items()}


def images(n: int, seed: int, size: int = 32) -> Dataset[Any]:
    """Noise on one of four levels, which is the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % N_CLASSES
    noise = torch.randn(n, 3, size, size, generator=generator)
    return TensorDataset(noise + labels[:, None, None, None] - 1.5, labels)


def maps(n: int, seed: int) -> Dataset[Any]:
    """The same, with the label of an image at each of its pixels."""
    x, y = images(n, seed, size=64)[:]
    return TensorDataset(x, y[:, None, None].expand(-1, 64, 64).clone())


def sentences(n: int, seed: int) -> Dataset[Any]:
    """Tokens with padding; the second one shows the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % N_CLASSES
    tokens = torch.randint(10, N_TOKENS, (n, 12), generator=generator)
    tokens[:, 1] = labels + 1
    lengths = torch.randint(6, 13, (n, 1), generator=generator)
    mask = (torch.arange(12) < lengths).long()
    return Rows(input_ids=tokens * mask, attention_mask=mask, labels=labels)


def texts(n: int, seed: int) -> Dataset[Any]:
    """The same for a language model: the labels are the tokens, -100 where padded."""
    columns = sentences(n, seed).columns  # type: ignore[attr-defined]
    labels = columns["input_ids"].masked_fill(columns["attention_mask"] == 0, -100)
    return Rows(**{**columns, "labels": labels})


# Trainings


class Trained(pl.LightningModule):
    """Trains a network on pairs; logs a loss and an accuracy of its own."""

    def __init__(self, net: nn.Module, n_classes: int) -> None:
        super().__init__()
        self.net = net
        self.accuracy = MulticlassAccuracy(n_classes, average="micro", ignore_index=-100)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x)

    def step(self, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, predictions and labels."""
        output = self(batch[0])
        logits = output if isinstance(output, Tensor) else output["out"]
        return nn.functional.cross_entropy(logits, batch[1]), logits, batch[1]

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.step(batch)[0]

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss, logits, labels = self.step(batch)
        self.accuracy(logits.movedim(-1, 1) if logits.ndim == 3 else logits, labels)
        self.log_dict({"val_loss": loss, "val_accuracy": self.accuracy})

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


class OnMappings(Trained):
    """Trains a network of transformers on what it takes by name."""

    @override
    def forward(self, **inputs: Tensor) -> Any:
        return self.net(**inputs)

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        output = self(**batch)
        return output.loss, output.logits, batch["labels"]


class AfterEachValidation(pl.Callback):
    """Keeps what the user's own code has logged."""

    def __init__(self) -> None:
        self.values: list[dict[str, bytes]] = []

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logged = trainer.callback_metrics.items()
        self.values.append({name: _bytes(value) for name, value in logged if "/" not in name})


def _bytes(value: Tensor) -> bytes:
    return value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


# Networks


def torchvision(name: str, **options: Any) -> nn.Module:
    """A network of torchvision."""
    from torchvision.models import get_model

    made: nn.Module = get_model(name, weights=None, **options)
    return made


def timm(name: str, **options: Any) -> nn.Module:
    """A network of timm."""
    from timm import create_model

    made: nn.Module = create_model(name, pretrained=False, num_classes=N_CLASSES, **options)
    return made


def transformers(name: str, **options: Any) -> nn.Module:
    """A network of transformers, with its configuration's sizes."""
    import transformers

    network = getattr(transformers, name)
    made: nn.Module = network(network.config_class(vocab_size=N_TOKENS, **options))
    return made


class Pooled(nn.Module):
    """Classifies an image by the mean of its map."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @override
    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.net(x)["out"].mean(dim=(2, 3))
        return pooled


BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "num_labels": N_CLASSES,
}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "num_labels": N_CLASSES}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 16, "bos_token_id": 0}


class Case(NamedTuple):
    """A network and what it is trained on.

    Args:
        network: Makes it.
        data: From a number of samples and a seed to the samples.
        training: How it is trained.
        n_classes: Of its predictions.
    """

    network: Callable[[], nn.Module]
    data: Callable[[int, int], Dataset[Any]]
    training: type[Trained] = Trained
    n_classes: int = N_CLASSES


def _maps() -> nn.Module:
    return torchvision("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=N_CLASSES)


ZOO = {
    "torchvision resnet18": Case(lambda: torchvision("resnet18", num_classes=N_CLASSES), images),
    "torchvision shufflenet": Case(
        lambda: torchvision("shufflenet_v2_x0_5", num_classes=N_CLASSES), images
    ),
    "torchvision segmentation, pooled": Case(lambda: Pooled(_maps()), images),
    "torchvision segmentation": Case(_maps, maps),
    "timm vision transformer": Case(
        lambda: timm(
            "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, drop_path_rate=0.1
        ),
        images,
    ),
    "timm convnext": Case(
        lambda: timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 16, 32, 64)), images
    ),
    "BERT": Case(
        lambda: transformers("BertForSequenceClassification", **BERT), sentences, OnMappings
    ),
    "DistilBERT": Case(
        lambda: transformers("DistilBertForSequenceClassification", **DISTILBERT),
        sentences,
        OnMappings,
    ),
    "GPT-2 classifier": Case(
        lambda: transformers(
            "GPT2ForSequenceClassification", **GPT2, num_labels=N_CLASSES, pad_token_id=0
        ),
        sentences,
        OnMappings,
    ),
    "GPT-2": Case(
        lambda: transformers("GPT2LMHeadModel", **GPT2),
        texts,
        OnMappings,
        n_classes=N_TOKENS,
    ),
}


class Outcome(NamedTuple):
    """What a training has left behind."""

    weights: dict[str, bytes]
    logged: list[dict[str, bytes]]
    n_hooks: int


def _fit(case: Case, monitors: list[Any]) -> Outcome:
    torch.manual_seed(0)
    model = case.training(case.network(), case.n_classes)
    kept = AfterEachValidation()
    running = trainer([*monitors, kept], max_epochs=EPOCHS)
    running.fit(
        model,
        DataLoader(case.data(32, 0), 8, shuffle=True),
        DataLoader(case.data(64, 1), 16),
    )
    assert running.state.finished
    weights = {name: _bytes(value) for name, value in model.state_dict().items()}
    return Outcome(weights, kept.values, n_hooks(model))


def _points(monitor: Any) -> set[int]:
    """After which epochs it has points; chance and intervals may rightly be NaN."""
    derived = ("_low", "_high", "_adjusted", "_chance")
    values = [one for one in monitor.history if not one.quantity.endswith(derived)]
    assert all(math.isfinite(one.bits) for one in values)
    return {one.epoch for one in values}


@pytest.mark.parametrize("name", ZOO)
def test_a_network_trains_as_without_monitors_and_is_measured(name: str) -> None:
    case, monitors = ZOO[name], all_three()
    before = dict(torch.nn.modules.module._global_forward_hooks)
    with warned() as given:
        with_monitors = _fit(case, monitors)
    assert torch.nn.modules.module._global_forward_hooks == before == {}
    without = _fit(case, [])

    assert with_monitors == without
    assert len(without.logged) >= EPOCHS
    assert {"val_loss", "val_accuracy"} <= set(without.logged[-1])
    assert [_points(monitor) for monitor in monitors] == [{1, 2}] * len(monitors)
    assert not {"skipped", "no point", "nothing"} & set(given.causes)
