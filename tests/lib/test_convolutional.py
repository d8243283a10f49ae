"""The convolutional stack against plain modules: seeds, outputs, Jacobian, written-out passes, training."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib import initializers, products
from lib.convolutional import CNN, betas, fans, image_sides
from lib.data import Dataset
from lib.seeds import generator
from lib.training import train

F64 = {"dtype": torch.float64}
# image, depth: one convolution and several, odd sides, several channels, and down to the smallest that is halved.
SHAPES = [((1, 8, 8), 2), ((2, 7, 5), 4), ((1, 28, 28), 6), ((3, 9, 6), 3), ((1, 3, 2), 3)]


def network(image, depth, **options):
    return CNN(3, depth, image, 4, **{"replicas": 2, "seed": 5, "alpha": 1.5, "dtype": torch.float64, **options})


def points(image, n=6, *replicas):
    features = image[0] * image[1] * image[2]
    return torch.randn(*replicas, n, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_replica_r_of_seed_s_is_the_one_replica_of_seed_s_plus_r():
    stack = network((1, 8, 8), 3, replicas=3, seed=11)
    x = points((1, 8, 8))
    for r in range(3):
        alone = network((1, 8, 8), 3, replicas=1, seed=11 + r)
        assert all(torch.equal(w[r], v[0]) for w, v in zip(stack.weights, alone.weights, strict=True))
        assert torch.equal(stack(x)[r], alone(x)[0])
    assert not torch.equal(stack.weights[0][0], stack.weights[0][1])


def test_convolutions_halve_the_image_down_to_four():
    assert image_sides((1, 28, 28), 6) == [(28, 28), (14, 14), (7, 7), (4, 4), (4, 4), (4, 4)]
    assert image_sides((3, 32, 32), 3) == [(32, 32), (16, 16), (8, 8)]
    assert fans(5, 4, (3, 32, 32), 10) == [(27, 5), (45, 5), (45, 5), (5 * 16, 10)]


@pytest.mark.parametrize("name", ["he", "lecun", "power-1"])
def test_every_layer_has_the_deviation_of_a_fully_connected_one_with_as_many_inputs(name):
    law = initializers.get(name)
    given = betas(5, 4, (3, 8, 8), 10, name)
    assert given[0] == law.betas(5, 2, 27, 10)[0]
    assert given[1] == given[2] == law.betas(45, 3, 27, 10)[1]
    assert given[3] == law.betas(80, 2, 27, 10)[-1]
    stack = CNN(5, 4, (3, 8, 8), 10, name, replicas=200, **F64)
    for weight, beta in zip(stack.weights, given, strict=True):
        assert abs(weight.detach().std() / beta - 1) < 4 / (2 * weight.numel()) ** 0.5


@pytest.mark.parametrize(("image", "depth"), SHAPES)
def test_outputs_signs_and_derivatives_are_those_of_a_plain_module(image, depth):
    stack, x = network(image, depth), points(image)
    f, jacobian, signs = stack(x), stack.jacobian(x), stack.signs(x)
    for r in range(2):
        module = stack.module(r)
        torch.testing.assert_close(module(x), f[r], rtol=1e-12, atol=1e-12)
        expected = torch.func.vmap(torch.func.jacrev(lambda p, module=module: module(p[None])[0]))(x)
        torch.testing.assert_close(jacobian[r], expected, rtol=1e-9, atol=1e-12)
        h, seen = x, []
        for layer in module:
            h = layer(h)
            if isinstance(layer, nn.ReLU):
                seen.append(h > 0)
        assert all(torch.equal(sign[r], other) for sign, other in zip(signs, seen, strict=True))
    torch.testing.assert_close(stack.jacobian_gram(x), jacobian @ jacobian.mT)
    assert not jacobian.requires_grad


def test_points_of_each_replicas_own():
    stack, x = network((2, 7, 5), 3), points((2, 7, 5), 6, 2)
    for r in range(2):
        torch.testing.assert_close(stack(x)[r], stack.select([r])(x[r])[0])


def test_parts_of_the_points_change_nothing(monkeypatch):
    stack, x = network((1, 8, 8), 3), points((1, 8, 8), 11)
    whole = stack(x), stack.jacobian(x), stack.jacobian_gram(x)
    monkeypatch.setattr("lib.convolutional._NUMBERS_AT_ONCE", 4 * 27 * 16)
    for one, other in zip(whole, (stack(x), stack.jacobian(x), stack.jacobian_gram(x)), strict=True):
        torch.testing.assert_close(one, other)


def test_where_a_patch_is_all_zero_the_gate_is_closed_as_in_autograd():
    stack, x = network((1, 8, 8), 3), points((1, 8, 8))
    x[:, :40] = 0
    module = stack.module(1)
    expected = torch.func.vmap(torch.func.jacrev(lambda p: module(p[None])[0]))(x)
    torch.testing.assert_close(stack.jacobian(x)[1], expected, rtol=1e-9, atol=1e-12)
    assert (stack.jacobian(x)[1][..., :24] == 0).all()


@pytest.mark.parametrize(("image", "depth"), SHAPES)
def test_written_out_gradients_are_autograds(image, depth):
    stack, x = network(image, depth), points(image, 6, 2).requires_grad_()
    goal = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    at_points, *expected = torch.autograd.grad((stack(x) * goal).sum(), [x, *stack.weights])
    passes = stack.passes(6)
    for _ in range(2):  # buffers are used again
        passes.points.copy_(x.detach().flatten(0, 1))
        passes.forward()
        torch.testing.assert_close(passes.output, stack(x).detach(), rtol=1e-12, atol=1e-12)
        passes.output.copy_(goal)
        slope = torch.empty_like(passes.points)
        passes.pull_back(slope)
        torch.testing.assert_close(slope, at_points.flatten(0, 1), rtol=1e-9, atol=1e-12)
        passes.output.copy_(goal)
        into = [torch.ones_like(weight) for weight in expected]
        passes.backward(into, 0.5, -2.0)
        for found, gradient in zip(into, expected, strict=True):
            torch.testing.assert_close(found, 0.5 - 2 * gradient, rtol=1e-9, atol=1e-12)


def data(image):
    stream = torch.Generator().manual_seed(7)
    return Dataset(points(image, 23), torch.randint(0, 4, (23,), generator=stream), classes=4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_is_that_of_a_plain_loop(momentum):
    image = (2, 7, 5)
    stack, given = network(image, 4), data(image)
    modules = [stack.module(r) for r in range(2)]
    train(stack, given, epochs=3, batch_size=8, lr=0.05, momentum=momentum, weight_decay=0.01, schedule="constant")
    for r, module in enumerate(modules):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=momentum, weight_decay=0.01)
        stream = generator(5 + r, "batches")
        for _ in range(3):
            for batch in torch.randperm(23, generator=stream).split(8):
                optimizer.zero_grad()
                functional.cross_entropy(module(given.x[batch]), given.y[batch]).backward()
                optimizer.step()
        trained = stack.module(r)
        for found, expected in zip(trained.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


# Both ways in float32: patches as columns, and grouped convolutions where this processor has AVX-512.
WAYS = [products.MKL, products.Routes(grouped=1)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("image", "depth"), [shape for shape in SHAPES if shape[1] > 2])
def test_float32_passes_are_float64s_to_its_precision(image, depth, way):
    exact = network(image, depth, replicas=3)
    stack = network(image, depth, replicas=3, dtype=torch.float32)
    x, goal = points(image, 6, 3).flatten(0, 1), torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for some in (exact, stack):
        with products.using(way):
            passes = some.passes(6)
        passes.points.copy_(x)
        passes.forward()
        outputs = passes.output.clone()
        passes.output.copy_(goal)
        passes.pull_back(slope := torch.empty_like(passes.points))
        passes.output.copy_(goal)
        passes.backward(into := [torch.ones_like(weight) for weight in some.weights], 0.5, -2.0)
        found.append([outputs, slope, *into])
    for one, other in zip(*found, strict=True):
        assert torch.linalg.vector_norm(one - other) <= 1e-6 * torch.linalg.vector_norm(one)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("channels", [3, 8, 16])
def test_a_stack_trains_as_its_single_runs_to_the_bit(channels, way):
    image, options = (1, 8, 8), {"epochs": 2, "batch_size": 8, "lr": 0.05, "momentum": 0.9}
    given = data(image).to(dtype=torch.float32)

    def trained(replicas, seed):
        stack = CNN(channels, 3, image, 4, replicas=replicas, seed=seed, dtype=torch.float32)
        with products.using(way):
            train(stack, given, **options)
        return stack

    stack = trained(3, 2)
    for r in range(3):
        for other, at in ((trained(1, 2 + r), 0), (trained(2, 1 + r), 1)):
            assert all(torch.equal(w[r], v[at]) for w, v in zip(stack.weights, other.weights, strict=True))


def test_the_way_is_the_processors_and_the_networks_never_the_replicas():
    with products.using(products.Routes(grouped=8)) as used:
        grouped = [
            CNN(m, L, (1, 8, 8), 4, replicas=R, dtype=torch.float32).passes(2)
            for m in (7, 8)
            for L in (2, 3)
            for R in (1, 2)
        ]
        exact = network((1, 8, 8), 3).passes(2)
    # Without AVX-512 all convolutions go by columns.
    deep = "ConvolutionalPasses" if used.grouped is None else "GroupedPasses"
    assert [type(passes).__name__ for passes in grouped] == ["ConvolutionalPasses"] * 6 + [deep] * 2
    assert type(exact).__name__ == "ConvolutionalPasses"


def test_selected_replicas_are_copies():
    stack, x = network((1, 8, 8), 3, replicas=3), points((1, 8, 8))
    chosen = stack.select([2, 0])
    assert chosen.seeds == (7, 5)
    assert torch.equal(chosen(x), stack(x)[[2, 0]])
    with torch.no_grad():
        chosen.weights[0].zero_()
    assert stack.weights[0].any()
    with pytest.raises(ValueError, match=r"indices must be one or more of 0..2, got \[3\]"):
        stack.select([3])


@pytest.mark.parametrize(("image", "depth"), SHAPES)
def test_layer_sizes_are_what_the_passes_keep_of_a_point(image, depth):
    passes = network(image, depth, replicas=1).passes(1)
    kept = sum(buffer.numel() for buffer in (*passes.padded, *passes.patches, *passes.sums))
    first, *hidden, last = network(image, depth).layer_sizes
    assert (first, sum(hidden), last) == (passes.points.numel(), kept, passes.output.numel())


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((0, 2, (1, 8, 8), 4), {}, "width must be an integer of at least 1, got 0."),
        ((3, 1, (1, 8, 8), 4), {}, "depth must be an integer of at least 2, got 1."),
        ((3, 2, (8, 8), 4), {}, "image must be (channels, height, width), got (8, 8)."),
        ((3, 2, (1, 0, 8), 4), {}, "height must be an integer of at least 1, got 0."),
        ((3, 2, (1, 8, 8), 4), {"alpha": 0}, "alpha must be positive and finite, got 0."),
        ((3, 2, (1, 8, 8), 4), {"replicas": 0}, "replicas must be an integer of at least 1, got 0."),
    ],
)
def test_what_is_no_network_is_refused(arguments, options, sentence):
    with pytest.raises(ValueError) as refused:
        CNN(*arguments, **options)
    assert str(refused.value) == sentence


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"x must have shape \(n, 64\), images of \(1, 8, 8\) flattened, or"):
        network((1, 8, 8), 2)(torch.zeros(3, 49, dtype=torch.float64))
