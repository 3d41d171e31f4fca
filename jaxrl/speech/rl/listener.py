"""Tokens to text by a small network of its own: the judge inside the reward, so that recognisers stay outside of it.

Both codebooks at 50 Hz, five convolutions, connectionist temporal classification (Graves et al., 2006) over the
characters; a judge on tokens after CosyVoice 3's DiffRO. It hears half a second around a frame and no language model
helps it, so that a word is what was said and not what would be likely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import Array

from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.sound.features import FRAMES
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tokenizer.codec import Residual
from jaxrl.speech.tokenizer.codec_training import lengthened

LETTERS = " abcdefghijklmnopqrstuvwxyz'"  # class 0 is CTC's blank
BLOCKS = 32  # of 120 ms, at most; what is longer is cut


@dataclass(frozen=True)
class ListenerConfig:
    """The listener.

    Args:
        width: channels.
        steps: updates.
        batch: utterances in each.
        learning_rate: peak; it falls to 0 as a cosine.
        noise: share of the codes that training replaces.
        seed: of everything.
    """

    width: int = 96
    steps: int = 800
    batch: int = 16
    learning_rate: float = 3e-3
    noise: float = 0.08
    seed: int = 0


class ListenerNetwork(nn.Module):
    """Logits of blank and letters, `linguistic [B, 2 n], semantic [B, 3 n] -> [B, 6 n, 29]`."""

    width: int
    sizes: tuple[int, int]

    @nn.compact
    def __call__(self, linguistic: Array, semantic: Array) -> Array:
        two, three = (
            nn.Embed(size, self.width)(codes) for size, codes in zip(self.sizes, (linguistic, semantic), strict=True)
        )
        hidden = jnp.repeat(two, FRAMES // 2, axis=1) + jnp.repeat(three, FRAMES // 3, axis=1)
        hidden += nn.Embed(FRAMES, self.width)(jnp.arange(hidden.shape[1]) % FRAMES)
        for dilation in (1, 2, 4, 8, 1):
            hidden = Residual(dilation)(hidden)
        return nn.Dense(1 + len(LETTERS))(nn.LayerNorm()(hidden))


class ListenerState(NamedTuple):
    """All that is saved."""

    params: Any
    optimiser: optax.OptState


class Heard(NamedTuple):
    """What was heard: the text, and the block in which each of its characters was."""

    text: str
    blocks: tuple[int, ...]


def init_listener(config: ListenerConfig, sizes: tuple[int, int]) -> ListenerState:
    """The first state; `sizes` are those of the codebooks."""
    init: Any = jax.jit(ListenerNetwork(config.width, sizes).init)
    params = init(jax.random.key(config.seed), jnp.zeros((1, 2), int), jnp.zeros((1, 3), int))["params"]
    return ListenerState(params, fitting.optimiser(config).init(params))


@partial(jax.jit, static_argnames=("config", "sizes"), donate_argnames="state")
def update(
    state: ListenerState, batch: Mapping[str, Array], config: ListenerConfig, sizes: tuple[int, int]
) -> tuple[ListenerState, dict[str, Array]]:
    """One step; the loss is nats a character."""
    network: Any = ListenerNetwork(config.width, sizes)

    def loss(params: Any) -> Array:
        logits = network.apply({"params": params}, batch["linguistic"], batch["semantic"])
        missed = optax.ctc_loss(logits, batch["padding"], batch["labels"], batch["unlabelled"])
        return jnp.sum(missed) / jnp.sum(1 - batch["unlabelled"])

    value, gradient = jax.value_and_grad(loss)(state.params)
    changes, optimiser = fitting.optimiser(config).update(gradient, state.optimiser, state.params)
    return ListenerState(optax.apply_updates(state.params, changes), optimiser), {"loss": value}


def train_listener(
    folder: Path,
    speech: Sequence[Speech],
    texts: Sequence[str],
    config: ListenerConfig,
    sizes: tuple[int, int],
    advance: Callable[[int, int], None],
) -> ListenerState:
    """The trained state; its folder holds what `fitting.fit` writes.

    Raises:
        SpeechError: there is nothing to learn from.
    """
    pairs = [both for both in zip(speech, texts, strict=True) if 0 < len(both[0].linguistic) <= 2 * BLOCKS]
    if not pairs:
        raise SpeechError("no utterance is short enough for the listener; raise engine.utterances")
    most = max(len(text) for _, text in pairs)

    def step(state: ListenerState, key: Array) -> tuple[ListenerState, Mapping[str, Array]]:
        rng = fitting.generator(key)
        chosen = [pairs[int(index)] for index in rng.integers(len(pairs), size=config.batch)]
        return update(state, _batch(chosen, most, config.noise, sizes, rng), config, sizes)

    return fitting.fit(folder, init_listener(config, sizes), step, config.steps, config.seed, advance)


def _batch(
    pairs: Sequence[tuple[Speech, str]], most: int, noise: float, sizes: tuple[int, int], rng: np.random.Generator
) -> dict[str, Any]:
    codes = [_padded([one[part] for one, _ in pairs], n) for part, n in ((0, 2), (1, 3))]
    for part, size in zip(codes, sizes, strict=True):
        spoilt = rng.random(part.shape) < noise
        part[spoilt] = rng.integers(size, size=int(spoilt.sum()))
    lengths = np.array([[len(one.linguistic) // 2 * FRAMES] for one, _ in pairs])
    labels = [np.array([1 + LETTERS.index(letter) for letter in text]) for _, text in pairs]
    counts = np.array([[len(one)] for one in labels])
    return {
        "linguistic": codes[0],
        "semantic": codes[1],
        "padding": (np.arange(BLOCKS * FRAMES) >= lengths).astype(np.float32),
        "labels": np.stack([np.pad(one, (0, most - len(one))) for one in labels]),
        "unlabelled": (np.arange(most) >= counts).astype(np.float32),
    }


def _padded(codes: Sequence[Sequence[int]], per_block: int) -> np.ndarray:
    """Codes of several utterances as [B, BLOCKS n]; the last one is repeated."""
    given = (np.asarray(one[: BLOCKS * per_block] or (0,), np.int32) for one in codes)
    return np.stack([lengthened(one, BLOCKS * per_block) for one in given])


class Listener:
    """A trained listener.

    Args:
        state: as it was saved.
        config: that it was trained with.
        sizes: of the codebooks.
    """

    def __init__(self, state: ListenerState, config: ListenerConfig, sizes: tuple[int, int]):
        network: Any = ListenerNetwork(config.width, sizes)
        self._likeliest = jax.jit(
            lambda two, three: jnp.argmax(network.apply({"params": state.params}, two, three), axis=-1)
        )

    def hear(self, speech: Sequence[Speech], batch: int = 16) -> list[Heard]:
        """What each of them says, by the likeliest class of every frame; `batch` of them at once."""
        found: list[Heard] = []
        for start in range(0, len(speech), batch):
            some = list(speech[start : start + batch])
            filled = [*some, *[Speech((), ())] * (batch - len(some))]
            classes = np.asarray(self._likeliest(*(_padded([one[i] for one in filled], 2 + i) for i in range(2))))
            found += [
                _collapse(row[: len(one.linguistic) // 2 * FRAMES]) for row, one in zip(classes, some, strict=False)
            ]
        return found


def _collapse(classes: np.ndarray) -> Heard:
    """Repetitions and blanks left out; spaces at both ends too."""
    starts = np.flatnonzero((classes > 0) & (np.diff(classes, prepend=0) != 0))
    told = [(LETTERS[int(classes[frame]) - 1], int(frame) // FRAMES) for frame in starts]
    while told and told[0][0] == " ":
        told.pop(0)
    while told and told[-1][0] == " ":
        told.pop()
    return Heard("".join(letter for letter, _ in told), tuple(block for _, block in told))
