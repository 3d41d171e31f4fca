"""The LSTM against NumPy, and where it forgets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.networks import mlp
from jaxrl.networks.lstm import LSTM, LSTMState
from jaxrl.types import ArraySpec, EnvSpec
from tests.reference import lstm

BATCH, LENGTH, FEATURES, SIZE = 3, 11, 5, 4
CORE = LSTM(SIZE)
UNROLL = jax.jit(CORE.apply)


@pytest.fixture(scope="module")
def case():
    """(params, features, first, memory); the second environment starts two episodes, the third none."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(BATCH, LENGTH, FEATURES)).astype(np.float32)
    first = np.zeros((BATCH, LENGTH), bool)
    first[0, 0] = first[1, 3] = first[1, 8] = True
    memory = LSTMState(*rng.normal(size=(2, BATCH, SIZE)).astype(np.float32))
    params = CORE.init(jax.random.key(0), features, first, memory)["params"]
    bias = params["bias"] + rng.normal(size=4 * SIZE).astype(np.float32)
    return {**params, "bias": bias}, features, first, memory


def test_it_is_the_documented_function(case):
    params, features, first, memory = case
    outputs, after = UNROLL({"params": params}, features, first, memory)
    expected = lstm.unroll(params, features, first, *memory)
    for ours, theirs in zip((outputs, *after), expected, strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    carried = lstm.unroll(params, features, np.zeros_like(first), *memory)[0]
    assert np.abs(carried - expected[0])[1, 3:].max() > 0.01, "the resets matter here"


def test_row_by_row_is_the_same(case):
    params, features, first, memory = case
    whole, last = UNROLL({"params": params}, features, first, memory)
    for t in range(LENGTH):
        row, memory = UNROLL({"params": params}, features[:, t : t + 1], first[:, t : t + 1], memory)
        np.testing.assert_allclose(row[:, 0], whole[:, t], rtol=1e-6, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), memory, last)


@pytest.mark.parametrize("poison", [np.nan, 1e9])
def test_nothing_reaches_past_the_start_of_an_episode(case, poison):
    """Not in the outputs and not in the gradients, whatever stood there before: environment 1 starts one at row 3."""
    params, features, first, memory = case
    dirty = features.copy()
    dirty[1, :3] = poison
    spoilt = jax.tree.map(lambda x: np.where(np.arange(BATCH)[:, None] == 1, np.float32(poison), x), memory)

    def loss(params, features, memory):
        outputs, after = CORE.apply({"params": params}, features, first, memory)
        return jnp.sum(jnp.sin(outputs[1, 3:])), (outputs[1, 3:], after.cell[1])

    gradient = jax.jit(jax.grad(loss, argnums=(1, 2), has_aux=True))
    (clean_features, clean_memory), clean = gradient(params, features, memory)
    _, dirty = gradient(params, dirty, spoilt)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert not np.any(clean_features[1, :3]) and np.any(clean_features[1, 3])
    assert not any(np.any(leaf) for leaf in clean_memory)


def test_initial_weights():
    features, first = jnp.zeros((1, 1, 6)), jnp.ones((1, 1), bool)
    params = CORE.init(jax.random.key(0), features, first, LSTMState(*jnp.zeros((2, 1, SIZE))))["params"]
    assert params["bias"].reshape(4, SIZE).tolist() == [[0.0] * SIZE, [1.0] * SIZE, [0.0] * SIZE, [0.0] * SIZE]
    for gate in np.split(np.asarray(params["recurrent_kernel"]), 4, axis=1):
        np.testing.assert_allclose(gate.T @ gate, np.eye(SIZE), atol=1e-5)


def test_the_core_stands_between_torso_and_heads():
    spec = EnvSpec(ArraySpec((2,), "float32"), 3, 1)
    plain = mlp.make(mlp.Config((8,)), spec)
    recurrent = mlp.make(mlp.Config((8,), core="lstm", core_size=4), spec)
    assert plain.initial_memory(5) == ()
    memory = recurrent.initial_memory(5)
    assert [leaf.shape for leaf in memory] == [(5, 4)] * 2 and not any(leaf.any() for leaf in memory)
    observation = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    assert set(plain.init(jax.random.key(0), observation)["params"]) == {"torso", "policy", "value"}
    params = recurrent.init(jax.random.key(0), observation)["params"]
    assert set(params) == {"torso", "core", "policy", "value"}
    assert params["core"]["kernel"].shape == (8, 16) and params["policy"]["kernel"].shape == (4, 3)
    output = recurrent.apply({"params": params}, observation, np.zeros((5, 2), bool), memory)
    alone = recurrent.apply({"params": params}, observation)  # every row an episode of its own
    assert output.policy.shape == alone.policy.shape == (10, 3) and output.value.shape == (10,)
    np.testing.assert_allclose(output.policy[::2], alone.policy[::2], rtol=1e-5, atol=1e-7)
    assert np.abs(output.value - alone.value)[1::2].min() > 1e-4


def test_bfloat16_keeps_a_float32_memory():
    network = mlp.make(
        mlp.Config((8,), dtype="bfloat16", core="lstm", core_size=4), EnvSpec(ArraySpec((2,), "float32"), 3, 1)
    )
    observation = jnp.ones((6, 2))
    output = network.apply(network.init(jax.random.key(0), observation), observation)
    assert {leaf.dtype for leaf in jax.tree.leaves(output)} == {jnp.dtype("float32")}
