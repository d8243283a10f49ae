"""Import torchvision beside a CPU build of torch as well as beside the CUDA build that it was compiled for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

# The registrations last as long as this object, so it must outlive the import.
_declared: torch.library.Library | None = None


def import_torchvision() -> ModuleType:
    """Return the torchvision package, imported where it is needed and never before.

    The registry's Linux wheel is built for CUDA. Beside a CPU build of torch its extension cannot be loaded, and
    `import torchvision` then fails on the missing operators nms and qnms. Their schemas are declared only in that
    case: data sets, transforms and models work afterwards, `torchvision.ops.nms` and image decoding do not.

    Raises:
        ImportError: torchvision is not installed.
    """
    global _declared
    if "torchvision" not in sys.modules:
        spec = importlib.util.find_spec("torchvision")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("torchvision is not installed; run `pip install -r requirements.txt -c constraints.txt`.")
        if _declared is None and not _extension_loads(Path(spec.submodule_search_locations[0])):
            _declared = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                _declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")


def _extension_loads(package: Path) -> bool:
    """Return whether one of the package's compiled extensions can be loaded into this torch."""
    for library in sorted([*package.glob("_C*.so"), *package.glob("_C*.pyd")]):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False
