"""What the operators converge to on tabular MDPs, with exact expectations over every trajectory of one or two rows.

DR-Trace with `E_pi Q = V` enforced finds `(Q^pi, V^pi)` of the target policy, whatever the behaviour and the clips;
V-trace finds the value of another policy, `min(rho_clip mu, pi)` normalised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import dr_trace, vtrace
from tests.reference.mdp import MDP, Paths, draw_mdp, enumerate_paths, solve, vtrace_policy

MDPS = [draw_mdp(np.random.default_rng(seed)) for seed in range(40)]
CLIPS = [(0.3, 0.3), (0.7, 0.5), (1.05, 1.05), (3.0, 1.0), (np.inf, np.inf)]
STATES, ACTIONS = MDPS[0].target.shape


def sweep(mdp: MDP, paths: Paths, clips: jax.Array, tables: jax.Array) -> jax.Array:
    """V <- S(V); Abar <- T(Q) - E_pi T(Q), both expectations of `dr_trace` over all paths; tables [S + S A]."""
    value, advantage = tables[:STATES], tables[STATES:].reshape(STATES, ACTIONS)
    q = advantage + value[:, None]
    start, first = paths.state[0], paths.action[0]
    q_taken = q[paths.state[:-1], paths.action]
    result = dr_trace(value[paths.state], q_taken, paths.reward, paths.discount, paths.ratio,
                      jnp.ones_like(paths.ratio), rho_clip=clips[0], c_clip=clips[1])  # fmt: skip
    new_value = jnp.zeros_like(value).at[start].add(paths.given_state * result.value_target[0])
    new_q = jnp.zeros_like(q).at[start, first].add(paths.given_action * result.q_target[0])
    new_advantage = new_q - jnp.sum(mdp.target * new_q, axis=1, keepdims=True)
    return jnp.append(new_value, new_advantage)


def sweep_vtrace(mdp: MDP, paths: Paths, clips: jax.Array, value: jax.Array) -> jax.Array:
    result = vtrace(value[paths.state], paths.reward, paths.discount, paths.ratio, jnp.ones_like(paths.ratio),
                    rho_clip=clips[0], c_clip=clips[1])  # fmt: skip
    return jnp.zeros_like(value).at[paths.state[0]].add(paths.given_state * result.value_target[0])


@partial(jax.jit, static_argnums=0)
@partial(jax.vmap, in_axes=(None, 0, 0, None, 0))
def apply_once(operator: Callable, mdp: MDP, paths: Paths, clips: jax.Array, tables: jax.Array):
    """The operator's image of `tables`, and its derivative there."""
    image = partial(operator, mdp, paths, clips)
    return image(tables), jax.jacfwd(image)(tables)


def iterate(operator: Callable, mdps: MDP, paths: Paths, clips: tuple[float, float], size: int) -> np.ndarray:
    """4,096 applications from zero, for every MDP at once; both operators are affine, so their matrix is enough."""
    clips, zero = jnp.array(clips), np.zeros((len(MDPS), size))
    offset, matrix = map(np.asarray, apply_once(operator, mdps, paths, clips, zero))
    assert np.abs(np.linalg.eigvals(matrix)).max() < 1
    tables = offset[..., None]
    for _ in range(12):  # x -> M x + b twice is x -> M M x + (M b + b)
        tables, matrix = matrix @ tables + tables, matrix @ matrix
    tables = tables[..., 0]
    again, _ = apply_once(operator, mdps, paths, clips, tables)
    np.testing.assert_allclose(again, tables, rtol=0, atol=1e-9)  # the operator itself stays where its matrix led
    return tables


def stack(records):
    return jax.tree.map(lambda *x: np.stack(x), *records)


@pytest.mark.parametrize("length", [1, 2])
def test_dr_trace_finds_the_target_policy_and_vtrace_does_not(length, double):
    mdps, paths = stack(MDPS), stack([enumerate_paths(mdp, length) for mdp in MDPS])
    np.testing.assert_allclose(paths.given_state.sum(1), STATES)  # one of each first state: no path is missing
    exact = [solve(mdp, mdp.target) for mdp in MDPS]
    true_q, true_value = (np.stack(x) for x in zip(*exact, strict=True))
    for clips in CLIPS:
        tables = iterate(sweep, mdps, paths, clips, STATES + STATES * ACTIONS)
        value, advantage = tables[:, :STATES], tables[:, STATES:].reshape(true_q.shape)
        np.testing.assert_allclose(value, true_value, rtol=0, atol=1e-6, err_msg=f"{clips}")
        np.testing.assert_allclose(advantage + value[..., None], true_q, rtol=0, atol=1e-6, err_msg=f"{clips}")

        biased = np.stack([solve(mdp, vtrace_policy(mdp, clips[0]))[1] for mdp in MDPS])
        found = iterate(sweep_vtrace, mdps, paths, clips, STATES)
        np.testing.assert_allclose(found, biased, rtol=0, atol=1e-6, err_msg=f"{clips}")
        errors = np.abs(found - true_value).max(1)
        # Clipped at infinity V-trace is exact; clipped, it is wrong by far more than DR-Trace's 1e-6.
        assert errors.max() < 1e-6 if clips[0] == np.inf else np.median(errors) > 0.01, (clips, errors)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 5.0])
def test_the_fixed_point_does_not_move_with_the_temperature_that_acts(temperature, double):
    """The behaviour is the target policy at another temperature: what is found is the target policy's all the same."""

    def at_temperature(mdp: MDP) -> MDP:
        weight = mdp.target ** (1 / temperature)
        return mdp._replace(behaviour=weight / weight.sum(1, keepdims=True))

    mdps = [at_temperature(mdp) for mdp in MDPS]
    paths = stack([enumerate_paths(mdp, 1) for mdp in mdps])
    tables = iterate(sweep, stack(mdps), paths, (1.05, 1.05), STATES + STATES * ACTIONS)
    true_value = np.stack([solve(mdp, mdp.target)[1] for mdp in mdps])
    np.testing.assert_allclose(tables[:, :STATES], true_value, rtol=0, atol=1e-6)
    found = iterate(sweep_vtrace, stack(mdps), paths, (1.05, 1.05), STATES)
    assert np.median(np.abs(found - true_value).max(1)) > 0.01  # as V-trace's does


def test_without_re_centring_dr_trace_is_biased_too(double):
    """`E_pi Q = V` is what makes it exact: regress Q alone to stale values and V follows the error."""
    mdp = MDPS[0]
    paths = enumerate_paths(mdp, 1)
    true_q, true_value = solve(mdp, mdp.target)
    wrong = true_q + np.array([1.0, 0.0, 0.0])  # E_pi Q is not V any more
    tables = jnp.append(true_value, wrong - true_value[:, None])
    value = sweep(mdp, paths, jnp.array([0.5, 0.5]), tables)[:STATES]
    assert np.abs(value - true_value).max() > 0.01
