"""The oracle and the probes have the solutions that they claim."""

import jax
import numpy as np
import pytest

from jaxrl.envs.batched import BatchedJaxEnv
from tests.envs.contract import check_env, play, stack
from tests.support.oracle_env import POISON, OracleEnv, read_advantages, read_value
from tests.support.probe_envs import PROBES


@pytest.mark.parametrize("env", [*PROBES, OracleEnv()], ids=lambda env: type(env).__name__)
def test_contract(env):
    check_env(lambda: BatchedJaxEnv(env, 4, jax.random.key(0)), 60)


@pytest.mark.parametrize(
    ("env", "tolerance"),
    [(OracleEnv(), 0.0), (OracleEnv(advantage_scale=0.0), 0.0), (OracleEnv(5, 0.99, 0.3, temperature=0.2), 1e-5)],
)
def test_oracle_errors_vanish(env, tolerance):
    batch, random = BatchedJaxEnv(env, 8, jax.random.key(0)), np.random.default_rng(0)
    timesteps, actions = [batch.reset()], random.integers(0, env.num_actions, (200, 8))
    timesteps += [batch.step(action) for action in actions]
    seen = stack(timesteps)
    value, advantages = read_value(seen.observation), read_advantages(seen.observation)
    q = value[:-1] + np.take_along_axis(advantages[:-1], actions[..., None], -1)[..., 0]
    errors = seen.reward[1:] + np.float32(env.discount_factor) * seen.discount[1:] * value[1:] - q
    assert np.abs(errors[~seen.first[1:]]).max() <= tolerance
    assert np.abs(errors[seen.first[1:]]).max() > 1  # a loss that forgets the mask would notice
    terminated, truncated = seen.discount == 0, seen.last & (seen.discount == 1)
    assert terminated.sum() > 50 and truncated.sum() > 50
    assert (value[terminated] == POISON).all() and (np.abs(value[~terminated]) <= 2).all()
    policy = np.exp(advantages / (env.temperature or np.inf))
    mean = (policy * advantages).sum(-1) / policy.sum(-1)
    assert np.abs(mean).max() <= tolerance


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: type(probe).__name__)
def test_probe_answers(probe):
    """Play the best actions and compare the discounted return with the value, from every observation."""
    discount_factor, seen = 0.9, set()
    answers = {answer.observation: answer for answer in probe.answers(discount_factor)}
    for seed in range(8):
        env = BatchedJaxEnv(probe, 1, jax.random.key(seed))
        timesteps = [env.reset()]
        while not timesteps[-1].last[0]:
            answer = answers[tuple(timesteps[-1].observation[0].tolist())]
            timesteps.append(env.step(np.array([answer.action or 0])))
        value = 0.0
        for before, after in zip(timesteps[-2::-1], timesteps[:0:-1], strict=True):
            value = float(after.reward[0]) + discount_factor * value
            observation = tuple(before.observation[0].tolist())
            assert value == pytest.approx(answers[observation].value)
            seen.add(observation)
    assert seen == set(answers)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: type(probe).__name__)
def test_other_actions_are_worse(probe):
    for answer in probe.answers(0.9):
        if answer.action is not None:
            state = probe.init(jax.random.key(0))._replace(observation=np.array(answer.observation, np.float32))
            rewards = [float(probe.step(state, action, jax.random.key(0)).episode.reward) for action in (0, 1)]
            assert np.argmax(rewards) == answer.action and rewards[0] != rewards[1]


def test_probes_differ_to_the_compiler():
    """The compiled step is shared between equal environments; probes have no fields, so only the class tells them."""
    assert len(set(PROBES)) == len(PROBES)
    step = [play(BatchedJaxEnv(probe, 1, jax.random.key(0)), 1)[1] for probe in PROBES]
    assert [bool(timestep.last[0]) for timestep in step] == [True, True, False, True, True]
