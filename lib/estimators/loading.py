"""A network and its points from files, none of which can run code: a factory, safetensors, NumPy's archives."""

from __future__ import annotations

import importlib
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lib.estimators.calls import check_weights, told

if TYPE_CHECKING:
    from torch import Tensor

# What NumPy raises at an archive that is damaged, encrypted or packed otherwise.
_UNREADABLE = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_UNPICKLED = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".bin")


def from_factory(factory: str) -> nn.Module:
    """Return the network that a function without arguments makes, named as package.module:function.

    The working folder comes first while it is imported. A project there may have a `lib` of its own: it gets that one.
    It sees no arguments in `sys.argv`, since those of this process are none of its own.

    Raises:
        ValueError: there is no such function, it raises, or it returns no module with all its weights.
    """
    if factory.endswith(_UNPICKLED):
        raise ValueError(
            f"MODEL must be a factory, package.module:function, got the file {factory}, which only pickle could load "
            "(torch.export.load too falls back to it), and pickle runs what a file says; save the weights by "
            "safetensors.torch.save_model and give them as --weights."
        )
    name, colon, function = factory.partition(":")
    if not (colon and name and function):
        raise ValueError(f"MODEL must be a factory, package.module:function, got {factory!r}.")
    with _in_its_own_project():
        try:
            make = importlib.import_module(name)
            for part in function.split("."):
                make = getattr(make, part)
            network = make()
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"MODEL must be a factory that returns a network; {factory} raised {told(error)}."
            ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"MODEL must return a torch.nn.Module; {factory} returned {type(network).__name__}.")
    check_weights(network)
    return network


def load_weights(network: nn.Module, path: str | os.PathLike[str]) -> None:
    """Read all weights of a network from a file of safetensors, which holds numbers and no code.

    Raises:
        ImportError: safetensors is not installed.
        ValueError, OSError: the file cannot be read, or its tensors are not those of the network.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights must be a .safetensors file, got {path}; safetensors.torch.save_model writes one.")
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_model
    except ImportError as error:
        raise ImportError("safetensors is not installed; run `pip install safetensors`.") from error
    if not path.is_file():
        raise FileNotFoundError(f"weights {path} do not exist.")
    try:
        load_model(network, path)
    except SafetensorError as error:
        raise ValueError(f"weights {path} are no file of safetensors: {told(error)}.") from error
    except RuntimeError as error:
        # The first line names the module's class alone; what does not fit stands below.
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise ValueError(f"weights {path} do not fit the network: {lines[:200] or told(error)}") from error


def weights_at(network: nn.Module, path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the `state_dict` that a network would have with the weights of a file; the network keeps its own.

    Raises:
        ImportError, ValueError, OSError: as `load_weights`.
    """
    # Values go in and out again: not every network can be copied (a lock, weights computed from others).
    tensors = {name: value for name, value in network.state_dict().items() if isinstance(value, torch.Tensor)}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    try:
        load_weights(network, path)
        return {name: tensor.clone() for name, tensor in tensors.items()}
    finally:
        for name, tensor in tensors.items():
            tensor.copy_(before[name])


def load_points(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor | None]:
    """Return the points `x` and, where they are there, the classes `y` of a file that `numpy.savez` wrote.

    Raises:
        ValueError, OSError: the file cannot be read without pickle, holds no array x, or y that is no classes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"DATA {path} does not exist.")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with archive:
            names = archive.files
            arrays = {name: archive[name] for name in ("x", "y") if name in names}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"its {name} is no array")
    except _UNREADABLE as error:
        raise ValueError(
            f"DATA must be an archive of plain arrays, numpy.savez('{path.name}', x=...), and {path} is none "
            f"({told(error)})."
        ) from error
    if "x" not in arrays:
        raise ValueError(f"DATA must hold an array x, and {path} holds {', '.join(names) or 'nothing'}.")
    if arrays["x"].dtype.kind not in "fiub":
        raise ValueError(f"x must hold real numbers, got {arrays['x'].dtype} in {path}.")
    if "y" in arrays and arrays["y"].dtype.kind not in "iu":
        raise ValueError(f"y must hold classes as integers, got {arrays['y'].dtype} in {path}.")
    x = arrays["x"]
    # torch knows no other order of bytes, and no longer float than NumPy's float64.
    x = x.astype(np.float64 if x.dtype.itemsize > 8 else x.dtype.newbyteorder("="), copy=False)
    y = torch.from_numpy(arrays["y"].astype(np.int64)) if "y" in arrays else None
    return torch.from_numpy(np.ascontiguousarray(x)), y


@contextmanager
def _in_its_own_project() -> Iterator[None]:
    """Import as the project in the working folder does: from there first, and with its `lib` if it has one."""
    here = os.getcwd()
    theirs = Path(here, "lib").resolve() != Path(__file__).resolve().parents[1]
    shadowed = theirs and (Path(here, "lib").is_dir() or Path(here, "lib.py").is_file())
    ours = {name: module for name, module in sys.modules.items() if name == "lib" or name.startswith("lib.")}
    for name in ours if shadowed else ():
        del sys.modules[name]
    sys.path.insert(0, here)
    arguments = sys.argv[1:]
    del sys.argv[1:]
    try:
        yield
    finally:
        sys.argv[1:] = arguments
        sys.path.remove(here)
        if shadowed:
            for name in [n for n in sys.modules if n == "lib" or n.startswith("lib.")]:
                del sys.modules[name]
            sys.modules.update(ours)
