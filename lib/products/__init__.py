"""Matrix products of float32 by the fastest route of the same precision that this processor has."""

from lib.products.layer import chosen, current, product, routed, using
from lib.products.precision import PRECISIONS, refuse_precision
from lib.products.routes import KINDS, MKL, Machine, Routes, choose, refusal
from lib.products.switch import switch

__all__ = [
    "KINDS",
    "MKL",
    "PRECISIONS",
    "Machine",
    "Routes",
    "choose",
    "chosen",
    "current",
    "product",
    "refusal",
    "refuse_precision",
    "routed",
    "switch",
    "using",
]
