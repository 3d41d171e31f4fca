"""Quantisation: the nearest code, gradients that pass, averages that follow the data, dead codes that come back."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.speech.tokenizer.quantiser import Codebook, init_codebook, learn, nearest_code, quantise, unit


def test_the_nearest_code_is_the_nearest():
    keys = jax.random.split(jax.random.key(0))
    book, vectors = init_codebook(keys[0], 9, 5), jax.random.normal(keys[1], (30, 5))
    values, numbers, commitment = quantise(book, vectors)
    distance = np.linalg.norm(np.asarray(unit(vectors))[:, None] - np.asarray(book.codes)[None], axis=-1)
    np.testing.assert_array_equal(numbers, distance.argmin(axis=1))
    np.testing.assert_allclose(values, np.asarray(book.codes)[distance.argmin(axis=1)], atol=1e-6)
    np.testing.assert_allclose(commitment, (distance.min(axis=1) ** 2).mean(), rtol=1e-5)


def test_gradients_pass_straight_through_to_the_direction():
    book, vectors = init_codebook(jax.random.key(0), 9, 5), jax.random.normal(jax.random.key(1), (4, 5))
    weights = jax.random.normal(jax.random.key(2), (4, 5))
    got = jax.grad(lambda x: jnp.sum(weights * quantise(book, x)[0]))(vectors)
    wanted = jax.grad(lambda x: jnp.sum(weights * unit(x)))(vectors)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_codes_move_to_the_data_and_dead_ones_are_restarted_only_while_asked():
    corners = unit(jnp.array([[1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [-1.0, 0.0, 0.1], [0.0, -1.0, 0.1]]))
    start = jnp.tile(unit(jnp.array([[0.0, 0.1, 1.0]])), (4, 1))
    data = corners[jnp.arange(400) % 4] + 0.02 * jax.random.normal(jax.random.key(0), (400, 3))

    def fit(restart: bool) -> Codebook:
        book, step = Codebook(start, jnp.ones(4), start), jax.jit(learn)
        for index in range(300):
            # Restarts end before the averages do, as in training.
            now = jnp.asarray(restart and index % 10 == 0 and index < 200)
            book = step(book, data, jax.random.key(index), now)
        return book

    assert len(set(np.asarray(nearest_code(fit(False), corners)).tolist())) < 4
    book = fit(True)
    assert len(set(np.asarray(nearest_code(book, corners)).tolist())) >= 3
    np.testing.assert_allclose(jnp.linalg.norm(book.codes, axis=-1), 1.0, atol=1e-5)
