"""What a user of JAX would write: the same trainings and Jacobians, jit-compiled; runs in JAX's own environment.

A process of its own: `python jax_peer.py ARRAYS`, told what to do by lines of JSON on standard input, answers each with
one. {"train": {...}}, {"attacked": {...}} and {"jacobians": {...}} compile and answer {"number", "compiled": seconds};
{"run": number, "steps": n} answers {"seconds": of one}; {"forget": true} lets go of what was compiled.
"""

from __future__ import annotations

import json
import math
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

# Steps of one call: Python's part is paid once for all of them.
_SCANNED = 20


def forward(weights, x, low):
    """Return f of one replica; with `low` the factors of the hidden layers' products are rounded to bf16."""
    *hidden, last = weights
    for weight in hidden:
        if low:
            x = jax.lax.dot(x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
        else:
            x = x @ weight
        x = jax.nn.relu(x)
    return x @ last


def loss(weights, x, y, low):
    """Return the mean cross-entropy of a batch."""
    logarithms = jax.nn.log_softmax(forward(weights, x, low))
    return -jnp.take_along_axis(logarithms, y[:, None], axis=1).mean()


def initial(key, width, depth, replicas):
    """Return He-initialized weights, (replicas, fan_in, fan_out) a layer."""
    fans = [784, *[width] * (depth - 1), 10]
    keys = jax.random.split(key, depth)
    return [
        math.sqrt(2 / fans[layer]) * jax.random.normal(keys[layer], (replicas, fans[layer], fans[layer + 1]))
        for layer in range(depth)
    ]


def losses(weights, x, y):
    """Return the cross-entropy of every point."""
    return -jnp.take_along_axis(jax.nn.log_softmax(forward(weights, x, False)), y[:, None], axis=1)[:, 0]


def attacked_trainer(x, y, width, depth, replicas, batch, lr, momentum, epsilon, steps, size, pixels):
    """Return what takes so many steps on the mean of L(x) + max(L(x̂) − L(x), 0), x̂ the last point of PGD in ℓ∞."""
    uphill = jax.grad(lambda point, weights, y: losses(weights, point, y).sum())

    def attack(weights, x, y, key):
        low, high = jnp.maximum(x - epsilon, pixels[0]), jnp.minimum(x + epsilon, pixels[1])
        start = jnp.clip(x + jax.random.uniform(key, x.shape, minval=-epsilon, maxval=epsilon), low, high)

        def climb(_, point):
            return jnp.clip(point + size * jnp.sign(uphill(point, weights, y)), low, high)

        return jax.lax.fori_loop(0, steps, climb, start)

    def risk(weights, x, point, y):
        natural = losses(weights, x, y)
        return (natural + jnp.maximum(losses(weights, point, y) - natural, 0)).mean()

    def slope(weights, x, y, key):
        return jax.grad(risk)(weights, x, attack(weights, x, y, key), y)

    def step(state, index):
        weights, velocities, key = state
        key, own = jax.random.split(key)
        gradients = jax.vmap(slope)(weights, x[index], y[index], jax.random.split(own, replicas))
        velocities = [momentum * v + gradient for v, gradient in zip(velocities, gradients, strict=True)]
        weights = [weight - lr * v for weight, v in zip(weights, velocities, strict=True)]
        return (weights, velocities, key), None

    scan = jax.jit(lambda state, indices: jax.lax.scan(step, state, indices)[0], donate_argnums=0)
    weights = initial(jax.random.PRNGKey(0), width, depth, replicas)
    stream, kept = (
        np.random.default_rng(0),
        {"state": (weights, [jnp.zeros_like(w) for w in weights], jax.random.PRNGKey(1))},
    )

    def run(steps):
        for _ in range(math.ceil(steps / _SCANNED)):
            indices = stream.integers(0, len(x), (_SCANNED, replicas, batch))
            kept["state"] = scan(kept["state"], indices)
        jax.block_until_ready(kept["state"])
        return math.ceil(steps / _SCANNED) * _SCANNED * replicas

    return run


def trainer(x, y, width, depth, replicas, batch, lr, precision):
    """Return what takes so many steps: vmap over replicas, scan over steps, the weights' memory given away."""
    slope = jax.grad(partial(loss, low=precision == "bf16"))

    def step(weights, index):
        gradients = jax.vmap(slope)(weights, x[index], y[index])
        return [weight - lr * gradient for weight, gradient in zip(weights, gradients, strict=True)], None

    scan = jax.jit(lambda weights, indices: jax.lax.scan(step, weights, indices)[0], donate_argnums=0)
    stream, state = np.random.default_rng(0), {"weights": initial(jax.random.PRNGKey(0), width, depth, replicas)}

    def run(steps):
        for _ in range(math.ceil(steps / _SCANNED)):
            indices = stream.integers(0, len(x), (_SCANNED, replicas, batch))
            state["weights"] = scan(state["weights"], indices)
        jax.block_until_ready(state["weights"])
        return math.ceil(steps / _SCANNED) * _SCANNED * replicas

    return run


def jacobians(x, _y, width, depth, points):
    """Return a function that computes J Jᵀ of every point so many times, through all of J: vmap over jacrev."""
    weights = [layer[0] for layer in initial(jax.random.PRNGKey(0), width, depth, 1)]
    rows = jax.vmap(jax.jacrev(lambda point: forward(weights, point, False)))

    @jax.jit
    def gram(x):
        j = rows(x)
        return j @ jnp.swapaxes(j, 1, 2)

    def run(steps):
        for _ in range(steps):
            gram(x[:points]).block_until_ready()
        return steps

    return run


_KINDS = {"train": trainer, "attacked": attacked_trainer, "jacobians": jacobians}


def main():
    arrays = np.load(sys.argv[1])
    x, y = jnp.asarray(arrays["x"]), jnp.asarray(arrays["y"])
    compiled = []
    for line in sys.stdin:
        told = json.loads(line)
        start = time.perf_counter()
        if "steps" in told:
            done = compiled[told["run"]](told["steps"])
            answer = {"seconds": (time.perf_counter() - start) / done}
        elif "forget" in told:
            compiled.clear()
            answer = {}
        else:
            ((kind, settings),) = told.items()
            compiled.append(_KINDS[kind](x, y, **settings))
            compiled[-1](1)
            answer = {"number": len(compiled) - 1, "compiled": time.perf_counter() - start, "jax": jax.__version__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
