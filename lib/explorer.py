"""Pictures with sliders, drawn by the reader's browser without server and network: Theorem 1, and P itself."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib import checks
from lib.estimators.stability import stability_of_spectrum
from lib.theory.bounds import theorem1

if TYPE_CHECKING:
    from jaxtyping import Float

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
        width: where its slider starts, m ≥ o.
        depth: the same, L ≥ 2.
        in_features: the same, d ≥ 1.
        out_features: the same, o ≥ 1.
        initializer: "lecun", "he", "ntk", "ntk-slides" or "gamma", the He initialization with β = γ√(2/m).
        gamma: where the slider of γ starts, positive; it acts on "gamma" alone.

    Returns:
        A fragment of HTML with its style and script, for `IPython.display.HTML`.

    Raises:
        ValueError: a size is out of range, γ is not positive, or the initializer is none of these.

    Source: Zhu et al. 2022, Theorem 1, Eq. (3).
    """
    checks.one_of(("lecun", "he", "ntk", "ntk-slides", "gamma"), initializer=initializer)
    theorem1(width, depth, in_features, out_features, "he")  # refuses the sizes that Eq. (3) refuses
    checks.positive(gamma=gamma)
    start = {"width": width, "depth": depth, "inputs": in_features, "outputs": out_features}
    start |= {"initializer": initializer, "gamma": gamma}
    return _page("explorer", start)


def stability_picture(jacobian: Float[torch.Tensor, "2 2"], epsilon: float = 0.8, angle: float = 40.0) -> str:
    """Return HTML that shows steps in a disc of radius ε, the ellipse of output changes Jδ, and P, under two sliders.

    Args:
        jacobian: J of a network with two inputs and two outputs.
        epsilon: where the radius starts, in [0.1, 1].
        angle: where the direction of the step starts, in degrees.

    Returns:
        A fragment of HTML with its style and script, for `IPython.display.HTML`.

    Raises:
        ValueError: the Jacobian is not 2 × 2, or ε is out of range.

    Source: Zhu et al. 2022, Definition 1.
    """
    if jacobian.shape != (2, 2):
        raise ValueError(f"jacobian must be 2 x 2, got the shape {tuple(jacobian.shape)}.")
    if not 0.1 <= epsilon <= 1:
        raise ValueError(f"epsilon must be in [0.1, 1], got {epsilon!r}.")
    J = jacobian.detach().double()
    stability = float(stability_of_spectrum(torch.linalg.eigvalsh(J @ J.T).clamp(min=0).view(1, 1, 2), 2))
    start = {"jacobian": J.tolist(), "stability": stability, "epsilon": epsilon, "angle": angle}
    return _page("explorer_stability", start)


def _page(name: str, start: dict[str, Any]) -> str:
    page = Path(__file__).with_name(f"{name}.html").read_text(encoding="utf-8")
    script = Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    return page.replace(_START, escape(json.dumps(start))).replace(_SCRIPT, script.strip())
