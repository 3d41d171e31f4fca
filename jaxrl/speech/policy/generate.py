"""Sampling from the policy with its cache: prompts at once, then a token of every row at a time, within the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrl.speech import ids
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import ENDED, legal_table, next_phase_table
from jaxrl.speech.policy.transformer import NEVER, Transformer

COLDEST = 1e-4  # a temperature of 0 is this one: the likeliest token
RECENT, OFTEN = 10, 1  # the rule of repetition: the last token is out once it came more often than this among so many


class Grammar(NamedTuple):
    """What may be said in each phase, bool [phases, A], and the phase after each token, int32 [phases, A]."""

    legal: np.ndarray
    after: np.ndarray


class Generated(NamedTuple):
    """What was sampled: tokens [B, N], padding after `<eot>`; log-probabilities [B, N] in the distribution that was
    sampled from, 0 where nothing was; and where something was, bool [B, N]."""

    tokens: Array
    log_probs: Array
    mask: Array


def grammar_of(vocabulary: Vocabulary) -> Grammar:
    """The grammar of an assistant's turn."""
    return Grammar(legal_table(vocabulary), next_phase_table(vocabulary))


def stack_prompts(prompts: Sequence[Sequence[int]], multiple: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Prompts as [B, P], padded to a multiple of `multiple` so that few lengths are compiled, and their lengths [B]."""
    lengths = np.array([len(one) for one in prompts], np.int32)
    stacked = np.full((len(prompts), -(-int(lengths.max()) // multiple) * multiple), ids.PAD, np.int32)
    for row, one in zip(stacked, prompts, strict=True):
        row[: len(one)] = one
    return stacked, lengths


def masked_logits(logits: Array, legal: Array, temperature: float | Array = 1.0) -> Array:
    """Logits [..., A] over the temperature (a number, or [...]), where `legal` [..., A]; elsewhere -1e9."""
    return jnp.where(legal, logits / jnp.maximum(jnp.asarray(temperature), COLDEST)[..., None], NEVER)


@partial(jax.jit, static_argnames=("network", "max_new", "nucleus", "rule"))
def generate(
    network: Transformer,
    params: Any,
    prompts: Array,
    lengths: Array,
    key: Array,
    temperature: float | Array,
    max_new: int,
    grammar: Grammar,
    top_p: float | Array = 1.0,
    nucleus: bool = False,
    rule: bool = False,
    limit: int | Array | None = None,
) -> Generated:
    """Answers to prompts, each until its `<eot>` or `max_new` tokens; every one parses.

    Args:
        network: the policy's.
        params: of it.
        prompts: [B, P], each ended by the opening of the assistant's turn; see `stack_prompts`.
        lengths: of the prompts, [B].
        key: of the samples.
        temperature: one, or one for each row [B]; 0 takes the likeliest token.
        max_new: most tokens of an answer; every other number is compiled anew.
        grammar: see `grammar_of`.
        top_p: with `nucleus` only the likeliest tokens that together reach this probability.
        nucleus: whether `top_p` is heeded.
        rule: Step-Audio's rule of repetition; not for reinforcement learning, whose behaviour is the policy's own.
        limit: fewer tokens than `max_new`, without compiling.
    """
    model: Any = network
    legal, after = jnp.asarray(grammar.legal), jnp.asarray(grammar.after)
    batch, longest = prompts.shape
    logits, cache = model.apply({"params": params}, prompts, max_new, method="prefill")
    rows = jnp.arange(batch)
    temperature = jnp.broadcast_to(jnp.asarray(temperature, jnp.float32), (batch,))

    def read(phase: Array, column: tuple[Array, Array]) -> tuple[Array, None]:
        token, place = column
        return jnp.where(place < lengths, after[phase, token], phase), None

    phase = jax.lax.scan(read, jnp.full(batch, ENDED), (prompts.T, jnp.arange(longest)))[0]
    nothing = jnp.zeros((batch, max_new))
    empty = Generated(nothing.astype(jnp.int32) + ids.PAD, nothing, nothing.astype(bool))

    def going(carry: tuple) -> Array:
        return (carry[0] < (max_new if limit is None else limit)) & jnp.any(carry[2] != ENDED)

    def go(carry: tuple) -> tuple:
        count, logits, phase, cache, made = carry
        choices = masked_logits(logits, legal[phase], temperature)
        if rule:
            choices = _without_repetition(choices, made.tokens, count)
        if nucleus:
            choices = _nucleus(choices, top_p)
        log_probs = jax.nn.log_softmax(choices)
        token = jax.random.categorical(jax.random.fold_in(key, count), choices)
        speaking = phase != ENDED
        new = Generated(
            made.tokens.at[:, count].set(jnp.where(speaking, token, ids.PAD)),
            made.log_probs.at[:, count].set(jnp.where(speaking, log_probs[rows, token], 0.0)),
            made.mask.at[:, count].set(speaking),
        )
        logits, cache = model.apply({"params": params}, token, cache, lengths + count, method="step")
        return count + 1, logits, jnp.where(speaking, after[phase, token], phase), cache, new

    return jax.lax.while_loop(going, go, (jnp.int32(0), logits[rows, lengths - 1], phase, cache, empty))[-1]


def _nucleus(choices: Array, top_p: float | Array) -> Array:
    """Logits [B, A] without the tail: a token stays if those likelier than it have less than `top_p` together."""
    falling = -jnp.sort(-choices, axis=-1)
    probabilities = jax.nn.softmax(falling)
    kept = jnp.cumsum(probabilities, axis=-1) - probabilities < top_p
    least = jnp.min(jnp.where(kept, falling, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(choices >= least, choices, NEVER)


def _without_repetition(choices: Array, tokens: Array, count: Array) -> Array:
    """Logits [B, A] without the last token where it fills over a tenth of the last ten, and where others are legal."""
    rows, places = jnp.arange(len(tokens)), count - 1 - jnp.arange(RECENT)
    recent = jnp.where(places >= 0, tokens[:, jnp.maximum(places, 0)], ids.PAD)
    often = (recent == recent[:, :1]).sum(axis=1) > OFTEN
    spared = jnp.sum(choices > NEVER / 2, axis=-1) > 1
    ruled = choices.at[rows, recent[:, 0]].set(NEVER)
    return jnp.where((often & spared & (count > 0))[:, None], ruled, choices)
