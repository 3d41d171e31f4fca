"""The group-relative learner against its formula in NumPy, and on a bandit of tokens whose best answer is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import group
from jaxrl.envs.episode import Episode, advance, begin, to_timestep
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.runtime.anakin import make_anakin, run
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep, Trajectory
from tests.reference import losses
from tests.support.linear import SPEC, LinearNetwork, chain, draw_params, draw_trajectory, outputs

NETWORK: Any = LinearNetwork()
HYPERS = group.Hypers(clip_range=0.3, kl_cost=0.4, entropy_cost=0.2, reward_scale=0.5, floor=0.1)
ANSWER, TO_GO = (group.Config(HYPERS, group_size=2, credit=credit) for credit in ("answer", "to_go"))


def advantages_by_hand(config: group.Config, reward: np.ndarray, mask: np.ndarray) -> np.ndarray:
    found = np.zeros_like(reward)
    for start in range(0, reward.shape[1], config.group_size):
        members = range(start, start + config.group_size)
        scores = [sum(reward[t, b] for t in range(len(reward)) if mask[t, b]) for b in members]
        for t in range(len(reward)):
            left = {b: sum(reward[k, b] for k in range(t, len(reward)) if mask[k, b]) for b in members if mask[t, b]}
            for b in left:
                gap = scores[b - start] - np.mean(scores)
                gap = gap if config.credit == "answer" else left[b] - np.mean(list(left.values()))
                found[t, b] = gap / (np.std(scores) + config.hypers.floor)
    return found


def by_hand(config: group.Config, head: np.ndarray, reference: np.ndarray, trajectory: Any) -> losses.Loss:
    """The loss row by row, and its gradient in the policy head."""
    hypers = config.hypers
    rows, ratio = losses.read_rows(head, trajectory)
    before, _ = losses.read_rows(reference, trajectory)
    advantage = advantages_by_hand(config, hypers.reward_scale * trajectory.reward, trajectory.mask)
    chosen = trajectory.mask & (trajectory.legal[:-1].sum(-1) > 1)
    terms = dict.fromkeys(("loss/policy", "loss/kl", "loss/entropy"), 0.0)
    gradient, count = np.zeros_like(head), chosen.sum()
    for t, b in zip(*np.nonzero(chosen), strict=True):
        row, action, w, gain = rows[t][b], trajectory.action[t, b], ratio[t, b], advantage[t, b]
        low, high = 1 - hypers.clip_range, 1 + hypers.clip_range
        apart = before[t][b].log_policy[action] - row.log_policy[action]
        terms["loss/policy"] -= min(w * gain, np.clip(w, low, high) * gain) / count
        terms["loss/kl"] += (np.exp(apart) - apart - 1) / count
        terms["loss/entropy"] -= losses.entropy_of(row) / count
        moves = w < high if gain > 0 else w > low
        pull = moves * w * gain * row.direction - hypers.kl_cost * (1 - np.exp(apart)) * row.direction
        pull += hypers.entropy_cost * losses.entropy_direction(row)
        gradient[t, b] = -pull / trajectory.extras.temperature[t, b] / count
    total = terms["loss/policy"] + hypers.kl_cost * terms["loss/kl"] + hypers.entropy_cost * terms["loss/entropy"]
    return losses.Loss(terms | {"loss/total": total}, gradient, np.zeros((len(head) + 1, head.shape[1])))


def estimated(config: group.Config, params: Any, trajectory: Any) -> Any:
    """The trajectory with its advantages and with what the reference `params` think of its actions."""
    rows = group.read_rows(params, config.hypers, trajectory, config, NETWORK)
    reward = config.hypers.reward_scale * trajectory.reward
    found = group.advantages(reward, trajectory.mask, config, config.hypers.floor)
    return trajectory._replace(extras=group.Estimates(trajectory.extras.temperature, (), rows.log_pi, found))


@cache
def compiled(config: group.Config) -> Any:
    return jax.jit(jax.value_and_grad(partial(group.loss, config=config, network=NETWORK), has_aux=True))


@pytest.mark.parametrize("config", [ANSWER, TO_GO], ids=lambda config: config.credit)
def test_loss_and_gradient_by_hand(config, double):
    for seed in range(3):
        params, reference = draw_params(seed), draw_params(seed + 50)
        trajectory = draw_trajectory(seed, legality=True)
        given = estimated(config, reference, trajectory)
        expected_advantage = advantages_by_hand(config, 0.5 * trajectory.reward, trajectory.mask)
        np.testing.assert_allclose(given.extras.advantage, expected_advantage, rtol=1e-9, atol=1e-12)
        (_, metrics), gradient = compiled(config)(params, config.hypers, given)
        expected = by_hand(config, outputs(params, trajectory)[0], outputs(reference, trajectory)[0], trajectory)
        assert {name: float(metrics[name]) for name in expected.terms} == pytest.approx(expected.terms, rel=1e-9)
        for leaf, values in chain(trajectory, expected.head, expected.value).items():
            np.testing.assert_allclose(gradient[leaf], values, rtol=1e-8, atol=1e-12, err_msg=leaf)


def forced(trajectory: Trajectory, rows: int) -> Trajectory:
    """The first rows are a prompt: one action is legal, the one that was taken."""
    legal = np.array(trajectory.legal)
    for t, b in np.ndindex(rows, legal.shape[1]):
        legal[t, b] = np.arange(legal.shape[2]) == trajectory.action[t, b]
    return trajectory._replace(legal=legal)


def test_a_prompt_that_is_read_has_no_gradient(double):
    """Whatever its tokens were worth, and however the observations differ there."""
    trajectory = draw_trajectory(3, legality=True)
    trajectory = forced(trajectory._replace(first=np.zeros_like(trajectory.first)), rows=len(trajectory.action))
    given = estimated(ANSWER, draw_params(1), trajectory)
    (total, metrics), gradient = compiled(ANSWER)(draw_params(0), HYPERS, given)
    assert float(total) == 0 and not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))
    assert np.any(given.extras.advantage) and float(metrics["policy/entropy"]) == 0


@pytest.mark.parametrize("config", [ANSWER, TO_GO], ids=lambda config: config.credit)
def test_a_group_of_equal_rewards_learns_nothing_from_them(config, double):
    trajectory = draw_trajectory(0, legality=True)
    trajectory = trajectory._replace(first=np.zeros_like(trajectory.first), reward=np.full((7, 4), 0.7))
    given = estimated(config, draw_params(0), trajectory)
    np.testing.assert_allclose(given.extras.advantage, 0, atol=1e-12)
    hypers = replace(HYPERS, entropy_cost=0.0)
    (_, metrics), gradient = compiled(config)(draw_params(0), hypers, given)  # the reference is the policy itself
    assert max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(gradient)) < 1e-12
    assert abs(float(metrics["loss/kl"])) < 1e-12


def test_a_policy_has_no_distance_from_itself_at_the_temperature_that_acted(double):
    trajectory = draw_trajectory(0, legality=True)
    logits = np.random.default_rng(0).normal(0, 2, np.shape(trajectory.behaviour_logits))
    acted = ops.softmax_policy(logits, 0.7, trajectory.legal[:-1])
    trajectory = trajectory._replace(behaviour_logits=acted)
    apart, kl = group.divergence(trajectory, logits, 0.7)
    np.testing.assert_allclose([np.abs(apart).max(), kl], 0, atol=1e-12)
    assert group.divergence(trajectory, logits)[1] > 1e-3


def test_mistakes_are_one_sentence():
    with pytest.raises(ConfigError, match=r"group_size 8 must divide .* 12"):
        group.advantages(np.zeros((3, 12)), np.ones((3, 12), bool), group.Config(), 0.05)
    for name, value in (("normalise_observations", True), ("normalise_rewards", True), ("value_transform", "rescale")):
        with pytest.raises(ConfigError, match=f"agent.{name} is for agents with a critic"):
            group.make(replace(group.Config(), **{name: value}), NETWORK, SPEC, 1)  # pyright: ignore[reportArgumentType]


class _Said(NamedTuple):
    place: jax.Array
    right: jax.Array
    episode: Episode


@dataclass(frozen=True)
class TokenBandit:
    """`JaxEnv`: a prompt of two tokens is read, then three are said; the score, at the end, is the share that is right.

    Token k + 1 is right at place k, so that the best score is 1 and chance is 1/4.
    """

    PROMPT: ClassVar[tuple[int, ...]] = (3, 0)
    LENGTH: ClassVar[int] = 5
    spec: ClassVar[EnvSpec] = EnvSpec(ArraySpec((6,), "float32"), num_actions=4, frame_skip=1, masks_actions=True)

    def init(self, key: Key) -> _Said:
        return _Said(jnp.int32(0), jnp.float32(0), begin())

    def step(self, state: _Said, action: jax.Array, key: Key) -> _Said:
        right = state.right + ((state.place >= 2) & (action == state.place - 1))
        ended = state.place + 1 >= self.LENGTH
        reward = jnp.where(ended, right / 3, 0.0)
        return _Said(state.place + 1, right, advance(state.episode, reward, ended))

    def timestep(self, state: _Said) -> TimeStep:
        step = to_timestep(state.episode, jax.nn.one_hot(state.place, 6))
        prompt = jnp.array([*self.PROMPT, 0, 0, 0, 0])[state.place]
        legal = (state.place >= 2) | (jnp.arange(4) == prompt)
        return step._replace(legal=legal)


@pytest.mark.parametrize("credit", ["answer", "to_go"])
def test_the_best_answer_of_a_token_bandit_is_found_and_kl_holds_it_back(credit):
    """An unroll is the answer and the row that resets; the reference, where its weight is large, stays in force."""
    env: Any = TokenBandit()
    scores = {}
    network = mlp.make(mlp.Config((16,)), env.spec)
    for kl_cost in (0.0, 10.0):
        hypers = group.Hypers(learning_rate=0.02, kl_cost=kl_cost)
        agent = group.make(group.Config(hypers, group_size=8, credit=credit), network, env.spec, 1)
        anakin = make_anakin(agent, env, num_envs=32, unroll_length=env.LENGTH + 1)
        carry, (metrics, episodes) = run(anakin, anakin.init(*jax.random.split(jax.random.key(0), 3)), 80)
        scores[kl_cost] = float(episodes.total_return[-5:].sum() / episodes.count[-5:].sum())
        kept: Any = carry.state.agent_state
        assert np.any(np.asarray(kept.reference["policy"]["kernel"] - carry.state.params["policy"]["kernel"]))
    assert scores[0.0] > 0.95 and 0.2 < scores[10.0] < 0.6
    assert float(metrics["loss/kl"][-1]) < 0.05


def test_settings_of_a_critic_are_not_there():
    names = {field.name for field in dataclasses.fields(group.Hypers)}
    assert not names & {"value_cost", "discount_factor"}
