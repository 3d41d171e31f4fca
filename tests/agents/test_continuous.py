"""Continuous actions from the environment to the gradient and back; observations and rewards in units of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import casa, impala, ppo
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.config.sections import PopulationConfig
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.run.experiment import build
from jaxrl.types import ArraySpec, Bounds, EnvSpec
from tests.envs.contract import check_env
from tests.support.parts import make_sebulba, small_config, state_after

UNIT, LENGTH = 1000.0, 5


class State(NamedTuple):
    place: jax.Array
    episode: Episode


@dataclass(frozen=True)
class Aim(Capped):
    """The action must be the place that is shown, in a unit far from 1; the reward is minus the squared distance."""

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec({"place": ArraySpec((), "float32")}, 2, 1, bounds=Bounds((-2.0, -2.0), (4.0, 4.0)))

    def init(self, key: jax.Array) -> State:
        return State(jax.random.uniform(key, minval=-1.0, maxval=3.0), begin())

    def step(self, state: State, action: jax.Array, key: jax.Array) -> State:
        loss = UNIT * jnp.sum(jnp.square(action - state.place))
        over = state.episode.episode_length + 1 >= LENGTH
        return State(self.init(key).place, advance(state.episode, -loss, over))

    def timestep(self, state: State) -> Any:
        return to_timestep(state.episode, {"place": UNIT * state.place})


NORMALISED = {"reward_transform": "identity", "normalise_observations": True, "normalise_rewards": True}
CONFIGS: dict[str, Any] = {
    "ppo": ppo.Config(ppo.Hypers(learning_rate=0.01, entropy_cost=0.0, discount_factor=0.5), **NORMALISED),
    "impala": impala.Config(impala.Hypers(learning_rate=0.01, entropy_cost=0.0, discount_factor=0.5), **NORMALISED),
}
CONFIGS["squashed"] = replace(CONFIGS["impala"], continuous_policy="squashed")


def config_of(name: str, **runtime: Any) -> Any:
    sizes = {
        "num_actors": 1,
        "pools_per_actor": 1,
        "envs_per_pool": 32,
        "unroll_length": 8,
        "policy_lag": 0,
        "timeout_s": 500.0,
    }
    config = small_config(Aim(), **sizes | runtime)
    return replace(config, agent=CONFIGS[name], network=mlp.Config((16,)), env_steps=200 * 32 * 8)


def test_the_environment_keeps_the_contract():
    check_env(lambda: BatchedJaxEnv(Aim(), 4, jax.random.key(0)), 30)


def test_bounds_are_stretched_and_cut():
    bounds = Bounds((-2.0, 0.0, -np.inf, 1.0), (4.0, 1.0, np.inf, np.inf))
    action = np.array([[-1, -1, -1, -1], [0, 0, 0, 0], [1, 1, 1, 1], [9, 9, 9, 9]], np.float32)
    expected = [[-2, 0, -1, 1], [1, 0.5, 0, 1], [4, 1, 1, 1], [4, 1, 9, 9]]
    np.testing.assert_array_equal(bounds.stretch(action), np.float32(expected))
    np.testing.assert_array_equal(jax.jit(bounds.stretch)(action), np.float32(expected))
    assert bounds.stretch(action).dtype == np.float32


@pytest.mark.parametrize("name", ["ppo", "impala", pytest.param("squashed", marks=pytest.mark.slow)])
def test_agents_learn_to_aim(name):
    """The mean goes to the place, which only a network that sees it in its own unit can learn so fast."""
    config = config_of(name)
    experiment, state = build(config), state_after(config, 150)
    places = np.linspace(-0.8, 2.8, 7).astype(np.float32)
    published = experiment.agent.publish_greedy(jax.tree.map(jnp.asarray, state))
    timestep = BatchedJaxEnv(Aim(), 7, jax.random.key(0)).reset()._replace(observation={"place": UNIT * places})
    acting = experiment.agent.initial_actor_state(7)
    _, output = experiment.agent.act(published, acting, timestep, jax.random.key(0))
    aimed = Aim().spec.bounds.stretch(output.action)
    assert np.abs(np.asarray(aimed) - places[:, None]).mean() < 0.35
    seen = state.moments
    assert float(seen.observation["place"].mean) == pytest.approx(UNIT, abs=0.05 * UNIT)
    assert float(seen.discounted.deviation) > UNIT


@pytest.mark.parametrize("kind", ["replay", "population", "anakin"])
def test_it_goes_everywhere(kind):
    config = config_of("impala", envs_per_pool=4, unroll_length=6)
    if kind == "replay":
        config = replace(config, agent=replace(config.agent, replay=ReplayConfig(capacity=2)))
    if kind == "population":
        config = replace(config, population=PopulationConfig(size=2))
    if kind == "anakin":
        from jaxrl.run.runtimes import make_runtime

        config = replace(config, runtime=replace(config.runtime, kind="anakin"))
        with make_runtime(build(config)) as runtime:
            next(iter(runtime.updates()))
            state = runtime.state
    else:
        with make_sebulba(config) as runtime:
            next(iter(runtime.updates()))
            state = runtime.state
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((state.params, state.moments)))


@pytest.mark.parametrize("policy", ["gaussian", "squashed"])
def test_the_first_step_sees_what_acted_saw(policy):
    """Moments change between updates, never between acting and learning: the ratio of the first step is 1."""
    config = config_of("ppo")
    agent = replace(config.agent, num_epochs=1, num_minibatches=1, continuous_policy=policy)
    config = replace(config, agent=agent)
    with make_sebulba(config) as runtime:
        for update in runtime.updates():
            assert float(update.metrics["trace/rho_mean"]) == pytest.approx(1, abs=1e-4)
            assert float(update.metrics["policy/deviation"]) == pytest.approx(
                1 if policy == "gaussian" else 0.628, abs=0.2
            )
            if runtime.updates_done == 3:
                break


def test_casa_and_mixtures_say_why_not():
    with pytest.raises(ConfigError, match=r"agent\.name casa needs discrete actions.*set agent\.name ppo"):
        casa.make(casa.Config(), mlp.make(mlp.Config((8,)), Aim().spec), Aim().spec, 1)
    for family in ("mixture", "ladder"):
        config = replace(CONFIGS["ppo"], exploration=ExplorationConfig(family))
        with pytest.raises(ConfigError, match=f"agent.exploration.family {family} .* set it to plain, fixed or bandit"):
            ppo.make(config, mlp.make(mlp.Config((8,)), Aim().spec), Aim().spec, 1)


def test_a_squashed_policy_says_what_it_needs():
    config = replace(CONFIGS["ppo"], continuous_policy="squashed")
    discrete = small_config().env.spec
    for spec, message in (
        (discrete, "is of continuous actions, and the environment's are discrete; leave it out"),
        (Aim().spec._replace(bounds=Bounds((-1.0, -np.inf), (1.0, 1.0))), "bounded on both sides; set it to gaussian"),
    ):
        with pytest.raises(ConfigError, match=message):
            ppo.make(config, mlp.make(mlp.Config((8,)), spec), spec, 1)


def test_a_value_of_its_own_has_its_own_layers():
    spec = Aim().spec
    shared, apart = (mlp.make(mlp.Config((8,), separate_value=own), spec) for own in (False, True))
    params = [network.init(jax.random.key(0), spec.blank(1))["params"] for network in (shared, apart)]
    assert sorted(params[1]) == sorted([*params[0], "value_torso"])
    gradient = jax.grad(lambda p: apart.apply({"params": p}, spec.blank(2) | {"place": jnp.ones(2)}).value.sum())(
        params[1]
    )
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["torso"])) and np.any(
        gradient["value_torso"]["dense_0"]["bias"]
    )
    with pytest.raises(ConfigError, match="separate_value gives the value no memory"):
        mlp.make(mlp.Config((8,), core="lstm", separate_value=True), spec)
