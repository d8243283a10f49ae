"""The precisions in which a training may multiply, and where the lower one is refused."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lib import checks
from lib.processor import Processor

PRECISIONS = ("fp32", "bf16")
# Below, rounding and casting cost what faster products gain, and the perturbation would buy nothing.
LEAST_WIDTH = 256
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def refuse_precision(precision: str, widths: Sequence[int], device: torch.device | str) -> None:
    """Raise ValueError unless networks of these widths are trained in this precision on a device.

    Raises:
        ValueError: with the reason: there is no such precision, a hidden layer is narrower than 256, or the device
            has no bf16 products.
    """
    checks.one_of(PRECISIONS, precision=precision)
    if precision == "fp32":
        return
    if min(widths, default=0) < LEAST_WIDTH:
        raise ValueError(
            f"precision must be fp32 below width {LEAST_WIDTH}, where bf16 is no faster, got bf16 at width "
            f"{min(widths, default=0)}."
        )
    if torch.device(device).type == "cuda":
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ValueError(
                f"precision must be fp32 on {torch.cuda.get_device_name(device)}: it has no bf16 products."
            )
    elif not set(_INSTRUCTIONS) & set(Processor.here().instructions):
        raise ValueError(
            f"precision must be fp32 on {Processor.here()}: bf16 products need {' or '.join(_INSTRUCTIONS)}."
        )
