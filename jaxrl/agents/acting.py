"""Acting: the policy head becomes preferences, and a behaviour family draws an action from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrl import ops
from jaxrl.agents import exploration
from jaxrl.agents.exploration import Controller, Drawn, Exploration
from jaxrl.agents.unrolling import Network, apply_network
from jaxrl.ops.values import ValueTransform
from jaxrl.types import ActorOutput, Key, Memory, Params, TimeStep


class Behaviour(NamedTuple):
    """What acting needs: the family acts on the preferences `scale * policy`."""

    params: Params
    scale: jax.Array  # float32 [], `preference_scale` of the hypers
    temperature: jax.Array  # float32 [], the hypers'; only `fixed` and `ladder` read it
    controller: Controller
    greedy: jax.Array  # bool []


class Acting(NamedTuple):
    """What an actor carries from one step to the next; leaves [B, ...]."""

    drawn: Drawn  # what the episode is played with
    memory: Memory = ()


def preference_scale(hypers: Any) -> jax.Array | float:
    """Factor between the policy head and the preferences, which a temperature divides before the softmax:
    `advantage_scale` where the hypers have one, else 1.

    What acts (`Behaviour.scale`) and what is learnt (`Rows.preferences`) both take it from here: were they to differ,
    every importance ratio would be wrong, and nothing would crash.
    """
    return getattr(hypers, "advantage_scale", 1.0)


def act(
    network: Network, family: Exploration, behaviour: Behaviour, acting: Acting, timestep: TimeStep, key: Key
) -> tuple[Acting, ActorOutput]:
    """Draw one action per environment, and the family's parameters where an episode starts."""
    output = apply_network(network, behaviour.params, timestep.observation, timestep.first[:, None], acting.memory)
    drawn = exploration.redraw(family, behaviour.controller, behaviour.temperature, acting.drawn, timestep.first, key)
    logits = exploration.behave(family, behaviour.scale * output.policy, drawn, timestep.legal, behaviour.greedy)
    return Acting(drawn, output.memory), ActorOutput(family.distribution.sample(key, logits), logits, drawn)


def look(
    network: Network, transform: ValueTransform, behaviour: Behaviour, acting: Acting, timestep: TimeStep
) -> tuple[jax.Array, jax.Array]:
    """The preferences [B, A] that `act` would act on, and the value [B] in the learner's units of reward."""
    output = apply_network(network, behaviour.params, timestep.observation, timestep.first[:, None], acting.memory)
    return behaviour.scale * output.policy, ops.expand_value(output.value, transform)
