"""A policy of a game of two players against others: scripts (`jaxrl evaluate`) and best responses (`jaxrl exploit`)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
import yaml

from jaxrl.config.parsing import write_config
from jaxrl.errors import ConfigError
from jaxrl.record.leaves import flatten
from jaxrl.run.experiment import EVALUATION_KEY, build
from jaxrl.run.runtimes import make_selfplay
from jaxrl.run.trained import Trained
from jaxrl.selfplay.exploit import Response, alone_against, responses, seat
from jaxrl.selfplay.scripted import make_contest, win_rate

GAMES = 2000  # against each player
STRETCHES = 20  # points of the curve


def climb(trained: Trained, games: int | None, greedy: bool) -> dict[str, Any]:
    """Share of the games won against each script, its 95 % interval, and as the score the result against the last one.

    Matches of the card game are of mirrored pairs: the same cards and shuffles with exchanged seats. A game that is cut
    off counts as half.
    """
    number, experiment = games or GAMES, trained.experiment
    number += number % 2  # as many of either seat
    result: dict[str, Any] = {
        "protocol": "",
        "policy": "greedy" if greedy else "sampled",
        "episodes": number,  # against each
        "games": number,
        "cut_episodes": 0,
        "missing_episodes": 0,
        "min_return": -1.0,
        "max_return": 1.0,
    }
    game: Any = experiment.env
    if hasattr(game, "climb"):  # it knows how to make a match fair
        arrays = {leaf.path: leaf.array for leaf in flatten({"state": trained.state}) if leaf.array is not None}
        config = yaml.safe_load(write_config(experiment.config))
        return result | game.climb(trained.name, config, arrays, number, experiment.config.seed, sampled=not greedy)
    if not greedy:
        raise ConfigError(f"{trained.name} is scored by its most probable actions only; leave --no-greedy out")
    contest = jax.jit(make_contest(experiment.agent, game, game.scripts, number))
    for name, returns in jax.device_get(contest(trained.state, experiment.key(EVALUATION_KEY))).items():
        result |= {f"against_{name}": win_rate(returns), "mean_return": float(returns.mean()), "score_against": name}
        result |= {"standard_error": float(returns.std(ddof=1) / math.sqrt(number))}
        result |= {"min_return": min(-1.0, float(returns.min())), "max_return": max(1.0, float(returns.max()))}
    return result


def best_responses(
    trained: Trained, budget: int, seeds: int, *, warm: bool, sampled: bool
) -> Iterator[tuple[int, Response]]:
    """Train `seeds` responses one after the other, `budget` env steps each; yields the seed and what came of a stretch.

    Args:
        trained: the policy to be exploited; its settings are the learner's too.
        warm: the learner begins as a copy of it.
        sampled: it draws its actions instead of taking the likeliest.

    Raises:
        ConfigError: it was not trained by self-play.
    """
    config, agent = trained.experiment.config, trained.experiment.agent
    if config.runtime.kind != "selfplay":
        raise ConfigError(f"exploit is for runs with runtime.kind selfplay, and {trained.name} is none")
    # All games are against the frozen policy: as many as have two seats and divide into devices and minibatches.
    whole = math.lcm(2, getattr(config.agent, "num_minibatches", 1)) * len(config.runtime.learner_devices)
    games = dataclasses.replace(config.runtime, envs_per_pool=-(-config.runtime.envs_per_pool // whole) * whole)
    frozen = (agent.publish if sampled else agent.publish_greedy)(trained.state)
    for seed in range(seeds):
        opponent = alone_against(config.selfplay)
        alone = dataclasses.replace(config, seed=seed, env_steps=budget, runtime=games, selfplay=opponent)
        runtime = make_selfplay(build(alone, trained.state.params if warm else None))
        seat(runtime, frozen)
        for response in responses(runtime, budget, STRETCHES):
            yield seed, response
