"""Settings outside their range: one sentence that names the setting."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import pytest

from jaxrl.agents import casa, impala
from jaxrl.agents.exploration import TEMPERATURES, ExplorationConfig
from jaxrl.agents.population import set_hypers
from jaxrl.config.member_values import make_members
from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.config.ranges import Above, AtLeast, Between, check_ranges, ranges
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.runtime.actor import Actor, make_act

BANDIT, LADDER = "--agent.exploration.family bandit", "--agent.exploration.family ladder"
RANK = "--population.pbt.every 1"
PRESETS = ("configs/catch.yaml", "configs/catch_impala.yaml", "configs/atari/casa_paper.yaml")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_within(preset):
    check_ranges(read_config(preset))


@pytest.mark.parametrize("name", ["casa_h100", "casa_lstm_h100", "casa_workstation"])
def test_the_arithmetic_of_a_preset_is_of_its_settings(name):
    """What a file says about an update's rows and pieces: it is read in place of a measurement."""
    text = re.sub(r"\n# +", " ", Path(f"configs/atari/{name}.yaml").read_text())
    config = read_config(name)
    runtime, agent = config.runtime, config.agent
    envs = runtime.num_actors * runtime.pools_per_actor * runtime.envs_per_pool
    rows = runtime.unroll_length * envs
    assert f"{runtime.unroll_length} x {envs} = {rows:,} rows" in text
    epochs = f"{agent.num_epochs} x " if agent.num_epochs > 1 else ""
    each = f"{rows // agent.num_minibatches:,} rows"
    assert f"{epochs}{agent.num_minibatches} gradient steps of {each}" in text
    pools = {2: "two", 4: "four", 8: "eight"}[runtime.num_actors * runtime.pools_per_actor]
    assert f"{pools} pools of {runtime.envs_per_pool}" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seed -1", "seed must be at least 0 and at most 4294967295, got -1"),
        ("--seed 4294967296", "seed must be at least 0 and at most 4294967295, got 4294967296"),
        ("--env_steps 0", "env_steps must be at least 1, got 0"),
        ("--agent.hypers.temperature 0", "agent.hypers.temperature must be at least 1e-06 and at most 1e+20, got 0"),
        (
            "--agent.hypers.temperature .nan",
            "agent.hypers.temperature must be at least 1e-06 and at most 1e+20, got nan",
        ),
        ("--agent.hypers.trace_lambda 1.1", "agent.hypers.trace_lambda must be at least 0 and at most 1, got 1.1"),
        ("--agent.optimiser.beta1 .nan", "agent.optimiser.beta1 must be at least -3e+38 and at most 3e+38, got nan"),
        (
            RANK + " --population.pbt.factors [1,0]",
            "population.pbt.factors must be above 0 and at most 3e+38, got 0.0",
        ),
        (
            RANK + " --population.pbt.fraction 0.6",
            "population.pbt.fraction must be above 0 and at most 0.5, got 0.6",
        ),
        ("--agent.optimiser.max_grad_norm 0", "agent.optimiser.max_grad_norm must be at least 1e-37, got 0"),
        (
            BANDIT + " --agent.exploration.num_blocks 0",
            "agent.exploration.num_blocks must be at least 1, got 0",
        ),
        (
            BANDIT + " --agent.exploration.num_bandits 0",
            "agent.exploration.num_bandits must be at least 1, got 0",
        ),
        (
            BANDIT + " --agent.exploration.num_candidates 0",
            "agent.exploration.num_candidates must be at least 1, got 0",
        ),
        (
            BANDIT + " --agent.exploration.max_inverse_temperature 0",
            "max_inverse_temperature must be at least 1e-20 and at most",
        ),
        (
            BANDIT + " --agent.exploration.num_candidates 51",
            "num_candidates must be at most agent.exploration.num_blocks, got 51",
        ),
        ("--runtime.timeout_s 0", "runtime.timeout_s must be above 0, got 0"),
    ],
)
def test_outside_is_one_sentence(words, message):
    with pytest.raises(ConfigError) as caught:
        make_plan(read_config("configs/catch.yaml", words.split()))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        BANDIT + " --agent.exploration.max_inverse_temperature inf",
        BANDIT + " --agent.exploration.max_inverse_temperature 1e40",
        BANDIT + " --agent.exploration.max_inverse_temperature 1e-50",
        BANDIT + " --agent.exploration.ucb inf",
        LADDER + " --agent.exploration.ladder_exponent inf",
        "--agent.optimiser.epsilon 1e39",
        "--agent.optimiser.max_grad_norm 1e-50",
        "--agent.hypers.learning_rate inf",
        "--agent.hypers.temperature 1e-50",
        "--agent.hypers.temperature 1e-12",
        "--agent.hypers.temperature inf",
        "--agent.hypers.advantage_scale 1e-50",
        "--agent.hypers.advantage_scale 1e40",
        "--agent.hypers.rho_clip 1e-50",
        "--agent.hypers.q_cost inf",
        "--agent.hypers.reward_scale -inf",
        "--agent.hypers.entropy_cost .nan",
    ],
)
def test_what_float32_cannot_hold_is_one_sentence(words):
    """1e-50 would be 0 there, and 1e40 infinity."""
    name = words.split()[-2].removeprefix("--")
    with pytest.raises(ConfigError, match=f"^{name} must be at least "):
        check_ranges(read_config("configs/catch.yaml", words.split()))


@pytest.mark.parametrize("family", ["fixed", "bandit"])
@pytest.mark.parametrize("module", [casa, impala])
def test_the_ends_of_the_temperatures_can_be_learnt(module, family):
    """Behaviour, loss and gradient are finite there, with preferences of some hundreds."""
    settings = ExplorationConfig(
        family, max_inverse_temperature=ranges(ExplorationConfig)["max_inverse_temperature"].high
    )
    network = mlp.make(mlp.Config((8,)), Catch.spec)
    agent = module.make(module.Config(exploration=settings, temperature_factor=True), network, Catch.spec, 10)
    act, update, start = make_act(agent.act), jax.jit(agent.update), agent.init(jax.random.key(0))
    for temperature in (TEMPERATURES.low, TEMPERATURES.high) if family == "fixed" else (1.0,):
        state = set_hypers(start, {"temperature": temperature, "entropy_cost": 0.01})
        state = state.replace(params=jax.tree.map(lambda x: 30 * x, state.params))
        actor = Actor([BatchedJaxEnv(Catch(), 8, jax.random.key(1))], act, agent.initial_actor_state, 12)
        for _ in range(3):
            trajectory, _ = actor.unroll(agent.publish(state), state.key)
            state, metrics = update(state, trajectory)
            assert np.isfinite(trajectory.behaviour_logits).all()
            assert all(np.isfinite(x).all() for x in jax.tree.leaves((state.params, metrics))), temperature


def test_infinite_bounds_can_be_written_as_people_write_them():
    config = read_config("configs/catch.yaml", ["--agent.hypers.rho_clip=inf", "--agent.hypers.c_clip", "inf"])
    assert config.agent.hypers.rho_clip == math.inf
    check_ranges(config)


@pytest.mark.parametrize("field", ["vary", "members"])
def test_members_too(field):
    config = read_config(
        "configs/catch.yaml", ["--population.size=2", f"--population.{field}={{temperature: [0.1, -1]}}"]
    )
    with pytest.raises(
        ConfigError, match=f"population.{field}: temperature must be at least 1e-06 and at most 1e.20, got -1"
    ):
        make_members(config.population, config.agent.hypers)


def test_the_ends_of_a_range_can_be_listed():
    """Float32 rounds 1e-6 below itself."""
    config = read_config("configs/catch.yaml", ["--population.size=2", "--population.vary={temperature: [1e-6, 1]}"])
    assert make_members(config.population, config.agent.hypers).hypers["temperature"][0] == np.float32(1e-6)


@dataclasses.dataclass(frozen=True)
class Inner:
    widths: tuple[Annotated[int, AtLeast(1)], ...] = (1,)
    scale: float = 1.0


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = dataclasses.field(default_factory=Inner)
    count: Annotated[int, Between(1, 3)] | None = None
    name: str = ""
    rate: Annotated[float, Above(0)] = math.inf


def test_any_dataclass_can_have_ranges():
    """A config that is built in Python is checked as one that is read; NaN is in no range."""
    assert set(ranges(Outer)) == {"count", "rate"}
    check_ranges(Outer(count=3))
    for wrong, message in [
        (Outer(Inner((2, 0))), "inner.widths must be at least 1, got 0"),
        (Outer(Inner(scale=math.inf)), "inner.scale must be at least -3e+38 and at most 3e+38, got inf"),
        (Outer(count=4), "count must be at least 1 and at most 3, got 4"),
        (Outer(rate=0.0), "rate must be above 0, got 0.0"),
        (Outer(rate=math.nan), "rate must be above 0, got nan"),
    ]:
        with pytest.raises(ConfigError) as caught:
            check_ranges(wrong)
        assert str(caught.value) == message
