"""Which layers a large network has by default, and what finding them out holds in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakSet

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.discovery import MOST_COPIES
from it_callbacks.observation.layer_observer import LayerObserver, Observation
from it_callbacks.observation.layers import MOST_LAYERS, Plan
from it_callbacks.observation.stages import Stage

from .toys import Classifier, fit, layer_names, loader, trainer
from .warned import warned

N = 5
"""Samples in the batch."""


def plan_of(net: nn.Module, x: Tensor, layers: Any = None) -> Plan:
    """What is observed of a network that was given `x` once."""
    what = Observation(layers, [30], "auto", None, 0, False)
    observer = LayerObserver(net, what, lambda name, reader: None)
    current = observer.new_pass(hash_inputs=False, stage=Stage(0, is_training=True))
    observer.attach()
    observer.begin(Batch.of(x, None, torch.arange(len(x)).numpy()), current)
    with torch.no_grad():
        net.eval()(x)
    observer.end()
    observer.detach()
    assert observer.plan is not None
    assert set(current.streams) == {layer.name for layer in observer.plan.layers}
    assert {stream.n_samples for stream in current.streams.values()} == {len(x)}
    return observer.plan


def layers_of(net: nn.Module, x: Tensor, layers: Any = None) -> tuple[list[str], dict[str, str]]:
    """The names of the layers of a network that was given `x` once, and what was skipped."""
    plan = plan_of(net, x, layers)
    return [layer.name for layer in plan.layers], plan.skipped


def units_axes(net: nn.Module, x: Tensor, layers: Any = None) -> dict[str, int]:
    """The axis that counts units, of each layer."""
    return {layer.name: layer.units_axis for layer in plan_of(net, x, layers).layers}


# Look-alikes, with the names and the nesting of the real ones.


class Bottleneck(nn.Module):
    """As in torchvision's ResNet-50."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, 2, 1), nn.BatchNorm2d(2)
        self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, stride, 1), nn.BatchNorm2d(2)
        self.conv3, self.bn3 = nn.Conv2d(2, 8, 1), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or width != 8:
            self.downsample = nn.Sequential(nn.Conv2d(width, 8, 1, stride), nn.BatchNorm2d(8))

    @override
    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return] # of a tensor, a tensor


class ResNet50(nn.Module):
    """Its stages are plain containers, its blocks are not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True)
        self.maxpool = nn.MaxPool2d(2)
        for number, depth in enumerate((3, 4, 6, 3), start=1):
            first = Bottleneck(4 if number == 1 else 8, 1 if number == 1 else 2)
            rest = (Bottleneck(8, 1) for _ in range(depth - 1))
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))


class DropPath(nn.Module):
    """A branch that is left out in training only."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x


class ViTBlock(nn.Module):
    """As in timm's vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.attn = nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(4, 12), nn.Linear(4, 4)
        self.drop_path1, self.drop_path2 = DropPath(), DropPath()
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.1), nn.Linear(8, 4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.attn.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.drop_path1(self.attn.proj((q @ k.mT).softmax(-1) @ v))
        return x + self.drop_path2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class ViT(nn.Module):
    """Twelve blocks, or fewer."""

    def __init__(self, depth: int = 12) -> None:
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, 4, 4, 4)
        self.pos_drop = nn.Dropout(0.0)
        self.blocks = nn.Sequential(*(ViTBlock() for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        x = self.patch_embed.proj(x).flatten(2).mT
        return self.head(self.norm(self.blocks(self.pos_drop(x)))[:, 0])


class Conv1D(nn.Module):
    """A linear of GPT-2."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class GPT2Block(nn.Module):
    """It returns a tuple, as in transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.attn = nn.Module()
        self.attn.c_attn, self.attn.c_proj = Conv1D(4, 12), Conv1D(4, 4)
        self.mlp = nn.Sequential(Conv1D(4, 8), nn.GELU(), Conv1D(8, 4), nn.Dropout(0.1))

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        q, k, v = self.attn.c_attn(self.ln_1(x)).chunk(3, -1)
        x = x + self.attn.c_proj((q @ k.mT).softmax(-1) @ v)
        return x + self.mlp(self.ln_2(x)), None


class GPT2(nn.Module):
    """Twelve blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Module()
        self.transformer.wte, self.transformer.wpe = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.transformer.drop = nn.Dropout(0.1)
        self.transformer.h = nn.ModuleList(GPT2Block() for _ in range(12))
        self.transformer.ln_f = nn.LayerNorm(4)
        self.lm_head = nn.Linear(4, 9, bias=False)

    @override
    def forward(self, tokens: Tensor) -> Any:
        parts = self.transformer
        places = torch.arange(tokens.shape[1])[None]
        x = parts.drop(parts.wte(tokens) + parts.wpe(places))
        for block in parts.h:
            x = block(x)[0]
        return self.lm_head(parts.ln_f(x))


class DoubleConv(nn.Module):
    """As in the usual U-Net."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            *(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(True)),
            *(nn.Conv2d(n_out, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(True)),
        )

    @override
    def forward(self, x: Tensor) -> Any:
        return self.double_conv(x)


class Down(nn.Module):
    """Half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 4), DoubleConv(4, 4))

    @override
    def forward(self, x: Tensor) -> Any:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Twice the size."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(4, 4, 2, 2), DoubleConv(8, 4)

    @override
    def forward(self, x: Tensor, skip: Tensor) -> Any:
        return self.conv(torch.cat([self.up(x), skip], 1))


class UNet(nn.Module):
    """Its blocks are attributes of the network itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inc = DoubleConv(3, 4)
        self.down1, self.down2, self.down3, self.down4 = (Down() for _ in range(4))
        self.up1, self.up2, self.up3, self.up4 = (Up() for _ in range(4))
        self.outc = nn.Conv2d(4, 3, 1)

    @override
    def forward(self, x: Tensor) -> Any:
        a = self.inc(x)
        b = self.down1(a)
        c = self.down2(b)
        d = self.down3(c)
        x = self.up1(self.down4(d), d)
        return self.outc(self.up4(self.up3(self.up2(x, c), b), a))


def sixty() -> nn.Module:
    """60 times a linear and its activation."""
    return nn.Sequential(*(part for _ in range(60) for part in (nn.Linear(4, 4), nn.ReLU())))


IMAGES = torch.randn(N, 3, 32, 32)


def test_resnet_50_is_read_at_its_blocks() -> None:
    names, skipped = layers_of(ResNet50(), IMAGES)
    assert names == [
        *("relu", "layer1.0", "layer1.1", "layer1.2"),
        *("layer2.0", "layer2.1", "layer2.2", "layer2.3"),
        *("layer3.0", "layer3.1", "layer3.2", "layer3.3", "layer3.4", "layer3.5"),
        *("layer4.0", "layer4.1", "layer4.2", "fc"),
    ]
    assert skipped["conv1"] == "read after its activation relu"
    assert skipped["layer3.2.relu"] == "inside the block layer3.2"
    assert skipped["layer3.2.relu_call2"] == "inside the block layer3.2"


def test_a_vision_transformer_is_read_at_its_blocks() -> None:
    names, skipped = layers_of(ViT(), IMAGES)
    assert names == ["patch_embed.proj", *(f"blocks.{n}" for n in range(12)), "head"]
    assert skipped["blocks.3.drop_path1"] == "stochastic depth"


def test_a_small_vision_transformer_is_read_at_its_leaves() -> None:
    """Up to 24, without what only drops paths."""
    names, _ = layers_of(ViT(2), IMAGES)
    inside = ("attn.qkv", "attn.proj", "mlp.1", "mlp.3")
    of_blocks = (f"blocks.{block}.{part}" for block in range(2) for part in inside)
    assert names == ["patch_embed.proj", *of_blocks, "head"]


def test_gpt_2_is_read_at_the_hidden_states_of_its_blocks() -> None:
    """The embedding of positions has one row for all samples."""
    names, skipped = layers_of(GPT2(), torch.randint(9, (N, 7)))
    assert names == ["transformer.wte", *(f"transformer.h.{n}" for n in range(12)), "lm_head"]
    assert skipped["transformer.wpe"] == "returns shape (1, 7, 4), not one row per label"


def test_a_u_net_is_read_at_its_halves_and_doubles() -> None:
    names, _ = layers_of(UNet(), IMAGES)
    assert names == [
        *("inc.double_conv.2", "inc.double_conv.5", "down1", "down2", "down3", "down4"),
        *("up1", "up2", "up3", "up4", "outc"),
    ]


def test_sixty_layers_without_blocks_are_thinned_evenly() -> None:
    """24 of them, the first and the last among them."""
    names, skipped = layers_of(sixty(), torch.randn(N, 4))
    places = [0, 3, 5, 8, 10, 13, 15, 18, 21, 23, 26, 28, 31, 33, 36, 38, 41, 44, 46, 49, 51, 54]
    assert names == [f"{2 * place + 1}" for place in [*places, 56, 59]]
    assert skipped["3"] == "one of more than 24 layers; name it to read it"
    assert skipped["2"] == "read after its activation 3"


@pytest.mark.parametrize("n", [24, 25, 40, 72, 73, 150, 400])
def test_of_any_number_of_layers_the_first_and_the_last_are_read(n: int) -> None:
    """At most 24, in order, and no gap is more than three times another."""
    net = nn.Sequential(*(nn.Linear(3, 3) for _ in range(n)))
    numbers = [int(name) for name in layers_of(net, torch.randn(N, 3))[0]]
    assert numbers[0] == 0
    assert numbers[-1] == n - 1
    assert len(numbers) == MOST_LAYERS
    gaps = [after - before for before, after in pairwise(numbers)]
    assert min(gaps) >= 1
    assert max(gaps[:-1]) <= 3 * min(gaps[:-1])


def test_a_name_reads_what_the_default_leaves_out() -> None:
    names, _ = layers_of(sixty(), torch.randn(N, 4), ["3", "2", "60"])
    assert names == ["2", "3", "60"]


# The axis that counts units.


class Swish(nn.Module):
    """An activation of one's own."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * x.sigmoid()


class Scale(nn.Module):
    """A layer of one's own, of which nothing is known."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis, self.weight = axis, nn.Parameter(torch.ones(4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return (x.movedim(self.axis, -1) * self.weight).movedim(-1, self.axis)


class ChannelsLast(nn.Module):
    """As in a Swin transformer: ``(n, height, width, channels)``."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)

    @override
    def forward(self, x: Tensor) -> Any:
        return x + self.down(self.up(self.norm(x)))


class ChannelsFirst(nn.Module):
    """As in ConvNeXt: it works channels-last, and gives maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(4, 4, 1), nn.LayerNorm(4), nn.Linear(4, 4)

    @override
    def forward(self, x: Tensor) -> Any:
        return x + self.fc(self.norm(self.conv(x).movedim(1, -1))).movedim(-1, 1)


class Moved(nn.Module):
    """Maps to channels last."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, -1)


def test_blocks_of_maps_with_channels_last_count_units_there() -> None:
    """Though a convolution came first."""
    blocks = nn.Sequential(*(ChannelsLast() for _ in range(13)))
    axes = units_axes(nn.Sequential(nn.Conv2d(3, 4, 4, 4), Moved(), blocks), IMAGES)
    assert axes.pop("0") == 1
    assert axes.pop("1") == 1  # nothing is known: as behind convolutions in general
    assert axes == {f"2.{n}": -1 for n in range(13)}


def test_blocks_of_maps_count_units_on_axis_1_whatever_is_in_them() -> None:
    blocks = nn.Sequential(*(ChannelsFirst() for _ in range(13)))
    axes = units_axes(nn.Sequential(nn.Conv2d(3, 4, 4, 4), blocks), IMAGES)
    assert set(axes.values()) == {1}
    assert len(axes) == 14


@pytest.mark.parametrize("shape", [(N, 3, 6), (N, 3, 6, 5)])
def test_a_layer_that_keeps_the_shape_keeps_the_axis_of_units(shape: tuple[int, ...]) -> None:
    conv: nn.Module = nn.Conv1d(3, 4, 1) if len(shape) == 3 else nn.Conv2d(3, 4, 1)
    net = nn.Sequential(conv, Swish(), Scale(1))
    assert units_axes(net, torch.randn(shape)) == {"0": 1, "1": 1, "2": 1}
    last = nn.Sequential(nn.Linear(shape[-1], 4), Swish(), Scale(-1))
    assert units_axes(last, torch.randn(shape)) == {"0": -1, "1": -1, "2": -1}


def test_normalisation_keeps_the_axis_of_units_and_shows_it_where_it_is_not_known() -> None:
    steps = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(3), nn.ReLU())
    assert units_axes(steps, torch.randn(N, 3, 6)) == {"2": -1}
    maps = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.LayerNorm(6), nn.Tanh())
    assert units_axes(maps, torch.randn(N, 3, 6)) == {"1": 1, "3": 1}
    assert units_axes(maps[2:], torch.randn(N, 3, 6)) == {"3": -1}


def test_without_convolutions_units_are_where_the_last_linear_has_them() -> None:
    """Of a map of which nothing else is known: as many as that gave, on the last axis."""

    class Lost(nn.Sequential):
        @override
        def forward(self, x: Tensor) -> Any:
            return self[1](torch.cat([self[0](x)] * 2, 1))

    assert units_axes(Lost(nn.Linear(6, 4), Scale(-1)), torch.randn(N, 3, 5, 6))["1"] == -1
    assert units_axes(nn.Sequential(Scale(1)), torch.randn(N, 4, 5, 6)) == {"0": 1}


# Outputs that are no tensor.


class Output(NamedTuple):
    """A named tuple."""

    hidden: Tensor
    mask: Any


@dataclass
class Data:
    """A dataclass whose first part is no tensor."""

    loss: Any
    hidden: Tensor


class Gives(nn.Module):
    """Gives what a function makes of its input."""

    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.make = make

    @override
    def forward(self, x: Tensor) -> Any:
        return self.make(x * 2)


class Nested(nn.Module):
    """One module, whatever it gives, and a head."""

    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.body, self.head = Gives(make), nn.Linear(4, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        self.body(x)
        return self.head(x)


@pytest.mark.parametrize("layers", [None, ["body", "head"]])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x, x[:1]),
        lambda x: [None, x],
        lambda x: {"loss": 3.0, "hidden": x},
        lambda x: Output(x, None),
        lambda x: Data(None, x),
        lambda x: ((None, x), x[0]),
    ],
)
def test_the_first_tensor_of_any_output_is_read(make: Any, layers: Any) -> None:
    assert layers_of(Nested(make), torch.randn(N, 4), layers)[0] == ["body", "head"]


def test_what_gives_back_its_input_is_no_layer_but_what_changes_it_in_place_is() -> None:
    class Same(nn.Module):
        @override
        def forward(self, x: Tensor) -> Tensor:
            return x

    net = nn.Sequential(nn.Linear(4, 4), Same(), nn.Linear(4, 4), nn.ReLU(inplace=True))
    names, skipped = layers_of(net, torch.randn(N, 4))
    assert names == ["0", "3"]
    assert skipped["1"] == "gives back what it is given"


@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated:DeprecationWarning")
def test_attention_and_scripted_parts_are_one_layer_each() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
            self.head = nn.Linear(4, 3)

        @override
        def forward(self, x: Tensor) -> Any:
            x = x[:, None].expand(-1, 7, -1)
            return self.head(self.scripted(self.attention(x, x, x)[0]))

    assert layers_of(Attends(), torch.randn(N, 4))[0] == ["attention", "scripted", "head"]


# What is said.


def test_a_network_most_of_which_cannot_be_read_is_said_to_be_so_once() -> None:
    """As of a graph network, whose rows are nodes."""

    class Nodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.mix, self.head = nn.Linear(1, 4), nn.Linear(4, 4), nn.Linear(4, 3)

        @override
        def forward(self, x: Tensor) -> Any:
            nodes = self.mix(self.embed(x.reshape(-1, 1)))
            return self.head(nodes.reshape(len(x), -1, 4).mean(1))

    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], lambda: Classifier(Nodes()), val=loader(60, 20), max_epochs=2)
    (warning,) = given.of("not rows")
    assert "2 of 3 layers cannot be read" in warning.text
    assert "'net.mix'" in warning.text
    assert "pass layers=" in warning.text
    assert layer_names(plane) == ["net.head"]


# Memory.


class Wide(nn.Module):
    """Many wide layers; counts the bytes of their outputs that are alive after each."""

    def __init__(self, n_layers: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Hardtanh()) for _ in range(n_layers)
        )
        self.alive: WeakSet[Tensor] = WeakSet()
        self.most = 0

    @override
    def forward(self, x: Tensor) -> Tensor:
        for linear, activation in self.layers:
            before = linear(x)
            x = activation(before)
            self.alive |= {before, x}
            del before
            self.most = max(self.most, len(self.alive))
        return x


def test_no_output_of_the_first_batch_is_kept_alive() -> None:
    """Of the model's own tensors the latest lives, as without us."""
    net = Wide(100, 8)
    layers_of(net, torch.randn(N, 8))
    assert net.most == 1


def test_of_many_layers_few_are_copied_and_the_linears_before_activations_are_not() -> None:
    """Copies of at most `MOST_COPIES` leaves live at once, however many there are."""
    net = nn.Sequential(*(part for _ in range(300) for part in (nn.Linear(4, 4), nn.Hardtanh())))
    copies: WeakSet[Tensor] = WeakSet()
    most = 0

    class Watched(LayerObserver):
        def _copied(self, layer: Any, rows: Tensor) -> Any:
            nonlocal most
            copy = super()._copied(layer, rows)
            copies.add(copy.taken)
            most = max(most, len(copies))
            return copy

    what = Observation(None, [30], "auto", None, 0, False)
    observer = Watched(net, what, lambda name, reader: None)
    current = observer.new_pass(hash_inputs=False, stage=Stage(0, is_training=True))
    x = torch.randn(N, 4)
    observer.attach()
    observer.begin(Batch.of(x, None, torch.arange(N).numpy()), current)
    with torch.no_grad():
        net(x)
    observer.end()
    assert MOST_LAYERS < most <= MOST_COPIES + 2
    assert len(current.streams) == MOST_LAYERS


def test_of_maps_only_what_is_read_is_copied() -> None:
    """The means over positions, which are a thousand times smaller."""
    sizes = []
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 3))

    class Watched(LayerObserver):
        def _copied(self, layer: Any, rows: Tensor) -> Any:
            copy = super()._copied(layer, rows)
            sizes.append(tuple(copy.taken.shape))
            return copy

    observer = Watched(net, Observation(None, [30], "auto", None, 0, False), lambda *_: None)
    current = observer.new_pass(hash_inputs=False, stage=Stage(0, is_training=True))
    observer.attach()
    observer.begin(Batch.of(IMAGES, None, torch.arange(N).numpy()), current)
    with torch.no_grad():
        net(IMAGES)
    observer.end()
    assert sizes == [(N, 4), (N, 4), (N, 3)]


def test_a_layer_that_a_later_one_writes_over_was_copied_before() -> None:
    """By default and by name: the values of the first batch are those of its own output."""

    class Overwrites(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

        @override
        def forward(self, x: Tensor) -> Any:
            out = self.first(x)
            self.net(x)
            return self.second(out.zero_())

    plane = InformationPlaneMonitor(["first"])
    trainer([plane]).validate(Overwrites(), loader(50, seed=1), verbose=False)
    (bits,) = [r.bits for r in plane.history if r.quantity == "I_XT"]
    assert bits > 4
