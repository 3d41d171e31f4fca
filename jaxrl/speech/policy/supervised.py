"""Supervised training of the policy: the loss of the assistant's tokens, within what the grammar allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxrl.speech import fitting
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import legal_table
from jaxrl.speech.policy.generate import masked_logits
from jaxrl.speech.policy.policy_config import PolicyConfig, make_network
from jaxrl.speech.policy.policy_optimiser import policy_optimiser


class Rows(NamedTuple):
    """Dialogues packed behind one another, each array [B, T].

    tokens; segments, the number of each dialogue in its row, 0 for padding; phases before each token; whether a token
    is the assistant's own, so that it counts; and the class of the phone of each code, -1 where none is known.
    """

    tokens: np.ndarray
    segments: np.ndarray
    phases: np.ndarray
    counted: np.ndarray
    phones: np.ndarray


class PolicyState(NamedTuple):
    """All that is saved: parameters and optimiser."""

    params: Any
    optimiser: optax.OptState


def init_policy(config: PolicyConfig, vocabulary: Vocabulary) -> PolicyState:
    """The first state."""
    init: Any = jax.jit(make_network(config, vocabulary).init, static_argnames="method")
    params = init(jax.random.key(config.seed), jnp.zeros((1, 2), jnp.int32), method="with_phones")["params"]
    return PolicyState(params, policy_optimiser(config).init(params))


def losses(logits: Array, rows: Rows, vocabulary: Vocabulary, text_weight: float = 1.0) -> dict[str, Array]:
    """Mean negative log-likelihood of the assistant's tokens, in which one of text has its weight, of those of text and
    speech apart, and of the tokens how many were the likeliest; `logits` [B, T, A] of the row's tokens."""
    targets = jnp.asarray(rows.tokens)[:, 1:]
    legal = jnp.asarray(legal_table(vocabulary))[jnp.asarray(rows.phases)[:, 1:]]
    choices = masked_logits(logits[:, :-1], legal)
    counted = jnp.asarray(rows.counted)[:, 1:].astype(jnp.float32)
    missed = optax.softmax_cross_entropy_with_integer_labels(choices, targets)
    spoken = targets >= vocabulary.first_linguistic

    def mean(values: Array, where: Array) -> Array:
        return jnp.sum(jnp.where(where > 0, values, 0.0)) / jnp.maximum(jnp.sum(where), 1.0)

    return {
        "loss": mean(missed * jnp.where(spoken, 1, text_weight), counted),
        "text": mean(missed, counted * ~spoken),
        "speech": mean(missed, counted * spoken),
        "right": mean((jnp.argmax(choices, axis=-1) == targets).astype(jnp.float32), counted),
    }


def phone_loss(logits: Array, rows: Rows) -> Array:
    """Mean negative log-likelihood of the phones that are known; `logits` [B, T, classes]."""
    phones = jnp.asarray(rows.phones)
    missed = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(phones, 0))
    return jnp.sum(jnp.where(phones >= 0, missed, 0.0)) / jnp.maximum(jnp.sum(phones >= 0), 1)


def noisy(tokens: Array, key: Array, share: float, vocabulary: Vocabulary) -> Array:
    """Tokens [B, T] with a share of the codes replaced by others of their codebook: what the policy reads of its own
    speech will not be flawless either, and few utterances are not learnt by heart."""
    keys = jax.random.split(key)
    semantic = tokens >= vocabulary.first_semantic
    first = jnp.where(semantic, vocabulary.first_semantic, vocabulary.first_linguistic)
    count = jnp.where(semantic, vocabulary.semantic, vocabulary.linguistic)
    others = first + (jax.random.uniform(keys[0], tokens.shape) * count).astype(tokens.dtype)
    replaced = (jax.random.uniform(keys[1], tokens.shape) < share) & (tokens >= vocabulary.first_linguistic)
    return jnp.where(replaced, others, tokens)


@partial(jax.jit, static_argnames=("config", "vocabulary"), donate_argnames="state")
def update(
    state: PolicyState, rows: Rows, key: Array, config: PolicyConfig, vocabulary: Vocabulary
) -> tuple[PolicyState, dict[str, Array]]:
    """One step of gradients."""
    network: Any = make_network(config, vocabulary)
    keys = jax.random.split(key)
    read = noisy(jnp.asarray(rows.tokens), keys[0], config.noise, vocabulary)

    def loss(params: Any) -> tuple[Array, dict[str, Array]]:
        rngs = {"dropout": keys[1]}
        logits, heard = network.apply({"params": params}, read, rows.segments, True, rngs=rngs, method="with_phones")
        parts = losses(logits, rows, vocabulary, config.text_weight)
        if heard is None:
            return parts["loss"], parts
        parts["phones"] = phone_loss(heard, rows)
        return parts["loss"] + config.phone_weight * parts["phones"], parts

    gradient, parts = jax.grad(loss, has_aux=True)(state.params)
    changes, optimiser = policy_optimiser(config).update(gradient, state.optimiser, state.params)
    return PolicyState(optax.apply_updates(state.params, changes), optimiser), parts


@partial(jax.jit, static_argnames=("config", "vocabulary"))
def measure(params: Any, rows: Rows, config: PolicyConfig, vocabulary: Vocabulary) -> dict[str, Array]:
    """`losses` of rows that nothing is learnt from."""
    network: Any = make_network(config, vocabulary)
    return losses(network.apply({"params": params}, rows.tokens, rows.segments), rows, vocabulary)


def train_policy(
    folder: Path,
    draw: Callable[[np.random.Generator], Rows],
    held_out: Rows,
    config: PolicyConfig,
    vocabulary: Vocabulary,
    advance: Callable[[int, int], None],
    every: int = 100,
    begun: Any = None,
) -> PolicyState:
    """The trained state; its folder holds what `fitting.fit` writes.

    Args:
        folder: of the training; gone on with where it stopped.
        draw: rows of one update.
        held_out: rows of unseen sentences, whose losses stand in the curve as `valid_...`.
        config: the settings.
        vocabulary: of the tokens.
        advance: told the number of updates done, and of all.
        every: updates between two savings.
        begun: parameters of the first state; made by chance unless given.
    """

    def step(state: PolicyState, key: Array) -> tuple[PolicyState, Mapping[str, Array]]:
        rows = draw(fitting.generator(key))
        return update(state, rows, key, config, vocabulary)

    def check(state: PolicyState) -> dict[str, Array]:
        found = measure(state.params, held_out, config, vocabulary)
        return {f"valid_{name}": value for name, value in found.items()}

    first = init_policy(config, vocabulary)
    if begun is not None:
        first = first._replace(params=jax.tree.map(jnp.copy, begun))  # an update gives its state away
    return fitting.fit(folder, first, step, config.steps, config.seed, advance, every, check)
