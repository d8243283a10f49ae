"""What is measured on a network: perturbation stability, laziness, condensation, function norms."""

from lib.estimators.condensation import (
    direction_similarity,
    distinct_directions,
    effective_directions,
    isotropic,
    neurons,
    null_distribution,
    similarity_spectrum,
)
from lib.estimators.function_norms import (
    arc_cosine_kernel,
    feature_kernel,
    interpolant_norm,
    path_norm,
    random_feature_norm,
)
from lib.estimators.kernel import kernel_drift, tangent_kernel
from lib.estimators.laziness import lazy_training_ratio, relative_change
from lib.estimators.linearization import linearization_error
from lib.estimators.lipschitz import local_lipschitz
from lib.estimators.spectral_product import spectral_norm_product
from lib.estimators.spectrum import jacobian, jacobian_spectrum
from lib.estimators.stability import (
    finite_stability,
    monte_carlo_stability,
    perturbation_stability,
    relative_stability,
    rms_stability,
)

__all__ = [
    "arc_cosine_kernel",
    "direction_similarity",
    "distinct_directions",
    "effective_directions",
    "feature_kernel",
    "finite_stability",
    "interpolant_norm",
    "isotropic",
    "jacobian",
    "jacobian_spectrum",
    "kernel_drift",
    "lazy_training_ratio",
    "linearization_error",
    "local_lipschitz",
    "monte_carlo_stability",
    "neurons",
    "null_distribution",
    "path_norm",
    "perturbation_stability",
    "random_feature_norm",
    "relative_change",
    "relative_stability",
    "rms_stability",
    "similarity_spectrum",
    "spectral_norm_product",
    "tangent_kernel",
]
