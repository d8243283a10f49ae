"""Values as JSON, between a submission's process and the grader: numbers, texts, arrays, lists and mappings of them.

Nothing is ever unpickled: what arrives is data, whoever wrote it. Both sides load this file; it imports numpy alone.
"""

from __future__ import annotations

import base64
import math
import sys
from typing import Any

import numpy as np

_KINDS = "biuf"  # bool, integer, unsigned, floating
_DTYPES = frozenset(["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"])


def encode(value: Any) -> Any:
    """Return a value as what JSON can write.

    Raises:
        TypeError: the value is, or holds, what is no number, text, array, list or mapping of texts to such.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _KINDS:
        array = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).reshape(np.shape(value))
        return {
            "array": base64.b64encode(array.tobytes()).decode(), "dtype": array.dtype.str, "shape": list(array.shape)
        }  # fmt: skip
    if isinstance(value, list | tuple):
        return {"list": [encode(item) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode(item) for key, item in value.items()}}
    raise TypeError(f"{type(value).__name__}")


def decode(data: Any) -> Any:
    """Return the value that `encode` wrote; arrays as numpy's.

    Raises:
        ValueError: the data are not of that form.
    """
    match data:
        case {"plain": None | bool() | int() | float() | str() as value}:
            return value
        case {"array": str(text), "dtype": str(name), "shape": list(shape)} if name in _DTYPES and len(shape) <= 8:
            if all(type(size) is int and size >= 0 for size in shape):
                raw, dtype = base64.b64decode(text, validate=True), np.dtype(name)
                if len(raw) == math.prod(shape) * dtype.itemsize:
                    return np.frombuffer(raw, dtype).reshape(shape)
        case {"list": list(items)}:
            return [decode(item) for item in items]
        case {"dict": dict(items)}:
            return {str(key): decode(item) for key, item in items.items()}
    raise ValueError("an answer is not of the form that encode() writes.")
