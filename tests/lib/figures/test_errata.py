"""The errata's pictures: lines of exponents, and the border where it was measured."""

import pandas as pd
import pytest

from lib.figures import errata
from lib.trends import Interval


def test_the_cases_that_the_remark_names_are_dots():
    exponents = pd.DataFrame({"c": [1.5, 2.0, 3.0], "A": [1.0, 1.5, 2.5], "B": [1.5, 2.5, 4.5]})
    (axis,) = errata.exponents_over_c(exponents).axes
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if len(line.get_xdata()) == 1]
    assert dots == [(2.0, 1.5), (2.0, 2.5), (3.0, 2.5), (3.0, 4.5)]


def test_the_border_has_measured_and_printed_slopes():
    slopes = {0.35: Interval(-0.3, -0.35, -0.25, 5), 1.0: Interval(0.5, 0.45, 0.55, 5)}
    (axis,) = errata.border_over_c(slopes).axes
    assert axis.containers[0][0].get_ydata() == pytest.approx([-0.3, 0.5])
    printed = next(line for line in axis.lines if line.get_label() == "Luo et al.")
    assert list(printed.get_xdata()) == [0.25, 0.5, 0.875]
