"""CASA's identities, with gradients through the real network in all of its parameters."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import casa
from jaxrl.agents.exploration import Drawn
from jaxrl.config.registry import make
from jaxrl.networks import atari, mlp
from jaxrl.types import ArraySpec, EnvSpec, Trajectory

SETTINGS = {
    "mlp": (mlp.Config((16, 16)), EnvSpec(ArraySpec((4,), "float32"), 5, 1)),
    "small": (atari.Config((16,), torso="small"), EnvSpec(ArraySpec((4, 42, 42), "uint8"), 6, 4)),
}
TEMPERATURES = [0.02, 0.1, 1.0, 5.0]
VALUE_COST, Q_COST, POLICY_COST = 0.0, 7.0, 3.0


class Slopes(NamedTuple):
    """Rows are actions, columns all parameters of the network."""

    logits: jax.Array
    q_values: jax.Array
    value: jax.Array
    q: Any  # grad Q(a) [A, P]
    log_policy: Any  # grad log pi(a) [A, P]
    unstopped: Any  # grad Q(a) without the stop-gradient on pi [A, P]
    entropy: Any  # grad H [P]


@cache
def built(name: str):
    config, spec = SETTINGS[name]
    rng = np.random.default_rng(0)
    shape = (1, *spec.observation.shape)
    observation = rng.integers(0, 256, shape, np.uint8) if len(shape) == 4 else rng.normal(size=shape)
    observation = observation.astype(spec.observation.dtype)
    network = make("network", config, spec)
    params = network.init(jax.random.key(0), observation)["params"]
    # A fresh policy is nearly uniform, where all of this would hold by accident.
    params["policy"]["kernel"] = jax.random.normal(jax.random.key(1), params["policy"]["kernel"].shape)
    spread = float(network.apply({"params": params}, observation).policy.std())

    @jax.jit
    def slopes(temperature: jax.Array) -> Slopes:
        scale = 1.5 * temperature / spread  # so that every temperature has a lively policy

        def heads_of(params: Any) -> tuple[jax.Array, ...]:
            output = network.apply({"params": params}, observation)
            advantages = scale * output.policy
            logits = ops.softmax_policy(advantages, temperature)
            q = casa.q_values(advantages, logits, output.value)
            return tuple(x[0] for x in (logits, q, output.value, advantages))

        def unstopped(params: Any) -> jax.Array:
            logits, _, value, advantages = heads_of(params)
            return advantages - jnp.exp(logits) @ advantages + jax.lax.stop_gradient(value)

        logits, q_values, value, _ = heads_of(params)
        return Slopes(
            logits,
            q_values,
            value,
            jax.jacrev(lambda p: heads_of(p)[1])(params),
            jax.jacrev(lambda p: heads_of(p)[0])(params),
            jax.jacrev(unstopped)(params),
            jax.grad(lambda p: ops.entropy(heads_of(p)[0]))(params),
        )

    return network, params, observation, spread, slopes


def flat(tree: Any, rows: int | None = None) -> np.ndarray:
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([leaf.reshape(rows, -1) if rows else leaf.reshape(-1) for leaf in leaves], axis=-1)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_value_and_policy_gradients_are_parallel(name, temperature):
    slopes = built(name)[-1](temperature)
    policy = np.exp(np.asarray(slopes.logits, np.float64))
    assert policy.min() > 0.001 and policy.max() < 0.9
    np.testing.assert_allclose(policy.sum(), 1, atol=1e-6)
    # sum_a pi Q = V
    np.testing.assert_allclose(policy @ slopes.q_values, slopes.value, rtol=1e-4, atol=1e-5)

    q, log_policy = flat(slopes.q, len(policy)), flat(slopes.log_policy, len(policy))
    np.testing.assert_allclose(cosine(q, log_policy), 1, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1) / np.linalg.norm(log_policy, axis=1), temperature, rtol=1e-4)
    for leaf in jax.tree.leaves(slopes.q["value"]):
        assert not np.any(leaf)  # V is a constant to Q
    assert all(np.any(leaf) for leaf in jax.tree.leaves(slopes.q["torso"]))

    # The stop-gradient on pi is what does it.
    assert cosine(flat(slopes.unstopped, len(policy)), log_policy).min() < 0.9


def test_without_the_stop_gradient_an_action_may_learn_backwards(double):
    """Two nearly equal good actions and a bad one: Q(a) - and with it its regression - moves against log pi(a)."""

    def q(advantages):
        logits = ops.softmax_policy(advantages, 0.1)
        return advantages - jnp.sum(jnp.exp(logits) * advantages), logits

    worst = 1.0
    for seed in range(20):
        advantages = jax.random.normal(jax.random.key(seed), (2,)) * 0.3
        q_slope, log_slope = jax.jacrev(q)(advantages)
        worst = min(worst, cosine(np.asarray(q_slope), np.asarray(log_slope)).min())
    assert worst == pytest.approx(-1, abs=1e-9)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_evaluation_is_entropy_regularised_improvement(temperature):
    """g_PE = temperature g_PI + temperature^2 grad H, whatever Q^pi is."""
    slopes = built("mlp")[-1](temperature)
    policy = np.exp(np.asarray(slopes.logits, np.float64))
    q, log_policy, entropy = flat(slopes.q, 5), flat(slopes.log_policy, 5), flat(slopes.entropy)
    true_q = np.random.default_rng(0).normal(size=5) * temperature
    evaluation = policy * (true_q - np.asarray(slopes.q_values)) @ q
    improvement = policy * (true_q - np.asarray(slopes.value)) @ log_policy
    expected = temperature * improvement + temperature**2 * entropy
    error = np.linalg.norm(evaluation - expected) / np.linalg.norm(expected)
    assert error < 1e-4
    assert np.linalg.norm(temperature**2 * entropy) > 0.05 * np.linalg.norm(expected)  # neither part is negligible
    assert np.linalg.norm(temperature * improvement) > 0.05 * np.linalg.norm(expected)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("factor", [False, True])
def test_the_loss_descends_along_improvement_plus_entropy(temperature, factor):
    """alpha g_PE + beta g_PI = (alpha temperature + beta) g_PI + alpha temperature^2 grad H, in expectation.

    Through `casa.loss`, on every action in turn, weighted by its probability; with the factor beta is beta temperature.
    """
    slopes = built("mlp")[-1](temperature)
    policy = np.exp(np.asarray(slopes.logits, np.float64))
    true_q = (np.random.default_rng(0).normal(size=5) * temperature).astype(np.float32)
    gradients = loss_gradients(temperature, factor)(jnp.float32(temperature), true_q, slopes.logits)
    descent = -policy @ flat(gradients, 5)

    improvement = policy * (true_q - np.asarray(slopes.value)) @ flat(slopes.log_policy, 5)
    weight = Q_COST * temperature + POLICY_COST * (temperature if factor else 1)
    expected = weight * improvement + Q_COST * temperature**2 * flat(slopes.entropy)
    assert np.linalg.norm(descent - expected) < 1e-4 * np.linalg.norm(expected)


@cache
def loss_gradients(temperature: float, factor: bool):
    """One terminated row per action, its reward the action's true Q; on policy."""
    network, params, observation, spread, _ = built("mlp")
    hypers = casa.Hypers(value_cost=VALUE_COST, q_cost=Q_COST, policy_cost=POLICY_COST, temperature=temperature,
                         advantage_scale=1.5 * temperature / spread)  # fmt: skip
    config = casa.Config(hypers, reward_transform="identity", temperature_factor=factor)
    loss = partial(casa.loss, config=config, network=network)

    @jax.jit
    def gradients(temperature: jax.Array, true_q: jax.Array, logits: jax.Array) -> Any:
        def one(action: jax.Array) -> Any:
            cell = jnp.ones((1, 1))
            trajectory = Trajectory(
                observation=jnp.stack([observation, observation]),
                first=jnp.zeros((2, 1), bool),
                legal=None,
                action=jnp.full((1, 1), action),
                behaviour_logits=logits[None, None],
                reward=true_q[action] * cell,
                discount=0 * cell,
                last=cell > 0,
                episode_return=cell,
                episode_length=cell,
                actor_state=(),
                extras=Drawn(temperature * cell),
            )
            return jax.grad(loss, has_aux=True)(params, hypers, trajectory)[0]

        return jax.vmap(one)(jnp.arange(5))

    return gradients
