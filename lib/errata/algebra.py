"""Entries that algebra decides: substitutions in Eq. (3), powers in Eq. (4), conditions for non-lazy training.

Symbols are sympy's, which is imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from lib.errata.entry import Entry
from lib.estimators import spectral_norm_product
from lib.networks import FCN
from lib.prose import formula
from lib.theory.bounds import huang2021
from lib.theory.early_training import stated_probability
from lib.theory.initialization import rms_stability


def _symbols() -> tuple:
    import sympy as sp

    return sp.symbols("m L d o n c", positive=True)


def ntk_last_layer() -> Entry:
    """Entry 1: which β_L and which bound NTK has. Both from Eq. (3) at γ = 1, over √2."""
    import sympy as sp

    m, L, d, o, *_ = _symbols()
    beta_1, beta_L = sp.symbols("beta_1 beta_L", positive=True)
    terms = [sp.sqrt(L**3 * m**2 * beta_1**2 * beta_L**2), sp.sqrt(m * o * beta_1**2 * beta_L**2)]

    def ntk(last: object) -> list:
        return [sp.simplify(term.subs({beta_1: sp.sqrt(2 / m), beta_L: last}) / sp.sqrt(2)) for term in terms]

    paper, slides = ntk(sp.sqrt(1 / o)), ntk(sp.Integer(1))
    one = [term.subs(o, 1) for term in slides]
    follows = all(sp.simplify(a - b) == 0 for a, b in zip(paper, [sp.sqrt(L**3 * m / o), 1], strict=True))
    agree = all(sp.simplify(a - b.subs(o, 1)) == 0 for a, b in zip(one, paper, strict=True))
    # Is there any last layer that gives the slides' line?
    rise = sp.solve(sp.Eq(ntk(beta_L)[0], sp.sqrt(L**3 * m / d)), beta_L)
    rest = sp.solve(sp.Eq(ntk(beta_L)[1], 1), beta_L)
    only_if = sp.solve(sp.Eq(rise[0], rest[0]), o)
    forms = {"the paper's β_L": paper, "the slides' β_L": slides, "the slides' β_L, o = 1": one}
    table = [
        {"with": name, "before e^(−m/L³)": formula(first), "plateau": formula(last)}
        for name, (first, last) in forms.items()
    ]
    outcome = "Table 1 follows from Eq. (3); on the slides $d$ stands for $o$, and both agree on $\\beta_L$ at $o = 1$"
    found = Entry("slip", outcome, {"only_if": f"{only_if[0]} = o" if only_if else "never"}, pd.DataFrame(table))
    return found.unless(follows and agree and only_if == [d])


def huangs_root(depths: Sequence[int], seeds: int) -> Entry:
    """Entry 2: √m or √L. The product of spectral norms at NTK over Table 2, as a limit and of drawn networks."""
    import sympy as sp

    m, L, d, o, *_ = _symbols()

    def spectral(beta: object, rows: object, columns: object) -> object:
        return beta * (sp.sqrt(rows) + sp.sqrt(columns))

    first, hidden = spectral(sp.sqrt(2 / m), m, d), spectral(sp.sqrt(2 / m), m, m)
    last, printed = spectral(sp.sqrt(1 / o), o, m), 2 ** ((3 * L - 5) / 2) * sp.sqrt(m)
    limits = [
        sp.limit(sp.simplify(first * hidden ** (depth - 2) * last / printed.subs(L, depth)), m, sp.oo)
        for depth in depths
    ]
    widths = (32, 128, 512)
    drawn = {
        depth: [
            float(spectral_norm_product(FCN(width, depth, 4, 1, "ntk", replicas=seeds)).mean())
            / huang2021(width, depth)
            for width in widths
        ]
        for depth in depths[:2]
    }
    table = pd.DataFrame(
        [
            {"L": depth} | {f"m = {m}": f"{r:.3f}" for m, r in zip(widths, line, strict=True)}
            for depth, line in drawn.items()
        ]
    )
    off = max(abs(line[-1] - 1) for line in drawn.values())
    texts = {"limit": str(limits[0]), "norms_off": f"{off:.0%}"}
    found = Entry(
        "one is right", "the paper: $\\sqrt m$, as the product of spectral norms at initialization", texts, table
    )
    return found.unless(all(sp.simplify(limit - 1 / sp.sqrt(o)) == 0 for limit in limits))


def powers_of_theorem_3() -> dict[str, object]:
    """Return the powers of 1/m in the terms A and B of Eq. (4) and on the slides, as expressions in c, and A/B."""
    import sympy as sp

    m, *_, n, c = _symbols()
    common = (sp.sqrt(n * sp.log(m)) + n) / m ** (c - 1)
    A, B = common / sp.sqrt(n**3 * m), common / m ** (c - sp.Rational(1, 2))

    def power(term: object) -> object:
        elasticity = sp.expand(sp.simplify(m * sp.diff(sp.log(term), m)))
        return sp.simplify(-sp.limit(elasticity, m, sp.oo))

    return {"A": power(A), "B": power(B), "slides": c + sp.Rational(3, 2), "A/B": sp.powsimp(sp.simplify(A / B))}


def power_at_start(c: float, in_features: int) -> float:
    """Return a in P_rms ~ m^-a of two layers at initialization, for β = m^-c, from the exact law itself."""
    narrow, wide = (rms_stability(m, 2, in_features, 1, f"power-{c:g}") for m in (2**20, 2**24))
    return math.log2(narrow / wide) / 4


def rate_of_theorem_3(in_features: int, listed: Sequence[float] = (1.5, 1.75, 2.0, 3.0)) -> Entry:
    """Entry 3: Eq. (4), its remark or the slides. The table has the power of 1/m in each, as numbers, by c."""
    import sympy as sp

    m, *_, n, c = _symbols()
    powers = powers_of_theorem_3()
    columns = {"Eq. (4), A": "A", "remark, B": "B", "slides": "slides"}
    table = pd.DataFrame(
        [
            {"c": value} | {title: float(powers[key].subs(c, value)) for title, key in columns.items()}
            for value in listed
        ]
    )
    table["exact at start"] = [power_at_start(value, in_features) for value in listed]
    by_c = table.set_index("c")
    in_n = sp.simplify(n * sp.diff(sp.log(powers["A/B"].subs(m, n**2)), n))  # the power of n in A/B on m = n²
    texts = {
        f"{key}_{word}": f"{by_c.loc[value, column]:g}"
        for key, column in (("A", "Eq. (4), A"), ("B", "remark, B"))
        for value, word in ((2.0, "two"), (3.0, "three"))
    }
    texts |= {
        "always": f"{float(sp.solve(sp.Eq(in_n, 0), c)[0]):g}",
        "share": f"{float(powers['A/B'].subs({m: 2**14, n: 20, c: 2})):.0f}",
        "first_n": f"{next(k for k in range(2, 100) if stated_probability(k) > 0)}",
        "slides_edge": f"{by_c.loc[1.5, 'slides']:g}",
        "start_edge": f"{by_c.loc[1.5, 'exact at start']:g}",
    }
    smaller = bool((by_c["remark, B"] >= by_c["Eq. (4), A"]).all())
    excluded = by_c.loc[1.5, "slides"] > by_c.loc[1.5, "exact at start"] + 1e-6
    never = bool(sp.simplify(powers["slides"] - powers["A"]) > 0)
    outcome = "Eq. (4), read by its larger term, $m^{-(c-0.5)}$; remark and slides have other exponents"
    return Entry("one is right", outcome, texts, table).unless(smaller and excluded and never)


def edge_of_non_lazy() -> Entry:
    """Entry 4: c ≥ 1.5 or c > 1.5. The condition of Theorem 2, (m^{3/2} L m^-c)^L ≪ 1, at and above 1.5."""
    import sympy as sp

    m, L, *_, c = _symbols()
    condition = (m ** sp.Rational(3, 2) * L * m**-c) ** L
    limits, lines = {}, []
    for depth, value in ((2, sp.Rational(3, 2)), (2, sp.Rational(151, 100)), (2, sp.Integer(2)), (L, sp.Integer(2))):
        at = sp.simplify(condition.subs({L: depth, c: value}))
        limits[depth, value] = sp.limit(at, m, sp.oo) if depth == 2 else ""
        shown = {"L": str(depth), "c": f"{float(value):g}", "must be far below 1": formula(at)}
        lines.append(shown | {"wide networks": formula(limits[depth, value])})
    edge = limits[2, sp.Rational(3, 2)]
    outcome = (
        "Theorem 2 needs $c > 1.5$, as the slides say; "
        "Theorem 3 may include 1.5, but Theorem 2 does not call it non-lazy"
    )
    return Entry("both stand", outcome, {"edge": str(edge)}, pd.DataFrame(lines)).unless(
        edge == 4 and limits[2, sp.Rational(151, 100)] == 0
    )


def theorem_2_in_the_plane() -> bool:
    """Return whether Theorem 2 for m^-a, m^-b and α = m^s is γ > 3 + |γ'| in Luo et al.'s plane (entry 5)."""
    import sympy as sp

    a, b, s = sp.symbols("a b s", real=True)
    margin = s + 2 * sp.Min(a, b) - 3  # Theorem 2: margin > 0
    in_the_plane = (a + b + s) - sp.Abs(b - a) - 3
    return sp.simplify((margin - in_the_plane).rewrite(sp.Piecewise)) == 0


def listed_depths(sentence: str = "four different choices of depths, i.e., 2, 4, 6, 8, 10") -> Entry:
    """Entry 7: four depths or five, by the list in the paper's own sentence."""
    depths = [word for word in sentence.replace(",", "").split() if word.isdigit()]
    return Entry("slip", f"the list has {len(depths)} depths, as every figure").unless(len(depths) == 5)


def turn_in_depth() -> str:
    """Return the derivative of the logarithm of Eq. (3)'s first term in L, whose sign says where it turns (entry 8)."""
    import sympy as sp

    m, L, *_ = _symbols()
    gamma = sp.symbols("gamma", positive=True)
    first = L ** sp.Rational(3, 2) * sp.exp(-m / L**3) * gamma ** (L - 2)
    return str(sp.expand(sp.simplify(sp.diff(sp.log(first), L))))


def critical_point() -> tuple[str, bool]:
    """Return where Eq. (3)'s first term turns in m under LeCun, He and NTK, and whether n occurs in it (entry 9)."""
    import sympy as sp

    m, L, _, _, n, _ = _symbols()
    transition = sp.sqrt(m) * sp.exp(-m / L**3)
    return str(sp.solve(sp.diff(transition, m), m)[0]), n in transition.free_symbols


def peak_over_reduced() -> tuple[str, object]:
    """Return the new bound over √(mL) at its peak m = L³/2, as text and as a function of L and o (entry 14)."""
    import sympy as sp

    m, L, _, o, *_ = _symbols()
    new = sp.sqrt(L**3 * m / o) * sp.exp(-m / L**3) + 1
    at_peak = sp.expand(sp.simplify((new / sp.sqrt(m * L)).subs(m, L**3 / 2)))
    return str(at_peak), sp.lambdify((L, o), at_peak)
