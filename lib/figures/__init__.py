"""How figures look, and the pictures that chapters share."""

from lib.figures.publishing import figure_gluer
from lib.figures.style import (
    CATEGORIES,
    INITIALIZATIONS,
    MARKERS,
    Look,
    curves_over_width,
    depth_colour,
    initialization_look,
    log_axis,
    use_style,
    width_axis,
)

__all__ = [
    "CATEGORIES",
    "INITIALIZATIONS",
    "MARKERS",
    "Look",
    "curves_over_width",
    "depth_colour",
    "figure_gluer",
    "initialization_look",
    "log_axis",
    "use_style",
    "width_axis",
]
