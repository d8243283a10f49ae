"""Kinds of modules that people measure, each small: a name, and how to make the module and the shape of a point."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from zoo_modules import (
    Attend,
    Caching,
    Distances,
    Drifting,
    ExitsEarly,
    Experts,
    Frozen,
    Fuses,
    HalfInside,
    Last,
    Lora,
    Noisy,
    Residual,
    Returns,
    Reverse,
    Slightly,
    Square,
    Swish,
    Through,
    WritesIntoInput,
    numpy_inside,
)

from lib.networks import FCN

Made = tuple[nn.Module, tuple[int, ...]]
ZOO: dict[str, Callable[[], Made]] = {}


def kind(name: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Register a kind of module."""

    def register(make: Callable[[], Made]) -> Callable[[], Made]:
        ZOO[name] = make
        return make

    return register


def mlp(*middle: nn.Module, features: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, 8), *middle, nn.Linear(8, 2))


def images(*layers: nn.Module, features: int = 32) -> Made:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 2)), (2, 4, 4)


FLAT, SEQUENCE = (6,), (4, 8)
SIMPLE: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(6, 2),
    "fully connected, ReLU": lambda: mlp(nn.ReLU()),
    "fully connected, smooth": lambda: mlp(nn.GELU()),
    "fully connected, in place": lambda: mlp(nn.ReLU(inplace=True)),
    "no biases, as FCN.module": lambda: FCN(8, 2, 6, 2, seed=1, dtype=torch.float32).module(),
    "stack of replicas (FCN)": lambda: FCN(8, 3, 6, 2, replicas=2, seed=1, dtype=torch.float64),
    "maxout": lambda: nn.Sequential(
        nn.Linear(6, 8), nn.Unflatten(1, (4, 2)), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4, 2)
    ),
    "bilinear": lambda: Through(lambda h: h * h.roll(1, dims=1)),
    "layer norm": lambda: mlp(nn.LayerNorm(8), nn.ReLU()),
    "RMS norm": lambda: mlp(nn.RMSNorm(8), nn.SiLU()),
    "batch norm, running statistics": lambda: mlp(nn.BatchNorm1d(8), nn.ReLU()),
    "batch norm, batch statistics": lambda: mlp(nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU()),
    "softmax over the batch": lambda: Through(lambda h: h.softmax(dim=0)),
    "weight norm": lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 2)
    ),
    "spectral norm": lambda: nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 2)
    ),
    "low-rank adapter, merged in eval mode": lambda: nn.Sequential(Lora(6, 8), nn.ReLU(), nn.Linear(8, 2)),
    "keeps what it saw": Caching,
    "mixture of experts": Experts,
    "distances (cdist)": Distances,
    "Fourier transform": lambda: Through(lambda h: torch.fft.rfft(h).abs().sqrt().repeat(1, 2)[:, :8]),
    "dropout, in training mode": lambda: mlp(nn.Dropout(0.5), nn.Tanh()),
    "fuses layers in eval mode": Fuses,
    "noise in eval mode, a thousandth": Noisy,
    "changes with every call": Drifting,
    "random in eval mode": lambda: Through(lambda h: functional.dropout(h, 0.5, training=True)),
    "data parallel": lambda: nn.DataParallel(mlp(nn.Tanh())),
    "scripted": lambda: torch.jit.script(mlp(nn.Tanh())),
    "traced": lambda: torch.jit.trace(mlp(nn.Tanh()), torch.ones(3, 6)),
    "compiled": lambda: torch.compile(mlp(nn.Tanh())),
    "fake quantization": lambda: Through(lambda h: torch.fake_quantize_per_tensor_affine(h, 0.3, 0, -128, 127)),
    "rounds": lambda: Through(lambda h: torch.round(8 * h) / 8),
    "custom function": lambda: Through(Swish.apply),
    "custom function, one derivative": lambda: Through(Square.apply),
    "custom function, another derivative": lambda: Through(Reverse.apply),
    "custom function, derivative 2 % off": lambda: Through(Slightly.apply),
    "checkpointing": lambda: Through(lambda h: checkpoint(torch.tanh, h, use_reentrant=False)),
    "checkpointing, re-entrant": lambda: Through(lambda h: checkpoint(torch.tanh, h, use_reentrant=True)),
    "half precision": lambda: mlp(nn.Tanh()).half(),
    "bfloat16": lambda: mlp(nn.Tanh()).bfloat16(),
    "double precision": lambda: mlp(nn.Tanh()).double(),
    "bfloat16 inside": HalfInside,
    "writes into its input": WritesIntoInput,
    "lazy, not yet called": lambda: nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.Linear(8, 2)),
    "frozen backbone (no_grad)": Frozen,
    "detached": lambda: Through(lambda h: torch.tanh(h.detach())),
    "detached in part": lambda: Through(lambda h: torch.tanh(h) / h.detach().norm(dim=1, keepdim=True)),
    "a small branch detached": lambda: Through(lambda h: torch.tanh(h) + 0.03 * torch.sin(2 * h.detach())),
    "exits early, without gradients": ExitsEarly,
    "NumPy inside": lambda: Through(numpy_inside),
    "constant": lambda: Through(lambda h: 0 * h),
    "returns a tuple": lambda: Returns(lambda y: (y, None)),
    "returns a dict": lambda: Returns(lambda y: {"logits": y}),
    "returns labels": lambda: Returns(lambda y: y.argmax(dim=1, keepdim=True)),
    "returns complex numbers": lambda: Returns(lambda y: y + 1j * y),
}
for name, make in SIMPLE.items():
    kind(name)(lambda make=make: (make(), FLAT))

ZOO["gives its input back"] = lambda: (nn.Flatten(), (2,))

SEQUENCES: dict[str, Callable[[], nn.Module]] = {
    "RNN, batch first": lambda: Last(nn.RNN(8, 6, batch_first=True), 6, lambda y: y[0]),
    "LSTM, batch first": lambda: Last(nn.LSTM(8, 6, batch_first=True), 6, lambda y: y[0]),
    "GRU, batch first": lambda: Last(nn.GRU(8, 6, batch_first=True), 6, lambda y: y[0]),
    "GRU, sequence first": lambda: Last(nn.GRU(8, 6), 6, lambda y: y[0]),
    "attention, batch first": lambda: Attend(True),
    "attention, sequence first": lambda: Attend(False),
    "transformer": lambda: Last(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True), 8),
    "1d convolution": lambda: nn.Sequential(nn.Conv1d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2)),
}
for name, make in SEQUENCES.items():
    kind(name)(lambda make=make: (make(), SEQUENCE))

PICTURES: dict[str, Callable[[], Made]] = {
    "2d convolution": lambda: images(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()),
    "2d convolution, channels last": lambda: images(
        nn.Conv2d(2, 2, 3, padding=1).to(memory_format=torch.channels_last), nn.Tanh()
    ),
    "transposed convolution": lambda: images(nn.ConvTranspose2d(2, 2, 2, stride=2), nn.ReLU(), features=128),
    "max pooling": lambda: images(nn.Conv2d(2, 3, 3, padding=1), nn.MaxPool2d(2), features=12),
    "residual": lambda: (Residual(), (2, 4, 4)),
    "group norm": lambda: images(nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(), features=64),
    "instance norm": lambda: images(nn.Conv2d(2, 2, 3, padding=1), nn.InstanceNorm2d(2), nn.ReLU()),
    "3d convolution": lambda: (
        nn.Sequential(nn.Conv3d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 2)),
        (1, 2, 4, 4),
    ),
}
ZOO.update(PICTURES)


@kind("forward hooks")
def forward_hooks() -> Made:
    network = mlp(nn.Tanh())
    seen = []
    network[0].register_forward_hook(lambda module, inputs, output: seen.append(float(output.detach().numpy().mean())))
    return network, FLAT


@kind("backward hooks")
def backward_hooks() -> Made:
    network = mlp(nn.Tanh())
    network[0].register_full_backward_hook(lambda module, before, after: None)
    return network, FLAT


@kind("exported")
def exported() -> Made:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(mlp(nn.Tanh()), (torch.ones(3, 6),), dynamic_shapes=({0: batch},))
    return program.module(), FLAT


@kind("quantized")
def quantized() -> Made:
    return torch.ao.quantization.quantize_dynamic(mlp(nn.ReLU()), {nn.Linear}, dtype=torch.qint8), FLAT
