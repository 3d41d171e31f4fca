"""Matches between two players (`jaxrl play locm A B`): both seats, the same decks and shuffles in each, an interval.

Games come in pairs. Both games of a pair have the same pool, and each player keeps its deck and its
shuffle; only the seats are exchanged. So neither the luck of the cards nor the first move favours
either side, and the interval is taken over pairs.
"""

import math
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.deck_stage import pick
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS
from jaxrl.envs.locm.state import DECK_SIZE, State, Version, finished
from jaxrl.locm.players import Player

Z95 = 1.959964


@dataclass(frozen=True)
class Match:
    """The outcome of a match, from the first player's side."""

    players: tuple[str, str]
    version: str
    wins: np.ndarray  # float [pairs, 2]: 1 won, 0 lost, 0.5 not decided; as seat 0, as seat 1
    actions: float  # mean battle actions of a game
    truncated: int
    seconds: float

    @property
    def games(self) -> int:
        """Games played."""
        return self.wins.size

    @property
    def win_rate(self) -> float:
        """The first player's share of the games."""
        return float(self.wins.mean())

    def interval(self) -> tuple[float, float]:
        """A 95 % interval of the win rate, see `paired_interval`."""
        return paired_interval(self.wins)

    def report(self) -> str:
        """The outcome in words."""
        low, high = self.interval()
        first, second = self.wins.mean(axis=0)
        a, b = self.players
        lines = [
            f"{a} against {b}, version {self.version}: {self.games} games in mirrored pairs",
            f"{a} wins {self.win_rate:.2%}, 95 % interval {low:.2%} to {high:.2%}",
            f"moving first {first:.2%}, moving second {second:.2%}; {self.actions:.1f} battle actions a game",
            f"{self.seconds:.1f} s with compilation",
        ]
        if self.truncated:
            lines.append(f"{self.truncated} games were cut off after {MAX_BATTLE_STEPS} actions")
        return "\n".join(lines)


def paired_interval(wins: np.ndarray) -> tuple[float, float]:
    """A 95 % Wilson interval for the mean of `wins` `[pairs, 2]`.

    With p the mean, the number of independent games in Wilson's formula is p (1-p) / var(mean of the
    pair means), which is below 2 * pairs where the games of a pair go the same way; it is kept
    between pairs and 2 * pairs.
    """
    pairs = len(wins)
    rate = float(wins.mean())
    means = wins.mean(axis=1)
    spread = float(means.var(ddof=1)) / pairs if pairs > 1 else 0.0
    number = rate * (1 - rate) / spread if spread > 0 else pairs
    number = min(max(number, pairs), 2 * pairs)
    scale = 1 + Z95**2 / number
    centre = (rate + Z95**2 / (2 * number)) / scale
    half = Z95 * math.sqrt(rate * (1 - rate) / number + Z95**2 / (4 * number**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def mirrored_games(key: Array, version: Version, pairs: int, card_list: Cards | None) -> State:
    """Games `[..., 2 * pairs]`: pair i is games i and pairs + i, with the shuffles exchanged."""
    state = new_game(key, version, (pairs,), card_list)
    state = jax.tree.map(lambda x: jnp.concatenate([x, x], axis=-1), state)
    mirrored = jnp.arange(2 * pairs) >= pairs
    return state._replace(place=jnp.where(mirrored, jnp.flip(state.place, 0), state.place))


def twice(key: Array, choose, state: State) -> Array:
    """A player's choices for games `[2 * pairs]`, drawn alike in both games of a pair.

    The halves are asked one after the other with the same key, as a random player draws by position.
    """
    halves = state.winner.shape[-1] // 2
    parts = (
        jax.tree.map(lambda x: x[..., :halves], state),
        jax.tree.map(lambda x: x[..., halves:], state),
    )
    return jnp.concatenate([choose(key, part) for part in parts])


def build_decks(state: State, players: tuple[Player, Player], key: Array, version: Version) -> State:
    """The 60 picks. The first player has seat 0 in the first half of the games, seat 1 in the second.

    In each of 30 rounds a player uses one key wherever it sits, so its deck in both games of a pair
    is the same.
    """
    games = state.winner.shape[-1]
    swapped = jnp.arange(games) >= games // 2

    def round_of_picks(state: State, key: Array):
        keys = jax.random.split(key)
        for seat in (0, 1):
            choices = [twice(k, player.choose_card, state) for k, player in zip(keys, players, strict=True)]
            of_first = swapped if seat == 1 else ~swapped
            state = pick(state, jnp.where(of_first, choices[0], choices[1]), version)
        return state, None

    return lax.scan(round_of_picks, state, jax.random.split(key, DECK_SIZE))[0]


def battle(state: State, players: tuple[Player, Player], key: Array, version: Version) -> tuple[State, Array]:
    """Play to the end; returns the last states and the number of actions int32 `[B]`."""
    games = state.winner.shape[-1]
    first_seat = (jnp.arange(games) >= games // 2).astype(jnp.int16)

    def going(carry) -> Array:
        state, _, step = carry
        return ~finished(state).all() & (step < MAX_BATTLE_STEPS)

    def turn(carry):
        state, actions, step = carry
        keys = jax.random.split(jax.random.fold_in(key, step))
        a, b = (player.choose_action(k, state) for k, player in zip(keys, players, strict=True))
        action = jnp.where(state.player == first_seat, a, b)
        counted = actions + (~finished(state)).astype(jnp.int32)
        return act(state, action, version), counted, step + 1

    state, actions, _ = lax.while_loop(going, turn, (state, jnp.zeros(games, jnp.int32), jnp.int32(0)))
    return state, actions


def match(
    players: tuple[Player, Player],
    version: Version,
    games: int,
    seed: int = 0,
    card_list: Cards | None = None,
    batch: int = 512,
) -> Match:
    """Play `games` games (rounded up to whole pairs) in batches of at most `batch`."""
    started = time.perf_counter()
    pairs = -(-games // 2)
    chunk = min(max(batch // 2, 1), pairs)

    @jax.jit
    def play(key: Array):
        deal_key, deck_key, battle_key = jax.random.split(key, 3)
        state = mirrored_games(deal_key, version, chunk, card_list)
        state = build_decks(state, players, deck_key, version)
        state, actions = battle(state, players, battle_key, version)
        return state.winner, actions

    root = jax.random.key(seed)
    wins, lengths = [], []
    for number in range(-(-pairs // chunk)):
        winner, actions = jax.device_get(play(jax.random.fold_in(root, number)))
        as_first, as_second = winner[:chunk], winner[chunk:]
        won = np.stack([as_first == 0, as_second == 1], axis=1)
        undecided = np.stack([as_first < 0, as_second < 0], axis=1)
        wins.append(np.where(undecided, 0.5, won.astype(np.float64)))
        lengths.append(np.stack([actions[:chunk], actions[chunk:]], axis=1))
    all_wins, all_lengths = np.concatenate(wins)[:pairs], np.concatenate(lengths)[:pairs]
    return Match(
        players=(players[0].name, players[1].name),
        version=version.name,
        wins=all_wins,
        actions=float(all_lengths.mean()),
        truncated=int((all_wins == 0.5).sum()),
        seconds=time.perf_counter() - started,
    )
