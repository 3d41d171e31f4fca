"""The network with its cache is the network without it, and nothing sees what is not before it in its own dialogue."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.policy.transformer import BLOCK, Transformer, attend, attend_before, left_out, rotate

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


def test_attention_in_blocks_is_attention_and_so_is_its_gradient():
    rng, length = np.random.default_rng(2), BLOCK + 37
    inputs = jnp.asarray(rng.normal(size=(3, 2, length, 2, 8)), jnp.float32)
    segments = jnp.asarray(np.sort(rng.integers(3, size=(2, length)), axis=1))
    allowed = jnp.tril(jnp.ones((length, length), bool)) & (segments[:, :, None] == segments[:, None, :])
    weights = jnp.asarray(rng.normal(size=inputs.shape[1:]), jnp.float32)

    def whole(inputs: jax.Array) -> jax.Array:
        return jnp.sum(weights * attend(inputs[0], inputs[1], inputs[2], allowed))

    def in_blocks(inputs: jax.Array) -> jax.Array:
        return jnp.sum(weights * attend_before(inputs[0], inputs[1], inputs[2], segments))

    np.testing.assert_allclose(in_blocks(inputs), whole(inputs), rtol=1e-4)
    np.testing.assert_allclose(jax.grad(in_blocks)(inputs), jax.grad(whole)(inputs), atol=1e-5)


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    ones = jnp.ones((7, 301, 33))  # no multiple of four
    dropped = left_out(ones, jax.random.key(0), 0.1)
    assert abs(float((dropped == 0).mean()) - 26 / 256) < 0.005
    assert abs(float(dropped.mean()) - 1) < 0.005
    assert len(np.unique(dropped)) == 2
    assert not np.array_equal(dropped, left_out(ones, jax.random.key(1), 0.1))
