"""Behaviour families behind one interface: how an agent explores, without a term in its loss.

    plain    mu = softmax(A)                              the baseline, whose exploration is the loss's entropy bonus
    fixed    mu = softmax(A / temperature)                temperature from the agent's hypers
    bandit   mu = softmax(A / temperature)                temperature from the bandits' vote on episode returns
    mixture  mu = epsilon softmax(A / temperature_1) + (1 - epsilon) softmax(A / temperature_2)    all three voted
    ladder   mu = epsilon uniform + (1 - epsilon) greedy  epsilon by the environment's number in its pool and member

Parameters are drawn where an episode starts, one set per environment and episode (`Drawn`). They stay in the actor's
state until the episode ends, are recorded with every action, and the sample is learnt at its own temperature. A family
with a controller learns from the raw, undiscounted return of each finished episode.

Published (arXiv 2106.00707, 2206.03192): one temperature per environment and episode, learning at the temperature that
acted, and as the policy that acted, the vote, the mixture, epsilon in [0, 1] with accuracy 0.1,
`x = log(1 + 1/temperature)`.
Chosen: what `jaxrl.ops.bandits` says of x, and one set of bandits per coordinate, all learning from the same returns. A
mixture is no softmax; where a loss or a metric needs one temperature of it, that is the one that agrees with it to
first order in A, `1/temperature = epsilon/temperature_1 + (1 - epsilon)/temperature_2`. Samples of the ladder are
learnt at the hypers' temperature. The ladder is Ape-X's (arXiv 1803.00933).

Of a continuous action mu is a Gaussian, and `softmax(A / temperature)` stands for its density to the power
1/temperature (`jaxrl.ops.gaussian`); a mixture and the ladder are of discrete actions only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import ops
from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import HUGE, AtLeast, Between
from jaxrl.errors import ConfigError
from jaxrl.ops import Distribution, bandits
from jaxrl.types import Key, PyTree, Trajectory

Controller = tuple[bandits.BanditState, ...]  # one per voted coordinate; () for families without
Family = Literal["plain", "fixed", "bandit", "mixture", "ladder"]

EPSILON_BLOCKS = 10  # in which a mixture's vote divides [0, 1]; the accuracy is published
GREEDY_TEMPERATURE = 1e-6  # a softmax this cold is the argmax; ties share their probability
MAX_TEMPERATURE = 1e3  # finite, where x = 0 says infinity
DRAW_STREAM = 0x6472_6177  # apart from the numbers that actions are drawn with

FAMILY = "agent.exploration.family"
VOTED, LADDER = ReadIf(FAMILY, "bandit", "mixture"), ReadIf(FAMILY, "ladder")
MIXED = ReadIf(FAMILY, "mixture")
# Of the hypers. Where logits reach 1e9 the rounding of a colder one overflows the softmax; a hotter one is uniform, and
# the loss of `temperature_factor` overflows.
TEMPERATURES = Between(GREEDY_TEMPERATURE, 1e20)
Temperature = Annotated[float, TEMPERATURES, ReadIf(FAMILY, "fixed", "ladder")]
TemperatureFactor = Annotated[bool, ReadIf(FAMILY, "fixed", "bandit", "mixture", "ladder")]  # plain's temperature is 1


@dataclass(frozen=True)
class ExplorationConfig:
    """How the agent explores.

    Args:
        family: `plain`, `fixed`, `bandit`, `mixture` or `ladder`.
        max_inverse_temperature: the coldest that a vote may choose; the hottest is uniform, and below 1e-3 all are.
        num_blocks: in which a vote divides log(1 + 1/temperature).
        num_bandits: that vote on each coordinate.
        num_candidates: proposed by each bandit, at most num_blocks; for epsilon, which has 10 blocks, at most 10.
        ucb: weight of rarely visited blocks.
        normalise_logits: divide the policy's logits by max(1, their root mean square about their mean, over the legal
            actions) before the temperature: a policy gradient bounds their scale by nothing, and then every temperature
            becomes a cold one.
        mixture_learnt_at: `mixture`, the policy that acted; or the `temperature` that agrees with it to first order.
        ladder_epsilon: of the ladder's first environment.
        ladder_exponent: environment i of B has epsilon^(1 + exponent i / (B - 1)), where B counts the environments of
            one pool, and in a population of one member.
    """

    family: Family = "fixed"
    max_inverse_temperature: Annotated[float, Between(1e-20, 1e6), VOTED] = 50.0
    num_blocks: Annotated[int, AtLeast(1), VOTED] = 50
    num_bandits: Annotated[int, AtLeast(1), VOTED] = 7
    num_candidates: Annotated[int, AtLeast(1), VOTED] = 3
    ucb: Annotated[float, Between(0, HUGE), VOTED] = 1.0
    normalise_logits: bool = False
    mixture_learnt_at: Annotated[Literal["mixture", "temperature"], MIXED] = "mixture"
    ladder_epsilon: Annotated[float, Between(0, 1), LADDER] = 0.4
    ladder_exponent: Annotated[float, Between(0, HUGE), LADDER] = 7.0


class Drawn(NamedTuple):
    """What an episode is played with; leaves [B] in an actor's state, [T, B] in `extras`."""

    temperature: jax.Array  # float32, at which the sample is learnt; of a mixture, one that is like it
    coordinates: tuple[jax.Array, ...] = ()  # float32 each, what was drawn: (), (x,), (epsilon, x_1, x_2), (epsilon,)
    discounted: PyTree = ()  # float32, in `extras` where rewards are normalised: what the episode has paid so far


# Preferences [..., A] to a policy as its distribution writes it: log-probabilities [..., A], or means and logarithms of
# deviations.
Policy = Callable[[jax.Array, Drawn, jax.Array | None], jax.Array]


class Exploration(NamedTuple):
    """A family: pure functions over arrays, made by `make_exploration`."""

    distribution: Distribution
    num_coordinates: int
    init: Callable[[Key], Controller]
    draw: Callable[[Controller, jax.Array, int, Key], Drawn]  # (controller, hypers' temperature [], B, key)
    log_policy: Policy  # mu, which acts
    learnt: Policy  # pi, as which a sample is learnt
    update: Callable[[Controller, Drawn, jax.Array, jax.Array], Controller]  # drawn, episode_return, last: all [T, B]


def temperature_of(x: jax.Array) -> jax.Array:
    """`1 / (exp(x) - 1)`, at most `MAX_TEMPERATURE`."""
    return 1 / jnp.maximum(jnp.expm1(x), 1 / MAX_TEMPERATURE)


def coordinate_of(temperature: jax.Array) -> jax.Array:
    """`x = log(1 + 1/temperature)`: 0 is uniform, large is greedy; equal steps of x change the policy about equally."""
    return jnp.log1p(1 / temperature)


def mix(epsilon: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
    """`log(epsilon exp(first) + (1 - epsilon) exp(second))` of two policies [..., A]; epsilon [...]."""
    epsilon = epsilon[..., None]
    return jnp.logaddexp(jnp.log(epsilon) + first, jnp.log1p(-epsilon) + second)


def make_exploration(config: ExplorationConfig, distribution: Distribution = ops.CATEGORICAL) -> Exploration:
    """The family that `config` names, of policies in this distribution.

    Raises:
        ConfigError: the family has no policy in it.
        ValueError: numbers that make no bandits, such as `num_candidates` above `num_blocks`.
    """
    family = _make_family(config, distribution)
    if not config.normalise_logits:
        return family
    if distribution is not ops.CATEGORICAL:
        raise ConfigError(
            "agent.exploration.normalise_logits is of the logits of discrete actions, and the environment's action is "
            "continuous; leave it out"
        )

    def of_normalised(log_policy: Policy) -> Policy:
        return lambda preferences, drawn, legal: log_policy(ops.normalise_logits(preferences, legal), drawn, legal)

    return family._replace(log_policy=of_normalised(family.log_policy), learnt=of_normalised(family.learnt))


def _make_family(config: ExplorationConfig, distribution: Distribution) -> Exploration:
    family = partial(_tempered_family, distribution)
    if config.family == "plain":
        return family(voted=(), choose=lambda temperature, voted: jnp.ones_like(temperature))
    if config.family == "fixed":
        return family(voted=(), choose=lambda temperature, voted: temperature)
    if distribution is not ops.CATEGORICAL and config.family != "bandit":
        raise ConfigError(
            f"agent.exploration.family {config.family} mixes probabilities of single actions, and the environment's "
            "action is continuous; set it to plain, fixed or bandit"
        )
    if config.family == "ladder":
        return _ladder(config)
    bandit = partial(bandits.BanditSpec, 0.0, num_bandits=config.num_bandits, ucb=config.ucb)
    coldest = float(np.log1p(config.max_inverse_temperature))
    temperature_range = bandit(coldest, config.num_blocks, num_candidates=config.num_candidates)
    if config.family == "bandit":
        return family(voted=(temperature_range,), choose=lambda temperature, voted: temperature_of(voted[0]))
    # Each coordinate has blocks of its own, so that as many candidates as the temperature allows may be too many here.
    epsilon_range = bandit(1.0, EPSILON_BLOCKS, num_candidates=min(config.num_candidates, EPSILON_BLOCKS))
    mixture = family((epsilon_range, temperature_range, temperature_range), choose=_temperature_of_mixture)
    at_itself = config.mixture_learnt_at == "mixture"
    return mixture._replace(log_policy=_log_mixture, learnt=_log_mixture if at_itself else mixture.learnt)


def initial_drawn(exploration: Exploration, num_envs: int) -> Drawn:
    """A state of the right shapes; every environment replaces it at its first step."""
    return Drawn(jnp.ones(num_envs), tuple(jnp.zeros(num_envs) for _ in range(exploration.num_coordinates)))


def redraw(
    exploration: Exploration, controller: Controller, temperature: jax.Array, drawn: Drawn, first: jax.Array, key: Key
) -> Drawn:
    """`drawn` [B], new where `first` [B] says that an episode starts."""

    def draw() -> Drawn:
        key_of_draws = jax.random.fold_in(key, DRAW_STREAM)
        fresh = exploration.draw(controller, temperature, first.shape[0], key_of_draws)
        return jax.tree.map(partial(jnp.where, first), fresh, drawn)

    return jax.lax.cond(jnp.any(first), draw, lambda: drawn)  # most steps start no episode, and a vote sorts


def behave(
    exploration: Exploration, preferences: jax.Array, drawn: Drawn, legal: jax.Array | None, greedy: jax.Array
) -> jax.Array:
    """mu [B, ...], exactly what acts: the family's policy, or where `greedy` [] the best action for evaluation."""
    best = exploration.distribution.policy(preferences, GREEDY_TEMPERATURE, legal)
    return jnp.where(greedy, best, exploration.log_policy(preferences, drawn, legal))


def exploration_metrics(trajectory: Trajectory, distribution: Distribution) -> dict[str, jax.Array]:
    """Means over the rows that count: entropy of the behaviour, and 1/temperature with its spread over the samples."""
    mask, inverse = trajectory.mask, 1 / trajectory.extras.temperature
    average = ops.masked_mean(inverse, mask)
    return {
        "behaviour/entropy": ops.masked_mean(distribution.entropy(trajectory.behaviour_logits), mask),
        "behaviour/inverse_temperature": average,
        "behaviour/inverse_temperature_std": jnp.sqrt(ops.masked_mean(jnp.square(inverse - average), mask)),
    }


def _tempered_family(
    distribution: Distribution,
    voted: tuple[bandits.BanditSpec, ...],
    choose: Callable[[jax.Array, tuple[jax.Array, ...]], jax.Array],
) -> Exploration:
    """`softmax(A / temperature)`, or its like in another distribution, with
    `temperature = choose(hypers' temperature [B], voted coordinates [B])`."""

    def init(key: Key) -> Controller:
        return tuple(bandits.init(spec, jax.random.fold_in(key, i)) for i, spec in enumerate(voted))

    def draw(controller: Controller, temperature: jax.Array, num_envs: int, key: Key) -> Drawn:
        coordinates = tuple(
            jax.vmap(partial(bandits.draw, spec, state))(jax.random.split(jax.random.fold_in(key, i), num_envs))
            for i, (spec, state) in enumerate(zip(voted, controller, strict=True))
        )
        return Drawn(choose(jnp.full(num_envs, temperature), coordinates), coordinates)

    def log_policy(preferences: jax.Array, drawn: Drawn, legal: jax.Array | None) -> jax.Array:
        return distribution.policy(preferences, drawn.temperature, legal)

    def update(controller: Controller, drawn: Drawn, episode_return: jax.Array, last: jax.Array) -> Controller:
        rows = zip(voted, controller, drawn.coordinates, strict=True)
        return tuple(bandits.update_rows(spec, state, x, episode_return, last) for spec, state, x in rows)

    return Exploration(distribution, len(voted), init, draw, log_policy, log_policy, update)


def _temperature_of_mixture(temperature: jax.Array, voted: tuple[jax.Array, ...]) -> jax.Array:
    """`1/temperature = epsilon/temperature_1 + (1 - epsilon)/temperature_2`."""
    epsilon, x_1, x_2 = voted
    return 1 / (epsilon / temperature_of(x_1) + (1 - epsilon) / temperature_of(x_2))


def _log_mixture(preferences: jax.Array, drawn: Drawn, legal: jax.Array | None) -> jax.Array:
    epsilon, *xs = drawn.coordinates
    return mix(epsilon, *(ops.softmax_policy(preferences, temperature_of(x), legal) for x in xs))


def _ladder(config: ExplorationConfig) -> Exploration:
    """`epsilon_i = epsilon^(1 + exponent i / (B - 1))`, environment i of the B of one pool and member."""

    def draw(controller: Controller, temperature: jax.Array, num_envs: int, key: Key) -> Drawn:
        rung = jnp.arange(num_envs) / max(num_envs - 1, 1)
        epsilon = config.ladder_epsilon ** (1 + config.ladder_exponent * rung)
        return Drawn(jnp.full(num_envs, temperature), (epsilon,))

    def log_policy(preferences: jax.Array, drawn: Drawn, legal: jax.Array | None) -> jax.Array:
        uniform = ops.softmax_policy(jnp.zeros_like(preferences), 1.0, legal)
        # Rounding differs where XLA computes the preferences twice, and would be multiplied by a million.
        rounding = 1e-5 * jnp.max(jnp.abs(preferences), axis=-1, keepdims=True)
        below = preferences - jnp.max(preferences, axis=-1, keepdims=True)
        below = jnp.where(below < -rounding, below, 0)
        return mix(drawn.coordinates[0], uniform, ops.softmax_policy(below, GREEDY_TEMPERATURE, legal))

    def learnt(preferences: jax.Array, drawn: Drawn, legal: jax.Array | None) -> jax.Array:
        return ops.softmax_policy(preferences, drawn.temperature, legal)

    def update(controller: Controller, drawn: Drawn, episode_return: jax.Array, last: jax.Array) -> Controller:
        return controller

    return Exploration(ops.CATEGORICAL, 1, lambda key: (), draw, log_policy, learnt, update)
