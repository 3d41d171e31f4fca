"""Where CASA's own loss comes to rest on tabular MDPs, in expectation over every transition.

The head settles at a multiple of the advantage, and DR-Trace finds `(Q^pi, V^pi)` all the same, off policy and clipped,
because the loss gives it what the head stands for (docs/casa.md derives both).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import casa
from jaxrl.agents.exploration import Drawn
from jaxrl.networks.heads import NetworkOutput
from jaxrl.types import Trajectory
from tests.reference.mdp import MDP, draw_mdp, enumerate_paths, solve

MDPS = [draw_mdp(np.random.default_rng(seed)) for seed in range(3)]
# No policy at rest is deterministic, and no action too rare to be learnt in the given number of steps.
MDPS = [m._replace(reward=0.2 * m.reward, behaviour=(m.behaviour + 1 / 3) / 2) for m in MDPS]
TEMPERATURES = (0.1, 0.3, 1.0, 5.0)
Q_COST, POLICY_COST = 10.0, 6.0
HYPERS = casa.Hypers(q_cost=Q_COST, policy_cost=POLICY_COST, advantage_scale=1.0, discount_factor=1.0)
S, A = 3, 3


class Tables:
    """A network with one row of A and one V a state; observations are states."""

    def apply(self, variables: Any, observation: jax.Array) -> NetworkOutput:
        params = variables["params"]
        return NetworkOutput(params["policy"][observation], params["value"][observation])

    def init(self, rngs: Any, observation: Any) -> Any:
        raise NotImplementedError

    def initial_memory(self, num_envs: int) -> tuple[()]:
        return ()


class Rest(NamedTuple):
    """Leaves [temperatures, MDPs, ...]."""

    value: Any  # [S]
    advantages: Any  # the head's A [S, A]
    force: Any  # largest expected gradient
    slope: Any  # spectral radius of a step of descent there: 1, of A's free mean, where descent comes to rest


@cache
def come_to_rest(trace_q: Any, factor: bool, on_policy: bool, entropy_cost: float = 0.0) -> Rest:
    config = casa.Config(HYPERS, reward_transform="identity", temperature_factor=factor, trace_q=trace_q)
    loss = partial(casa.loss, config=config, network=Tables())
    paths = enumerate_paths(MDPS[0], 1)  # the same states and actions in every MDP
    s, a = paths.state, paths.action

    def behaviour_of(mdp: MDP, temperature: jax.Array, tables: jax.Array) -> jax.Array:
        logits = jax.nn.log_softmax(tables[S:].reshape(S, A) / temperature)
        return jax.lax.stop_gradient(logits) if on_policy else jnp.log(mdp.behaviour)

    def force(mdp: MDP, temperature: jax.Array, tables: jax.Array) -> jax.Array:
        """The expected gradient [S + S A]."""
        params = {"value": tables[:S], "policy": tables[S:].reshape(S, A)}
        behaviour = behaviour_of(mdp, temperature, tables)
        chance = jnp.exp(behaviour[s[0], a[0]]) * mdp.transition[s[0], a[0], s[1]]

        def one(s: Any, a: Any) -> Any:
            cell = jnp.ones((1, 1))
            trajectory = Trajectory(
                observation=s[:, None],
                first=jnp.zeros((2, 1), bool),
                legal=None,
                action=a[:, None],
                behaviour_logits=behaviour[s[:-1]][:, None],
                reward=mdp.reward[s[:-1], a, s[1:]][:, None],
                discount=mdp.discount[s[1:]][:, None],
                last=cell < 0,
                episode_return=cell,
                episode_length=cell,
                actor_state=(),
                extras=Drawn(temperature * cell),
            )
            hypers = jax.tree.map(jnp.asarray, replace(HYPERS, entropy_cost=entropy_cost))
            return jax.grad(loss, has_aux=True)(params, hypers, trajectory)[0]

        every = jax.vmap(one, (1, 1))(s, a)
        mean = jax.tree.map(lambda x: jnp.tensordot(chance / S, x, 1), every)
        return jnp.append(mean["value"], mean["policy"])

    @jax.jit
    @partial(jax.vmap, in_axes=(None, 0))
    @partial(jax.vmap, in_axes=(0, None))
    def settle(mdp: MDP, temperature: jax.Array) -> Rest:
        pull = partial(force, mdp, temperature)
        stiffness = Q_COST + POLICY_COST / (1 if factor else temperature) + entropy_cost / temperature**2

        def descend(tables: jax.Array) -> jax.Array:
            """Every state and action as fast as if it were the only one."""
            often = jnp.append(jnp.ones(S), stiffness * jnp.exp(behaviour_of(mdp, temperature, tables))) / S
            return tables - 0.2 * pull(tables) / often

        tables = jax.lax.fori_loop(0, 1200, lambda _, x: descend(x), jnp.zeros(S + S * A))
        for _ in range(4):  # of Newton; A's mean over actions is free
            tables = tables - jnp.linalg.pinv(jax.jacfwd(pull)(tables), rtol=1e-9) @ pull(tables)
        slope = jnp.abs(jnp.linalg.eigvals(jax.jacfwd(descend)(tables))).max()
        return Rest(tables[:S], tables[S:].reshape(S, A), jnp.abs(pull(tables)).max(), slope)

    mdps = jax.tree.map(lambda *x: np.stack(x), *MDPS)
    rest = jax.tree.map(np.asarray, settle(mdps, jnp.asarray(TEMPERATURES)))
    assert rest.force.max() < 1e-9 and rest.slope.max() < 1 + 1e-6
    return rest


def exact(rest: Rest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`Abar` and the advantages [temperatures, MDPs, S, A] of the policies at rest, and their values [..., S]."""
    centred, advantage = np.zeros_like(rest.advantages), np.zeros_like(rest.advantages)
    values = np.zeros_like(rest.value)
    for t, m in np.ndindex(rest.value.shape[:2]):
        weight = np.exp((rest.advantages[t, m] - rest.advantages[t, m].max(1, keepdims=True)) / TEMPERATURES[t])
        policy = weight / weight.sum(1, keepdims=True)
        q, values[t, m] = solve(MDPS[m], policy)
        advantage[t, m] = q - values[t, m][:, None]
        centred[t, m] = rest.advantages[t, m] - (policy * rest.advantages[t, m]).sum(1, keepdims=True)
    return centred, advantage, values


@pytest.mark.parametrize("factor", [False, True])
def test_off_policy_and_clipped_it_rests_at_the_values_of_its_policy(factor, double):
    rest = come_to_rest("settled", factor, on_policy=False)
    _, _, values = exact(rest)
    np.testing.assert_allclose(rest.value, values, rtol=0, atol=1e-7)
    # The head as Q is what was wrong before: not by rounding, at any temperature.
    biased = come_to_rest("head", factor, on_policy=False)
    error = np.abs(biased.value - exact(biased)[2]).max(-1)
    assert (np.median(error, 1) > 0.001).all(), error


@pytest.mark.parametrize("factor", [False, True])
def test_on_policy_the_head_is_kappa_times_the_advantage(factor, double):
    centred, advantage, values = exact(rest := come_to_rest("settled", factor, on_policy=True))
    np.testing.assert_allclose(rest.value, values, rtol=0, atol=1e-7)
    for i, temperature in enumerate(TEMPERATURES):
        kappa = 1 + POLICY_COST / Q_COST / (1 if factor else temperature)
        np.testing.assert_allclose(centred[i], kappa * advantage[i], rtol=0, atol=1e-7, err_msg=f"{temperature}")


def test_an_entropy_bonus_is_part_of_where_it_rests(double):
    rest = come_to_rest("settled", False, on_policy=False, entropy_cost=0.1)
    np.testing.assert_allclose(rest.value, exact(rest)[2], rtol=0, atol=1e-7)
