"""A network as a function of its weights: placed where one likes, and differentiated there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.calls import told
from lib.estimators.laziness import Initial, at_start
from lib.estimators.measuring import weights_of
from lib.estimators.trust import as_said

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.estimators.subject import Subject

Tensors = dict[str, "Tensor"]

# Steps of differences as shares of the direction, and how far the derivative may be from the best of them.
_STEPS, _ALLOWED = (1e-2, 1e-3, 1e-5), 0.05
_COMPARED = 32  # outputs, at most


def copies(network: nn.Module) -> Tensors:
    """Return copies of a network's parameters by name."""
    return {name: weight.clone() for name, weight in weights_of(network)[0]}


class Weights:
    """Move the weights of a measured network, in float64 if it runs like that; `measured` puts them back.

    Attributes:
        exact: whether the network runs in float64.
        present: parameters and buffers as the network has them.

    Raises:
        ValueError: the network has no parameters, sparse or complex ones, or lets the points of a batch interact.
    """

    def __init__(self, subject: Subject, x: Float[Tensor, "n ..."]) -> None:
        self.subject, network = subject, subject.network
        for name, parameter in network.named_parameters():
            if parameter.layout is not torch.strided:
                raise ValueError(f"network must have dense parameters to be differentiated in, but {name} is sparse.")
        subject.check(x)
        given = {name: t.data for name, t in (*network.named_parameters(), *network.named_buffers())}
        self.exact = subject.in_float64(x)
        self._parameters, self._buffers = dict(network.named_parameters()), dict(network.named_buffers())
        if not self._parameters or any(p.is_complex() for p in self._parameters.values()):
            raise ValueError(
                f"network must have real parameters to be differentiated in, got {type(network).__name__}."
            )
        for parameter in self._parameters.values():
            if not parameter.is_leaf:
                raise ValueError(
                    "network must have parameters that are leaves of autograd, but some are results, as in a copy of a "
                    "TorchScript module; load their values into the original."
                )
            if parameter.is_floating_point():
                parameter.requires_grad_()
        self._given = given  # before they were turned to float64: what an alias of them would share
        self.present = {name: t.data for name, t in (self._parameters | self._buffers).items()}

    def initial(self, initial: Initial, before: Tensors) -> Tensors:
        """Return parameters and buffers at time 0, as `at_start` understands them; unknown buffers as they are.

        Args:
            initial: what the caller gives.
            before: `copies` of the parameters before the network was put into eval mode.

        Raises:
            ValueError: as `at_start`, or the network changes its weights in eval mode, where its initial ones would
                mean something else.
        """
        for name, kept in before.items():
            if name not in self._given or not torch.equal(kept, self._given[name]):
                raise ValueError(
                    f"network must keep its weights in eval mode to be compared with initial ones; it changes {name} "
                    "(as merged adapters do). Put it into eval mode before initial weights are taken."
                )
        named = [(name, self._given[name]) for name in self._parameters]
        known = initial if isinstance(initial, Mapping) else {}
        start = dict(zip(self._parameters, at_start(initial, named), strict=True))
        start |= {name: known.get(name, buffer).detach() for name, buffer in self._buffers.items()}
        return {name: tensor.to(self.present[name]) for name, tensor in start.items()}

    def place(self, values: Tensors) -> None:
        """Give the network other values of parameters and buffers."""
        for name, tensor in (self._parameters | self._buffers).items():
            tensor.data = values[name]
        self.subject.forget()

    def rows(self, point: Float[Tensor, "1 ..."], outputs: range) -> Float[Tensor, "R k P"]:
        """Return the derivatives of some outputs at a point in all weights, one pass backwards an output."""
        y = self._graph(point)[:, 0]
        return torch.stack([self._row(y[:, k].sum(), keep=k != outputs[-1]) for k in outputs], dim=1)

    def along(
        self, points: Float[Tensor, "n ..."], direction: Tensors
    ) -> tuple[Float[Tensor, "R n o"], Float[Tensor, "R n o"]]:
        """Return f and its derivative along a direction: in forward mode, or row by row where a rule is missing."""
        start, buffers = ({n: t.data for n, t in group.items()} for group in (self._parameters, self._buffers))
        network, stacked = self.subject.network, self.subject.lead == 2

        def function(parameters: Tensors) -> Tensor:
            y = torch.func.functional_call(network, (parameters, buffers), (points.clone(),))
            return y if stacked else y.unsqueeze(0)

        self.subject.forget()
        try:
            with warnings.catch_warnings(), torch.no_grad():
                # At its first use torch compiles some rules by a function of its own that it calls deprecated.
                warnings.filterwarnings("ignore", message=r".torch\.jit\.script", category=DeprecationWarning)
                return torch.func.jvp(function, (start,), ({name: direction[name] for name in start},))
        except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
            self.subject.forget()
            f = self.subject.values(points)
            flat = self._flat(direction).unsqueeze(-1)
            slopes = [(self.rows(point[None], range(f.shape[-1])) @ flat).squeeze(-1) for point in points]
            return f, torch.stack(slopes, dim=1)
        finally:
            self.subject.forget()

    def check(self, x: Float[Tensor, "n ..."], direction: Tensors) -> None:
        """Raise ValueError if the values around the weights change otherwise than autograd's derivative says.

        The first, the middle and the last point are looked at.

        Raises:
            ValueError: they do: some way from the weights to the outputs is cut.
        """
        for i in sorted({0, len(x) // 2, len(x) - 1}):
            self._check(x[i : i + 1], direction)

    def _check(self, point: Float[Tensor, "1 ..."], direction: Tensors) -> None:
        here = {name: tensor.data for name, tensor in (self._parameters | self._buffers).items()}
        f = self.subject.values(point)[..., :_COMPARED]
        eps, f = torch.finfo(f.dtype).eps, f.double()
        rows = self.rows(point, range(f.shape[-1])).double()
        slope = (rows @ self._flat(direction).double().unsqueeze(-1)).squeeze(-1)
        halves, best, noise = [], torch.inf, 10 * eps * float(f.norm())
        for step in _STEPS:
            sides = []
            for sign in (1, -1):
                moved = {name: here[name] + sign * step * direction[name] for name in self._parameters}
                self.place(here | moved)
                sides.append(self.subject.values(point).double()[..., :_COMPARED])
            self.place(here)
            halves.append([sides[0] - f, f - sides[1], step * slope.unsqueeze(1)])
            for change, share in ((sides[0] - sides[1], 2), (sides[0] - f, 1), (f - sides[1], 1)):
                expected = share * step * slope.unsqueeze(1)
                size = max(float(change.norm()), float(expected.norm()))
                if size > 10 * noise:
                    best = min(best, float((change - expected).norm()) / size)
        ahead, behind, expected = (torch.stack(parts).flatten(1) for parts in zip(*halves, strict=True))
        cut = not bool(as_said(ahead, behind, expected, noise, eps).all())
        if _ALLOWED < best < torch.inf or cut:
            raise ValueError(
                "network must have outputs that autograd can differentiate in all weights; along a small step in the "
                f"weights they change otherwise than their derivative says (by {best:.2g} of the change). Look for "
                "no_grad, detach, NumPy, or a backward of its own on the way."
            )

        if not self._graph(point).requires_grad:
            raise ValueError(
                "network must compute its outputs from its weights at every call; nothing leads from one to the other. "
                "Look for what it keeps of earlier calls, and drop that in eval mode."
            )

    def _graph(self, point: Tensor) -> Float[Tensor, "R 1 o"]:
        self.subject.forget()  # also what has no graph, or one that is used up
        with torch.enable_grad():
            return self.subject.at_own_points(point.expand(self.subject.replicas, *point.shape))

    def _row(self, value: Tensor, keep: bool = False) -> Float[Tensor, "R P"]:
        wanted = {name: p for name, p in self._parameters.items() if p.requires_grad}
        if not value.requires_grad:
            return self._flat({name: torch.zeros_like(p) for name, p in self._parameters.items()})
        try:
            gradients = torch.autograd.grad(
                value, list(wanted.values()), retain_graph=keep, allow_unused=True, materialize_grads=True
            )
        except RuntimeError as error:
            raise ValueError(
                f"network must have outputs that autograd can differentiate in all weights, but it raised {told(error)}"
            ) from error
        found = dict(zip(wanted, gradients, strict=True))
        return self._flat({name: found.get(name, torch.zeros_like(p)) for name, p in self._parameters.items()})

    def _flat(self, tensors: Tensors) -> Float[Tensor, "R P"]:
        """Return the numbers of all parameters as one row a replica."""
        replicas = self.subject.replicas
        return torch.cat([tensors[name].detach().reshape(replicas, -1) for name in self._parameters], dim=1)
