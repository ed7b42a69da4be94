"""What a user would write instead of the monitors: outputs kept, put into bins, counted, logged.

Fewer numbers than the monitors log: H(T) and I(T;Y) of each layer in thirty bins over its range,
without chance, intervals or statuses; the entropy of the predictions, of all and by class; and the
accuracy and confusion matrix of torchmetrics. It calls nothing of ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix
from typing_extensions import override

from .estimate import as_they_lie

N_BINS = 30


def bits(counts: NDArray[np.int64]) -> float:
    """Entropy of counts."""
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def of_layer(rows: NDArray[np.float32], classes: NDArray[np.int64]) -> tuple[float, float]:
    """H(T) and I(T;Y) of a layer's outputs ``(n_samples, n_units)`` in bins over its range."""
    edges = np.linspace(rows.min(), rows.max(), N_BINS + 1)[1:-1]
    states = as_they_lie(np.digitize(rows, edges))
    _, numbers, counts = np.unique(states, return_inverse=True, return_counts=True)
    pairs = numbers * (classes.max() + 1) + classes
    entropy = bits(counts)
    of_classes, of_pairs = (np.unique(each, return_counts=True)[1] for each in (classes, pairs))
    return entropy, entropy + bits(of_classes) - bits(of_pairs)


class PlainCallback(pl.Callback):
    """Measures at the end of each validation.

    Args:
        layers: Names of modules, the last of which gives the predictions.
        n_classes: How many classes there are.
    """

    def __init__(self, layers: list[str], n_classes: int) -> None:
        self.layers = layers
        self.accuracy = MulticlassAccuracy(n_classes)
        self.confusion = MulticlassConfusionMatrix(n_classes)
        self.kept: dict[str, list[Tensor]] = {}
        self.targets: list[Tensor] = []
        self.hooks: list[RemovableHandle] = []

    @override
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.kept, self.targets = {layer: [] for layer in self.layers}, []
        for layer in self.layers:
            module = pl_module.get_submodule(layer)
            self.hooks.append(module.register_forward_hook(self._hook(layer)))

    def _hook(self, layer: str) -> Any:
        def keep(module: nn.Module, given: Any, output: Tensor) -> None:
            self.keep(layer, output)

        return keep

    def keep(self, layer: str, output: Tensor) -> None:
        """A layer gave this."""
        self.kept[layer].append(output.detach().clone())

    @override
    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        logits = self.kept[self.layers[-1]][-1]
        self.targets.append(batch[1])
        self.accuracy.update(logits, batch[1])
        self.confusion.update(logits, batch[1])

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        while self.hooks:
            self.hooks.pop().remove()
        classes = torch.cat(self.targets).numpy()
        rows = {layer: torch.cat(kept) for layer, kept in self.kept.items()}
        predicted = rows[self.layers[-1]].softmax(1)
        entropies = torch.special.entr(predicted).sum(1).numpy() / np.log(2)
        values = {"entropy": float(entropies.mean()), "accuracy": float(self.accuracy.compute())}
        for each in np.unique(classes):
            values[f"entropy/{each}"] = float(entropies[classes == each].mean())
        for layer, outputs in rows.items():
            values[f"H_T/{layer}"], values[f"I_TY/{layer}"] = of_layer(outputs.numpy(), classes)
        self.confusion.compute()
        self.accuracy.reset()
        self.confusion.reset()
        trainer.logger.log_metrics(values, step=trainer.global_step)
        trainer.logger.experiment.flush()


def plain_callback(net: nn.Module, within: str) -> PlainCallback:
    """One that reads what the monitors read by default of a plain chain of layers.

    Args:
        net: The network, whose last linear layer gives the predictions.
        within: Its name in the model.
    """
    named = dict(net.named_modules())
    read = [name for name, part in named.items() if isinstance(part, nn.Tanh | nn.ReLU)]
    last, head = [(name, part) for name, part in named.items() if isinstance(part, nn.Linear)][-1]
    # The network itself has no name within itself.
    names = [f"{within}.{name}".rstrip(".") for name in (*read, last)]
    return PlainCallback(names, head.out_features)
