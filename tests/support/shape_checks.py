"""Check the shapes of tensors, and nothing else, in every call of `lib` that a test makes.

Other types are left alone: tests hand over wrong ones on purpose, and the library answers those in its own words. For
the same reason a call is checked when it has returned, arguments and result together: what was refused is right.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import typing
from collections.abc import Callable
from typing import Any

from beartype import beartype
from jaxtyping import AbstractArray, Float, install_import_hook, jaxtyped
from torch import Tensor, ones

# Imported before `lib` is: its modules are told that a type checker looks on, and these must not believe it.
_IMPORTED_BEFORE = ("distributed", "pandas", "scipy.optimize", "scipy.stats", "seaborn", "torch.func")


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that jaxtyping has made of a signature, checked by beartype where it names shapes.

    jaxtyping asks twice: before the call for the arguments (the result is Any then), and after it for all.
    """
    if function.__annotations__.get("return") is Any:
        return function
    shapes = {name: kind if _has_shape(kind) else Any for name, kind in function.__annotations__.items()}
    function.__annotations__ = shapes
    return beartype(function) if set(shapes.values()) - {Any} else function


def _has_shape(kind: Any) -> bool:
    return (isinstance(kind, type) and issubclass(kind, AbstractArray)) or any(
        _has_shape(part) for part in typing.get_args(kind)
    )


@functools.cache
def install() -> None:
    """Import every module of `lib` under jaxtyping's import hook.

    The library imports its types for type checkers alone (it needs no jaxtyping), so that it has to believe that one
    looks on while it is imported.
    """
    for name in _IMPORTED_BEFORE:
        importlib.import_module(name)

    @jaxtyped(typechecker=beartype)
    def warm(x: Float[Tensor, "n d"] | None) -> Float[Tensor, " n"]:
        return x.sum(dim=1)

    warm(ones(2, 3))
    import lib

    typing.TYPE_CHECKING = True
    try:
        with install_import_hook("lib", f"{__name__}.checked"):
            for module in pkgutil.walk_packages(lib.__path__, "lib."):
                if not module.name.endswith("__main__"):
                    importlib.import_module(module.name)
    finally:
        typing.TYPE_CHECKING = False
