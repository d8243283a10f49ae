"""Measure a module without a trace: everything that calling it may change is remembered, and put back afterwards."""

from __future__ import annotations

import copy
import functools
import inspect
import random
import sys
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.estimators.calls import told

# A module may hold its trainer, and that a data set: objects that are remembered, at most, those among which they are
# found, and bytes that are copied. Modules, their attributes, parameters and buffers come first and always are.
_MOST_OBJECTS, _MOST_SEEN, _MOST_BYTES = 20_000, 2_000_000, 2**28
_ATOMS = (type(None), bool, int, float, complex, str, bytes, range, slice, type, types.ModuleType, torch.dtype)
_ATOMS += (weakref.ProxyType, weakref.CallableProxyType)
_CALLABLES = (types.FunctionType, types.MethodType, functools.partial)
_CONTAINERS = (dict, list, set, deque, bytearray)
# What a class keeps of its modules' calls, and not what it is made of.
_KEPT_BY_CLASSES = (*_CONTAINERS, torch.Tensor, np.ndarray, torch.Generator, random.Random, np.random.Generator)


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Put a module into eval mode, and leave it and the random numbers of all libraries as they were before.

    Modes change through the modules' own `train()` and `eval()`, which may do more than set a flag (merge adapters,
    drop caches). Then everything within reach gets its value back bit by bit: parameters, buffers, gradients, hooks,
    and what modules keep in attributes, containers, other objects and the closures of their hooks. Gradients are on
    inside, casts that a caller has asked for are off, and compiled modules run as they were written.

    Raises:
        ValueError: the module cannot be put into eval mode, or something that it changed cannot be put back.
    """
    memories = _Memories()
    memories.remember(network)
    # A frozen TorchScript module has no mode.
    modes = [(m, m.training) for m in network.modules() if hasattr(m, "training")]
    drawn = _random_states()
    try:
        with ExitStack() as inside:
            inside.enter_context(torch.inference_mode(False))
            inside.enter_context(torch.enable_grad())
            inside.enter_context(without_casts())
            if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
                # What TorchScript optimizes for the types of its first calls fails for those of later ones.
                inside.enter_context(torch.jit.optimized_execution(False))
            if "torch._dynamo" in sys.modules:  # nothing is compiled before this is imported
                inside.enter_context(torch.compiler.set_stance("force_eager"))
            if any(training for _, training in modes):
                _to_eval(network)
            yield
    finally:
        try:
            for module, training in modes:  # parents first: what they set in their children is corrected there
                # What does not go back by itself (fused layers do not) is put back all the same.
                with suppress(Exception):
                    if module.training != training:
                        _set_mode(module, training)
        finally:
            drawn()
            memories.restore()


def besides_weights(network: nn.Module) -> Callable[[], None]:
    """Return what puts everything back that a module keeps besides parameters and buffers, as often as it is called."""
    memories = _Memories()
    memories.remember_besides_weights(network)
    return memories.restore


@contextmanager
def without_casts() -> Iterator[None]:
    """Let operators compute in the types that they are given, also where the caller has casts on (autocast)."""
    with ExitStack() as inside:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                inside.enter_context(torch.autocast(device, enabled=False))
        yield


def _random_states() -> Callable[[], None]:
    """Return what puts back the states of the generators that Python, NumPy and torch share with everybody."""
    python, numpy, processor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(processor)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    return put_back


def _to_eval(network: nn.Module) -> None:
    try:
        _set_mode(network, False)
    except Exception as error:
        raise ValueError(f"network must have an eval mode, but its eval() raised {told(error)}") from error


def _set_mode(module: nn.Module, training: bool) -> None:
    try:
        module.train(training) if training else module.eval()
    except NotImplementedError:  # an exported module computes what was exported, in one mode
        for child in module.children():
            _set_mode(child, training)
        module.training = training


class _Memories:
    """Values of all objects that can be reached from a module, and how to put them back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []
        # Objects stay alive, so that no other object gets the number by which one is known.
        self._seen: dict[int, Any] = {}
        self._slots: dict[type, list[Any]] = {}
        self._bytes_left = sys.maxsize

    def remember(self, network: nn.Module) -> None:
        """Remember a module and everything within its reach."""
        self._walk([*network.parameters(), *network.buffers()], most=sys.maxsize)
        self._remember_modules(network)

    def remember_besides_weights(self, network: nn.Module) -> None:
        """Remember what `remember` does, but no parameter or buffer, nor which ones there are."""
        groups = [group for module in network.modules() for group in (module._parameters, module._buffers)]
        self._seen = {id(thing): thing for thing in (*network.parameters(), *network.buffers(), *groups)}
        self._remember_modules(network)

    def _remember_modules(self, network: nn.Module) -> None:
        self._bytes_left = _MOST_BYTES
        modules = list(network.modules())
        kinds = dict.fromkeys(kind for module in modules for kind in type(module).__mro__)
        in_classes = [value for kind in kinds if not _of_torch(kind) for value in self._keep_class(kind)]
        held = [in_classes, *(self._look(thing) for thing in (*modules, *(module.__dict__ for module in modules)))]
        self._walk([thing for some in held for thing in some], most=len(self._seen) + _MOST_OBJECTS)

    def restore(self) -> None:
        """Put everything back, the innermost objects first.

        Raises:
            ValueError: something cannot be put back; all the rest is.
        """
        failed = None
        for undo in reversed(self._undo):
            try:
                undo()
            except Exception as error:
                failed = error
        if failed is not None:
            raise ValueError(
                f"network must let itself be put back as it was, but a part raised {told(failed)}; measure a copy."
            ) from failed

    def _walk(self, start: list[Any], most: int) -> None:
        waiting, seen = deque(start), 0
        while waiting and len(self._seen) < most and seen < _MOST_SEEN:
            seen += 1
            waiting.extend(self._look(waiting.popleft()))

    def _look(self, thing: Any) -> list[Any]:
        """Remember one object, if it can be read and is not known, and return those that it holds."""
        # By what it is and not by what it says that it is: a proxy speaks for another object, even a dead one.
        if issubclass(type(thing), _ATOMS) or id(thing) in self._seen:
            return []
        # What cannot change, and holds nothing that can, is one as well: a tokenizer has a hundred thousand of such.
        if type(thing) in (tuple, frozenset) and all(issubclass(type(part), _ATOMS) for part in thing):
            return []
        self._seen[id(thing)] = thing
        try:
            return self._keep(thing)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:
            return []  # it does not let itself be read

    def _keep(self, thing: Any) -> list[Any]:
        """Remember one object, and return those that it holds."""
        if isinstance(thing, torch.Tensor) and thing.layout is not torch.strided:
            return self._keep_sparse(thing)
        if isinstance(thing, (torch.Tensor, np.ndarray)):
            self._bytes_left -= thing.nbytes
            if self._bytes_left < 0:
                return []
        if isinstance(thing, torch.Tensor):
            return self._keep_tensor(thing)
        if isinstance(thing, np.ndarray):
            values = thing.copy()
            self._undo.append(lambda: _same_array(thing, values) or np.copyto(thing, values))
            return []
        if isinstance(thing, torch.Generator):
            state = thing.get_state()
            self._undo.append(lambda: thing.set_state(state))
            return []
        if isinstance(thing, random.Random):
            state = thing.getstate()
            self._undo.append(lambda: thing.setstate(state))
            return []
        if isinstance(thing, (np.random.Generator, np.random.RandomState)):
            bits = thing.bit_generator if isinstance(thing, np.random.Generator) else thing._bit_generator
            drawn = copy.deepcopy(bits.state)
            self._undo.append(lambda: setattr(bits, "state", drawn))
            return []
        if isinstance(thing, _CALLABLES):
            return self._keep_callable(thing)
        if isinstance(thing, (tuple, frozenset)):
            return list(thing)
        inside = self._keep_container(thing) if isinstance(thing, _CONTAINERS) else []
        attributes = getattr(thing, "__dict__", None)
        return [*inside, *self._keep_slots(thing), *([attributes] if type(attributes) is dict else [])]

    def _keep_tensor(self, tensor: torch.Tensor) -> list[Any]:
        if tensor.is_quantized:
            return []
        # A result of autograd (the parameters of a copied TorchScript module are) has no flag and no gradient to keep.
        alias, leaf = tensor.data, tensor.is_leaf
        gradient, wanted = (tensor.grad, tensor.requires_grad) if leaf else (None, False)
        values = alias.clone()

        def undo() -> None:
            now = tensor.data
            if _layout(now) != _layout(alias):
                tensor.data = alias
            if not torch.equal(alias, values):
                alias.copy_(values)
            if leaf and tensor.requires_grad != wanted:
                tensor.requires_grad_(wanted)
            if leaf and tensor.grad is not gradient:
                tensor.grad = gradient

        self._undo.append(lambda: _outside_graphs(undo))
        return [tensor.__dict__] if gradient is None else [tensor.__dict__, gradient]

    def _keep_sparse(self, tensor: torch.Tensor) -> list[Any]:
        alias = tensor.data
        values = alias.clone()

        def undo() -> None:
            if tensor.dtype != alias.dtype:
                tensor.data = alias
            if not _same_sparse(tensor.data, values):
                tensor.data = values

        self._undo.append(lambda: _outside_graphs(undo))
        return [tensor.__dict__]

    def _keep_class(self, kind: type) -> list[Any]:
        """Remember what a class itself keeps (a counter of its modules), and return what may change in place."""
        before = _own_names(kind)

        def undo() -> None:
            now = _own_names(kind)
            for name in now.keys() - before.keys():
                delattr(kind, name)
            for name, value in before.items():
                if name not in now or now[name] is not value:
                    setattr(kind, name, value)

        self._undo.append(undo)
        return [value for value in before.values() if isinstance(value, _KEPT_BY_CLASSES)]

    def _keep_callable(self, thing: Any) -> list[Any]:
        if isinstance(thing, types.MethodType):
            return [thing.__self__, thing.__func__]
        if isinstance(thing, functools.partial):
            return [thing.func, *thing.args, *thing.keywords.values()]
        held = []
        for cell in thing.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not yet filled
                continue
            self._undo.append(functools.partial(setattr, cell, "cell_contents", content))
            held.append(content)
        return held

    def _keep_container(self, thing: Any) -> list[Any]:
        if isinstance(thing, dict):
            # Also in the order of an OrderedDict, whose own methods keep the two in step.
            kind = OrderedDict if isinstance(thing, OrderedDict) else dict
            items = list(kind.items(thing))
            self._undo.append(
                lambda: _same_items(kind.items(thing), items) or (kind.clear(thing), kind.update(thing, items))
            )
            return [value for _, value in items]
        # By the methods of the container itself: those of subclasses may do more, or refuse.
        kind = next(kind for kind in _CONTAINERS if isinstance(thing, kind))
        values = list(kind.__iter__(thing))
        if kind is set:
            self._undo.append(lambda: (set.clear(thing), set.update(thing, values)))
        elif kind is deque:
            self._undo.append(lambda: (deque.clear(thing), deque.extend(thing, values)))
        else:
            self._undo.append(lambda: kind.__setitem__(thing, slice(None), values))
        return [] if kind is bytearray else values

    def _keep_slots(self, thing: Any) -> list[Any]:
        kind = type(thing)
        if kind not in self._slots:
            bases = [base for base in kind.__mro__ if "__slots__" in base.__dict__]
            self._slots[kind] = [s for base in bases for s in base.__dict__.values() if inspect.ismemberdescriptor(s)]
        held = []
        for slot in self._slots[kind]:
            try:
                value = slot.__get__(thing)
            except AttributeError:  # not yet filled
                continue
            self._undo.append(functools.partial(slot.__set__, thing, value))
            held.append(value)
        return held


def _of_torch(kind: type) -> bool:
    return kind is object or kind.__module__.partition(".")[0] == "torch"


def _own_names(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("__")}


def _layout(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _same_sparse(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one._nnz() == other._nnz() and torch.equal(one.to_dense(), other.to_dense())


def _outside_graphs(undo: Callable[[], None]) -> None:
    with torch.inference_mode(False), torch.no_grad():
        undo()


def _same_array(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.hasobject:
        return all(a is b for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return one.tobytes() == other.tobytes()


def _same_items(now: Any, before: list[tuple[Any, Any]]) -> bool:
    return len(now) == len(before) and all(
        key is k and value is v for (key, value), (k, v) in zip(now, before, strict=True)
    )
