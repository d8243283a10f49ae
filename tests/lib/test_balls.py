"""Draws fill the ball uniformly; the projection is the nearest point of the ball."""

import torch

from lib.balls import project_onto_ball, step_in_ball, uniform_in_ball

F64 = {"dtype": torch.float64}


def test_draws_are_uniform_in_the_ball():
    points = uniform_in_ball(20_000, 3, torch.Generator().manual_seed(0))
    radii = points.norm(dim=1)
    assert radii.max() <= 1
    # The share within radius r is r³; 5 standard errors. The covariance is I/(d+2).
    for r in (0.5, 0.8):
        share = float((radii <= r).double().mean())
        assert abs(share - r**3) < 5 * (r**3 * (1 - r**3) / 20_000) ** 0.5
    assert (points.T @ points / 20_000 - torch.eye(3) / 5).abs().max() < 0.01


def test_the_projection_is_the_nearest_point():
    shift = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], **F64)
    expected = torch.tensor([[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]], **F64)
    torch.testing.assert_close(project_onto_ball(shift, 2.0), expected)
    assert torch.equal(project_onto_ball(shift, 5.0), shift)


def test_a_step_ends_in_the_ball_around_the_center():
    center, along = torch.full((1, 2, 2), 7.0, **F64), torch.tensor([[[1.0, 0.0], [0.0, -1.0]]], **F64)
    once = step_in_ball(center, center, along, step=1.5, radius=2.0)
    torch.testing.assert_close(once, center + 1.5 * along)
    torch.testing.assert_close(step_in_ball(once, center, along, step=1.5, radius=2.0), center + 2 * along)
