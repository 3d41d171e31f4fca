"""The network with its cache is the network without it, and nothing sees what is not before it in its own dialogue."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.policy.transformer import Transformer, rotate

NETWORK: Any = Transformer(40, width=16, layers=2, heads=2)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(40, size=(3, 12)))


@pytest.fixture(scope="module")
def params():
    return NETWORK.init(jax.random.key(0), TOKENS)["params"]


def test_steps_with_the_cache_are_the_whole_at_once(params):
    whole = NETWORK.apply({"params": params}, TOKENS)
    lengths = jnp.array([2, 5, 4])
    first, cache = NETWORK.apply({"params": params}, TOKENS[:, :5], 7, method="prefill")
    np.testing.assert_allclose(first, whole[:, :5], atol=1e-5)
    step = jax.jit(lambda *given: NETWORK.apply({"params": params}, *given, method="step"))
    for count in range(7):
        place = lengths + count
        logits, cache = step(TOKENS[jnp.arange(3), place], cache, place)
        np.testing.assert_allclose(logits, whole[jnp.arange(3), place], atol=1e-5)


def test_an_empty_cache_begins_a_row(params):
    cache = NETWORK.apply({"params": params}, 3, 12, method="empty_cache")
    logits, _ = NETWORK.apply({"params": params}, TOKENS[:, 0], cache, jnp.zeros(3, int), method="step")
    np.testing.assert_allclose(logits, NETWORK.apply({"params": params}, TOKENS[:, :1])[:, 0], atol=1e-5)


def test_nothing_sees_what_comes_later_or_another_dialogue(params):
    apply = jax.jit(lambda tokens, segments: NETWORK.apply({"params": params}, tokens, segments))
    segments = jnp.array([[1] * 4 + [2] * 8] * 3)
    packed = apply(TOKENS, segments)
    changed = apply(TOKENS.at[:, :4].set(0).at[:, 9:].set(0), segments)
    np.testing.assert_array_equal(packed[:, 4:9], changed[:, 4:9])
    assert not np.allclose(packed[:, 9:], changed[:, 9:])
    alone = NETWORK.apply({"params": params}, TOKENS[:, 4:])
    np.testing.assert_allclose(packed[:, 4:], alone, atol=1e-5)  # only distances count


def test_rotation_keeps_lengths_and_depends_on_distance():
    query, key = jnp.asarray(np.random.default_rng(1).normal(size=(2, 1, 1, 1, 8)))

    def product(first: int, second: int) -> float:
        return float((rotate(query, jnp.array([[first]])) * rotate(key, jnp.array([[second]]))).sum())

    assert abs(product(3, 7) - product(103, 107)) < 1e-4 < abs(product(3, 7) - product(3, 8))
    np.testing.assert_allclose(np.linalg.norm(rotate(query, jnp.array([[9]]))), np.linalg.norm(query), rtol=1e-5)
