"""Legends of Code and Magic as a part of a config: its versions, its scripted players, and what is watched in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import AtLeast
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS, NUM_ACTIONS, BatchState
from jaxrl.envs.locm.state import in_battle
from jaxrl.locm.players import PLAYERS, Player, only
from jaxrl.locm.policy.ladder_match import climb
from jaxrl.locm.policy.watch import watch_decks, watch_stages
from jaxrl.locm.policy.weights import as_weights
from jaxrl.locm.rulebook import Rules, read_rules
from jaxrl.locm.table import CardTable, view_shapes
from jaxrl.types import Array, EnvSpec, Key, Metrics, Trajectory


@dataclass(frozen=True)
class Config:
    """Legends of Code and Magic for two players: deck stage and battle in one episode.

    Args:
        version: of the rules; `1.2` drafts from a card list.
        card_list: path of the competition's list of cards (cardlist.txt).
        max_battle_steps: actions of both players in a battle, after which it is cut off.
    """

    version: Literal["1.5", "1.2"] = "1.5"
    card_list: Annotated[str, ReadIf("env.version", "1.2")] = ""
    max_battle_steps: Annotated[int, AtLeast(1)] = MAX_BATTLE_STEPS


def make(config: Config) -> CardGame:
    """The game; raises `ConfigError` like `read_rules`."""
    return CardGame(read_rules(config.version, config.card_list, "env."), config.max_battle_steps)


class CardGame:
    """The card game as a part: `jaxrl.selfplay.games.TwoPlayerGame`."""

    def __init__(self, rules: Rules, max_battle_steps: int):
        """By these rules; a battle is cut off after so many actions."""
        self.version, self.card_list = rules
        self._max_battle_steps = max_battle_steps
        self.spec = EnvSpec(view_shapes(self.version), NUM_ACTIONS, frame_skip=1, masks_actions=True)
        self.scripts = {name: _script(make_player(self.version)) for name, make_player in PLAYERS.items()}

    def make_games(self, num_games: int) -> CardTable:
        """So many games side by side."""
        return CardTable(num_games, self.version, self.card_list, self._max_battle_steps)

    def climb(
        self, name: str, config: Mapping[str, Any], arrays: Mapping[str, Array], games: int, seed: int, sampled: bool
    ) -> dict[str, Any]:
        """The policy of a run's `config` and checkpoint `arrays` against the scripted players; see `ladder_match`."""
        weights = as_weights(name, config, arrays)
        return climb(weights, self.version, self.card_list, games, seed, sampled)

    def watch(self, trajectory: Trajectory) -> Metrics:
        """Entropies by stage, the share of PASS, and what the decks are like."""
        return {**watch_stages(trajectory), **watch_decks(trajectory)}


def _script(player: Player) -> Callable[[BatchState, slice, jax.Array, Key], jax.Array]:
    """A player as one of self-play's scripts; what it does in a game that is over is thrown away."""

    def act(state: BatchState, part: slice, moves: jax.Array, key: Key) -> jax.Array:
        game = only(jax.tree.map(lambda x: x[..., part], state.episode.game), moves)
        card_key, action_key = jax.random.split(key)
        card, action = player.choose_card(card_key, game), player.choose_action(action_key, game)
        return jnp.where(in_battle(game), action, card).astype(jnp.int32)

    return act
