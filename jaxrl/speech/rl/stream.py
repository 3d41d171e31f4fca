"""Streams as environments: an observation is the token that was just appended, an action the next one.

While a prompt is read exactly one action is legal, its next token; then what the grammar allows in the phase. An
episode is one answer. It ends with its `<eot>`, or where the room ends; rows after it repeat `first` and do not count.
There is no reward here: an answer is scored whole, when it is there (`scoring.py`), and not token by token in a jitted
step, which under `vmap` would run recognisers and decoders at every one of its tokens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.speech import ids
from jaxrl.speech.interleave import ENDED
from jaxrl.speech.policy.generate import Grammar
from jaxrl.types import Array, ArraySpec, EnvSpec, TimeStep


class Streams(NamedTuple):
    """B streams between two tokens."""

    prompts: jax.Array  # int32 [B, P], padded
    lengths: jax.Array  # int32 [B], of the prompts
    place: jax.Array  # int32 [], of the newest token; all streams began together
    token: jax.Array  # int32 [B], the newest
    phase: jax.Array  # int32 [B], after it
    count: jax.Array  # int32 [B], tokens after the first
    first: jax.Array  # bool [B], at their first token, or ended before
    last: jax.Array  # bool [B], ended with the newest


def spec_of(size: int) -> EnvSpec:
    """What an agent must know of streams over `size` tokens."""
    return EnvSpec(ArraySpec((), "int32"), size, frame_skip=1, masks_actions=True)


def begin(prompts: Array, lengths: Array, grammar: Grammar) -> Streams:
    """Streams of which the first token of the prompt was read."""
    batch = len(lengths)
    token = jnp.asarray(prompts)[:, 0]
    phase = jnp.asarray(grammar.after)[ENDED, token]
    count, yes = jnp.zeros(batch, jnp.int32), jnp.ones(batch, bool)
    return Streams(jnp.asarray(prompts), jnp.asarray(lengths), jnp.int32(0), token, phase, count, yes, ~yes)


def append(streams: Streams, action: jax.Array, grammar: Grammar, places: int) -> Streams:
    """Streams with `action` [B] behind them; with `places` tokens they end."""
    over = streams.last | (streams.first & (streams.place > 0))
    place = streams.place + 1
    phase = jnp.where(over, ENDED, jnp.asarray(grammar.after)[streams.phase, action])
    spoken = place >= streams.lengths  # the newest token is the policy's own
    last = ~over & ((spoken & (phase == ENDED)) | (place + 1 >= places))
    return streams._replace(
        place=place,
        token=jnp.where(over, ids.PAD, action),
        phase=phase,
        count=jnp.where(over, 0, streams.count + 1),
        first=over,
        last=last,
    )


def shown(streams: Streams, grammar: Grammar) -> TimeStep:
    """What an agent sees; leaves [B, ...]."""
    size = grammar.legal.shape[1]
    following = jnp.minimum(streams.place + 1, streams.prompts.shape[1] - 1)
    prompt = jax.nn.one_hot(streams.prompts[:, following], size, dtype=bool)
    reading = (streams.place + 1 < streams.lengths) & ~streams.last
    zero: Any = jnp.zeros(len(streams.token))
    return TimeStep(
        observation=streams.token,
        reward=zero,
        discount=jnp.where(streams.last, 0.0, 1.0),
        first=streams.first,
        last=streams.last,
        legal=jnp.where(reading[:, None], prompt, jnp.asarray(grammar.legal)[streams.phase]),
        episode_return=zero,
        episode_length=streams.count,
    )
