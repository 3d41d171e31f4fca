"""One learner update: schedule, optimiser, minibatches, and the whole of it against NumPy."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrl.agents import casa, impala
from jaxrl.agents.optimiser import OptimiserConfig, apply_step, make_transform, schedule_factor
from jaxrl.agents.updating import draw_minibatches, make_update, take_minibatch
from jaxrl.types import TrainState
from tests.reference import losses
from tests.support.linear import SPEC, LinearNetwork, chain, draw_params, draw_trajectory, outputs


def factors(config: OptimiserConfig, num_updates: int) -> list[float]:
    return [float(schedule_factor(config, jnp.int32(done), num_updates)) for done in range(num_updates + 2)]


def test_schedules():
    assert factors(OptimiserConfig(), 4) == [1] * 6
    assert factors(OptimiserConfig(warmup_updates=4), 6) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert factors(OptimiserConfig(schedule="linear"), 4) == [1, 0.75, 0.5, 0.25, 0, 0]
    both = OptimiserConfig(warmup_updates=2, schedule="linear")
    assert factors(both, 6) == [0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]


def test_the_linear_schedule_follows_env_steps():
    """Half of the rows are auto-resets: twice as many updates, and the rate is 0 after the last of them only."""
    config = impala.Config(optimiser=OptimiserConfig(schedule="linear"))
    agent = impala.make(config, LinearNetwork(), SPEC, 4)
    state, rates = agent.init(jax.random.key(0)), []
    trajectory = draw_trajectory(0)
    first = np.zeros_like(trajectory.first)
    first[1::2] = True
    trajectory = trajectory._replace(first=first)
    share = float(trajectory.mask.mean())
    for _ in range(round(4 / share)):
        state, metrics = jax.jit(agent.update)(state, trajectory)
        rates.append(float(metrics["optimiser/learning_rate"]) / config.hypers.learning_rate)
    np.testing.assert_allclose(rates, [1 - share * k / 4 for k in range(len(rates))], rtol=1e-5)
    assert min(rates) > 0 and int(state.updates) == len(rates)


def run_steps(step: Any, params: Any, state: Any) -> Any:
    for seed in range(5):
        gradient = jax.tree.map(lambda x, seed=seed: jnp.sin((seed + 1) * x) * 3, params)
        params, state = step(gradient, state, params)
    return params


@pytest.mark.parametrize("max_grad_norm", [0.5, 1e6])
def test_adam_is_optax_adamw_with_decay_on_matrices_only(max_grad_norm, double):
    config = OptimiserConfig(beta1=0.8, beta2=0.95, epsilon=1e-5, max_grad_norm=max_grad_norm)
    transform = make_transform(config)
    ours = partial(apply_step, transform, learning_rate=0.05, weight_decay=0.1)
    theirs = optax.chain(
        optax.clip_by_global_norm(max_grad_norm),
        optax.adamw(0.05, 0.8, 0.95, 1e-5, weight_decay=0.1, mask=lambda p: jax.tree.map(lambda x: x.ndim > 1, p)),
    )

    def optax_step(gradient, state, params):
        updates, state = theirs.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, draw_params(0))
    expected = run_steps(optax_step, params, theirs.init(params))
    result = run_steps(ours, params, transform.init(params))
    for leaf in params:
        np.testing.assert_allclose(result[leaf], expected[leaf], rtol=1e-12, err_msg=leaf)
        assert np.abs(result[leaf] - params[leaf]).min() > 1e-3

    # Without decay only the matrices differ.
    undecayed = run_steps(partial(apply_step, transform, learning_rate=0.05), params, transform.init(params))
    zero = jax.tree.map(jnp.zeros_like, params)
    decayed, _ = ours(zero, transform.init(params), params)
    np.testing.assert_array_equal(decayed["bias"], params["bias"])
    np.testing.assert_allclose(decayed["policy"], 0.995 * params["policy"], rtol=1e-12)
    assert not np.allclose(undecayed["policy"], result["policy"])


def test_rmsprop(double):
    """g / (root of the running mean of g^2 + epsilon); the mean starts at 0."""
    config = OptimiserConfig(name="rmsprop", beta2=0.9, epsilon=1e-3, max_grad_norm=1e6)
    transform, params = make_transform(config), {"w": jnp.ones((2, 2))}
    state, square, expected = transform.init(params), 0.0, 1.0
    for gradient in (2e-3, -1e-3, 5e-4):  # where it matters that epsilon stands outside of the root
        params, state = apply_step(transform, {"w": jnp.full((2, 2), gradient)}, state, params, jnp.float64(0.1))
        square = 0.9 * square + 0.1 * gradient**2
        expected -= 0.1 * gradient / (np.sqrt(square) + 1e-3)
    np.testing.assert_allclose(params["w"], expected, rtol=1e-5)


@pytest.mark.parametrize(("num_envs", "num_minibatches"), [(24, 4), (12, 12), (8, 1), (6, 2)])
def test_minibatches_are_a_partition_with_one_of_every_group(num_envs, num_minibatches):
    drawn = set()
    for seed in range(10):
        places = np.asarray(draw_minibatches(jax.random.key(seed), num_envs, num_minibatches))
        assert places.shape == (num_minibatches, num_envs // num_minibatches)
        assert (np.sort(places, axis=0) == np.arange(num_minibatches)[:, None]).all(), "each of a group once"
        drawn.add(places.tobytes())
    assert len(drawn) > 1 or num_minibatches == 1


def test_a_minibatch_has_one_environment_of_each_group():
    trajectory = draw_trajectory(0, width=6, legality=True)._replace(actor_state=np.arange(6))
    chosen = take_minibatch(trajectory, np.array([2, 1]))
    np.testing.assert_array_equal(chosen.actor_state, [2, 4])
    for taken, whole in ((chosen.observation, trajectory.observation), (chosen.reward, trajectory.reward)):
        np.testing.assert_array_equal(taken, np.float32(whole[:, [2, 4]]))
    assert chosen.legal.shape == (8, 2, 4) and chosen.first.shape == (8, 2) and chosen.reward.shape == (7, 2)
    nothing = trajectory._replace(actor_state=np.zeros((6, 0)))  # the memory of a core without units
    assert take_minibatch(jax.tree.map(jnp.asarray, nothing), np.array([2, 1])).actor_state.shape == (2, 0)


OPTIMISER = OptimiserConfig(beta1=0.9, beta2=0.98, epsilon=1e-6, max_grad_norm=0.5, warmup_updates=4, schedule="linear")
CONFIGS = {
    "casa": casa.Config(casa.Hypers(learning_rate=0.02, weight_decay=0.1), OPTIMISER, "log", 2, 2),
    "impala": impala.Config(impala.Hypers(learning_rate=0.02, weight_decay=0.1), OPTIMISER, "clip", 2, 2),
}


def to_float64(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)


def update_by_hand(config: Any, params: Any, trajectory: Any, batches: Any, factor: float) -> tuple[Any, list, list]:
    """One clipped AdamW step per batch, from zero moments."""
    function = losses.casa if isinstance(config, casa.Config) else losses.impala
    first = second = {leaf: 0.0 for leaf in params}
    rate, decay = config.hypers.learning_rate * factor, config.hypers.weight_decay * factor
    totals, norms = [], []
    for step, chosen in enumerate(batches, start=1):
        batch = take_minibatch(trajectory, np.asarray(chosen))
        loss = function(*outputs(params, batch), batch, config)
        gradient = chain(batch, loss.head, loss.value)
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        gradient = {leaf: g * min(1, OPTIMISER.max_grad_norm / norm) for leaf, g in gradient.items()}
        first = {leaf: 0.9 * first[leaf] + 0.1 * g for leaf, g in gradient.items()}
        second = {leaf: 0.98 * second[leaf] + 0.02 * g**2 for leaf, g in gradient.items()}
        new = {}
        for leaf, p in params.items():
            mean, square = first[leaf] / (1 - 0.9**step), second[leaf] / (1 - 0.98**step)
            direction = mean / (np.sqrt(square) + 1e-6)
            new[leaf] = p - rate * (direction + (decay * p if p.ndim > 1 else 0))
        params = new
        totals.append(loss.terms["loss/total"])
        norms.append(norm)
    return params, totals, norms


@pytest.mark.parametrize("name", CONFIGS)
def test_two_epochs_of_two_minibatches_are_four_steps_by_hand(name, double):
    """Network, targets, loss, gradient, clipping, AdamW, schedule, order of the batches: all of it again in NumPy."""
    config, module = CONFIGS[name], casa if name == "casa" else impala
    agent = module.make(config, LinearNetwork(), SPEC, 12)
    fresh = agent.init(jax.random.key(0))
    params, trajectory = draw_params(5), draw_trajectory(5, width=6)
    state = TrainState(
        params=to_float64(params),
        opt_state=make_transform(OPTIMISER).init(to_float64(params)),
        hypers=to_float64(config.hypers),
        agent_state=(),
        key=fresh.key,
        updates=jnp.int32(2),
    )
    new, metrics = jax.jit(agent.update)(state, trajectory)

    new_key, *epoch_keys = jax.random.split(state.key, 3)
    batches = [batch for key in epoch_keys for batch in draw_minibatches(key, 6, 2)]
    expected, totals, norms = update_by_hand(config, params, trajectory, batches, factor=0.75)
    for leaf, values in expected.items():
        np.testing.assert_allclose(new.params[leaf], values, rtol=1e-7, atol=1e-9, err_msg=leaf)
        assert np.abs(values - params[leaf]).min() > 1e-4
    assert float(metrics["loss/total"]) == pytest.approx(np.mean(totals), rel=1e-7)
    assert float(metrics["optimiser/grad_norm"]) == pytest.approx(np.mean(norms), rel=1e-7)
    assert max(norms) > OPTIMISER.max_grad_norm
    assert float(metrics["optimiser/learning_rate"]) == pytest.approx(0.015, rel=1e-6)
    assert int(new.updates) == 3
    assert jax.random.key_data(new.key).tolist() == jax.random.key_data(new_key).tolist()
    jax.tree.map(np.testing.assert_array_equal, new.hypers, state.hypers)


def test_one_epoch_of_one_minibatch_is_the_plain_gradient():
    """Whatever the order of the environments: their mean is what counts."""
    config = OptimiserConfig(max_grad_norm=1e6)

    def loss(params, hypers, trajectory):
        return jnp.mean(params["w"] * trajectory.reward), {}

    update = make_update(loss, config, num_epochs=1, num_minibatches=1, num_updates=1)
    trajectory, params = jax.tree.map(jnp.asarray, draw_trajectory(0)), {"w": jnp.float32(1.0)}
    hypers = replace(casa.Hypers(), learning_rate=0.5)
    state = TrainState(params, make_transform(config).init(params), hypers, (), jax.random.key(0), jnp.int32(0))
    new, metrics = update(state, trajectory)
    mean = float(trajectory.reward.mean())
    assert float(metrics["optimiser/grad_norm"]) == pytest.approx(abs(mean), rel=1e-5)
    assert float(new.params["w"]) == pytest.approx(1 - 0.5 * np.sign(mean), rel=1e-4)  # Adam's first step


@pytest.mark.parametrize("name", CONFIGS)
def test_a_fresh_state(name):
    module = casa if name == "casa" else impala
    agent = module.make(CONFIGS[name], LinearNetwork(), SPEC, 12)
    state, other = agent.init(jax.random.key(0)), agent.init(jax.random.key(1))
    assert int(state.updates) == 0
    assert {leaf.dtype for leaf in jax.tree.leaves((state.params, state.hypers))} == {jnp.dtype("float32")}
    assert not np.array_equal(state.params["policy"], other.params["policy"])
    assert float(state.hypers.learning_rate) == np.float32(0.02)
