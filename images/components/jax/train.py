"""A small network in JAX, trained with Optax."""

import os

import digits
import jax
import jax.numpy as jnp
import optax

if os.environ["GPU"] == "yes" and jax.default_backend() != "gpu":
    raise SystemExit("JAX does not see the GPU")
images, labels, test_images, test_labels = digits.load()
parameters = [jnp.asarray(array) for array in digits.weights()]
optimizer = optax.sgd(0.1, momentum=0.9)
state = optimizer.init(parameters)


def scores(parameters: list[jax.Array], batch: jax.Array) -> jax.Array:
    hidden = jnp.tanh(batch @ parameters[0] + parameters[1])
    return hidden @ parameters[2] + parameters[3]


@jax.jit
def step(parameters: list[jax.Array], state: optax.OptState, batch: jax.Array, wanted: jax.Array):
    def loss(parameters: list[jax.Array]) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(scores(parameters, batch), wanted).mean()

    updates, state = optimizer.update(jax.grad(loss)(parameters), state)
    return optax.apply_updates(parameters, updates), state


for batch in digits.batches(len(images), epochs=20):
    parameters, state = step(parameters, state, images[batch], labels[batch])
digits.report("jax", f"{jax.__version__} on {jax.default_backend()}", scores(parameters, test_images), test_labels)
