"""Both losses and their gradients against formulas derived by hand, and what must not move them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import casa, impala
from tests.reference import losses
from tests.support.linear import LinearNetwork, chain, draw_params, draw_trajectory, outputs

CASA_HYPERS = casa.Hypers(discount_factor=0.9, advantage_scale=0.7, value_cost=0.8, q_cost=5.0, policy_cost=3.0,
                          entropy_cost=0.2, rho_clip=1.3, c_clip=0.9, trace_lambda=0.8, reward_scale=0.5)  # fmt: skip
IMPALA_HYPERS = impala.Hypers(discount_factor=0.9, value_cost=0.7, entropy_cost=0.2, rho_clip=1.3, c_clip=0.9,
                              trace_lambda=0.8, reward_scale=0.5)  # fmt: skip
CONFIGS: dict[str, Any] = {
    "casa": casa.Config(CASA_HYPERS, reward_transform="log"),
    "casa with the factor": casa.Config(CASA_HYPERS, reward_transform="clip", temperature_factor=True),
    "casa as published": casa.Config(CASA_HYPERS, reward_transform="log", trace_q="head"),
    "casa rescaled": casa.Config(CASA_HYPERS, reward_transform="identity", value_transform="rescale"),
    "impala": impala.Config(IMPALA_HYPERS, reward_transform="identity"),
    "impala with the factor": impala.Config(IMPALA_HYPERS, temperature_factor=True),
    "impala rescaled": impala.Config(IMPALA_HYPERS, reward_transform="identity", value_transform="rescale"),
}


@cache
def compiled(config: Any) -> Any:
    """(params, hypers, trajectory) -> (total, metrics), gradient."""
    module = casa if isinstance(config, casa.Config) else impala
    loss = partial(module.loss, config=config, network=LinearNetwork())
    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def reference(config: Any, params: Any, trajectory: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    function = losses.casa if isinstance(config, casa.Config) else losses.impala
    result = function(*outputs(params, trajectory), trajectory, config)
    return result.terms, chain(trajectory, result.head, result.value)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("legality", [False, True])
def test_loss_and_gradient_by_hand(name, legality, double):
    config = CONFIGS[name]
    for seed in range(6):
        params, trajectory = draw_params(seed), draw_trajectory(seed, legality=legality)
        assert 0 < trajectory.first[1:].sum() < 14 and (trajectory.discount == 0).any()
        (total, metrics), gradient = compiled(config)(params, config.hypers, trajectory)
        terms, expected = reference(config, params, trajectory)
        assert {term: float(metrics[term]) for term in terms} == pytest.approx(terms, rel=1e-9, abs=1e-12)
        assert float(total) == pytest.approx(terms["loss/total"], rel=1e-9)
        for leaf, values in expected.items():
            np.testing.assert_allclose(gradient[leaf], values, rtol=1e-8, atol=1e-12, err_msg=leaf)


@pytest.mark.parametrize("name", ["casa", "impala"])
def test_a_c_clip_above_rho_clip_is_rho_clip(name, double):
    config, params, trajectory = CONFIGS[name], draw_params(0), draw_trajectory(0)
    (above, equal, below) = (
        compiled(config)(params, replace(config.hypers, rho_clip=1.0, c_clip=c_clip), trajectory)[1]
        for c_clip in (5.0, 1.0, 0.5)
    )
    jax.tree.map(np.testing.assert_array_equal, above, equal)
    assert not np.array_equal(jax.tree.leaves(below)[-1], jax.tree.leaves(equal)[-1])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_reference_gradient_is_a_gradient(name):
    """The hand-written formulas against finite differences where no stop-gradient is involved: a T = 1 episode that
    terminated, whose targets are constants apart from CASA's and IMPALA's own use of V as a baseline."""
    config, params = CONFIGS[name], draw_params(0)
    trajectory = draw_trajectory(3, length=1, width=1)
    trajectory = trajectory._replace(discount=np.zeros((1, 1)), first=np.zeros((2, 1), bool))
    head, value = outputs(params, trajectory)
    function = losses.casa if isinstance(config, casa.Config) else losses.impala
    exact = function(head, value, trajectory, config).head[0, 0]
    value = losses.EXPAND[config.value_transform](value)
    hypers = config.hypers
    scale = getattr(hypers, "advantage_scale", 1.0)
    tau, action = trajectory.extras.temperature[0, 0], trajectory.action[0, 0]
    policy = losses.read_row(scale * head[0, 0], tau, action, None).policy
    ratio = policy[action] / np.exp(trajectory.behaviour_logits[0, 0, action])
    target = hypers.reward_scale * float(losses.TRANSFORMS[config.reward_transform](trajectory.reward)[0, 0])
    improvement = min(ratio, hypers.rho_clip) * (target - value[0, 0])

    def loss(h):
        row = losses.read_row(scale * h, tau, action, None)
        bonus = hypers.entropy_cost * losses.entropy_of(row)
        factor = tau if config.temperature_factor else 1.0
        if isinstance(config, impala.Config):
            return -factor * improvement * row.log_policy[action] - bonus
        q = scale * h[action] - policy @ (scale * h) + value[0, 0]
        pull = hypers.policy_cost * factor * improvement * row.log_policy[action]
        return hypers.q_cost * (target - q) ** 2 / 2 - pull - bonus

    numeric = [(loss(head[0, 0] + d) - loss(head[0, 0] - d)) / 2e-6 for d in np.eye(4) * 1e-6]
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-8)


def poison_masked_rows(trajectory, value):
    """All that an ignored row holds; its observation too where the episode before it terminated."""
    mask = trajectory.mask
    rng = np.random.default_rng(9)

    def spoil(x):
        return np.where(mask if x.ndim == 2 else mask[..., None], x, value)

    observation = trajectory.observation.copy()
    dead = ~mask[1:] & (trajectory.discount[:-1] == 0)
    observation[1:-1][dead] = 9999.9
    assert dead.any()
    return trajectory._replace(
        observation=observation,
        reward=spoil(trajectory.reward),
        discount=spoil(trajectory.discount),
        behaviour_logits=spoil(trajectory.behaviour_logits),
        action=np.where(mask, trajectory.action, rng.integers(0, 4, mask.shape)).astype(np.int32),
        extras=trajectory.extras._replace(temperature=np.where(mask, trajectory.extras.temperature, 0.1)),
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("value", [np.nan, 9999.9])
def test_masked_rows_have_no_influence(name, value, double):
    config, params = CONFIGS[name], draw_params(0)
    trajectory = draw_trajectory(1, length=12)
    clean = compiled(config)(params, config.hypers, trajectory)
    dirty = compiled(config)(params, config.hypers, poison_masked_rows(trajectory, value))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), clean, dirty)
    rewarded = trajectory._replace(reward=np.where(trajectory.mask, trajectory.reward + 1, trajectory.reward))
    assert compiled(config)(params, config.hypers, rewarded)[0][0] != clean[0][0]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_of_masked_rows_only_is_no_step(name, double):
    config, trajectory = CONFIGS[name], draw_trajectory(1, length=12)
    trajectory = trajectory._replace(first=np.ones_like(trajectory.first))
    (total, _), gradient = compiled(config)(draw_params(0), config.hypers, trajectory)
    assert total == 0 and not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_illegal_actions_have_no_gradient(double):
    for config in CONFIGS.values():
        trajectory = draw_trajectory(2, legality=True)
        trajectory.legal[:-1, :, 3] = False
        trajectory = trajectory._replace(action=np.where(trajectory.action == 3, 0, trajectory.action))
        trajectory.legal[:-1, :, 0] = True
        _, gradient = compiled(config)(draw_params(0), config.hypers, trajectory)
        assert not np.any(gradient["policy"][:, 3]) and np.all(gradient["policy"][:, 0])


@pytest.mark.parametrize("name", ["casa", "casa as published"])
def test_what_the_head_says_of_illegal_actions_changes_nothing(name, double):
    """They carry no probability and do not enter `E_pi[A]`: loss and gradient are the same whatever their advantage."""
    config, trajectory = CONFIGS[name], draw_trajectory(2, legality=True)
    trajectory.legal[:-1, :, 3] = False
    trajectory.legal[:-1, :, 0] = True
    trajectory = trajectory._replace(action=np.where(trajectory.action == 3, 0, trajectory.action))
    params = draw_params(0)
    wild = {**params, "bias": params["bias"] + 1e4 * (np.arange(len(params["bias"])) == 3)}
    before, after = (compiled(config)(p, config.hypers, trajectory) for p in (params, wild))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), before[0][0], after[0][0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), before[1], after[1])
    advantages, legal = np.array([[3.0, -1.0, 1e4, 0.5]]), np.array([[True, True, False, True]])
    logits = ops.softmax_policy(advantages, 1.0, legal)
    q = casa.q_values(advantages, logits, np.array([0.25]))
    assert float((np.exp(logits) * q)[legal].sum()) == pytest.approx(0.25) and not np.exp(logits)[~legal].any()


def test_advantage_scale_changes_no_objective(double):
    """The same function of (scale times head): equal losses, and gradients that follow by the chain rule."""
    config, params, trajectory = CONFIGS["casa"], draw_params(0), draw_trajectory(0)
    scale = config.hypers.advantage_scale
    grown = {**params, "policy": scale * params["policy"], "bias": scale * params["bias"]}
    (total, metrics), gradient = compiled(config)(params, config.hypers, trajectory)
    one = replace(config.hypers, advantage_scale=1.0)
    (same_total, same_metrics), same_gradient = compiled(config)(grown, one, trajectory)
    assert float(total) == pytest.approx(float(same_total), rel=1e-12)
    assert {k: float(v) for k, v in metrics.items()} == pytest.approx({k: float(v) for k, v in same_metrics.items()})
    for leaf in ("policy", "bias"):
        np.testing.assert_allclose(gradient[leaf], scale * same_gradient[leaf], rtol=1e-9)
    np.testing.assert_allclose(gradient["value"], same_gradient["value"], rtol=1e-9)


@pytest.mark.parametrize("name", ["casa as published", "impala"])
def test_temperature_factor_scales_the_policy_term_alone(name, double):
    plain, factor = CONFIGS[name], replace(CONFIGS[name], temperature_factor=True)
    params, trajectory = draw_params(0), draw_trajectory(0)
    trajectory = trajectory._replace(extras=trajectory.extras._replace(temperature=np.full((7, 4), 0.25)))
    (_, without), _ = compiled(plain)(params, plain.hypers, trajectory)
    (_, with_it), _ = compiled(factor)(params, factor.hypers, trajectory)
    assert float(with_it["loss/policy"]) == pytest.approx(0.25 * float(without["loss/policy"]), rel=1e-12)
    rest = with_it.keys() - {"loss/policy", "loss/total", "advantage/std"}
    assert {name: with_it[name] for name in rest} == {name: without[name] for name in rest}


@pytest.mark.parametrize("name", CONFIGS)
def test_targets_are_constants(name, double):
    """The value head learns from V's regression alone: at cost 0 nothing else pulls at it."""
    config = CONFIGS[name]
    hypers = replace(config.hypers, value_cost=0.0)
    _, gradient = compiled(config)(draw_params(0), hypers, draw_trajectory(0))
    assert not np.any(gradient["value"]) and np.any(gradient["policy"])
    if isinstance(config, casa.Config):
        only_value = replace(config.hypers, q_cost=0.0, policy_cost=0.0, entropy_cost=0.0)
        _, gradient = compiled(config)(draw_params(0), only_value, draw_trajectory(0))
        assert np.any(gradient["value"]) and not np.any(gradient["policy"])


@pytest.mark.parametrize("name", ["casa", "impala"])
def test_jit_changes_nothing(name, double):
    config = CONFIGS[name]
    arguments = draw_params(0), config.hypers, jax.tree.map(jnp.asarray, draw_trajectory(0))
    with jax.disable_jit():
        plain = compiled(config)(*arguments)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), plain, compiled(config)(*arguments))
