"""Matches between two players (`jaxrl play locm A B`): both seats, the same decks and shuffles in each, an interval.

Games come in pairs. Both games of a pair have the same pool, and each player keeps its deck and its
shuffle; only the seats are exchanged. So neither the luck of the cards nor the first move favours
either side, and the interval is taken over pairs.
"""

import math
import time
from collections.abc import Callable
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
from jaxrl.locm.players import Memory, Player, only

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


def twice(player: Player, key: Array, state: State, memory: Memory) -> tuple[Array, Memory]:
    """A player's cards for games `[2 * pairs]`, drawn alike in both games of a pair: it is asked for both halves with
    one key, as a random player draws by position.
    """

    def choose(state: State, memory: Memory) -> tuple[Array, Memory]:
        return player.act(key, state, memory, "deck")

    pairs = state.winner.shape[-1] // 2
    halves = jax.tree.map(lambda x: x.reshape(*x.shape[:-1], 2, pairs), state)
    kept = jax.tree.map(lambda x: x.reshape(2, pairs, *x.shape[1:]), memory)
    card, kept = jax.vmap(choose, in_axes=(jax.tree.map(lambda x: x.ndim - 2, halves), 0))(halves, kept)
    return card.reshape(-1), jax.tree.map(lambda x: x.reshape(2 * pairs, *x.shape[2:]), kept)


def build_decks(
    state: State, players: tuple[Player, Player], key: Array, version: Version
) -> tuple[State, tuple[Memory, Memory]]:
    """The 60 picks, and what the players remember of them. The first one has seat 0 in the first half of the games,
    seat 1 in the second.

    In each of 30 rounds a player uses one key wherever it sits, so its deck in both games of a pair
    is the same.
    """
    games = state.winner.shape[-1]
    swapped = jnp.arange(games) >= games // 2

    def one_pick(carry: tuple, now: tuple[Array, Array]):
        state, memories = carry
        key, seat = now
        first = swapped == (seat == 1)
        asked = [twice(p, k, state, m) for p, k, m in zip(players, jax.random.split(key), memories, strict=True)]
        (a, after_a), (b, after_b) = asked
        memories = keep(first, after_a, memories[0]), keep(~first, after_b, memories[1])
        return (pick(state, jnp.where(first, a, b), version), memories), None

    keys = jnp.repeat(jax.random.split(key, DECK_SIZE), 2)
    memories = players[0].initial(games), players[1].initial(games)
    return lax.scan(one_pick, (state, memories), (keys, jnp.tile(jnp.arange(2), DECK_SIZE)))[0]


def keep(mine: Array, new: Memory, old: Memory) -> Memory:
    """The new memory in the games in which the player has moved."""
    return jax.tree.map(lambda a, b: jnp.where(mine.reshape(-1, *(1,) * (a.ndim - 1)), a, b), new, old)


def battle(
    state: State, players: tuple[Player, Player], key: Array, version: Version, memories: tuple[Memory, Memory]
) -> tuple[State, Array]:
    """Play to the end; returns the last states and the number of actions int32 `[B]`."""
    games = state.winner.shape[-1]
    first_seat = (jnp.arange(games) >= games // 2).astype(jnp.int16)

    def going(carry) -> Array:
        state, _, step, _ = carry
        return ~finished(state).all() & (step < MAX_BATTLE_STEPS)

    def turn(carry):
        state, actions, step, memories = carry
        keys = jax.random.split(jax.random.fold_in(key, step))
        first = state.player == first_seat
        asked = [
            p.act(k, only(state, mine), m, "battle")
            for p, k, m, mine in zip(players, keys, memories, (first, ~first), strict=True)
        ]
        (a, after_a), (b, after_b) = asked
        memories = keep(first, after_a, memories[0]), keep(~first, after_b, memories[1])
        counted = actions + (~finished(state)).astype(jnp.int32)
        return act(state, jnp.where(first, a, b), version), counted, step + 1, memories

    state, actions, *_ = lax.while_loop(going, turn, (state, jnp.zeros(games, jnp.int32), jnp.int32(0), memories))
    return state, actions


def play_pairs(
    key: Array, players: tuple[Player, Player], version: Version, pairs: int, card_list: Cards | None
) -> tuple[Array, Array]:
    """So many mirrored pairs from deal to end: winner int16 `[2 * pairs]` and battle actions int32 `[2 * pairs]`."""
    deal_key, deck_key, battle_key = jax.random.split(key, 3)
    state = mirrored_games(deal_key, version, pairs, card_list)
    state, memories = build_decks(state, players, deck_key, version)
    state, actions = battle(state, players, battle_key, version, memories)
    return state.winner, actions


def scores(winner: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of `play_pairs` the first player's score `[pairs, 2]` by its seat, 0.5 where not decided, and the actions."""
    as_first, as_second = np.split(winner, 2)
    won = np.stack([as_first == 0, as_second == 1], axis=1)
    undecided = np.stack([as_first < 0, as_second < 0], axis=1)
    return np.where(undecided, 0.5, won.astype(np.float64)), np.stack(np.split(actions, 2), axis=1)


def standing(wins: np.ndarray, pairs: int) -> str:
    """How far a match of `pairs` pairs is, in words, with `wins` `[pairs so far, 2]`."""
    return f"{wins.size} of {2 * pairs} games played, {wins.mean():.1%} won"


def match(
    players: tuple[Player, Player],
    version: Version,
    games: int,
    seed: int = 0,
    card_list: Cards | None = None,
    batch: int = 512,
    tell: Callable[[str], object] = str,
) -> Match:
    """Play `games` games (rounded up to whole pairs) in batches of at most `batch`; `tell` is told how far it is."""
    started = time.perf_counter()
    pairs = -(-games // 2)
    chunk = min(max(batch // 2, 1), pairs)

    play = jax.jit(lambda key: play_pairs(key, players, version, chunk, card_list))
    root, played = jax.random.key(seed), []
    tell(f"{2 * pairs} games, {2 * chunk} at a time; the first of them wait for the compiler")
    for number in range(-(-pairs // chunk)):
        played.append(scores(*jax.device_get(play(jax.random.fold_in(root, number)))))
        tell(standing(np.concatenate([wins for wins, _ in played])[:pairs], pairs))
    wins, lengths = zip(*played, strict=True)
    all_wins, all_lengths = np.concatenate(wins)[:pairs], np.concatenate(lengths)[:pairs]
    return Match(
        players=(players[0].name, players[1].name),
        version=version.name,
        wins=all_wins,
        actions=float(all_lengths.mean()),
        truncated=int((all_wins == 0.5).sum()),
        seconds=time.perf_counter() - started,
    )
