"""Entries that the bound decides on the paper's grid of widths and depths."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from lib.errata.algebra import critical_point, peak_over_reduced
from lib.errata.entry import Entry
from lib.prose import initialization_label, scientific, significant
from lib.theory.bounds import critical_width, huang2021, theorem1, wu2021, wu2021_applies, wu2021_log_width
from lib.theory.parameters import number_of_parameters, width_of_parameters

_NAMES = ("lecun", "he", "ntk")
_FLAT = 0.01  # a step below one per cent is none


def arrow(values: Sequence[float], flat: float = _FLAT) -> str:
    """Return how a sequence of positive values moves, such as "↗↘"; "→" where no step is larger than `flat`."""
    ups = [step > 0 for step in np.diff(np.log(values)) if abs(step) >= flat]
    return "".join("↗" if up else "↘" for up, _ in groupby(ups)) or "→"


class Grid:
    """The paper's grid for one problem: the bound over width and over depth, and who has more parameters than points.

    Args:
        widths, depths: m and L of the grid.
        in_features, out_features: d and o.
        n_train: n.
    """

    def __init__(
        self, widths: Sequence[int], depths: Sequence[int], in_features: int, out_features: int, n_train: int
    ) -> None:
        self.widths, self.depths, self.sizes, self.n_train = (
            list(widths),
            list(depths),
            (in_features, out_features),
            n_train,
        )
        self.over_depth = {
            name: [arrow([self.bound(m, L, name) for L in self.depths]) for m in self.widths] for name in _NAMES
        }
        self.over_width = {
            name: [arrow([self.bound(m, L, name) for m in self.widths]) for L in self.depths] for name in _NAMES
        }

    def bound(self, width: int, depth: int, name: str) -> float:
        """Return Eq. (3) with all constants 1."""
        return theorem1(width, depth, *self.sizes, name)

    def parameters(self, width: float, depth: int) -> float:
        """Return the number of weights."""
        return number_of_parameters(width, depth, *self.sizes)

    def transition_in_depth(self) -> Entry:
        """Entry 8: depth or width in the conclusion. Arrows of the bound over L, by initialization and width."""
        lecun = Counter(self.over_depth["lecun"])
        texts = {
            "lecun_falls": f"{lecun['↘']}",
            "lecun_turns": f"{lecun['↗↘']}",
            "lecun_rises": f"{sum(count for shown, count in lecun.items() if '↗' in shown)}",
            "grid_widths": f"{len(self.widths)}",
        }
        table = pd.DataFrame(
            {"m": self.widths} | {initialization_label(name): shown for name, shown in self.over_depth.items()}
        )
        no_turn = not any("↘" in shown for name in ("he", "ntk") for shown in self.over_depth[name])
        outcome = "width was meant; under He and NTK the bound never turns in depth (under LeCun it happens to)"
        return Entry("slip", outcome, texts, table).unless(no_turn and lecun["↗↘"] > 0)

    def over_parameterized(self) -> Entry:
        """Entry 9: by n or by L³. Critical widths beside the widths with as many parameters as points."""
        place, with_n = critical_point()
        by_count = {(m, L): self.parameters(m, L) > self.n_train for m in self.widths for L in self.depths}
        differ = sum(found != (m > critical_width(L)) for (m, L), found in by_count.items())
        shares = {L: self.parameters(critical_width(L), L) / self.n_train for L in self.depths}
        table = pd.DataFrame(
            [
                {
                    "L": L,
                    "critical width, L³/2": significant(critical_width(L)),
                    "width with n parameters": significant(width_of_parameters(self.n_train, L, *self.sizes)),
                    "parameters / n at L³/2": significant(shares[L]),
                }
                for L in self.depths
            ]
        )
        texts = {
            "differ": f"{differ}",
            "grid_cells": f"{len(by_count)}",
            "n": f"{self.n_train:,}",
            "low_share": f"{shares[self.depths[0]]:.2g}",
            "high_share": f"{shares[self.depths[-1]]:.2g}",
        }
        outcome = "the bound turns at $m = L^3/2$, without $n$; the footnote's regimes are others"
        return Entry("one is right", outcome, texts, table).unless(place == "L**3/2" and not with_n and differ > 0)

    def what_figures_confirm(self) -> Entry:
        """Entry 10: the readings of figures against the bound. Arrows of the bound over m, by depth."""
        first, last, wide = self.depths[0], self.depths[-1], self.widths[-1]
        table = pd.DataFrame(
            {"L": self.depths} | {initialization_label(name): shown for name, shown in self.over_width.items()}
        )
        deepest = [self.bound(m, last, "he") for m in self.widths]
        texts = {
            "deepest": f"{last}",
            "bound_moves": f"{max(deepest) / min(deepest):.0f}",
            "depth_at_wide": ", ".join(
                f"{self.bound(wide, last, name) / self.bound(wide, first, name):.4f} under {initialization_label(name)}"
                for name in ("he", "ntk")
            ),
            "wide": f"{wide:,}",
            "shallow": f"{first}",
        }
        monotone = critical_width(first) <= self.widths[0] and self.over_width["he"][0] in ("↘", "→")
        flat_wide = self.over_depth["he"][-1] == "→"
        outcome = (
            "the bound: monotone in $m$ for $L = 2$, rising in $L$ under LeCun at most widths, "
            "flat in $L$ once $m \\gg L^3$"
        )
        found = Entry("one is right", outcome, texts, table)
        return found.unless(monotone and flat_wide and "↗↘" in self.over_depth["lecun"])

    def improving_on_wu(self) -> Entry:
        """Entry 14: "improves". The bounds of Table 2 at m = L³/2, and where Wu et al.'s condition begins to hold."""
        text, ratio = peak_over_reduced()
        outputs = self.sizes[1]
        first_deep = next(L for L in range(2, 1000) if ratio(L, outputs) > 1)

        def new(width: float, depth: int) -> float:
            return math.sqrt(depth**3 * width / outputs) * math.exp(-width / depth**3) + 1

        def shown(value: float) -> str:
            return f"{value:,.1f}" if value < 1e6 else scientific(value)

        needed = {L: math.exp(wu2021_log_width(L)) for L in self.depths}
        columns = {
            L: (new(L**3 / 2, L), math.sqrt(L**4 / 2), wu2021(L**3 // 2, L), huang2021(L**3 // 2, L), needed[L])
            for L in self.depths
        }
        heads = ("this paper, m = L³/2", "√(mL)", "Wu et al., in full", "Huang et al.", "Wu et al. need m from")
        table = pd.DataFrame(
            [{"L": L} | dict(zip(heads, map(shown, values), strict=True)) for L, values in columns.items()]
        )
        texts = {
            "at_peak": text,
            "first_deep": f"{first_deep}",
            "first_deep_one": f"{next(L for L in range(2, 1000) if ratio(L, 1) > 1)}",
            "needed_low": scientific(needed[self.depths[0]]),
            "needed_high": scientific(needed[self.depths[-1]]),
            "applies": "some" if any(wu2021_applies(m, L) for m in self.widths for L in self.depths) else "none",
            "o": f"{outputs}",
            "d": f"{self.sizes[0]}",
        }
        # Where the condition holds the new bound is 1 + e^-huge.
        better = all(math.sqrt(width * L) > 1.01 for L, width in needed.items())
        larger = all(full > mine for mine, _, full, *_ in columns.values())
        outcome = (
            "it improves wherever Wu et al.'s condition holds, $m > 10^{12}$; "
            f"near $m = L^3/2$ it exceeds $\\sqrt{{mL}}$ from $L = {first_deep}$ on"
        )
        return Entry("both stand", outcome, texts, table).unless(better and larger)
