"""Streams as trajectories: forced prompts, ends, the cache against the whole, the scan against one token at a time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import casa, group, impala
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.unrolling import unroll_network
from jaxrl.speech import ids
from jaxrl.speech.chat import Turn, encode_prompt, parse
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy.generate import grammar_of, stack_prompts
from jaxrl.speech.policy.transformer import Transformer
from jaxrl.speech.rl.rollout import answers_of, make_rollout, row_of
from jaxrl.speech.rl.stream import begin, shown, spec_of
from jaxrl.speech.rl.token_network import TokenNetwork
from jaxrl.types import Trajectory

VOCABULARY = Vocabulary(4, 4)
GRAMMAR, PLACES = grammar_of(VOCABULARY), 24
MODEL = Transformer(VOCABULARY.size, width=16, layers=1, heads=2)
TEXTS = ("on", "on", "radio", "radio")


@pytest.fixture(scope="module")
def network() -> Any:
    params = MODEL.init(jax.random.key(1), jnp.zeros((1, 2), jnp.int32))["params"]
    return TokenNetwork(MODEL, params, PLACES)


@pytest.fixture(scope="module")
def prompts() -> tuple[np.ndarray, np.ndarray]:
    given = [encode_prompt([Turn("human", (text,))], VOCABULARY, PLACES) for text in TEXTS]
    return stack_prompts(given, multiple=4)


@pytest.fixture(scope="module")
def agents(network) -> dict[str, Any]:
    votes = ExplorationConfig("bandit")
    return {
        "group": group.make(group.Config(group_size=2), network, spec_of(VOCABULARY.size), 1),
        "impala": impala.make(impala.Config(reward_transform="identity"), network, spec_of(VOCABULARY.size), 1),
        "casa": casa.make(casa.Config(exploration=votes), network, spec_of(VOCABULARY.size), 1),
    }


@pytest.fixture(scope="module")
def played(agents, prompts) -> tuple[Any, Trajectory]:
    state = agents["group"].init(jax.random.key(0))
    rollout = make_rollout(agents["group"], GRAMMAR, PLACES)
    return state, rollout(agents["group"].publish(state), *prompts, jax.random.key(3))


def test_prompts_are_read_and_answers_end(played, prompts):
    _, trajectory = played
    stacked, lengths = prompts
    chosen = np.asarray(group.choices(trajectory))
    for stream, length in enumerate(lengths):
        seen, mask = np.asarray(trajectory.observation)[:, stream], np.asarray(trajectory.mask)[:, stream]
        assert seen[:length].tolist() == stacked[stream, :length].tolist()
        assert not chosen[: length - 1, stream].any() and chosen[length - 1, stream]
        assert trajectory.action[: length - 1, stream].tolist() == stacked[stream, 1:length].tolist()
        np.testing.assert_array_equal(trajectory.behaviour_logits[np.arange(length - 1), stream, seen[1:length]], 0)
        (end,) = np.flatnonzero(np.asarray(trajectory.last)[:, stream])
        assert mask[: end + 1].all() and not mask[end + 1 :].any() and trajectory.discount[end, stream] == 0
        assert int(trajectory.episode_length[end, stream]) == end + 1
        said = answers_of(trajectory, lengths)[stream]
        turns, ended = parse([*stacked[stream, :length], *said], VOCABULARY)
        assert turns[0] == Turn("human", (TEXTS[stream],)) and turns[1].role == "assistant"
        assert ended == (said[-1] == ids.EOT) and (ended or end == PLACES - 2)


def test_cache_and_whole_agree(played, network, agents):
    """Each row's logits as they acted, from the whole stream at once: so every importance ratio is 1."""
    state, trajectory = played
    policy, value = unroll_network(network, state.params, trajectory)
    logits = jax.nn.log_softmax(jnp.where(trajectory.legal[:-1], policy, -1e9))
    rows = np.asarray(trajectory.mask)
    np.testing.assert_allclose(logits[rows], np.asarray(trajectory.behaviour_logits)[rows], atol=1e-4)
    assert not np.any(value)


def test_the_scan_is_the_agent_one_token_at_a_time(played, agents, prompts):
    """Equal keys, equal trajectories: what an environment stepped on the host would give."""
    state, trajectory = played
    agent, key = agents["group"], jax.random.key(3)
    params = agent.publish(state)
    step: Any = jax.jit(lambda carry: row_of(agent, GRAMMAR, PLACES, params, carry, key))
    stacked, lengths = prompts
    carry, done = (agent.initial_actor_state(4), begin(stacked, lengths, GRAMMAR)), []
    for _ in range(PLACES - 1):
        carry, row = step(carry)
        done.append(row)
    seen, output = (jax.tree.map(lambda *x: np.stack(x), *part) for part in zip(*done, strict=True))
    np.testing.assert_array_equal(output.action, trajectory.action)
    np.testing.assert_array_equal(seen.legal, trajectory.legal[:-1])
    np.testing.assert_array_equal(seen.first, trajectory.first[:-1])
    np.testing.assert_array_equal(shown(carry[1], GRAMMAR).last, trajectory.last[-1])
    np.testing.assert_allclose(output.behaviour_logits, trajectory.behaviour_logits, atol=1e-5)


@pytest.mark.parametrize("name", ["impala", "casa"])
def test_other_agents_act_and_learn_unchanged(name, agents, prompts):
    agent = agents[name]
    state = agent.init(jax.random.key(0))
    trajectory = make_rollout(agent, GRAMMAR, PLACES)(agent.publish(state), *prompts, jax.random.key(3))
    reward = jnp.where(trajectory.last, jnp.array([1.0, 0.0, 1.0, 0.0]), 0)
    trajectory = trajectory._replace(reward=reward, episode_return=reward)
    learnt, metrics = jax.jit(agent.update)(state, trajectory)
    assert float(metrics["trace/rho_mean"]) == pytest.approx(1, abs=1e-3)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), learnt.params, state.params)
    assert min(jax.tree.leaves(moved["policy"])) >= 0 and max(jax.tree.leaves(moved["policy"])) > 0
    assert moved["value"]["bias"] > 0
