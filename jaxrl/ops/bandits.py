"""The bandits' vote: several small bandits search one real coordinate for the value with the best returns.

Each of M bandits cuts [low, high] into blocks of width `acc`, covers them with K tilings of wider tiles, and learns one
weight and one count per tile:

    block(x) = floor((clip(x, low, high) - low) / acc)
    tile(x)  = floor((clip(x - offset, low, high) - low) / width)
    V_i      = mean weight of the tiles that cover block i
    update(x, G), every tiling, j = tile(x):  w_j += lr (G - V_block(x));  N_j += 1
    score_i  = (V_i - mean V) / std V + k sqrt(log(1 + sum N) / (1 + N_i))

It proposes d candidates, one uniform x in each of d blocks: the d best (argmax mode), or d blocks without replacement
with the scores as logits (random mode). The vote: x is drawn uniformly from all M d candidates, and every bandit learns
from (x, G).

Printed (GDI, arXiv 2206.03192): all of the above; M = 7, d = 3, lr in {0.05, 0.1, 0.2}, width in {2, 3, 4} blocks.
Derived: widths and offsets are whole blocks, so that one tile per tiling covers a block and
`tile = clip(block - offset, 0, n - 1) // width`; adding Gumbel noise to logits and keeping the d largest draws d
without replacement.
Reconstructed: weights start at 0; k = 1; one tiling per bandit; N_i is the mean count over the tilings, sum N the
number of updates; x = high belongs to the last block; ties are broken at random, otherwise fresh argmax bandits would
all propose the lowest blocks; the second term stands alone where all V are equal (std = 0); bandits 0, 2, ... are in
argmax mode, the others in random mode.
Not settled in print, and chosen: for a temperature the coordinate is x = log(1 + 1/temperature) in [0, log 51], cut
into 50 blocks (the printed 50 blocks divide 1/temperature in [0, 50]: three quarters of them colder than 1/12); one set
of bandits per coordinate, shared by all actors. The printed offset, "up to 60", would put all 50 blocks into one tile;
offsets here are 0 to 3 blocks, less than the widest tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class BanditSpec:
    """What fixes the shapes, and from what the settings are drawn. Hashable: static to the compiler.

    Args:
        low: left end of the coordinate.
        high: right end.
        num_blocks: n, so that `acc = (high - low) / n`.
        num_bandits: M.
        num_candidates: d, proposed by each bandit.
        num_tilings: K, per bandit.
        learning_rates: one of them per bandit.
        widths: of tiles in blocks; one of them per tiling.
        max_offset: a tiling is shifted by 0 to so many blocks.
        ucb: k, weight of the count in the score.
    """

    low: float
    high: float
    num_blocks: int
    num_bandits: int = 7
    num_candidates: int = 3
    num_tilings: int = 1
    learning_rates: tuple[float, ...] = (0.05, 0.1, 0.2)
    widths: tuple[int, ...] = (2, 3, 4)
    max_offset: int = 3
    ucb: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        if not 1 <= self.num_candidates <= self.num_blocks:
            raise ValueError(f"num_candidates must be 1 to num_blocks = {self.num_blocks}, got {self.num_candidates}")
        if min(self.widths) < 1 or self.max_offset < 0 or self.num_bandits < 1 or self.num_tilings < 1:
            raise ValueError("num_bandits, num_tilings and widths must be at least 1, and max_offset at least 0")

    @property
    def acc(self) -> float:
        """Width of a block."""
        return (self.high - self.low) / self.num_blocks

    @property
    def num_tiles(self) -> int:
        """J, enough for the narrowest tiles."""
        return (self.num_blocks - 1) // min(self.widths) + 1


class BanditState(NamedTuple):
    """M bandits: what they learnt, and their settings, which `init` drew."""

    weight: jax.Array  # float32 [M, K, J]
    count: jax.Array  # int32 [M, K, J]
    learning_rate: jax.Array  # float32 [M]
    width: jax.Array  # int32 [M, K], in blocks
    offset: jax.Array  # int32 [M, K], in blocks
    argmax: jax.Array  # bool [M]; random mode where False


class Noise(NamedTuple):
    """All that is random in one draw."""

    gumbel: jax.Array  # [M, n], decides random mode, and ties in argmax mode
    within: jax.Array  # [M, d] in [0, 1), place inside the chosen block
    vote: jax.Array  # int32 [], in [0, M d)


def init(spec: BanditSpec, key: jax.Array) -> BanditState:
    """Bandits that know nothing, with settings drawn from `key`."""
    rate_key, width_key, offset_key = jax.random.split(key, 3)
    tiles = (spec.num_bandits, spec.num_tilings, spec.num_tiles)
    return BanditState(
        weight=jnp.zeros(tiles, float),
        count=jnp.zeros(tiles, jnp.int32),
        learning_rate=jax.random.choice(rate_key, jnp.asarray(spec.learning_rates, float), tiles[:1]),
        width=jax.random.choice(width_key, jnp.asarray(spec.widths, jnp.int32), tiles[:2]),
        offset=jax.random.randint(offset_key, tiles[:2], 0, spec.max_offset + 1, jnp.int32),
        argmax=jnp.arange(spec.num_bandits) % 2 == 0,
    )


def block(spec: BanditSpec, x: jax.Array) -> jax.Array:
    """int32 [...] in [0, n): the block of `x` [...]."""
    index = jnp.floor((jnp.clip(x, spec.low, spec.high) - spec.low) / spec.acc).astype(jnp.int32)
    return jnp.minimum(index, spec.num_blocks - 1)


def tile(spec: BanditSpec, state: BanditState, blocks: jax.Array) -> jax.Array:
    """int32 [M, K, ...]: the tile of each tiling that covers the blocks int32 [...]."""
    offset, width = (jnp.expand_dims(x, tuple(range(2, 2 + blocks.ndim))) for x in (state.offset, state.width))
    return jnp.clip(blocks - offset, 0, spec.num_blocks - 1) // width


def values(spec: BanditSpec, state: BanditState) -> jax.Array:
    """V [M, n]: the mean weight of the tiles that cover each block."""
    return _mean_over_tilings(spec, state, state.weight)


def scores(spec: BanditSpec, state: BanditState) -> jax.Array:
    """[M, n]: `(V_i - mean V) / std V + k sqrt(log(1 + sum N) / (1 + N_i))`; the first term is 0 where std V = 0."""
    value = values(spec, state)
    low, high = (reduce(value, axis=-1, keepdims=True) for reduce in (jnp.min, jnp.max))
    # Scaled to [0, 1] first, which changes nothing but rounding: equal values then have a std of exactly 0, and returns
    # of any size neither overflow nor vanish in the squares.
    unit = (value - low) / jnp.where(high > low, high - low, 1)
    std = jnp.std(unit, axis=-1, keepdims=True)
    exploit = (unit - jnp.mean(unit, axis=-1, keepdims=True)) / jnp.where(std > 0, std, 1)
    exploit = jnp.where(std > 0, exploit, 0)
    num_updates = jnp.sum(state.count, axis=(1, 2))[:, None] / spec.num_tilings
    visits = _mean_over_tilings(spec, state, state.count)
    return exploit + spec.ucb * jnp.sqrt(jnp.log1p(num_updates) / (1 + visits))


def make_noise(spec: BanditSpec, key: jax.Array) -> Noise:
    """The random numbers of one draw, all from one call: every further one would take XLA half a second to compile."""
    m, n, d = spec.num_bandits, spec.num_blocks, spec.num_candidates
    uniform = jax.random.uniform(key, (m * (n + d) + 1,), float)
    tiny = jnp.finfo(uniform.dtype).tiny  # 0 is among the numbers
    return Noise(
        gumbel=-jnp.log(-jnp.log(jnp.maximum(uniform[: m * n], tiny))).reshape(m, n),
        within=uniform[m * n : -1].reshape(m, d),
        vote=jnp.floor(uniform[-1] * (m * d)).astype(jnp.int32),
    )


def candidates(spec: BanditSpec, state: BanditState, noise: Noise) -> jax.Array:
    """x [M, d]: what each bandit proposes, the preferred block last."""
    score = scores(spec, state)
    preference = score + jnp.where(state.argmax[:, None], 0, noise.gumbel)
    blocks = _last_of_order(preference, noise.gumbel, spec.num_candidates)
    return jnp.minimum(spec.low + (blocks + noise.within) * spec.acc, spec.high)  # rounding may step over the end


def _last_of_order(preference: jax.Array, tie_break: jax.Array, count: int) -> jax.Array:
    """int32 [M, count]: the last columns of the order by `preference` [M, n] and, where equal, by `tie_break`.

    Found one by one: where actions are drawn, a few maxima cost a small part of a sort. One reduction compares both
    keys: compared afterwards with its maximum, `preference` may be computed twice with other roundings and equal none.
    """
    place = jax.lax.broadcasted_iota(jnp.int32, preference.shape, 1)
    lowest = jnp.array(-jnp.inf, preference.dtype)
    chosen, none = [], (lowest, lowest.astype(tie_break.dtype), jnp.int32(preference.shape[1]))
    for _ in range(count):
        chosen.append(jax.lax.reduce((preference, tie_break, place), none, _later, (1,))[2])
        preference = jnp.where(place == chosen[-1][:, None], -jnp.inf, preference)
    return jnp.stack(chosen[::-1], axis=-1)


def _later(one: tuple[jax.Array, ...], other: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """The later of two (preference, tie break, column); where both keys are equal, the first column."""
    (p, t, c), (q, u, d) = one, other
    first = (p > q) | ((p == q) & ((t > u) | ((t == u) & (c < d))))
    return tuple(jnp.where(first, *pair) for pair in zip(one, other, strict=True))


def draw(spec: BanditSpec, state: BanditState, key: jax.Array) -> jax.Array:
    """x []: one of the candidates, all equally likely."""
    noise = make_noise(spec, key)
    return candidates(spec, state, noise).reshape(-1)[noise.vote]


def update(spec: BanditSpec, state: BanditState, x: jax.Array, episode_return: jax.Array) -> BanditState:
    """Every bandit learns that `x` [] returned `episode_return` []."""
    tiles = tile(spec, state, block(spec, x))  # [M, K]
    m, k = jnp.arange(spec.num_bandits)[:, None], jnp.arange(spec.num_tilings)
    value = jnp.mean(state.weight[m, k, tiles], axis=1, keepdims=True)  # V_i [M, 1]
    step = state.learning_rate[:, None] * (episode_return - value)
    return state._replace(
        weight=state.weight.at[m, k, tiles].add(step),  # w_j += lr (G - V_i)
        count=state.count.at[m, k, tiles].add(1),  # N_j += 1
    )


def update_rows(
    spec: BanditSpec, state: BanditState, x: jax.Array, episode_return: jax.Array, mask: jax.Array
) -> BanditState:
    """`update` with each row where `mask`, one after the other in order of the flattened rows; all [...].

    Of rows [T, B] the earlier time comes first and, at the same time, the lower environment. Only the rows that count
    cost anything: a learner step sees thousands of rows and the end of a few episodes.
    """
    x, episode_return, mask = x.reshape(-1), episode_return.reshape(-1), mask.reshape(-1)
    (rows,) = jnp.nonzero(mask, size=mask.size, fill_value=0)

    def body(i: jax.Array, state: BanditState) -> BanditState:
        return update(spec, state, x[rows[i]], episode_return[rows[i]])

    return jax.lax.fori_loop(0, jnp.sum(mask), body, state)


def _mean_over_tilings(spec: BanditSpec, state: BanditState, table: jax.Array) -> jax.Array:
    """[M, n] from one number per tile [M, K, J]."""
    tiles = tile(spec, state, jnp.arange(spec.num_blocks))  # [M, K, n]
    return jnp.mean(jnp.take_along_axis(table, tiles, axis=-1), axis=1)
