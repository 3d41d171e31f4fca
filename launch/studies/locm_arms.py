"""The arms of the card game's ablations: what a run shares between the stages, when each learns, and whom it plays.

All arms are one program. Each run has two card networks, one a stage, and what makes it its arm is data: switches among
its parameters, which the network reads, and a temperature of `softmin` and a size of the pool, which self-play reads.
So any arms and seeds are trained side by side by one `vmap`, with exactly as many games, rows and gradient steps.

    shared      both stages by the deck's network; what the battle's own would be is not used and does not move
    embedding   the same, but the battle embeds cards by an embedding of its own (`network.shared_embedding` false)
    summary     the same, but the battle does not see the summary of the picks (`network.shared_summary` false)
    separate    each stage by its own network, nothing shared
    alternating likewise, and in turn only one stage's network learns, its optimiser included
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, tree_map_with_path

from jaxrl.locm.policy.network import CardNetwork, Config
from jaxrl.networks.heads import NetworkOutput
from jaxrl.types import Agent, Key, Learnt, Memory, Metrics, PyTree, TrainState, Trajectory

DECK, BATTLE, SWITCHES = "deck_stage", "battle_stage", "switches"
UNIFORM = 1e6  # temperature at which softmin is uniform to a millionth


class Arm(NamedTuple):
    """How a run differs from optimistic fictitious play by one network."""

    meaning: str
    separate: bool = False
    shared_embedding: bool = True
    shared_summary: bool = True
    alternates: bool = False
    uniform: bool = False  # members of the pool are drawn alike
    latest: bool = False  # there is no pool: games against it are against the newest policy, whose rows are not learnt


ARMS = {
    "osfp": Arm("the config: the newest policy with p, else members of the pool by softmin"),
    "latest": Arm("pure self-play, p = 1", latest=True),
    "uniform": Arm("members of the pool drawn uniformly", uniform=True),
    "embedding": Arm("`shared_embedding: false`", shared_embedding=False),
    "summary": Arm("`shared_summary: false`", shared_summary=False),
    "separate": Arm("a network for each stage, both learn all the time", separate=True),
    "alternating": Arm("a network for each stage, which learn in turn", separate=True, alternates=True),
}


class Rules(NamedTuple):
    """What self-play reads of an arm; leaves [] or [runs]."""

    temperature: Any  # float32, of softmin
    members: Any  # int32: at most so many in the pool


def rules_of(arms: Sequence[Arm], temperature: float, capacity: int) -> Rules:
    """Those of runs of these arms, leaves [runs]."""
    return Rules(
        jnp.asarray([UNIFORM if arm.uniform else temperature for arm in arms], jnp.float32),
        jnp.asarray([0 if arm.latest else capacity for arm in arms], jnp.int32),
    )


def switches_of(arm: Arm) -> dict[str, jax.Array]:
    """The switches among a run's parameters, float32 []; `deck` and `battle` say which stage learns now."""
    values = dict(
        separate=arm.separate,
        shared_embedding=arm.shared_embedding,
        shared_summary=arm.shared_summary,
        alternates=arm.alternates,
        deck=True,
        battle=True,
    )
    return {name: jnp.float32(value) for name, value in values.items()}


def stage_params(params: PyTree) -> tuple[PyTree, PyTree]:
    """The parameters of the two stages' `CardNetwork`s, both with `shared_embedding: false`; no gradient flows to a
    stage that does not learn."""
    on = jax.tree.map(lambda x: x > 0.5, params[SWITCHES])

    def learning(stage: str, learns: jax.Array) -> PyTree:
        return jax.tree.map(lambda x: jnp.where(learns, x, jax.lax.stop_gradient(x)), params[stage])

    def choose(which: jax.Array, one: PyTree, other: PyTree) -> PyTree:
        return jax.tree.map(lambda a, b: jnp.where(which, a, b), one, other)

    deck, own = learning(DECK, on["deck"]), learning(BATTLE, on["battle"])
    battle = choose(on["separate"], own, deck)
    cards = choose(on["shared_embedding"], battle["embedding"], own["battle_embedding"])
    # The summary comes first of what the first dense layer sees.
    kernel = battle["dense_0"]["kernel"]
    seen = on["shared_summary"] | (jnp.arange(len(kernel)) >= cards["dense_1"]["bias"].shape[0])
    first = {**battle["dense_0"], "kernel": jnp.where(seen[:, None], kernel, 0)}
    return deck, {**battle, "battle_embedding": cards, "dense_0": first}


class StagedNetwork:
    """A `jaxrl.agents.unrolling.Network` of two card networks, one a stage; see `stage_params`."""

    def __init__(self, config: Config):
        """Networks of these settings; what stages share is said by the switches."""
        self.config = dataclasses.replace(config, shared_embedding=False, shared_summary=True)
        self.cards = CardNetwork(self.config)

    def init(self, key: Key, observation: PyTree) -> PyTree:
        """Fresh parameters, with the switches of the first arm."""
        stages = zip((DECK, BATTLE), jax.random.split(key), strict=True)
        params = {stage: self.cards.init(own, observation)["params"] for stage, own in stages}
        return {"params": {**params, SWITCHES: switches_of(ARMS["osfp"])}}

    def initial_memory(self, num_envs: int) -> Memory:
        """See `CardNetwork`."""
        return self.cards.initial_memory(num_envs)

    def apply(self, variables: PyTree, observation: Any, *memory: PyTree) -> NetworkOutput:
        """Both networks side by side, and of each row what its stage's says."""
        both = jax.tree.map(lambda *x: jnp.stack(x), *stage_params(variables["params"]))
        output: Any = jax.vmap(lambda params: self.cards.apply({"params": params}, observation, *memory))(both)
        battle = observation.in_battle > 0
        return NetworkOutput(
            jnp.where(battle[:, None], output.policy[1], output.policy[0]),
            jnp.where(battle, output.value[1], output.value[0]),
            jax.tree.map(lambda x: x[0], output.memory),
        )


def in_turn(agent: Agent, phase: int) -> Agent:
    """`agent`, where it alternates with only one stage learning for `phase` updates, the battle first.

    What does not learn keeps its parameters and its optimiser's moments, bit for bit.
    """

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        switches = state.params[SWITCHES]
        always, second = switches["alternates"] < 0.5, (state.updates // phase) % 2 == 1
        learns = {DECK: always | second, BATTLE: always | ~second}
        now = {**switches, "deck": jnp.float32(learns[DECK]), "battle": jnp.float32(learns[BATTLE])}
        state = state.replace(params={**state.params, SWITCHES: now})

        def keep(path: tuple[Any, ...], new: jax.Array, old: jax.Array) -> jax.Array:
            stage = next((stage for stage in learns if DictKey(stage) in path), None)
            return new if stage is None else jnp.where(learns[stage], new, old)

        after, metrics = agent.update(state, trajectory, past)
        params, opt_state = tree_map_with_path(keep, (after.params, after.opt_state), (state.params, state.opt_state))
        return after.replace(params=params, opt_state=opt_state), _with_shares(metrics, learns)

    return agent._replace(update=update)


def _with_shares(metrics: Metrics, learns: dict[str, jax.Array]) -> Metrics:
    return {**metrics, **{f"ablation/learns_{stage}": jnp.float32(now) for stage, now in learns.items()}}
