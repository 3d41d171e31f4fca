"""Training of the decoder, and its use: codes and a voice to envelope, pitch and voicing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow import CHANNELS, FlowNetwork, integrate
from jaxrl.speech.interleave import LINGUISTIC_PER_BLOCK
from jaxrl.speech.sound.features import ENVELOPE, FRAMES, SEMANTIC_FRAMES, Features
from jaxrl.speech.tokenizer.codec_training import BUCKET, batches, choose, lengthened


@dataclass(frozen=True)
class FlowConfig:
    """The decoder.

    Args:
        width: channels.
        steps: updates.
        batch: pieces of speech in each.
        blocks: of 120 ms, length of a piece.
        learning_rate: peak; it falls to 0 as a cosine.
        euler: steps from noise to features.
        temperature: of the noise that it starts from.
        jitter: deviation of the noise on the voice in training, in deviations of the channels: few voices are known by
            heart, and pitch would be taken from them and not from the codes.
        pitch_weight: of the error of F0, beside that of each of the other 33 channels.
        kind: flow, or regression, its ablation.
        seed: of everything.
    """

    width: int = 160
    steps: int = 600
    batch: int = 16
    blocks: int = 12
    learning_rate: float = 2e-3
    euler: int = 6
    temperature: float = 0.6
    jitter: float = 0.5
    pitch_weight: float = 1.0
    kind: Literal["flow", "regression"] = "flow"
    seed: int = 0


class FlowState(NamedTuple):
    """All that is saved: parameters, optimiser, mean and deviation of the channels [2, 34]."""

    params: Any
    optimiser: optax.OptState
    scale: Array


class Coded(NamedTuple):
    """Utterances as codes [2 n], [3 n] and channels [6 n, 34], with `starts` in blocks, and the voice of each."""

    linguistic: np.ndarray
    semantic: np.ndarray
    channels: np.ndarray
    starts: np.ndarray
    voices: np.ndarray


def channels_of(features: Features) -> np.ndarray:
    """Envelope, pitch and voicing as the decoder makes them, [6 n, 34]."""
    doubled = (np.repeat(part, FRAMES // SEMANTIC_FRAMES) for part in (features.pitch, features.voiced))
    return np.concatenate([features.envelope, *(part[:, None] for part in doubled)], axis=1).astype(np.float32)


def voice_of(channels: np.ndarray) -> np.ndarray:
    """What a prompt [T, 34] says of its voice: the means of its voiced frames, or of all where none is."""
    voiced = channels[:, -1] > 0.5
    return channels[voiced].mean(axis=0) if voiced.any() else channels.mean(axis=0)


def code(features: Features, speech: Sequence[Speech], voices: Sequence[str]) -> Coded:
    """Features and their codes, and the names of their voices, as training data."""
    numbers = {name: number for number, name in enumerate(sorted(set(voices)))}
    two, three = (np.concatenate([np.asarray(part, np.int32) for part in parts]) for parts in zip(*speech, strict=True))
    return Coded(two, three, channels_of(features), features.starts, np.array([numbers[name] for name in voices]))


def _network(config: FlowConfig, sizes: tuple[int, int]) -> Any:
    return FlowNetwork(config.width, *sizes)


def init_flow(config: FlowConfig, sizes: tuple[int, int], channels: np.ndarray) -> FlowState:
    """The first state; `sizes` are those of the codebooks, and `channels` [T, 34] set the scale."""
    shapes = (jnp.zeros((1, FRAMES, CHANNELS)), jnp.zeros(1), jnp.zeros((1, 2), int), jnp.zeros((1, 3), int))
    init = jax.jit(_network(config, sizes).init)
    params = init(jax.random.key(config.seed), *shapes, jnp.zeros((1, CHANNELS)))["params"]
    scale = jnp.stack([jnp.asarray(channels.mean(axis=0)), jnp.asarray(np.maximum(channels.std(axis=0), 1e-3))])
    return FlowState(params, fitting.optimiser(config).init(params), scale)


@partial(jax.jit, static_argnames=("config", "sizes"), donate_argnames="state")
def update(
    state: FlowState, batch: Mapping[str, Array], key: Array, config: FlowConfig, sizes: tuple[int, int]
) -> tuple[FlowState, dict[str, Array]]:
    """One step: squared error of the velocity, or of the data, over what is not padding."""
    network = _network(config, sizes)
    data, voice = ((batch[name] - state.scale[0]) / state.scale[1] for name in ("channels", "voice"))
    keys = jax.random.split(key, 3)
    voice += config.jitter * jax.random.normal(keys[2], voice.shape)
    noise, time = jax.random.normal(keys[0], data.shape), jax.random.uniform(keys[1], (len(data),))
    if config.kind == "regression":
        noise, time = jnp.zeros_like(data), jnp.zeros_like(time)
    noisy = (1 - time[:, None, None]) * noise + time[:, None, None] * data
    frames = jnp.repeat(batch["mask"], FRAMES, axis=1)
    weights = jnp.ones(CHANNELS).at[ENVELOPE].set(config.pitch_weight)

    def loss(params: Any) -> Array:
        velocity = network.apply({"params": params}, noisy, time, batch["linguistic"], batch["semantic"], voice)
        return jnp.sum(jnp.mean(weights * (velocity - (data - noise)) ** 2, axis=-1) * frames) / jnp.sum(frames)

    value, gradient = jax.value_and_grad(loss)(state.params)
    changes, optimiser = fitting.optimiser(config).update(gradient, state.optimiser, state.params)
    return FlowState(optax.apply_updates(state.params, changes), optimiser, state.scale), {"loss": value}


def draw_batch(coded: Coded, prompts: np.ndarray, config: FlowConfig, rng: np.random.Generator) -> dict[str, Any]:
    """Random pieces, each with the voice of another utterance of the same speaker; `prompts` [utterances, 34]."""
    pieces = choose(coded.starts, config.blocks, config.batch, rng)
    same = [np.flatnonzero(coded.voices == coded.voices[utterance]) for utterance, _, _ in pieces]

    def rows(part: np.ndarray, per_block: int) -> np.ndarray:
        given = (part[first * per_block : end * per_block] for _, first, end in pieces)
        return np.stack([lengthened(one, config.blocks * per_block) for one in given])

    return {
        "linguistic": rows(coded.linguistic, 2),
        "semantic": rows(coded.semantic, 3),
        "channels": rows(coded.channels, FRAMES),
        "voice": np.stack([prompts[rng.choice(one)] for one in same]),
        "mask": np.arange(config.blocks) < np.array([[end - first] for _, first, end in pieces]),
    }


def train_flow(
    folder: Path, coded: Coded, config: FlowConfig, sizes: tuple[int, int], advance: Callable[[int, int], None]
) -> FlowState:
    """The trained state; its folder holds what `fitting.fit` writes."""
    ends = coded.starts * FRAMES
    prompts = np.stack([voice_of(coded.channels[a:b]) for a, b in pairwise(ends)])

    def step(state: FlowState, key: Array) -> tuple[FlowState, Mapping[str, Array]]:
        rng = fitting.generator(key)
        return update(state, draw_batch(coded, prompts, config, rng), key, config, sizes)

    return fitting.fit(folder, init_flow(config, sizes, coded.channels), step, config.steps, config.seed, advance)


class FlowDecoder:
    """A trained decoder.

    Args:
        state: as it was saved.
        config: that it was trained with.
        sizes: of the codebooks.
    """

    def __init__(self, state: FlowState, config: FlowConfig, sizes: tuple[int, int]):
        network = _network(config, sizes)
        self._scale = np.asarray(state.scale)

        def generate(noise: Array, linguistic: Array, semantic: Array, voice: Array) -> Array:
            def field(x: Array, time: Array) -> Array:
                return network.apply({"params": state.params}, x, time, linguistic, semantic, voice)

            if config.kind == "regression":
                return field(jnp.zeros_like(noise), jnp.zeros(len(noise)))
            return integrate(field, config.temperature * noise, config.euler)

        self._generate = jax.jit(generate)

    def decode(self, speech: Speech, voice: np.ndarray, first: int = 0, bucket: int = BUCKET) -> np.ndarray:
        """Channels [6 n, 34] of n blocks of codes in the voice of `voice_of` a prompt.

        Args:
            speech: codes.
            voice: [34].
            first: number of the first block within its utterance: noise belongs to a block, not to a call.
            bucket: lengths are padded to multiples of it, so that few are compiled.
        """
        return self._decode([speech], [voice], 1, first, bucket)[0]

    def decode_all(self, speech: Sequence[Speech], voices: Sequence[np.ndarray], batch: int = 16) -> list[np.ndarray]:
        """What `decode` makes of each, `batch` of them at once."""
        return self._decode(speech, voices, batch, 0, BUCKET)

    def _decode(
        self, speech: Sequence[Speech], voices: Sequence[np.ndarray], batch: int, first: int, bucket: int
    ) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for lengths, codes in batches(speech, batch, bucket):
            some = voices[len(found) : len(found) + batch]
            told = np.stack([*some, *[some[-1]] * (batch - len(some))])
            noise = np.concatenate(
                [_noise(first + block) for block in range(codes[0].shape[1] // LINGUISTIC_PER_BLOCK)]
            )
            noise = np.broadcast_to(noise, (batch, *noise.shape))
            made = np.asarray(self._generate(noise, *codes, (told - self._scale[0]) / self._scale[1]))
            made = made * self._scale[1] + self._scale[0]
            found += [row[: FRAMES * blocks] for row, blocks in zip(made, lengths, strict=False)]
        return found


@cache
def _noise(block: int) -> np.ndarray:
    """The noise of one block, [6, 34]."""
    return np.random.default_rng(block).normal(size=(FRAMES, CHANNELS)).astype(np.float32)
