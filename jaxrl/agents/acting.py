"""Acting: the policy head becomes preferences, and a behaviour family draws an action from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents import exploration
from jaxrl.agents.exploration import Controller, Drawn, Exploration
from jaxrl.agents.unrolling import Network, apply_network
from jaxrl.ops import moments as moments_of
from jaxrl.ops.values import ValueTransform
from jaxrl.types import ActorOutput, Key, Memory, Params, PyTree, TimeStep


class Behaviour(NamedTuple):
    """What acting needs: the family acts on the preferences `scale * policy`."""

    params: Params
    scale: jax.Array  # float32 [], `preference_scale` of the hypers
    temperature: jax.Array  # float32 [], the hypers'; only `fixed` and `ladder` read it
    controller: Controller
    greedy: jax.Array  # bool []
    seen: PyTree = ()  # `ops.moments` of each array of an observation, where they are normalised


class Acting(NamedTuple):
    """What an actor carries from one step to the next; leaves [B, ...]."""

    drawn: Drawn  # what the episode is played with
    memory: Memory = ()
    discounted: PyTree = ()  # float32 [B], rewards of the episode so far, discounted, where they are normalised


def preference_scale(hypers: Any) -> jax.Array | float:
    """Factor between the policy head and the preferences, which a temperature divides before the softmax:
    `advantage_scale` where the hypers have one, else 1.

    What acts (`Behaviour.scale`) and what is learnt (`Rows.preferences`) both take it from here: were they to differ,
    every importance ratio would be wrong, and nothing would crash.
    """
    return getattr(hypers, "advantage_scale", 1.0)


def standardise(seen: PyTree, observation: PyTree) -> PyTree:
    """An observation as the network sees it: with `seen`, every array in standard deviations from its mean."""
    if isinstance(seen, tuple) and not seen:
        return observation
    return jax.tree.map(lambda x, moments: moments_of.standardise(moments, x), observation, seen)


def act(
    network: Network,
    family: Exploration,
    discount_factor: float,
    behaviour: Behaviour,
    acting: Acting,
    timestep: TimeStep,
    key: Key,
) -> tuple[Acting, ActorOutput]:
    """Draw one action per environment, and the family's parameters where an episode starts."""
    observation = standardise(behaviour.seen, timestep.observation)
    output = apply_network(network, behaviour.params, observation, timestep.first[:, None], acting.memory)
    drawn = exploration.redraw(family, behaviour.controller, behaviour.temperature, acting.drawn, timestep.first, key)
    logits = exploration.behave(family, behaviour.scale * output.policy, drawn, timestep.legal, behaviour.greedy)
    discounted, extras = acting.discounted, drawn
    if isinstance(discounted, jax.Array):
        discounted = jnp.where(timestep.first, 0, discount_factor * discounted + timestep.reward)
        extras = drawn._replace(discounted=discounted)
    return Acting(drawn, output.memory, discounted), ActorOutput(
        family.distribution.sample(key, logits), logits, extras
    )


def look(
    network: Network, transform: ValueTransform, behaviour: Behaviour, acting: Acting, timestep: TimeStep
) -> tuple[jax.Array, jax.Array]:
    """The preferences [B, A] that `act` would act on, and the value [B] in the learner's units of reward."""
    observation = standardise(behaviour.seen, timestep.observation)
    output = apply_network(network, behaviour.params, observation, timestep.first[:, None], acting.memory)
    return behaviour.scale * output.policy, ops.expand_value(output.value, transform)
