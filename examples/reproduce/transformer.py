"""A small transformer: what wide layers know of a token, learnt or memorised.

You learn to read layers that are too wide to be binned. Each sequence has one marker; the label is
the token that follows it. The embedding and the last of two blocks, 16 features each, are averaged
over positions (`reduce=`), and a joint code of 16 units would be unique to each sequence: the
number to read is linear V-information, bits that a linear classifier reads off. Averaging forgets
the order of tokens, so it finds little in the embedding; attention has to bring the answer forward.
Then the control, labels drawn by lot: memorised on the training set, unknown on the other.

    python examples/reproduce/transformer.py [--fast] [--out DIR]

A plain run takes about a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import torch
from signatures import Signature, conclude, parser
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from training import Classifier, batches, curve, fit, save_planes, seeded

from it_callbacks import InformationPlaneMonitor
from it_callbacks.estimators import LinearVInformation
from it_callbacks.reductions import MeanPool

N_TOKENS, LENGTH = 4, 8
MARKER = N_TOKENS
N = 512  # sequences of either set: few enough to be memorised soon


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    epochs: int


USUAL = Settings((0, 1), epochs=60)
FAST = Settings((0,), epochs=50)


class Transformer(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(N_TOKENS + 1, width)
        self.positions = nn.Parameter(torch.randn(LENGTH, width))
        self.block1, self.block2 = (
            nn.TransformerEncoderLayer(width, 2, 4 * width, dropout=0.0, batch_first=True)
            for _ in range(2)
        )
        self.output = nn.Linear(width, N_TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        features = self.embedding(tokens) + self.positions
        features = self.block2(self.block1(features))
        return torch.as_tensor(self.output(features.mean(1)))


def sequences(n: int) -> tuple[Tensor, Tensor]:
    """Tokens ``(n, 8)`` with a marker, and the token that follows it ``(n,)``."""
    tokens = torch.randint(N_TOKENS, (n, LENGTH))
    place = torch.randint(LENGTH - 1, (n, 1))
    return tokens.scatter(1, place, MARKER), tokens.gather(1, place + 1)[:, 0]


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    signatures = []
    for name, by_lot in (("token after the marker", False), ("labels by lot", True)):
        of_block: dict[str, dict[int, float]] = {"train": {}, "val": {}}
        of_embedding: dict[int, float] = {}
        for seed in settings.seeds:
            seeded(seed)
            sets, planes = {}, {}
            for set_ in of_block:
                tokens, labels = sequences(N)
                sets[set_] = tokens, torch.randint(N_TOKENS, (N,)) if by_lot else labels
                planes[set_] = InformationPlaneMonitor(
                    ["net.embedding", "net.block2"],
                    reduce=MeanPool(units_axis=-1),
                    extra=[LinearVInformation(every=1, folds=3, penalties=(1.0, 100.0))],
                    data=sets[set_],
                    schedule=[0, settings.epochs],
                    name=set_,
                )
            training = TensorDataset(*sets["train"])
            model = Classifier(Transformer(), lr=3e-3)
            fit(model, batches(training, 32), settings.epochs, list(planes.values()))
            drawn = f"transformer_{'lot' if by_lot else 'true'}_{seed}"
            save_planes(list(planes.values()), out, drawn)
            for set_, plane in planes.items():
                of_block[set_][seed] = curve(
                    plane, f"information_plane/{set_}/linear_V_TY/net.block2"
                )[-1]
            of_embedding[seed] = curve(
                planes["val"], "information_plane/val/linear_V_TY/net.embedding"
            )[-1]
        of_train, of_val = (f"{name}: block 2 knows of {set_}, bits" for set_ in of_block)
        signatures += [
            Signature(f"{name}: embedding knows of val, bits", of_embedding, high=0.5),
            Signature(of_train, of_block["train"], low=1.0),
            Signature(of_val, of_block["val"], high=0.1)
            if by_lot
            else Signature(of_val, of_block["val"], low=1.0),
        ]
    return signatures


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
