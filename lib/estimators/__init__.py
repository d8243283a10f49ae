"""What is measured on a network: perturbation stability, laziness and the Jacobian behind them."""

from lib.estimators.laziness import lazy_training_ratio, relative_change
from lib.estimators.lipschitz import local_lipschitz
from lib.estimators.spectrum import jacobian, jacobian_spectrum
from lib.estimators.stability import (
    finite_stability,
    monte_carlo_stability,
    perturbation_stability,
    relative_stability,
    rms_stability,
)

__all__ = [
    "finite_stability",
    "jacobian",
    "jacobian_spectrum",
    "lazy_training_ratio",
    "local_lipschitz",
    "monte_carlo_stability",
    "perturbation_stability",
    "relative_change",
    "relative_stability",
    "rms_stability",
]
