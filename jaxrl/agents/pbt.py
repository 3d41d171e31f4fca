"""Population-based training (Jaderberg et al. 2017, arXiv 1711.09846), as a pure part of a population's `update`.

After every `every` updates the members are ranked by the mean raw return of the episodes that they finished since the
last ranking. Each of the worst `fraction` copies a member drawn uniformly from the best `fraction`: parameters,
optimiser state, moments by which it normalises, the agent's own state and hyper-parameters; its key stays. Then each
hyper-parameter in `perturb` is multiplied by one of `factors`, both equally likely (truncation selection and
perturbation of the paper). A member without a finished episode keeps its last score; where one never had any, nobody is
replaced.

Everything follows from the population's key, lives in the train state and is saved with it. An actor's memory and the
episodes under way stay, as with every update of the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.ranges import FINITE, ranges
from jaxrl.config.sections import PBTConfig
from jaxrl.types import Agent, Key, Learnt, PyTree, TrainState, Trajectory

PBT_STREAM = 0x7062_74  # apart from the keys that members are made with


class Contest(NamedTuple):
    """`TrainState.agent_state` of a population that competes; leaves [P, ...] like all others."""

    members: PyTree  # the agents' own state
    total: jax.Array  # float32 [P], summed returns of the episodes since the last ranking
    episodes: jax.Array  # int32 [P]
    score: jax.Array  # float32 [P], mean return at the last ranking; -inf before there was one
    key: Key  # [P], all equal: one draw decides for all


class Succession(NamedTuple):
    """What one ranking decided."""

    parent: jax.Array  # int32 [P], whom each member copies; itself where it stays
    replaced: jax.Array  # bool [P]


def with_pbt(population: Agent, size: int, config: PBTConfig) -> Agent:
    """`population` with selection after every `config.every` updates."""

    def init(key: Key) -> TrainState:
        state = population.init(key)
        zero, root = jnp.zeros(size), jax.random.fold_in(key, PBT_STREAM)
        keys = jax.vmap(lambda _: root)(zero)
        contest = Contest(state.agent_state, zero, jnp.zeros(size, jnp.int32), zero - jnp.inf, keys)
        return state.replace(agent_state=contest)

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        contest: Contest = state.agent_state
        state, metrics = population.update(without_pbt(state), trajectory, past)
        ended = jnp.asarray(trajectory.last)
        sums = jnp.sum(jnp.where(ended, trajectory.episode_return, 0), 0), jnp.sum(ended, 0, dtype=jnp.int32)  # [B]
        total, episodes = (x.reshape(-1, size).sum(0) for x in sums)
        contest = contest._replace(
            members=state.agent_state, total=contest.total + total, episodes=contest.episodes + episodes
        )
        state = state.replace(agent_state=contest)
        due = state.updates % config.every == 0
        state, replaced = jax.lax.cond(due, lambda: compete(state, config), lambda: (state, jnp.zeros(size, bool)))
        return state, {**metrics, "population/replaced": replaced.astype(jnp.float32)}

    return population._replace(
        init=init,
        publish=lambda state: population.publish(without_pbt(state)),
        publish_greedy=lambda state: population.publish_greedy(without_pbt(state)),
        update=update,
    )


def without_pbt(state: TrainState) -> TrainState:
    """The population's own state, as it is where nobody competes."""
    return state.replace(agent_state=state.agent_state.members) if isinstance(state.agent_state, Contest) else state


def compete(state: TrainState, config: PBTConfig) -> tuple[TrainState, jax.Array]:
    """Rank, copy, perturb; returns the new state and who was replaced, bool [P]."""
    contest: Contest = state.agent_state
    score = jnp.where(contest.episodes > 0, contest.total / jnp.maximum(contest.episodes, 1), contest.score)
    copy_key, perturb_key = jax.random.split(jax.random.fold_in(contest.key[0], state.updates))
    parent, replaced = succeed(score, copy_key, config.fraction)

    def inherit(x: jax.Array) -> jax.Array:
        return x[parent]

    perturbed = perturb(jax.tree.map(inherit, state.hypers), replaced, perturb_key, config)
    contest = contest._replace(
        members=jax.tree.map(inherit, contest.members),
        total=jnp.zeros_like(contest.total),
        episodes=jnp.zeros_like(contest.episodes),
        score=score[parent],
    )
    params, opt_state, moments = jax.tree.map(inherit, (state.params, state.opt_state, state.moments))
    state = state.replace(params=params, opt_state=opt_state, moments=moments, hypers=perturbed, agent_state=contest)
    return state, replaced


def succeed(score: jax.Array, key: Key, fraction: float) -> Succession:
    """Each of the worst `fraction` of the scores [P] gets a parent among the best; ties go by the member's number."""
    size = score.shape[0]
    count = min(max(1, int(fraction * size)), size // 2)
    order = jnp.argsort(score)
    best = jax.random.choice(key, order[size - count :], (count,))
    everybody = jnp.arange(size)
    known = jnp.all(jnp.isfinite(score))
    parent = jnp.where(known, everybody.at[order[:count]].set(best), everybody)
    return Succession(parent, parent != everybody)


def perturb(hypers: PyTree, replaced: jax.Array, key: Key, config: PBTConfig) -> PyTree:
    """Multiply each hyper-parameter in `config.perturb`, where `replaced` [P], by one of `config.factors`.

    A product outside the range of the hyper-parameter becomes the end that it passed.
    """
    moved, limits = {}, ranges(type(hypers))
    for i, name in enumerate(config.perturb):
        chosen = jax.random.choice(jax.random.fold_in(key, i), jnp.asarray(config.factors), replaced.shape)
        value = getattr(hypers, name)
        within = limits.get(name, FINITE)
        moved[name] = jnp.where(replaced, jnp.clip(value * chosen, within.low, within.high), value)
    return replace(hypers, **moved)
