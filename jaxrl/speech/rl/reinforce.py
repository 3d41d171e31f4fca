"""`rollout -> score -> update`: answers in one scan, scored whole on the host, learnt from as any trajectory is.

Nothing here knows the agent. The reward of a row is what its token earned (`scoring.py`); where an agent has no term
for the supervised policy, ref, in its loss, `-beta (log mu(a) - log ref(a))` is added to every row that was chosen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents.group import choices, divergence
from jaxrl.speech import fitting
from jaxrl.speech.policy.generate import Grammar, stack_prompts
from jaxrl.speech.rl.arms import Arm
from jaxrl.speech.rl.asks import Ask, Asks
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.rl.rollout import answers_of, make_rollout
from jaxrl.speech.rl.scoring import Score, Scorer
from jaxrl.speech.rl.token_network import TokenNetwork
from jaxrl.speech.speech_error import SpeechError
from jaxrl.types import Agent, TrainState, Trajectory

SAVED = 10  # updates between two savings
PARTS = ("content", "attribute", "voice", "tool", "format", "length")


class Batch(NamedTuple):
    """What was asked and answered in an update, stream by stream."""

    asks: list[Ask]
    lengths: np.ndarray  # int32 [B], of the prompts
    trajectory: Trajectory
    scores: list[Score]


def rewards(scores: Sequence[Score], lengths: np.ndarray, rows: int) -> np.ndarray:
    """What every row earned, float32 [rows, B]: the token after row `length - 1` is the first of the answer."""
    found = np.zeros((rows, len(scores)), np.float32)
    for stream, (score, length) in enumerate(zip(scores, lengths, strict=True)):
        found[length - 1 : length - 1 + len(score.earned), stream] = score.earned
    return found


def paid(trajectory: Trajectory, reward: np.ndarray) -> Trajectory:
    """The trajectory with its rewards, and the return where an episode ends: what a behaviour's vote is on."""
    returns = np.where(np.asarray(trajectory.last), reward.sum(axis=0), 0).astype(np.float32)
    return trajectory._replace(reward=jnp.asarray(reward), episode_return=jnp.asarray(returns))


@partial(jax.jit, static_argnames="network")
def drifted(
    network: TokenNetwork, supervised: Any, trajectory: Trajectory, temperature: float
) -> tuple[jax.Array, jax.Array]:
    """`agents.group.divergence` from the supervised policy at the temperature of what was sampled."""
    tokens = jnp.swapaxes(trajectory.observation, 0, 1)
    logits = jnp.swapaxes(network.model.apply({"params": supervised}, tokens), 0, 1)[:-1]
    return divergence(trajectory, logits, temperature)


def averages(scores: Sequence[Score]) -> dict[str, float]:
    """Means of the score, of its parts over the answers that have them, of the spread of F0, of the seconds spoken."""
    found = {"score": float(np.mean([score.total for score in scores]))}
    for name in PARTS:
        some = [score.parts[name] for score in scores if name in score.parts]
        found |= {name: float(np.mean(some))} if some else {}
    spoken = [score.measured for score in scores if score.measured and score.measured.f0 > 0]
    found["spread"] = float(np.mean([one.spread for one in spoken])) if spoken else 0.0
    found["seconds"] = float(np.mean([one.seconds for one in spoken])) if spoken else 0.0
    return found


def reinforce(
    folder: Path,
    arm: Arm,
    config: RLConfig,
    network: TokenNetwork,
    supervised: Any,
    grammar: Grammar,
    asks: Asks,
    scorer: Scorer,
    advance: Callable[[int, int], None],
) -> TrainState:
    """The state after all updates; `folder` holds it and its curve, and an interrupted run goes on from there.

    Args:
        folder: of this arm.
        arm: who learns, and from what.
        config: of the stage.
        network: that begins as the supervised policy.
        supervised: its parameters, the reference.
        grammar: of the assistant's turn.
        asks: of the training split.
        scorer: with the weights of the arm.
        advance: told the number of updates done, and of all.

    Raises:
        SpeechError: a loss is not a number.
    """
    agent = arm.make(config, network)
    update = make_update(agent, folder.name, arm, config, network, supervised, grammar, asks, scorer)
    first = agent.init(jax.random.key(config.seed))
    return fitting.fit(folder, first, update, config.updates, config.seed, advance, 1, lines_kept=SAVED)


def make_update(
    agent: Agent,
    name: str,
    arm: Arm,
    config: RLConfig,
    network: TokenNetwork,
    supervised: Any,
    grammar: Grammar,
    asks: Asks,
    scorer: Scorer,
) -> Callable[[TrainState, jax.Array], tuple[TrainState, Mapping[str, Any]]]:
    """One `rollout -> score -> update` of `reinforce`; the key draws the prompts, and what is answered."""
    rollout = make_rollout(agent, grammar, config.tokens)
    publish, learn = jax.jit(agent.publish), jax.jit(agent.update, donate_argnums=0)

    def play(state: TrainState, key: jax.Array) -> Batch:
        rng = fitting.generator(key)
        drawn = [ask for ask in asks.draw(rng, config.prompts) for _ in range(config.group)]
        prompts, lengths = stack_prompts([ask.prompt for ask in drawn], config.tokens)
        trajectory = rollout(jax.tree.map(jnp.copy, publish(state)), prompts, lengths, key)
        return Batch(drawn, lengths, trajectory, scorer.score(drawn, answers_of(trajectory, lengths)))

    def update(state: TrainState, key: jax.Array) -> tuple[TrainState, Mapping[str, Any]]:
        start = time.monotonic()
        batch = play(state, key)
        apart, kl = drifted(network, supervised, batch.trajectory, config.temperature)
        chosen = choices(batch.trajectory)
        reward = rewards(batch.scores, batch.lengths, len(batch.trajectory.action))
        trajectory = paid(batch.trajectory, reward)
        if arm.shaping:
            trajectory = trajectory._replace(reward=trajectory.reward - config.kl_cost * apart)
        state, metrics = learn(state, trajectory)
        if not np.isfinite(float(metrics["loss/total"])):
            raise SpeechError(f"the loss of {name} is no number any more; lower rl.learning_rate")
        told = {
            **averages(batch.scores),
            "kl": kl,
            "entropy": metrics["behaviour/entropy"] * jnp.sum(trajectory.mask) / jnp.sum(chosen),
            "grad_norm": metrics["optimiser/grad_norm"],
            "tokens": jnp.sum(chosen) / chosen.shape[1],
            "time": time.monotonic() - start,
        }
        return state, told

    return update
