"""Temperatures by vote where logits are free, and where CASA's regression pins them, on fresh tasks.

    python launch/studies/free_logits.py [ARM ...]      # all arms, or those whose names contain one of the words

The tasks are other members of the family of `collapse.py`: a corridor of two places with five actions, `far` 0.03, 0.3
or 3, `near` 20 or 60 % of it; ten seeds each, 1,000 updates of 8 environments x 16 rows. A run's score is that of the
greedy policy at the end, `(G - near) / (far - near)`: 0 is stuck with the near reward, 1 has found the far one. A line
an arm: solved runs, in all and by task, their interquartile mean with its 95 % stratified-bootstrap interval, and the
behaviour's entropy at the end.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents import casa, impala
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.population import member
from jaxrl.analysis import bootstrap, iqm
from jaxrl.envs.fork import Fork
from jaxrl.networks import mlp
from jaxrl.runtime.anakin import make_anakin, unroll
from jaxrl.types import Agent

DEPTH, NUM_ACTIONS = 2, 5  # a random episode arrives with probability 5^-3 = 1/125
TASKS = tuple((near * far, far) for far in (0.03, 0.3, 3.0) for near in (0.2, 0.6))
SEEDS, UPDATES, NUM_ENVS, ROWS = 10, 1000, 8, 16


class Arm(NamedTuple):
    """An algorithm, how it explores, and whether the policy term is multiplied by the temperature."""

    agent: Any
    exploration: ExplorationConfig
    factor: bool = False


VOTE, NORMALISED = ExplorationConfig("bandit"), ExplorationConfig("bandit", normalise_logits=True)
HARMONIC = ExplorationConfig("mixture", mixture_learnt_at="temperature")
ARMS = {
    "IMPALA, vote": Arm(impala, VOTE),
    "IMPALA, vote, factor": Arm(impala, VOTE, factor=True),
    "IMPALA, vote, normalised": Arm(impala, NORMALISED),
    "IMPALA, vote, normalised, factor": Arm(impala, NORMALISED, factor=True),
    "CASA, vote": Arm(casa, VOTE),
    "CASA, vote, factor": Arm(casa, VOTE, factor=True),
    "CASA, mixture": Arm(casa, ExplorationConfig("mixture"), factor=True),
    "CASA, mixture at one temperature": Arm(casa, HARMONIC, factor=True),
}


def make_agent(arm: Arm) -> Agent:
    """As in `collapse.py`: everything that is not compared is equal in all arms."""
    spec = Fork(DEPTH, NUM_ACTIONS).spec
    own = {"advantage_scale": 1.0} if arm.agent is casa else {"entropy_cost": 0.0}
    hypers = arm.agent.Hypers(learning_rate=3e-3, discount_factor=1.0, **own)
    config = arm.agent.Config(
        hypers, reward_transform="identity", exploration=arm.exploration, temperature_factor=arm.factor
    )
    return arm.agent.make(config, mlp.make(mlp.Config(hidden_sizes=(16,)), spec), spec, UPDATES)


def train(arm: Arm, near: jax.Array, far: jax.Array, seed: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One run's score, and the mean entropy of its behaviour in the last tenth."""
    agent, env = member(make_agent(arm), seed), Fork(DEPTH, NUM_ACTIONS, near, far)  # type: ignore[arg-type]
    anakin = make_anakin(agent, env, NUM_ENVS, ROWS)
    keys = [jax.random.fold_in(jax.random.fold_in(jax.random.key(1), purpose), seed) for purpose in range(4)]
    carry, entropy = jax.lax.scan(
        lambda carry, _: _entropy(*anakin.update(carry)), anakin.init(*keys[:3]), None, length=UPDATES
    )
    start = make_anakin(agent, env, 4, 1).init(*keys[:3])
    _, played = unroll(agent, env, DEPTH + 1, agent.publish_greedy(carry.state), start, keys[3])
    first_episode = (jnp.cumsum(played.first[:-1], 0) == 1) & played.mask
    greedy = jnp.sum(jnp.where(first_episode, played.reward, 0), 0).mean()
    return (greedy - near) / (far - near), entropy[-UPDATES // 10 :].mean()


def _entropy(carry: Any, told: Any) -> tuple[Any, jax.Array]:
    return carry, told[0]["behaviour/entropy"]


def main(words: list[str]) -> None:
    """Train and print."""
    near, far = (np.repeat(column, SEEDS) for column in np.asarray(TASKS, np.float32).T)
    for name, arm in ARMS.items():
        if words and not any(word in name for word in words):
            continue
        began = time.monotonic()
        runs = jax.jit(jax.vmap(lambda *run, arm=arm: train(arm, *run)))
        score, entropy = map(np.asarray, runs(near, far, np.tile(np.arange(SEEDS), len(TASKS))))
        middle, low, high = bootstrap(iqm, score.reshape(len(TASKS), SEEDS).T)
        solved = (score > 0.99).reshape(len(TASKS), SEEDS).sum(1)
        print(
            f"{name}: solved {solved.sum()} of {score.size} {solved.tolist()}, "
            f"IQM {middle:.2f} [{low:.2f}, {high:.2f}], entropy {entropy.mean():.2f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
