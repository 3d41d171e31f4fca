"""PPO's implementation details, each as its docstring names it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxrl.agents import ppo
from jaxrl.config.parsing import read_config
from jaxrl.networks import mlp
from jaxrl.run.experiment import build, make_actors
from jaxrl.types import ArraySpec, EnvSpec
from tests.reference import losses, traces
from tests.support.linear import LinearNetwork, chain, draw_params, draw_trajectory, outputs

HYPERS = ppo.Hypers(discount_factor=0.9, value_cost=0.7, entropy_cost=0.2, reward_scale=0.5, trace_lambda=0.8)
CONFIGS: dict[str, ppo.Config] = {
    "plain": ppo.Config(HYPERS, reward_transform="identity"),
    "clipped value": ppo.Config(HYPERS, reward_transform="identity", clip_value=True),
    "with the factor": ppo.Config(HYPERS, temperature_factor=True, normalise_advantage=False),
    "rescaled": ppo.Config(HYPERS, reward_transform="log", value_transform="rescale", clip_value=True),
}
CARTPOLE = Path(__file__).parents[2] / "configs" / "cartpole_ppo.yaml"


@cache
def compiled(config: ppo.Config) -> Any:
    """(estimates, loss with its gradient)."""
    parts = {"config": config, "network": LinearNetwork()}
    return jax.jit(partial(ppo.estimate, **parts)), jax.jit(
        jax.value_and_grad(partial(ppo.loss, **parts), has_aux=True)
    )


def estimated(config: ppo.Config, trajectory: Any) -> Any:
    """The trajectory with what older parameters make of it."""
    estimate, _ = compiled(config)
    found = estimate(draw_params(9), config.hypers, trajectory)
    return trajectory._replace(extras=jax.tree.map(np.asarray, found))


def by_hand(config: ppo.Config, head: np.ndarray, value_head: np.ndarray, trajectory: Any) -> losses.Loss:
    """The loss row by row, and its gradients in both heads."""
    hypers, mask, found = config.hypers, trajectory.mask, trajectory.extras
    rows, ratio = losses.read_rows(head, trajectory)
    count, low, high = mask.sum(), 1 - hypers.clip_range, 1 + hypers.clip_range
    target = losses.COMPRESS[config.value_transform](found.value_target)
    advantage = found.advantage
    if config.normalise_advantage:
        advantage = (advantage - advantage[mask].mean()) / (advantage[mask].std() + 1e-8)
    terms = dict.fromkeys(("loss/value", "loss/policy", "loss/entropy"), 0.0)
    head_gradient, value_gradient = np.zeros_like(head), np.zeros_like(value_head)
    for t, b in zip(*np.nonzero(mask), strict=True):
        row, temperature, w = rows[t][b], found.temperature[t, b], ratio[t, b]
        gain = advantage[t, b] * (temperature if config.temperature_factor else 1)
        moves = w < high if gain > 0 else w > low  # beyond it the clipped ratio is the smaller gain, and constant
        terms["loss/policy"] -= min(w * gain, np.clip(w, low, high) * gain) / count
        terms["loss/entropy"] -= losses.entropy_of(row) / count
        pull = moves * w * gain * row.direction + hypers.entropy_cost * losses.entropy_direction(row)
        head_gradient[t, b] = -pull / temperature / count
        now, before = value_head[t, b], found.value_head[t, b]
        near = before + np.clip(now - before, -hypers.clip_range, hypers.clip_range) if config.clip_value else now
        farther = (target[t, b] - near) ** 2 > (target[t, b] - now) ** 2  # then the loss is constant in the head
        terms["loss/value"] += max((target[t, b] - near) ** 2, (target[t, b] - now) ** 2) / 2 / count
        value_gradient[t, b] = 0 if farther else -hypers.value_cost * (target[t, b] - now) / count
    total = hypers.value_cost * terms["loss/value"] + terms["loss/policy"] + hypers.entropy_cost * terms["loss/entropy"]
    return losses.Loss(terms | {"loss/total": total}, head_gradient, value_gradient)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("legality", [False, True])
def test_loss_and_gradient_by_hand(name, legality, double):
    config, clipped = CONFIGS[name], 0
    for seed in range(4):
        params, trajectory = draw_params(seed), estimated(config, draw_trajectory(seed, legality=legality))
        (_, metrics), gradient = compiled(config)[1](params, config.hypers, trajectory)
        expected = by_hand(config, *outputs(params, trajectory), trajectory)
        found = {term: float(metrics[term]) for term in expected.terms}
        assert found == pytest.approx(expected.terms, rel=1e-9, abs=1e-12)
        for leaf, values in chain(trajectory, expected.head, expected.value).items():
            np.testing.assert_allclose(gradient[leaf], values, rtol=1e-8, atol=1e-12, err_msg=leaf)
        clipped += (expected.value[:-1][trajectory.mask] == 0).sum()
    assert (clipped > 0) == config.clip_value


@pytest.mark.parametrize("name", CONFIGS)
def test_estimates_are_generalised_advantages_of_the_values_before(name, double):
    config, trajectory, hypers = CONFIGS[name], draw_trajectory(1), HYPERS
    found = estimated(config, trajectory).extras
    _, head = outputs(draw_params(9), trajectory)
    value = losses.EXPAND[config.value_transform](head)
    reward = hypers.reward_scale * losses.TRANSFORMS[config.reward_transform](trajectory.reward)
    discount = hypers.discount_factor * trajectory.discount
    arrays = (value, reward, discount, trajectory.mask)
    target, advantage = traces.columns(traces.generalised_advantage, *arrays, trace_lambda=hypers.trace_lambda)
    np.testing.assert_allclose(found.advantage, advantage, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.value_target, target, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.value_head, head[:-1], rtol=1e-12)
    np.testing.assert_array_equal(found.temperature, trajectory.extras.temperature)


@pytest.mark.parametrize(
    ("advantage", "ratio", "moves"), [(1, 1.3, False), (1, 0.7, True), (-1, 1.3, True), (-1, 0.7, False)]
)
def test_the_gradient_is_zero_outside_of_the_clip_range(advantage, ratio, moves, double):
    """Where the step was made already; what went the wrong way is pulled back however far it went."""
    config = ppo.Config(replace(HYPERS, entropy_cost=0.0, value_cost=0.0), normalise_advantage=False)
    trajectory = estimated(config, draw_trajectory(0))
    params = draw_params(0)
    rows, _ = losses.read_rows(outputs(params, trajectory)[0], trajectory)
    taken = np.array(
        [[row.policy[a] for row, a in zip(*both, strict=True)] for both in zip(rows, trajectory.action, strict=True)]
    )
    behaviour = np.broadcast_to(np.log(taken / ratio)[..., None], trajectory.behaviour_logits.shape)
    extras = trajectory.extras._replace(advantage=np.full(taken.shape, float(advantage)))
    trajectory = trajectory._replace(behaviour_logits=behaviour, extras=extras)
    (_, metrics), gradient = compiled(config)[1](params, config.hypers, trajectory)
    assert np.any(gradient["policy"]) == moves and float(metrics["policy/clipped"]) == 1.0


def test_advantages_are_normalised_over_rows_that_count(double):
    advantage, mask = np.array([[1.0, np.nan], [4.0, 7.0]]), np.array([[True, False], [True, True]])
    result = np.asarray(ppo.normalise(np.where(mask, advantage, 99.0), mask))
    np.testing.assert_allclose(result[mask], (advantage[mask] - 4) / np.sqrt(6), rtol=1e-7)
    np.testing.assert_array_equal(ppo.normalise(np.full((2, 2), 3.0), np.ones((2, 2), bool)), 0)  # no division by 0


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("value", [np.nan, 9999.9])
def test_masked_rows_have_no_influence(name, value, double):
    config, params, trajectory = CONFIGS[name], draw_params(0), draw_trajectory(1, length=12)
    spoil = lambda x: np.where(trajectory.mask if x.ndim == 2 else trajectory.mask[..., None], x, value)  # noqa: E731
    poisoned = trajectory._replace(
        reward=spoil(trajectory.reward),
        discount=spoil(trajectory.discount),
        behaviour_logits=spoil(trajectory.behaviour_logits),
    )
    clean, dirty = (compiled(config)[1](params, config.hypers, estimated(config, t)) for t in (trajectory, poisoned))
    assert not trajectory.mask.all()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-14), clean, dirty)


@pytest.fixture(scope="module")
def unroll():
    """The parts of cartpole_ppo.yaml, a state, and an unroll that it acted."""
    experiment = build(read_config(CARTPOLE, ["--runtime.unroll_length", "16"]))
    (actor,) = make_actors(experiment)
    state = experiment.agent.init(jax.random.key(0))
    trajectory, _ = actor.unroll(experiment.agent.publish(state), jax.random.key(1))
    actor.close()
    return experiment, state, trajectory


def test_the_first_step_is_on_policy_and_the_later_ones_are_not(unroll):
    experiment, state, trajectory = unroll
    found = {}
    for epochs in (1, 4):
        config = replace(experiment.config.agent, num_epochs=epochs, num_minibatches=1)
        agent = ppo.make(config, experiment.network, experiment.spec, 10)
        _, found[epochs] = jax.jit(agent.update)(state, trajectory)
    assert float(found[1]["trace/rho_mean"]) == pytest.approx(1, abs=1e-5)
    assert abs(float(found[1]["policy/kl"])) < 1e-6 and float(found[1]["policy/clipped"]) == 0
    assert float(found[4]["policy/kl"]) > 1e-5


def test_an_update_is_epochs_of_minibatches_at_an_annealed_rate(unroll):
    """Adam counts the steps; the rate is that of the optimiser of the paper's code."""
    experiment, state, trajectory = unroll
    config = experiment.config.agent
    assert (config.num_epochs, config.num_minibatches) == (4, 4)
    assert (config.optimiser.epsilon, config.optimiser.max_grad_norm, config.optimiser.schedule) == (
        1e-5,
        0.5,
        "linear",
    )
    agent, rates = ppo.make(config, experiment.network, experiment.spec, 4), []
    update = jax.jit(agent.update)
    for _ in range(3):
        state, metrics = update(state, trajectory._replace(first=np.zeros_like(trajectory.first)))
        rates.append(float(metrics["optimiser/learning_rate"]))
    np.testing.assert_allclose(rates, [1e-3, 0.75e-3, 0.5e-3], rtol=1e-5)
    counts = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.dtype == np.int32]
    assert [int(count) for count in counts] == [3 * 4 * 4]


def test_initialisation_is_orthogonal():
    network = mlp.make(mlp.Config((16, 16)), EnvSpec(ArraySpec((16,), "float32"), 4, 1))
    params = network.init(jax.random.key(0), np.zeros((1, 16), np.float32))["params"]
    for layer, gain in ((params["torso"]["dense_1"], 2**0.5), (params["policy"], 0.01), (params["value"], 1.0)):
        kernel = np.asarray(layer["kernel"])
        np.testing.assert_allclose(kernel.T @ kernel, gain**2 * np.eye(kernel.shape[1]), atol=1e-5)
        assert not np.any(layer["bias"])
