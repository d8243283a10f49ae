"""The bounds against literal arithmetic, Table 1, and what Eq. (3) says on the paper's own grid."""

import math

import pytest
import sympy
from mpmath import mp, mpf

from lib.initializers import Initializer, get
from lib.theory.bounds import (
    critical_width,
    huang2021,
    peak_over_plateau,
    theorem1,
    theorem1_terms,
    wu2021,
    wu2021_applies,
    wu2021_crossing_log_width,
    wu2021_log_width,
)
from lib.theory.initialization import rms_stability

POINTS = [(16, 2, 784, 10), (64, 4, 784, 10), (500, 10, 64, 3)]


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(40):
        yield


def rise(m, depth):
    """Return √(L³m) e^{-m/L³}."""
    return mp.sqrt(mpf(depth) ** 3 * m) * mp.exp(-mpf(m) / depth**3)


@pytest.mark.parametrize(
    ("m", "depth", "d", "o", "value"),
    [
        # He: 2√(L³m/d) e^{-m/L³} + 2√(o/d), written out with numbers.
        (16, 2, 784, 10, 2 * math.sqrt(8 * 16 / 784) * math.exp(-2) + 2 * math.sqrt(10 / 784)),
        (64, 4, 784, 10, 2 * math.sqrt(64 * 64 / 784) * math.exp(-1) + 2 * math.sqrt(10 / 784)),
        (500, 10, 64, 3, 2 * math.sqrt(1000 * 500 / 64) * math.exp(-0.5) + 2 * math.sqrt(3 / 64)),
    ],
)
def test_theorem1_by_hand_for_he(m, depth, d, o, value):
    assert theorem1(m, depth, d, o, "he") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("m", "depth", "value"),
    [
        # β = m^-2 everywhere: (√(L³m²m^-8) e^{-m/L³} + √(10 m·m^-8)) (m^-2/√(2/m))^{L-2}.
        (16, 2, math.sqrt(8 * 16**-6) * math.exp(-2) + math.sqrt(10 * 16**-7)),
        (64, 4, (math.sqrt(64 * 64**-6) * math.exp(-1) + math.sqrt(10 * 64**-7)) * 64**-3 / 2),
        (27, 3, (math.sqrt(27 * 27**-6) * math.exp(-1) + math.sqrt(10 * 27**-7)) * 27**-1.5 / math.sqrt(2)),
    ],
)
def test_theorem1_by_hand_for_small_variances(m, depth, value):
    assert theorem1(m, depth, 784, 10, "power-2") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("m", "depth", "d", "o"), POINTS)
def test_eq_3_is_table_1_times_a_constant(m, depth, d, o):
    table = {
        "lecun": (1, (rise(m, depth) / mp.sqrt(d), mp.sqrt(mpf(o) / d)), (mp.sqrt(2) / 2) ** (depth - 2)),
        "he": (2, (rise(m, depth) / mp.sqrt(d), mp.sqrt(mpf(o) / d)), 1),
        "ntk": (mp.sqrt(2), (rise(m, depth) / mp.sqrt(o), mpf(1)), 1),
    }
    for name, (constant, (transition, plateau), decay) in table.items():
        terms = theorem1_terms(m, depth, d, o, name)
        assert terms.transition == pytest.approx(float(constant * transition * decay), rel=1e-12)
        assert terms.plateau == pytest.approx(float(constant * plateau * decay), rel=1e-12)
        assert theorem1(m, depth, d, o, name) == terms.transition + terms.plateau


m, L, d, o, g = sympy.symbols("m L d o gamma", positive=True)
ROOT = sympy.sqrt
# β_1, β, β_L in symbols, the constant that Table 1 drops, and its line.
TABLE_1 = {
    "lecun": ((ROOT(1 / d), ROOT(1 / m), ROOT(1 / m)), 1, 1 / ROOT(d), 1 / ROOT(2)),
    "he": ((ROOT(2 / d), ROOT(2 / m), ROOT(2 / m)), 2, 1 / ROOT(d), 1),
    "ntk": ((ROOT(2 / m), ROOT(2 / m), ROOT(1 / o)), ROOT(2), 1 / ROOT(o), 1),
    "ntk-slides": ((ROOT(2 / m), ROOT(2 / m), 1), ROOT(2), 1, 1),
    "gamma-1.3": ((ROOT(2 / d), g * ROOT(2 / m), ROOT(2 / m)), 2, 1 / ROOT(d), g),
}


def equation_3(beta_1, beta, beta_L):
    """Return Eq. (3) in symbols, as the paper writes it."""
    transition = ROOT(L**3 * m**2 * beta_1**2 * beta_L**2) * sympy.exp(-m / L**3)
    return (transition + ROOT(m * o * beta_1**2 * beta_L**2)) * (beta / ROOT(2 / m)) ** (L - 2)


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_follows_from_eq_3_in_symbols(name):
    betas, constant, scale, gamma = TABLE_1[name]
    line = scale * (ROOT(L**3 * m) * sympy.exp(-m / L**3) + ROOT(o)) * gamma ** (L - 2)
    assert sympy.simplify(equation_3(*betas) / line - constant) == 0


@pytest.mark.parametrize("name", TABLE_1)
def test_the_symbols_are_those_of_the_library(name):
    betas = TABLE_1[name][0]
    for point in POINTS:
        values = dict(zip((m, L, d, o, g), (*point, 1.3), strict=True))
        first, *hidden, last = get(name).betas(*point)
        shown = [float(sympy.sympify(beta).subs(values)) for beta in betas]
        assert shown == pytest.approx([first, *(hidden[:1] or shown[1:2]), last], rel=1e-12)
        assert theorem1(*point, name) == pytest.approx(float(equation_3(*betas).subs(values)), rel=1e-12)


@pytest.mark.parametrize(("m", "depth", "d", "o"), POINTS)
def test_the_slides_ntk_differs_by_the_root_of_o(m, depth, d, o):
    ratio = theorem1(m, depth, d, o, "ntk-slides") / theorem1(m, depth, d, o, "ntk")
    assert ratio == pytest.approx(math.sqrt(o), rel=1e-12)


def test_gamma_enters_with_the_number_of_hidden_layers():
    for depth in (2, 3, 7):
        ratio = theorem1(64, depth, 784, 10, "gamma-1.2") / theorem1(64, depth, 784, 10, "he")
        assert ratio == pytest.approx(1.2 ** (depth - 2), rel=1e-12)


@pytest.mark.parametrize("name", ["lecun", "he", "ntk"])
def test_only_the_plateau_is_left_at_infinite_width(name):
    terms = theorem1_terms(10**9, 4, 784, 10, name)
    assert terms.transition == 0
    assert terms.plateau == pytest.approx(theorem1_terms(16, 4, 784, 10, name).plateau, rel=1e-12)
    # The exact law at initialization is this term over √2, times the √(d/(d+2)) of the ball.
    exact = rms_stability(10**9, 4, 784, 10, name)
    assert terms.plateau == pytest.approx(exact * math.sqrt(2 * 786 / 784), rel=1e-12)


@pytest.mark.parametrize(("depth", "peak"), [(2, 4), (4, 32), (6, 108), (8, 256), (10, 500)])
@pytest.mark.parametrize("name", ["lecun", "he", "ntk"])
def test_the_critical_width_is_where_the_bound_peaks(name, depth, peak):
    assert critical_width(depth) == peak
    values = {m: theorem1(m, depth, 784, 1, name) for m in range(1, 4 * peak)}
    assert max(values, key=values.get) == peak


@pytest.mark.parametrize("name", ["lecun", "he", "ntk", "ntk-slides", "gamma-0.8", "gamma-1.2"])
def test_the_terms_have_one_ratio_under_every_initialization(name):
    for m, depth, d, o in POINTS:
        terms = theorem1_terms(m, depth, d, o, name)
        assert terms.transition / terms.plateau == pytest.approx(float(rise(m, depth) / mp.sqrt(o)), rel=1e-12)


@pytest.mark.parametrize("name", ["he", "ntk", "gamma-1.2"])
def test_without_a_decay_the_bound_grows_with_depth(name):
    for m in (10, 16, 1024, 16384):
        values = [theorem1(m, depth, 784, 10, name) for depth in range(2, 30)]
        assert values == sorted(values)
        # Where m >> L³ the first term is far below the last digit of the second, and He and NTK do not move at all.
        assert (values[0] == values[1]) == (m == 16384 and name != "gamma-1.2")


def test_the_lecun_bound_falls_with_depth_only_where_it_is_wide():
    falling = []
    for exponent in range(4, 15):
        values = [theorem1(2**exponent, depth, 784, 10, "lecun") for depth in (2, 4, 6, 8, 10)]
        if values == sorted(values, reverse=True):
            falling.append(exponent)
    assert falling == [13, 14]


@pytest.mark.parametrize(("depth", "o", "value"), [(2, 4, 2.716), (10, 10, 136.6), (4, 1, 28.45)])
def test_peak_over_plateau_by_hand(depth, o, value):
    # 1 + 8/√(8e), 1 + 1000/√(20e), 1 + 64/√(2e).
    assert peak_over_plateau(depth, o) == pytest.approx(value, rel=5e-4)
    for name in ("lecun", "he", "ntk"):
        terms = theorem1_terms(depth**3 // 2, depth, 784, o, name)
        assert sum(terms) / terms.plateau == pytest.approx(peak_over_plateau(depth, o), rel=1e-12)


def test_the_peak_vanishes_with_many_outputs():
    assert peak_over_plateau(10, 10**12) == pytest.approx(1, abs=1e-3)


def test_peak_over_plateau_refuses_sizes():
    for arguments in ((1, 10), (4, 0), (4, 2.5), (math.inf, 10)):
        with pytest.raises(ValueError, match="must be an integer of at least"):
            peak_over_plateau(*arguments)


@pytest.mark.parametrize(("depth", "ratio"), [(2, 1.5), (4, 9.7), (6, 30), (8, 70), (10, 137)])
def test_peak_over_plateau_on_the_papers_widths(depth, ratio):
    # The paper's grid starts at m = 16, right of the peak for L = 2: there the bound only falls.
    widths = range(16, 1025)
    values = [theorem1(m, depth, 784, 10, "he") for m in widths]
    plateau = theorem1_terms(16, depth, 784, 10, "he").plateau
    assert max(values) / plateau == pytest.approx(ratio, rel=0.02)
    assert (values[0] == max(values)) == (depth == 2)


def test_peak_over_plateau_of_two_layers_lies_below_the_papers_grid():
    assert peak_over_plateau(2, 10) == pytest.approx(2.08, abs=0.005)
    terms = theorem1_terms(16, 2, 784, 10, "he")
    assert sum(terms) / terms.plateau < 1.5


@pytest.mark.parametrize("function", [theorem1, theorem1_terms])
def test_more_outputs_than_neurons_are_refused(function):
    function(10, 4, 784, 10, "he")
    with pytest.raises(ValueError, match="out_features must be at most the width 9, got 10"):
        function(9, 4, 784, 10, "he")


def test_extreme_sizes_neither_overflow_nor_underflow_on_the_way():
    # γ^{L-2} is 1.2^4998 = 10^395 here, and 1.19^3998 = 10^302 below.
    assert theorem1(16, 5000, 784, 10, "gamma-1.2") == math.inf
    assert theorem1(16, 5000, 784, 10, "lecun") == 0
    exponent = 1.5 * math.log(4000) + math.log(16 * math.sqrt(2 / 784 * 2 / 16)) + 3998 * math.log(1.19)
    exponent += -16 / 4000**3
    assert exponent < math.log(1.7e308)
    assert theorem1_terms(16, 4000, 784, 10, "gamma-1.19").transition == pytest.approx(math.exp(exponent), rel=1e-9)
    assert huang2021(1, 10**6) == math.inf


@pytest.mark.parametrize(("m", "depth"), [(16, 2), (1024, 4), (16384, 10)])
def test_table_2_by_hand(m, depth):
    wu = mpf(depth) ** 2 * mp.cbrt(m) * mp.sqrt(mp.log(m)) + mp.sqrt(m * depth)
    assert wu2021(m, depth) == pytest.approx(float(wu), rel=1e-12)
    assert huang2021(m, depth) == pytest.approx(float(mpf(2) ** ((3 * mpf(depth) - 5) / 2) * mp.sqrt(m)), rel=1e-12)


def test_table_2_with_numbers():
    assert wu2021(1, 3) == pytest.approx(math.sqrt(3), rel=1e-12)
    assert wu2021(64, 2) == pytest.approx(4 * 4 * math.sqrt(math.log(64)) + math.sqrt(128), rel=1e-12)
    assert huang2021(4, 3) == pytest.approx(8, rel=1e-12)
    assert huang2021(1, 2) == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 10])
def test_wus_condition_is_the_papers(depth):
    for exponent in range(1, 30):
        m = 10**exponent
        assert wu2021_applies(m, depth) == (mpf(m) / mp.log(m) ** 6 >= mpf(depth) ** 12)
    assert not any(wu2021_applies(m, depth) for m in range(1, 20000))


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_wus_condition_begins_where_its_equation_has_its_root(depth):
    root = mp.findroot(lambda y: y - 6 * mp.log(y) - 12 * mp.log(depth), 12 * math.log(depth) + 25)
    assert wu2021_log_width(depth) == pytest.approx(float(root), rel=1e-12)
    least = mp.exp(root)
    assert wu2021_applies(int(least * mpf("1.000001")), depth)
    assert not wu2021_applies(int(least * mpf("0.999999")), depth)


def test_wus_condition_is_vacuous_at_practical_widths():
    # It begins to hold above 10^12 for L = 2 and above 10^22 for L = 10.
    assert not wu2021_applies(10**12 // 2, 2) and wu2021_applies(10**13, 2)
    assert not wu2021_applies(10**22, 10) and wu2021_applies(10**24, 10)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 2, 784, 10), "width"),
        ((16, 1, 784, 10), "depth"),
        ((16, 2, 0, 10), "in_features"),
        ((16, 2, 784, -1), "out_features"),
        ((16.0, 2, 784, 10), "width"),
        ((16, math.inf, 784, 10), "depth"),
        ((True, 2, 784, 10), "width"),
    ],
)
def test_theorem1_refuses_sizes_with_one_sentence(arguments, name):
    for function in (theorem1, theorem1_terms):
        with pytest.raises(ValueError, match=f"^{name} must be an integer of at least") as raised:
            function(*arguments, "he")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("function", [wu2021, wu2021_applies, huang2021])
def test_table_2_refuses_sizes(function):
    for arguments in ((0, 2), (16, 1), (16, 2.5), (math.nan, 2)):
        with pytest.raises(ValueError, match="must be an integer of at least"):
            function(*arguments)


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_wus_first_term_is_the_smaller_one_from_the_crossing_on(depth):
    y = wu2021_crossing_log_width(depth)
    assert 2 * math.log(depth) + y / 3 + math.log(y) / 2 == pytest.approx((y + math.log(depth)) / 2, rel=1e-12)
    assert y < wu2021_log_width(depth)


@pytest.mark.parametrize("function", [critical_width, wu2021_log_width, wu2021_crossing_log_width])
def test_functions_of_the_depth_refuse_depths(function):
    for depth in (1, 2.0, math.inf):
        with pytest.raises(ValueError, match="depth must be an integer of at least 2"):
            function(depth)


def test_unknown_initializer():
    with pytest.raises(ValueError, match="initializer must be one of"):
        theorem1(16, 2, 784, 10, "hee")


class Growing(Initializer):
    """β_l grows with l, which Eq. (3) has no symbol for."""

    def betas(self, width, depth, in_features, out_features):
        return tuple(float(layer) for layer in range(1, depth + 1))


def test_different_hidden_variances_have_no_gamma():
    growing = Growing("growing", lambda m, d, o: (1.0, 1.0, 1.0))
    assert theorem1(16, 3, 784, 10, growing) > 0
    with pytest.raises(ValueError, match=r"same β in layers 2..L-1, but initializer 'growing' has 2 values"):
        theorem1(16, 4, 784, 10, growing)
