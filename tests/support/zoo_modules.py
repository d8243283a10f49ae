"""Modules of the kinds in `zoo` that need a class of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn


class Through(nn.Module):
    """f(x) = head(middle(body(x))) with a function in the middle."""

    def __init__(self, middle: Callable, features: int = 6, hidden: int = 8) -> None:
        super().__init__()
        self.body, self.head, self.middle = nn.Linear(features, hidden), nn.Linear(hidden, 2), middle

    def forward(self, x):
        return self.head(self.middle(self.body(x)))


class Last(nn.Module):
    """A sequence model, its last output, and a linear head."""

    def __init__(self, body: nn.Module, features: int, pick: Callable = lambda y: y) -> None:
        super().__init__()
        self.body, self.head, self.pick = body, nn.Linear(features, 2), pick

    def forward(self, x):
        return self.head(self.pick(self.body(x))[:, -1])


class Attend(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=batch_first), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0][:, -1])


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU())
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        return self.head((x + self.inner(x)).flatten(1))


class Lora(nn.Linear):
    """A low-rank adapter that is merged in eval mode, as adapters' libraries do."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        self.down, self.up = nn.Parameter(torch.randn(2, features)), nn.Parameter(torch.randn(outputs, 2))
        self.merged = False

    def train(self, mode: bool = True):
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (-1 if mode else 1) * self.up.detach() @ self.down.detach()
            self.merged = not mode
        return self

    def forward(self, x):
        return super().forward(x) if self.merged else super().forward(x) + x @ self.down.T @ self.up.T


class Caching(Through):
    """A module that keeps what it saw last, and counts."""

    def __init__(self) -> None:
        super().__init__(torch.tanh)
        self.seen, self.calls, self.last = [], 0, {}

    def forward(self, x):
        h = self.body(x)
        self.calls += 1
        self.seen.append(x)
        self.last["hidden"] = h
        return self.head(torch.tanh(h))


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.sigmoid() * (1 + x * (1 - x.sigmoid()))


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * gradient * ctx.saved_tensors[0]


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -0.3 * gradient


class Returns(nn.Module):
    def __init__(self, kind: Callable) -> None:
        super().__init__()
        self.linear, self.kind = nn.Linear(6, 2), kind

    def forward(self, x):
        return self.kind(self.linear(x))


class WritesIntoInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 2)

    def forward(self, x):
        return self.linear(x.sub_(0.5).div_(0.2))


class Frozen(nn.Module):
    """A linear probe: the backbone runs without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

    def forward(self, x):
        with torch.no_grad():
            h = torch.relu(self.body(x))
        return self.head(h)


class HalfInside(Through):
    def __init__(self) -> None:
        super().__init__(torch.tanh)
        self.body.to(torch.bfloat16)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x.to(torch.bfloat16))).to(self.head.weight.dtype))


class Noisy(Through):
    """A thousandth of noise, also in eval mode."""

    def __init__(self) -> None:
        super().__init__(lambda h: torch.tanh(h + 1e-3 * torch.randn_like(h)))


class Drifting(Through):
    """Every call moves what the next one computes, as running statistics do that are never frozen."""

    def __init__(self) -> None:
        super().__init__(torch.tanh)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        h = self.body(x)
        with torch.no_grad():
            self.mean.lerp_(h.mean(dim=0).to(self.mean), 1e-3)
        return self.head(torch.tanh(h - self.mean))


class ExitsEarly(Through):
    """Sure examples take another way, which runs without gradients."""

    def __init__(self) -> None:
        super().__init__(torch.tanh)

    def forward(self, x):
        y = self.head(torch.tanh(self.body(x)))
        with torch.no_grad():
            early = self.head(self.body(x))
        return torch.where(y.detach().softmax(dim=1).amax(dim=1, keepdim=True) > 0.55, early, y)


class Fuses(nn.Module):
    """A linear layer that takes in its batch norm in eval mode, and does not come back by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)

    def train(self, mode: bool = True):
        if mode and self.norm is None:
            raise RuntimeError("fused layers cannot be trained.")
        if not mode and self.norm is not None:
            self.body = nn.utils.fusion.fuse_linear_bn_eval(self.body.eval(), self.norm.eval())
            self.norm = None
        return super().train(mode)

    def forward(self, x):
        h = self.body(x)
        return self.head(torch.relu(h if self.norm is None else self.norm(h)))


class Slightly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return 0.98 * gradient


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(6, 3), nn.ModuleList(nn.Linear(6, 2) for _ in range(3))

    def forward(self, x):
        outputs = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return (outputs * self.gate(x).softmax(dim=-1).unsqueeze(1)).sum(dim=-1)


class Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.centres, self.head = nn.Parameter(torch.randn(5, 6)), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(torch.exp(-torch.cdist(x, self.centres)))


def numpy_inside(h):
    return torch.from_numpy(np.tanh(h.detach().numpy()))
