"""Matches of the learning policy against scripts, in one program: what self-play's own win rate cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxrl.config.seating import Table
from jaxrl.selfplay.frozen import make_decide
from jaxrl.selfplay.games import Script, TwoPlayerGame
from jaxrl.selfplay.seats import of_mover, view_of
from jaxrl.types import Agent, Key, PyTree, TrainState


def make_contest(
    agent: Agent, game: TwoPlayerGame, scripts: Mapping[str, Script], num_games: int
) -> Callable[[TrainState, Key], dict[str, jax.Array]]:
    """(train state, key) -> what the policy got in each of `num_games` games against each script, float32 [num_games].

    The policy takes its most probable action, and has seat 0 in every other game; memory is kept by seat. All matches
    are one program: rules and network are compiled once.
    """
    num_games += num_games % 2
    table = Table(0, 0, 0, tuple((name, num_games) for name in scripts))
    total = table.num_games
    env = game.make_games(total)

    def contest(state: TrainState, key: Key) -> dict[str, jax.Array]:
        start_key, act_key = jax.random.split(key)
        decide = make_decide(agent, table, agent.publish_greedy(state), None, scripts)
        actor_state = agent.initial_actor_state(total)
        games = env.reset(start_key)
        memory = jax.tree.map(lambda x: jnp.stack([x, x]), actor_state)
        got, over = jnp.zeros(total, jnp.float32), jnp.zeros(total, bool)
        begin = games, memory, jnp.ones((2, total), bool), got, over, jnp.int32(0)

        def going(now: PyTree) -> jax.Array:
            return ~now[4].all()

        def step(now: PyTree) -> PyTree:
            games, memory, fresh, got, over, number = now
            turn = env.timestep(games)
            player = turn.player.astype(jnp.int32)
            first = jnp.where(player == 0, fresh[0], fresh[1])
            own = jax.tree.map(lambda x: of_mover(player, x), memory)
            after, output = decide(games, own, view_of(turn, first), player, jax.random.fold_in(act_key, number))
            moves = jnp.arange(2)[:, None] == player

            def keep(new: jax.Array, old: jax.Array) -> jax.Array:
                return jnp.where(moves.reshape(*moves.shape, *(1,) * (old.ndim - 2)), new[None], old)

            memory = jax.tree.map(keep, after, memory)
            reward = jnp.where(table.learner_seats() == 0, turn.reward[:, 0], turn.reward[:, 1])
            got = got + jnp.where(over, 0.0, reward)
            games = env.step(games, output.action)
            return games, memory, fresh & ~moves, got, over | turn.last, number + 1

        returns = jax.lax.while_loop(going, step, begin)[3].reshape(len(scripts), num_games)
        return dict(zip(scripts, returns, strict=True))

    return contest


def win_rate(returns: ArrayLike) -> float:
    """Share of the games that were won, of what was got in each; those that are level count as half."""
    return float(np.mean(0.5 + 0.5 * np.sign(returns)))
