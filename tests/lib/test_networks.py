"""The stack of replicas against the definitions: seeds, Eq. (2), Definition 2, the Jacobian, plain modules."""

import math

import pytest
import torch
from torch import nn

from lib import initializers
from lib.data import Dataset
from lib.networks import FCN, Scale
from lib.training import train

F64 = {"dtype": torch.float64}


def points(n, d, seed=0, **options):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(**options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("depth", [2, 5])
def test_replica_r_of_seed_s_is_the_one_replica_of_seed_s_plus_r(depth, dtype):
    stack = FCN(8, depth, 6, 3, "lecun", replicas=4, seed=11, dtype=dtype)
    for r in range(4):
        alone = FCN(8, depth, 6, 3, "lecun", seed=11 + r, dtype=dtype)
        assert all(torch.equal(w[r], v[0]) for w, v in zip(stack.weights, alone.weights, strict=True))


def test_replicas_differ_from_each_other():
    stack = FCN(8, 2, 6, 3, replicas=2)
    assert not torch.equal(stack.weights[0][0], stack.weights[0][1])


def test_float32_weights_are_the_float64_weights_rounded():
    single, double = FCN(8, 4, 6, 3, seed=5), FCN(8, 4, 6, 3, seed=5, **F64)
    assert all(torch.equal(s, d.float()) for s, d in zip(single.weights, double.weights, strict=True))


def test_the_weights_have_the_shapes_of_the_contract():
    shapes = [tuple(w.shape) for w in FCN(8, 4, 6, 3, replicas=2).weights]
    assert shapes == [(2, 6, 8), (2, 8, 8), (2, 8, 8), (2, 8, 3)]


@pytest.mark.parametrize("name", ["lecun", "he", "ntk", "ntk-slides", "power-2", "gamma-1.3"])
def test_the_weights_are_centred_with_standard_deviation_beta(name):
    network = FCN(50, 4, 40, 10, name, replicas=20, seed=1, **F64)
    for weight, beta in zip(network.weights, initializers.get(name).betas(50, 4, 40, 10), strict=True):
        size = weight.numel()
        # Four standard errors of the sample's mean, β/√size, and of its standard deviation, β/√(2 size).
        assert abs(weight.mean()) < 4 * beta / math.sqrt(size)
        assert abs(weight.std() - beta) < 4 * beta / math.sqrt(2 * size)


def test_the_output_is_equation_2_by_hand():
    network = FCN(2, 3, 2, 1, alpha=4.0, **F64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([[[1.0, -1.0], [2.0, 1.0]]]))  # h_1 = relu(x_1 + 2 x_2, x_2 - x_1)
        network.weights[1].copy_(torch.tensor([[[1.0, -1.0], [0.0, 3.0]]]))  # h_2 = relu(h_1, 3 h_2 - h_1)
        network.weights[2].copy_(torch.tensor([[[2.0], [8.0]]]))
        x = torch.tensor([[1.0, 2.0], [3.0, 0.0], [-1.0, 3.0]], dtype=torch.float64)
        # (5, 1) → (5, 0) → 10; (3, 0) → (3, 0) → 6; (5, 4) → (5, 7) → 66; all over α = 4.
        assert network(x).tolist() == [[[2.5], [1.5], [16.5]]]
        assert network.jacobian(x).tolist() == [[[[0.5, 1.0]], [[0.5, 1.0]], [[-7.5, 3.0]]]]


def test_signs_are_definition_2_and_count_an_exact_zero_as_active():
    network = FCN(2, 3, 2, 1, **F64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([[[1.0, -1.0], [0.0, 0.0]]]))
        network.weights[1].copy_(torch.tensor([[[-1.0, 1.0], [1.0, 0.0]]]))
    x = torch.tensor([[0.0, 1.0], [2.0, 0.0], [-2.0, 0.0]], dtype=torch.float64)
    first, second = network.signs(x)
    assert first.tolist() == [[[True, True], [True, False], [False, True]]]
    # Pre-activations of layer 2: (0, 0), (-2, 2), (2, 0).
    assert second.tolist() == [[[True, True], [False, True], [True, True]]]


@pytest.mark.parametrize(("width", "features"), [(5, 9), (9, 9), (12, 4)])
@pytest.mark.parametrize("depth", [2, 4])
def test_the_jacobian_is_the_one_of_autograd(width, features, depth):
    network = FCN(width, depth, features, 3, replicas=3, alpha=2.5, seed=2, **F64)
    x = points(7, features)
    # (n, R, n, o, d) of the summed outputs would mix points: differentiate one point at a time.
    expected = torch.stack([torch.autograd.functional.jacobian(network, p[None])[:, 0, :, 0] for p in x], dim=1)
    torch.testing.assert_close(network.jacobian(x).detach(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", ["forward", "jacobian"])
def test_derivatives_in_the_weights_by_torch_func_are_those_of_autograd(method):
    network = FCN(5, 4, 3, 2, replicas=2, dtype=torch.float64)
    x = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    call = getattr(network, method)
    expected = torch.autograd.grad(call(x).sum(), list(network.weights))
    network.forward = call  # functional_call runs forward alone
    parameters = {name: weight.detach() for name, weight in network.named_parameters()}
    gradient = torch.func.grad(lambda weights: torch.func.functional_call(network, weights, (x,)).sum())(parameters)
    for name, value in zip(parameters, expected, strict=True):
        torch.testing.assert_close(gradient[name], value)
        assert bool((value != 0).any())


@pytest.mark.parametrize(("width", "features"), [(5, 9), (9, 9), (12, 4)])
def test_the_gram_matrix_is_j_times_j_transposed(width, features):
    network = FCN(width, 3, features, 4, replicas=2, **F64)
    x = points(6, features)
    j = network.jacobian(x)
    torch.testing.assert_close(network.jacobian_gram(x), j @ j.mT, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_f_is_j_times_x(alpha):
    network = FCN(16, 5, 12, 3, replicas=2, alpha=alpha, **F64)
    x = points(10, 12)
    torch.testing.assert_close((network.jacobian(x) @ x[:, :, None])[..., 0], network(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 3.0])
@pytest.mark.parametrize("depth", [2, 4])
def test_a_module_has_the_outputs_of_its_replica_and_a_memory_of_its_own(alpha, depth):
    network = FCN(8, depth, 6, 3, replicas=3, alpha=alpha, **F64)
    x = points(5, 6)
    module = network.module(1)
    torch.testing.assert_close(module(x), network(x)[1], rtol=1e-13, atol=1e-15)
    with torch.no_grad():
        module[0].weight.zero_()
    assert network.weights[0][1].abs().min() > 0


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_from_modules_undoes_module(alpha):
    network = FCN(8, 4, 6, 3, replicas=3, alpha=alpha, seed=4)
    again = FCN.from_modules([network.module(r) for r in range(3)], seed=4)
    assert all(torch.equal(w, v) for w, v in zip(network.weights, again.weights, strict=True))
    assert (again.alpha, again.seeds, again.replicas) == (pytest.approx(alpha), network.seeds, 3)
    assert again.weights[0].dtype == torch.float32


def linear(a, b, bias=False):
    return nn.Linear(a, b, bias=bias)


@pytest.mark.parametrize(
    ("modules", "sentence"),
    [
        ([], "modules must hold at least one"),
        ([nn.Sequential(linear(3, 4), nn.ReLU(), linear(4, 2, bias=True))], "modules must be nn.Sequential"),
        ([nn.Sequential(linear(3, 4), nn.Tanh(), linear(4, 2))], "modules must be nn.Sequential"),
        ([nn.Sequential(linear(3, 4))], "modules must be nn.Sequential"),
        ([nn.Sequential()], "modules must be nn.Sequential"),
        ([nn.Sequential(linear(3, 4), nn.ReLU(), linear(4, 5), nn.ReLU(), linear(5, 2))], "one hidden width"),
        ([FCN(4, 2, 3, 1).module(), FCN(5, 2, 3, 1).module()], "the same shapes and scale"),
        ([FCN(4, 2, 3, 1).module(), nn.Sequential(*FCN(4, 2, 3, 1).module(), Scale(0.5))], "the same shapes and scale"),
    ],
)
def test_what_is_not_a_stack_of_equal_networks_is_refused(modules, sentence):
    with pytest.raises(ValueError, match=sentence):
        FCN.from_modules(modules)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"width": 0}, "width must be an integer of at least 1, got 0"),
        ({"depth": 1}, "depth must be an integer of at least 2, got 1"),
        ({"initializer": "hee"}, "Did you mean 'he'"),
        ({"replicas": 0}, "replicas must be an integer of at least 1, got 0"),
        ({"replicas": 2.0}, "replicas must be an integer of at least 1, got 2.0"),
        ({"alpha": 0.0}, "alpha must be positive and finite, got 0.0"),
        ({"alpha": math.inf}, "alpha must be positive and finite, got inf"),
        ({"alpha": math.nan}, "alpha must be positive and finite, got nan"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"seed": 1.5}, "seed must be an integer from 0"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        FCN(**{"width": 4, "depth": 2, "in_features": 3, "out_features": 2, **options})


@pytest.mark.parametrize("shape", [(3,), (2, 4), (3, 2, 3), (2, 2, 4), (1, 2, 2, 3)])
def test_inputs_of_another_shape_are_refused(shape):
    network = FCN(4, 2, 3, 2, replicas=2)
    for call in (network, network.jacobian, network.signs):
        with pytest.raises(ValueError, match=r"x must have shape \(n, 3\).* got"):
            call(torch.zeros(shape))


NAMES = ("lecun", "he", "ntk", "ntk-slides", "power-2", "power-1.5", "gamma-1.2", "gamma-0.8")
STANDARD = initializers.Initializer("standard", lambda m, d, o: (1.0, 1.0, 1.0))


@pytest.mark.parametrize("name", NAMES)
def test_an_initializer_scales_the_standard_draws_of_a_seed(name):
    network, standard = (FCN(16, 4, 20, 3, i, replicas=2, seed=9, **F64) for i in (name, STANDARD))
    betas = initializers.get(name).betas(16, 4, 20, 3)
    for weight, draws, beta in zip(network.weights, standard.weights, betas, strict=True):
        assert torch.equal(weight, beta * draws)


@pytest.mark.parametrize(
    ("depth", "width"),
    [(2, 16), (2, 64), (4, 16), (4, 64), (10, 16), pytest.param(10, 64, marks=pytest.mark.slow)],
)
def test_the_mean_square_of_ju_at_initialisation_is_the_exact_law(depth, width):
    """E‖J(x)u‖² = (mβ₁²/2)(mβ²/2)^(L−2) oβ_L² for a unit u: the mean of 4,000 independent draws, one a replica.

    The draws, the slow part, are made once and scaled for every initializer (see the test above). In float64: with
    power-2 at depth 10 the square is of the order 1e-50.
    """
    features, outputs, draws, at_once = 20, 3, 4000, 200
    x, u = points(1, features), points(features, 1, seed=1)
    u = u / u.norm()
    squares = {name: [] for name in NAMES}
    with torch.no_grad():
        for start in range(0, draws, at_once):
            network = FCN(width, depth, features, outputs, STANDARD, replicas=at_once, seed=start, **F64)
            standard = [weight.clone() for weight in network.weights]
            for name in NAMES:
                betas = initializers.get(name).betas(width, depth, features, outputs)
                for weight, draw, beta in zip(network.weights, standard, betas, strict=True):
                    torch.mul(draw, beta, out=weight.data)
                squares[name].append((network.jacobian(x) @ u).square().sum(dim=(1, 2, 3)))
    for name in NAMES:
        first, *hidden, last = initializers.get(name).betas(width, depth, features, outputs)
        exact = width * first**2 / 2 * math.prod(width * beta**2 / 2 for beta in hidden) * outputs * last**2
        square = torch.cat(squares[name])
        error = square.std() / math.sqrt(draws)
        assert error < 0.2 * exact, name
        assert abs(square.mean() - exact) < 4 * error, name


def test_another_default_device_changes_nothing_but_where_a_network_is_put():
    """As users set it to "cuda": streams stay on the processor, and so does what is drawn from them."""
    plain, x, y = FCN(8, 3, 5, 3, replicas=2), torch.randn(70, 5), torch.randint(0, 3, (70,))
    start = [weight.detach().clone() for weight in plain.weights]
    train(plain, Dataset(x, y), epochs=1)
    with torch.device("meta"):
        assert FCN(8, 3, 5, 3).weights[0].is_meta
        there = FCN(8, 3, 5, 3, replicas=2, device="cpu")
        assert all(torch.equal(a, b) for a, b in zip(there.weights, start, strict=True))
        train(there, Dataset(x, y), epochs=1)
        assert torch.equal(there(x), plain(x))
        assert torch.equal(there.jacobian(x[:4]), plain.jacobian(x[:4]))
