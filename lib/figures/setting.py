"""The setting: the network as a drawing, an output along a path, parameters against points (chapter 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, PAGE_WIDTH, depth_colour, depth_look, log_axis, width_axis
from lib.networks import FCN
from lib.theory.bounds import critical_width
from lib.theory.parameters import number_of_parameters

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_GREY = "#b5b5b5"
_SMALLEST, _LARGEST, _ROOM = 9, 10, 52  # points of the lettering under a layer; what all layers share


def network(depth: int, width: int, in_features: int, out_features: int, shown: int = 5) -> Figure:
    """Draw the network: one column a layer, at most `shown` neurons of it, one bundle of edges a weight matrix."""
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 3.9))
    sizes = [in_features, *[width] * (depth - 1), out_features]
    small = max(_SMALLEST, min(_LARGEST, _ROOM / depth))
    columns = []
    for layer, size in enumerate(sizes):
        heights = np.linspace(1, -1, min(size, shown)) if size > 1 else np.zeros(1)
        if size > shown:  # the last but one place says that neurons are left out
            axis.text(layer, heights[-2], r"$\vdots$", ha="center", va="center", fontsize=13)
            heights = np.delete(heights, -2)
        columns.append(heights)
    for layer, (left, right) in enumerate(pairwise(columns), start=1):
        for a in left:
            axis.plot([layer - 1, layer], [np.full(len(right), a), right], color=_GREY, linewidth=0.6, zorder=1)
        spread = r"\beta_1" if layer == 1 else r"\beta_L" if layer == depth else r"\beta"
        name = "L" if layer == depth else layer
        axis.text(layer - 0.5, 1.30, rf"$\mathbf{{W}}_{{{name}}}$", ha="center", fontsize=12)
        axis.text(layer - 0.5, -1.42, rf"$\mathcal{{N}}(0, {spread}^2)$", ha="center", fontsize=small)
    for layer, (heights, size) in enumerate(zip(columns, sizes, strict=True)):
        colour = CATEGORIES[0] if 0 < layer < depth else CATEGORIES[1] if layer else "#555555"
        axis.scatter(np.full(len(heights), layer), heights, s=130, color=colour, zorder=2, edgecolor="white")
        name = r"\mathbf{f}" if layer == depth else rf"\mathbf{{h}}_{{{layer}}}" if layer else r"\mathbf{x}"
        axis.text(layer, 1.62, f"${name}$", ha="center", fontsize=12)
        symbol = "o" if layer == depth else "m" if layer else "d"
        axis.text(layer, -1.75, f"${symbol} = {size}$", ha="center", fontsize=small)
    axis.set(xlim=(-0.5, depth + 0.5), ylim=(-1.95, 1.95))
    axis.axis("off")
    return figure


class Path(NamedTuple):
    """The first output along a straight segment.

    Attributes:
        place: from 0 at the start to 1 at the end.
        output, tangent: f_1, and J(start) times the point.
        kinks: indices of places at which a neuron switches.
    """

    place: np.ndarray
    output: np.ndarray
    tangent: np.ndarray
    kinks: np.ndarray


def path_between(one: FCN, start: Float[Tensor, " d"], end: Float[Tensor, " d"], steps: int = 4001) -> Path:
    """Return the first output of a network's first replica along the segment between two points."""
    place = torch.linspace(0, 1, steps, dtype=start.dtype)
    points = start + place[:, None] * (end - start)
    signs = torch.cat(one.signs(points), dim=-1)[0]
    kinks = (signs[1:] != signs[:-1]).any(dim=1).nonzero().squeeze(1)
    tangent = points @ one.jacobian(start[None])[0, 0, 0]
    output = one(points)[0, :, 0]
    return Path(place.numpy(), output.detach().numpy(), tangent.detach().numpy(), kinks.numpy())


def paths(of_widths: Mapping[int, Path]) -> Figure:
    """Draw the first output of networks along a segment with its tangent and its kinks, a panel a width."""
    figure, axes = plt.subplots(1, len(of_widths), figsize=(PAGE_WIDTH, 3.5), squeeze=False)
    for axis, (width, path) in zip(axes[0], of_widths.items(), strict=True):
        axis.plot(path.place, path.tangent, "--", color=CATEGORIES[1], label="$J(x)$ of the first image")
        axis.plot(path.place, path.output, color=CATEGORIES[0], label="$f_1$")
        axis.plot(path.place[path.kinks], path.output[path.kinks], "o", color="black",
                  markersize=3 if width < 64 else 2, label="a neuron switches")  # fmt: skip
        axis.set(xlabel="position between two images", ylabel="first output")
    axes[0, 0].legend(loc="best", fontsize=9)
    letter(axes[0], [f"$m = {width}$" for width in of_widths])
    return figure


def parameters_over_width(
    widths: Sequence[int], depths: Sequence[int], in_features: int, out_features: int, points: int
) -> Figure:
    """Draw parameters a training point over the width, a curve a depth, with the width L³/2 marked."""
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.2))
    for depth in depths:
        counts = [number_of_parameters(m, depth, in_features, out_features) / points for m in widths]
        axis.plot(widths, counts, color=depth_colour(depth), label=depth_look(depth).label)
        if (turn := critical_width(depth)) >= min(widths):
            at_turn = number_of_parameters(turn, depth, in_features, out_features) / points
            axis.plot(turn, at_turn, "D", color=depth_colour(depth), markersize=8, markeredgecolor="black")
    axis.axhline(1, color="black", linewidth=0.9, linestyle=":")
    width_axis(axis, widths)
    log_axis(axis, f"parameters a training point ($n = {points}$)")
    axis.legend()
    return figure
