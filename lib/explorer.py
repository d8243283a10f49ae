"""Theorem 1 with sliders, drawn by the reader's browser: no server and no network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from lib.theory.bounds import theorem1

_START = "{start}"
_SCRIPT = "{script}"


def theorem1_explorer(
    width: int, depth: int, in_features: int, out_features: int, initializer: str, gamma: float = 1.2
) -> str:
    """Return HTML in which Eq. (3), its two terms and the exact stability at initialization follow sliders.

    The sliders move m from 16 to 2^14, L from 2 to 16, d from 1 to 4,096, o from 1 to 16 and γ from 0.5 to 1.5; a start
    between or beyond their stops becomes a stop, and stops at which o would exceed m are left out. One panel has the
    width on its axis and one the depth.

    Args:
        width, depth, in_features, out_features: where the sliders start; m ≥ o, L ≥ 2, d ≥ 1, o ≥ 1.
        initializer: "lecun", "he", "ntk", "ntk-slides" or "gamma", the He initialization with β = γ√(2/m).
        gamma: where the slider of γ starts, positive; it acts on "gamma" alone.

    Returns:
        A fragment of HTML with its style and script, for `IPython.display.HTML`.

    Raises:
        ValueError: a size is out of range, γ is not positive, or the initializer is none of these.

    Source: Zhu et al. 2022, Theorem 1, Eq. (3). Used by: chapter 04.
    """
    names = ("lecun", "he", "ntk", "ntk-slides", "gamma")
    if initializer not in names:
        raise ValueError(f"initializer must be one of {', '.join(names)}, got {initializer!r}.")
    theorem1(width, depth, in_features, out_features, "he")  # refuses the sizes that Eq. (3) refuses
    if not 0 < gamma < float("inf"):
        raise ValueError(f"gamma must be positive and finite, got {gamma!r}.")
    start = {"width": width, "depth": depth, "inputs": in_features, "outputs": out_features}
    start |= {"initializer": initializer, "gamma": gamma}
    page = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return page.replace(_START, escape(json.dumps(start))).replace(_SCRIPT, script.strip())
