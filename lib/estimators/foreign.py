"""A module that is not ours: called on copies, differentiated by autograd alone, and not believed unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.calls import outputs_of, told
from lib.estimators.first_sight import Sides, among_others, inward, zeros_told
from lib.estimators.footprint import peak_bytes
from lib.estimators.memento import besides_weights
from lib.estimators.subject import Subject
from lib.estimators.trust import (
    AGREE,
    AGREE_LENGTHS,
    ROUNDING,
    gap,
    gaps,
    precision,
    refuse_constant,
    refuse_contradiction,
    refuse_derivative,
    refuse_interaction,
    refuse_unsteady,
    steps_off,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

# What the examples of one chunk may take, and what is in float64 at once. What passes through a network on a processor
# beyond what its caches hold takes twice the time: a loop of single examples would be faster.
_CHUNK_BYTES, _DOUBLE_BYTES, _CACHED_BYTES = 3 * 2**27, 2**22, 2**25
# How far beside themselves points on kinks are looked at, relative to their mean entry.
_NUDGE = 1e-2
# Products of fewer digits than float32's are rounded so coarsely that an example's place in a batch shows.
_COARSE = 1e-6
# What a step says about the derivative is looked at in all points; more closely at this many of those where it says
# something else and, where it says nothing nearly everywhere, at as many and one more, spread over all; and steps from
# coordinates that are 0 at a few points of a batch. Those furthest from what it says are looked at among others.
_LOOKED, _ZEROS, _FURTHEST = 7, 4, 5


class Foreign(Subject):
    """Measure any module that maps (n, ...) to (n, o), which `untouched` protects meanwhile.

    Raises:
        ValueError: the module does something else, or its examples interact.
    """

    replicas, lead = 1, 1

    def __init__(self, network: nn.Module, x: Float[Tensor, "n ..."], moved: bool = False) -> None:
        self.network = network
        self._put_back = besides_weights(network) if moved else None  # before its first call
        self._through_all = self._inside = self._constant = False
        first = x[:1]
        self._bytes = self._memory(first)
        value = self._first_value(first)
        self._first = first, value
        self._refuse_change()
        self._fit = max(1, _CHUNK_BYTES // (self._bytes + value.shape[1] * first.nbytes))
        if x.device.type == "cpu":
            self._fit = max(1, min(self._fit, _CACHED_BYTES // self._bytes))
        self._together = 1 if precision(x, value) > _COARSE else self._fit
        if len(x) == 1 or self._together == 1:  # no batch will tell
            batch = self._value(torch.cat([first / 2, first, 3 * x[-1:] / 4]))  # no range that holds 0 is left
            refuse_interaction(gap(batch[1], value[0]), len(batch))

    def forget(self) -> None:
        if self._put_back is not None:
            self._put_back()

    def check(self, x: Tensor) -> None:
        self.outputs(x)

    def check_derivative(self, x: Tensor) -> None:
        next(self.jacobians(x[:1]))

    def gradient(self, value: Tensor, points: Tensor) -> Tensor:
        found = self._pull_back(value, points, torch.ones_like(value)) if value.requires_grad else None
        return torch.zeros_like(points) if found is None else found

    def outputs(self, x: Tensor) -> Tensor:
        start, values = 0, []
        while start < len(x):
            part = x[start : start + self._together]
            value = self._value(part)
            if self._differs_alone(part, value) or self._differs_among_others(part, value):
                continue
            values.append(value)
            start += len(part)
        self._refuse_change()
        return torch.cat(values).unsqueeze(0)

    def values(self, x: Tensor) -> Tensor:
        return torch.cat([self._value(part) for part in x.split(self._fit)]).unsqueeze(0)

    def at_own_points(self, points: Tensor) -> Tensor:
        x = points[0]
        return self._call(x.detach().requires_grad_() if self._inside and not x.requires_grad else x).unsqueeze(0)

    def jacobian_at(self, points: Tensor) -> Tensor:
        return torch.cat([self._derivative(part)[1] for part in points[0].split(self._together)]).unsqueeze(0)

    def jacobians(self, x: Tensor) -> Iterator[Tensor]:
        start = 0
        while start < len(x):
            part = x[start : start + self._together]
            value, rows = self._derivative(part)
            if self._differs_alone(part, value, rows):
                continue
            looked = {round(i * (len(x) - 1) / _LOOKED) - start for i in range(_LOOKED + 1)}
            if self._check_derivatives(part, value, rows, looked.intersection(range(len(part)))):
                continue
            start += len(part)
            undefined = self.undefined(part)[0] | ~value.isfinite().all(dim=1)
            undefined |= self._kinks(part, value, rows, ~undefined)
            if bool(undefined.any()):
                rows[undefined] = torch.nan
            yield rows.unsqueeze(0)
        self._refuse_change()

    def grams(self, x: Tensor) -> Iterator[Tensor]:
        for rows in self.jacobians(x):
            wide = rows if rows.shape[-2] <= rows.shape[-1] else rows.mT
            # Squares are of float64. One buffer for all: memory that is new every time costs more than the products.
            count = min(wide.shape[1], max(1, _DOUBLE_BYTES // (8 * wide[0, 0].numel())))
            exact = wide.new_empty(1, count, *wide.shape[2:], dtype=torch.float64)
            for some in wide.split(count, dim=1):
                part = exact[:, : some.shape[1]].copy_(some)
                yield part @ part.mT

    def steadied(self, x: Tensor) -> tuple[Tensor, int]:
        for _ in self.jacobians(x):
            pass  # refuses points that interact, and derivatives that are none
        if not self.in_float64(x):
            return x, 1
        return x.double(), self.points_at_once()

    def in_float64(self, x: Float[Tensor, "n ..."]) -> bool:
        if x.dtype == torch.float64 and self._value(x[:1]).dtype == torch.float64:
            return True
        expected = self._value(x[:1])
        put_back = self._numbers()
        if self._doubled(x[:1], expected) is not None:
            return True
        put_back()
        return False

    def _doubled(self, point: Float[Tensor, "1 ..."], expected: Tensor) -> Float[Tensor, "o d"] | None:
        """Turn the network to float64 and return its derivative at a point; None where it is not the same network."""
        try:
            self.network.double()
            self.forget()
            value, rows = self._derivative(point.double())
        except (ValueError, RuntimeError, NotImplementedError):
            return None
        same = value.dtype == rows.dtype == torch.float64 and gap(value, expected) <= ROUNDING
        return rows[0] if same else None

    def _numbers(self) -> Callable[[], None]:
        """Return what puts the network's numbers back into their types; with a type its buffers become others."""
        through_all = self._through_all
        parameters = [(parameter, parameter.data) for parameter in self.network.parameters()]
        buffers = [
            (module, name, buffer) for module in self.network.modules() for name, buffer in module._buffers.items()
        ]

        def put_back() -> None:
            self._through_all = through_all
            for parameter, data in parameters:
                parameter.data = data
            for module, name, buffer in buffers:
                module._buffers[name] = buffer
            self.forget()

        return put_back

    def points_at_once(self) -> int:
        return max(1, _CHUNK_BYTES // (8 * self._bytes))

    def _call(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n o"]:
        """Return f(x); the network gets a copy, into which it may write although x is a leaf."""
        return outputs_of(self.network, x.clone())

    def _value(self, x: Tensor) -> Tensor:
        """Return f(x) without a graph, in memory of its own: a network may use the same again and again."""
        if self._inside:
            return self._call(x.detach().requires_grad_()).detach().clone()
        with torch.no_grad():
            return self._call(x).clone()

    def _first_value(self, first: Float[Tensor, "1 ..."]) -> Float[Tensor, "1 o"]:
        """Return f at a point, and find out whether the module differentiates inside itself: a force in an energy."""
        try:
            return self._value(first)
        except ValueError:
            self._inside = True
            with suppress(ValueError):
                return self._value(first)
            raise

    def _value_if_any(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n o"]:
        """Return f(x), unchecked; NaN at points where the network has none, as out of a range that it checks."""
        try:
            return self.values(x)[0]
        except ValueError:
            if len(x) > 1:
                return torch.cat([self._value_if_any(point[None]) for point in x])
            return torch.full_like(self._first[1], torch.nan)

    def _among_others(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n o"]:
        return among_others(self._value_if_any, x)

    def _derivative(
        self, x: Float[Tensor, "n ..."], outputs: int | None = None
    ) -> tuple[Float[Tensor, "n o"], Float[Tensor, "n k d"]]:
        """Return f and the derivative of its outputs, or of the first ones: one pass backwards an output, in turn.

        In eval mode examples do not interact, so that one pass gives the row of every point.
        """
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            y = self._call(leaf)
        count = y.shape[1] if outputs is None else outputs
        self._constant = not y.requires_grad
        rows = x.new_empty(len(x), count, x[0].numel())
        along = torch.zeros_like(y)
        for k in range(count):
            along[:, k] = 1
            row = self._pull_back(y, leaf, along, keep=k + 1 < count) if y.requires_grad else None
            # Before the next line: where f gives x back, the row is `along` itself.
            rows[:, k] = 0 if row is None else row.flatten(1)
            along[:, k] = 0
        return y.detach().clone(), rows

    def _pull_back(self, y: Tensor, leaf: Tensor, along: Tensor, keep: bool = False) -> Tensor | None:
        try:
            if not self._through_all:
                return torch.autograd.grad(y, leaf, along, retain_graph=keep, allow_unused=True)[0]
            leaf.grad = None
            y.backward(along, retain_graph=keep)
            return leaf.grad
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"network must have outputs that autograd can differentiate, but it raised {told(error)}"
            ) from error

    def _memory(self, first: Tensor) -> int:
        """Return the bytes that one point takes, and find out how the module lets itself be differentiated."""
        try:
            return peak_bytes(lambda: self._derivative(first, outputs=1))
        except ValueError:
            pass
        try:
            self._derivative(first, outputs=1)
            return _CHUNK_BYTES  # it does not run where tensors are counted: one point at a time
        except ValueError:
            self._give_up_inputs()
            return peak_bytes(lambda: self._derivative(first, outputs=1))

    def _give_up_inputs(self) -> None:
        """Differentiate in all leaves: re-entrant checkpointing refuses to be asked for the points alone."""
        self._through_all = True
        for parameter in self.network.parameters():
            if parameter.is_leaf:
                parameter.requires_grad_(False)

    def _refuse_change(self) -> None:
        """Refuse a network that computes something else than at its first call."""
        point, before = self._first
        refuse_unsteady(gap(self._value(point), before), max(AGREE, 4 * torch.finfo(before.dtype).eps))

    def _check_derivatives(self, part: Tensor, value: Tensor, rows: Tensor, looked: set[int]) -> bool:
        """Refuse derivatives that are not those of the values; return whether to repeat a batch one point at a time.

        One step from every point, evaluated among other neighbours, tells of both: where it says something else than
        the derivative, the point is evaluated among others itself, and at both ends of a step.
        """
        if self._constant:
            self._refuse_constant(part, value)
        if precision(part, value) > _COARSE:
            closer = set(sorted(looked)[:: max(1, len(looked) - 1)])
        else:
            sides = Sides(self._among_others, part, value, rows)
            fine, doubted = sides.first()
            closer = set()
            if len(doubted):
                furthest = doubted[:_FURTHEST]
                if self._differs_among_others(part[furthest], value[furthest], len(part)):
                    return True
                fine[doubted], otherwise = sides.both(doubted)
                closer.update(doubted[otherwise][:_LOOKED].tolist())
            if 4 * int(fine.sum()) < len(part):
                closer |= {i for i in looked if not fine[i]}
            self._check_zeros(part, value, rows)
        for i in sorted(closer):
            self._check_derivative(part[i : i + 1], rows[i])
        return False

    def _check_zeros(self, part: Tensor, value: Tensor, rows: Tensor) -> None:
        """Refuse derivatives that miss what coordinates change which are 0, at some points that have such."""
        some = ((part == 0).flatten(1).any(dim=1) & value.isfinite().all(dim=1)).nonzero().flatten()
        some = some[:: -(-len(some) // _ZEROS) or 1]
        if len(some) and bool(zeros_told(self._value_if_any, part[some], value[some], rows[some]).any()):
            refuse_contradiction()

    def _refuse_constant(self, part: Tensor, value: Tensor) -> None:
        """Refuse outputs that autograd calls constant and that are not, nor need small steps change them (labels)."""
        first, at_first = self._first
        others = [at_first, *(self._value_if_any(factor * first) for factor in (-1, 2, 0.5))]
        known = part.flatten(1).isfinite().all(dim=1)
        values = torch.cat([value[known], *(v.to(value) for v in others)])
        values = values[values.isfinite().all(dim=1)]
        refuse_constant(bool(len(values)) and bool((gaps(values, values[:1].expand_as(values)) > AGREE).any()))

    def _kinks(self, part: Tensor, value: Tensor, rows: Tensor, finite: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Return where the derivative that autograd gives is all zero, and yet f changes in proportion to a step."""
        found = torch.zeros(len(part), dtype=torch.bool, device=part.device)
        # Most points are told by the derivatives in their first coordinate alone. NaN is any, too.
        zero = (finite & ~rows[..., 0].any(dim=1)).nonzero().flatten()
        zero = zero[part[zero].flatten(1).any(dim=1) & ~rows[zero].flatten(1).any(dim=1)]
        if len(zero):
            found[zero] = steps_off(self._value_if_any, part[zero], value[zero])
            for i in found.nonzero().flatten()[:_LOOKED].tolist():
                self._check_derivative(part[i : i + 1], rows[i])
        return found

    def _check_derivative(self, point: Tensor, rows: Tensor) -> None:
        """Refuse a derivative that is not that of the values, there or, where a kink lies there, a little beside.

        Where outputs hide in each other's rounding, as behind a softmax that is nearly sure, only wide steps tell, and
        the network may bend on their way. What they refuse is looked at again in float64.
        """
        try:
            refuse_derivative(self._value_if_any, lambda at: self._derivative(at)[1], point, rows)
        except ValueError:
            moved = _beside(point)
            try:
                beside = self._derivative(moved)[1][0]
                refuse_derivative(self._value_if_any, lambda at: self._derivative(at)[1], moved, beside)
            except ValueError:
                if not self._agrees_in_float64(point, rows):
                    raise

    def _agrees_in_float64(self, point: Float[Tensor, "1 ..."], rows: Float[Tensor, "o d"]) -> bool:
        if point.dtype == torch.float64:
            return False
        expected, put_back = self._value(point), self._numbers()
        try:
            exact = self._doubled(point, expected)
            if exact is None or gap(rows, exact) > ROUNDING:
                return False
            refuse_derivative(self._value_if_any, lambda at: self._derivative(at)[1], point.double(), exact)
        except ValueError:
            return False
        finally:
            put_back()
        return True

    def _differs_among_others(self, part: Tensor, value: Tensor, points: int | None = None) -> bool:
        """Compare all points of a batch with themselves in others; return whether to repeat it one point at a time."""
        points = points or len(part)
        if points == 1:
            return False
        apart = gaps(self._among_others(part), value, _usual(value))
        apart = float(torch.where(part.flatten(1).isfinite().all(dim=1), apart, 0).max())
        refuse_interaction(apart, points)
        if apart > AGREE:
            self._together = 1
        return apart > AGREE

    def _differs_alone(self, part: Tensor, value: Tensor, rows: Tensor | None = None, beside: bool = False) -> bool:
        """Compare points of a batch with themselves alone; return whether to repeat it one point at a time.

        Where a point lies on a kink, rounding decides on which side the derivative is taken. So points whose values
        agree and whose derivatives do not are compared again a little beside themselves, where no kink lies.
        """
        if len(part) == 1:
            return False
        values = derivatives = lengths = 0.0
        usual = _usual(value)
        for i in (0, len(part) - 1):
            followed = rows is not None or self._inside
            leaf = part[i : i + 1].detach().clone().requires_grad_(followed)
            with torch.set_grad_enabled(followed):
                alone = self._call(leaf)
            values = max(values, gap(alone[0], value[i], usual))
            if rows is not None and alone.requires_grad:
                k = int(rows[i].abs().amax(dim=1).nan_to_num(0, 0, 0).argmax())
                along = torch.zeros_like(alone)
                along[:, k] = 1
                row = self._pull_back(alone, leaf, along)
                alone_row = torch.zeros_like(rows[i, k]) if row is None else row
                derivatives = max(derivatives, gap(alone_row, rows[i, k]))
                lengths = max(lengths, gap(alone_row.double().norm(), rows[i, k].double().norm()))
        if values <= ROUNDING < derivatives and not beside:
            moved = _beside(part)
            self._differs_alone(moved, *self._derivative(moved), beside=True)
        else:
            refuse_interaction(max(values, derivatives), len(part))
        if max(values, derivatives) <= AGREE and lengths <= AGREE_LENGTHS:
            return False
        self._together = 1
        return True


def _usual(value: Float[Tensor, "n o"]) -> float:
    """Return the size below which differences between values do not count."""
    return 0.01 * float(value.double().square().mean().nan_to_num(0, 0, 0).sqrt())


def _beside(points: Tensor) -> Tensor:
    """Return points a little beside some, off the kinks on which these may lie, in any range that holds them and 0."""
    moved, ones = (inward(at, _NUDGE) for at in (points.detach(), torch.ones_like(points)))
    return torch.where(moved == 0, (1 - ones) * points.detach().abs().mean(), moved)
