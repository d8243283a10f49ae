"""Perturbed points, random and worst-case ones: what is left on them, and training on them."""

from lib.adversarial.ascent import Attack, attacked_points
from lib.adversarial.attacks import noise_accuracy, pgd, pgd_accuracy
from lib.adversarial.masking import Masking, gradient_masking
from lib.adversarial.objectives import OBJECTIVES
from lib.adversarial.robustness import Robustness, divergence_slope, robustness
from lib.adversarial.toolbox import toolbox_classifier, toolbox_points, toolbox_scores

__all__ = [
    "OBJECTIVES",
    "Attack",
    "Masking",
    "Robustness",
    "attacked_points",
    "divergence_slope",
    "gradient_masking",
    "noise_accuracy",
    "pgd",
    "pgd_accuracy",
    "robustness",
    "toolbox_classifier",
    "toolbox_points",
    "toolbox_scores",
]
