"""A shift that the type of the points loses is refused, one that it keeps is not."""

import pytest
import torch

from lib.adversarial.resolution import check_shift, wide


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_what_is_let_through_survives_and_what_is_lost_is_refused(kind):
    x = torch.rand(20, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(kind)
    direction = torch.nn.functional.normalize(torch.randn(20, 50, generator=torch.Generator().manual_seed(1)).double())
    kept = 0
    for power in range(-60, 3):
        delta = 2.0**power * direction
        lost = ((x.double() + delta).to(kind).double() - x.double() - delta).norm(dim=1).max() / 2.0**power
        try:
            check_shift(x, "radius", 2.0**power)
        except ValueError as refused:
            sentence = str(refused)
            assert sentence.startswith(f"radius must be large enough to move x in its type, {kind}, got")
            assert lost > 0.01
        else:
            assert lost < 0.1
            kept += 1
    assert 3 < kept < 60


def test_points_at_zero_are_moved_by_little_and_not_by_nothing():
    check_shift(torch.zeros(2, 3), "radius", 1e-30)
    with pytest.raises(ValueError, match="radius must be large enough to move x"):
        check_shift(torch.zeros(2, 3), "radius", 1e-60)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_points_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match=r"^x must be finite, got 1 entries that are not\.$"):
        check_shift(torch.tensor([[0.0, value]]), "radius", 1.0)


def test_what_leaves_the_type_is_refused():
    with pytest.raises(ValueError, match=r"^epsilon must leave x \+ δ within the numbers of its type, torch.float16"):
        check_shift(torch.ones(1, 2, dtype=torch.float16), "epsilon", 65504.0)


def test_only_short_types_are_widened():
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    assert [wide(torch.ones(2, dtype=kind)).dtype for kind in kinds] == [torch.float64] + [torch.float32] * 3
