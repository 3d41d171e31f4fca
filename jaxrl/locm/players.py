"""Players: a way to choose a card, and a way to choose a battle action.

Both are functions `(key, state) -> action` over batches, games in the last axis. They are handed the
whole state for speed; the players here look only at what the player to move may see, and those that
look ahead try out only actions whose outcome holds no hidden information (all but PASS).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.deck_stage import deck_legal
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.sampling import random_action
from jaxrl.envs.locm.state import State, Version
from jaxrl.locm.greedy import best_card, greedy_action
from jaxrl.locm.scored import scored_action, scored_card

Choice = Callable[[Array, State], Array]


Memory = Any  # leaves [B, ...]; () of players that remember nothing


class Mind(NamedTuple):
    """What a trained policy has beside its choices; for B games, in both stages."""

    initial: Callable[[int], Memory]  # of B games that have not begun
    act: Callable[[Array, State, Memory], tuple[Array, Memory]]  # key, state, memory -> action int16 [B], new memory
    look: Callable[[State, Memory], tuple[Array, Array]]  # probabilities [145, B] and values [B] of the seat to move


class Player(NamedTuple):
    """A deck builder and a battle player; both `(key, state) -> int16 [*batch]`."""

    name: str
    choose_card: Choice
    choose_action: Choice
    mind: Mind | None = None  # used instead of both where it is given

    def initial(self, games: int) -> Memory:
        """What it remembers of games that have not begun."""
        return self.mind.initial(games) if self.mind else ()

    def act(self, key: Array, state: State, memory: Memory, stage: str) -> tuple[Array, Memory]:
        """Its choice in the `deck` or the `battle` stage, and what it remembers then."""
        if self.mind:
            return self.mind.act(key, state, memory)
        return (self.choose_card if stage == "deck" else self.choose_action)(key, state), memory


def only(state: State, mine: Array) -> State:
    """Games as they are where `mine`, and as if decided elsewhere: with nothing but PASS to try, a player who looks
    ahead spends no time on the other's turns."""
    return state._replace(winner=jnp.where(mine, state.winner, 0))


def random_player(version: Version) -> Player:
    """Uniform over the legal actions of both stages."""
    return Player(
        "random",
        lambda key, state: random_action(key, deck_legal(state, version)),
        lambda key, state: random_action(key, battle_legal(state)),
    )


def greedy_player(version: Version) -> Player:
    """One-step lookahead with a hand-made deck builder."""
    return Player(
        "greedy",
        lambda key, state: best_card(state, version),
        lambda key, state: greedy_action(state, version),
    )


def scored_player(version: Version) -> Player:
    """The scripted rung: scored cards, and a lookahead that values what the next actions can do."""
    return Player(
        "scored",
        lambda key, state: scored_card(state, version),
        lambda key, state: scored_action(state, version),
    )


def with_random_decks(player: Player, version: Version) -> Player:
    """The battle player of `player` with random decks: tells play from deck building."""
    return player._replace(name=f"{player.name}-random-decks", choose_card=random_player(version).choose_card)


PLAYERS: dict[str, Callable[[Version], Player]] = {
    "random": random_player,
    "greedy": greedy_player,
    "greedy-random-decks": lambda version: with_random_decks(greedy_player(version), version),
    "scored": scored_player,
    "scored-random-decks": lambda version: with_random_decks(scored_player(version), version),
}
