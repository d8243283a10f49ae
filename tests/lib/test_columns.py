"""Patches are torch's, their sum is the adjoint, and both are differentiable in every way that estimators need."""

import pytest
import torch
from torch.nn import functional

from lib.columns import columns, output_side, write_fold


def image(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SHAPES = [(1, 2, 7, 5), (2, 1, 8, 8), (1, 3, 1, 2), (1, 1, 4, 1), (1, 2, 2, 3)]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_patches_are_those_of_unfold(shape, stride):
    h = image(*shape, 3)
    replicas, channels, height, width = shape
    # torch: (N, channels × taps, positions), images first.
    expected = functional.unfold(h.movedim(-1, 1).flatten(0, 1), 3, padding=1, stride=stride)
    places = output_side(height, stride) * output_side(width, stride)
    expected = (
        expected.view(replicas, 3, channels, 9, places).permute(0, 3, 2, 4, 1).reshape(replicas, 9 * channels, -1)
    )
    assert torch.equal(columns(h, stride), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_fold_is_the_adjoint(shape, stride):
    h = image(*shape, 3)
    patches = image(*columns(h, stride).shape, seed=1)
    folded = torch.full_like(h, torch.nan)
    write_fold(patches, stride, folded)
    torch.testing.assert_close((columns(h, stride) * patches).sum(), (h * folded).sum())


# torch scripts its own rules of forward differentiation, which it warns about.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("stride", [1, 2])
def test_derivatives_of_every_order_and_mode(stride):
    h = image(1, 1, 5, 2, 1).requires_grad_()
    torch.autograd.gradcheck(lambda h: columns(h, stride), (h,), check_forward_ad=True)
    torch.autograd.gradgradcheck(lambda h: columns(h, stride).square(), (h,))
    torch.autograd.gradcheck(lambda h: torch.func.jvp(lambda v: columns(v, stride), (h,), (h,))[1], (h,))
