"""Answers of a policy to prompts as a `Trajectory`: one scan, whose every row is the agent's own `act`.

So an answer has what every trajectory of the project has, from `behaviour_logits` to the temperature that a vote chose,
and any agent learns from it as it stands. `tests/speech/rl/test_rollout.py` compares it with the same agent and
streams, token by token on the host.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.speech.policy.generate import Grammar
from jaxrl.speech.rl.stream import Streams, append, begin, shown
from jaxrl.types import ActorOutput, ActorParams, Agent, Key, TimeStep, Trajectory, align


def make_rollout(agent: Agent, grammar: Grammar, places: int) -> Any:
    """A jitted `(ActorParams, prompts [B, P], lengths [B], key) -> Trajectory` of `places - 1` rows.

    Args:
        agent: which acts.
        grammar: of the assistant's turn.
        places: most tokens of a stream, its prompt included.
    """
    return jax.jit(partial(_rollout, agent, grammar, places))


def row_of(
    agent: Agent, grammar: Grammar, places: int, params: ActorParams, carry: tuple[Any, Streams], key: Key
) -> tuple[tuple[Any, Streams], tuple[TimeStep, ActorOutput]]:
    """One token of every stream: what was seen, and what was done."""
    actor_state, streams = carry
    seen = shown(streams, grammar)
    actor_state, output = agent.act(params, actor_state, seen, jax.random.fold_in(key, streams.place))
    return (actor_state, append(streams, output.action, grammar, places)), (seen, output)


def _rollout(
    agent: Agent, grammar: Grammar, places: int, params: ActorParams, prompts: jax.Array, lengths: jax.Array, key: Key
) -> Trajectory:
    start = agent.initial_actor_state(len(lengths))
    rows = partial(row_of, agent, grammar, places, params)
    carry = (start, begin(prompts, lengths, grammar))
    (_, streams), (seen, output) = jax.lax.scan(lambda carry, _: rows(carry, key), carry, None, length=places - 1)
    newest = shown(streams, grammar)
    seen = jax.tree.map(lambda rows, row: jnp.concatenate([rows, row[None]]), seen, newest)
    # Whole streams are learnt from their first token on: a cache of nothing for each would only take room.
    trajectory: Trajectory = align(seen, output, start._replace(memory=jnp.zeros(len(lengths), jnp.int32)))
    return trajectory


def answers_of(trajectory: Trajectory, lengths: np.ndarray) -> list[list[int]]:
    """What was said after each prompt, `<eot>` included where it was reached."""
    actions, mask = np.asarray(trajectory.action), np.asarray(trajectory.mask)
    rows = np.arange(len(actions))[:, None] + 1 >= np.asarray(lengths)
    return [actions[said, stream].tolist() for stream, said in enumerate((mask & rows).T)]
