"""Training of the tokenizer, and its use: features to codes and codes to features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.interleave import LINGUISTIC_PER_BLOCK, SEMANTIC_PER_BLOCK
from jaxrl.speech.sound.features import FRAMES, MEL_FRAMES, MELS, SEMANTIC_FRAMES, Features
from jaxrl.speech.sound.throats import check_throats
from jaxrl.speech.tokenizer.codec import CODE_WIDTH, Codec, Told
from jaxrl.speech.tokenizer.quantiser import Codebook, init_codebook, learn, nearest_code, quantise, unit

COMMITMENT, PHONES, PITCH, VOICING, ENERGY = 0.25, 0.5, 6.0, 0.5, 1.0  # weights of the losses beside the envelope's
RESTART_UNTIL = 0.7  # share of training
BUCKET = 16  # blocks


@dataclass(frozen=True)
class CodecConfig:
    """The tokenizer.

    Args:
        linguistic: codes of the linguistic codebook.
        semantic: codes of the semantic codebook.
        width: channels.
        steps: updates.
        batch: pieces of speech in each.
        blocks: of 120 ms, length of a piece.
        learning_rate: peak; it falls to 0 as a cosine.
        throats: other throats in which each utterance of training is heard, 6 at most, see `throats.py`: with 1 they
            are half of what it hears.
        seed: of everything.
    """

    linguistic: int = 256
    semantic: int = 512
    width: int = 128
    steps: int = 600
    batch: int = 16
    blocks: int = 12
    learning_rate: float = 2e-3
    throats: int = 0
    seed: int = 0

    def __post_init__(self):
        check_throats("tokenizer.throats", self.throats)


class Batch(NamedTuple):
    """Pieces [B, n blocks]: as in `Features`, and which blocks are not padding, [B, n]."""

    mel: Array
    envelope: Array
    pitch: Array
    voiced: Array
    energy: Array
    phones: Array
    mask: Array


class CodecState(NamedTuple):
    """All that is saved: parameters, optimiser, both codebooks, mean and deviation of the envelope [2, 32], step."""

    params: Any
    optimiser: optax.OptState
    linguistic: Codebook
    semantic: Codebook
    scale: Array
    step: Array


def choose(starts: np.ndarray, length: int, size: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """`size` random pieces of at most `length` blocks, from utterances in proportion to their length: utterance, first
    block and the one after the last."""
    lengths = np.diff(starts)
    chosen = rng.choice(len(lengths), size, p=lengths / lengths.sum())
    offsets = [int(starts[index]) + int(rng.integers(max(lengths[index] - length, 0) + 1)) for index in chosen]
    return [(int(u), at, min(at + length, int(starts[u + 1]))) for u, at in zip(chosen, offsets, strict=True)]


def stack(pieces: list[Features], length: int) -> Batch:
    """Pieces of at most `length` blocks as one batch; what is missing repeats the last row, and is masked."""
    rows = (MEL_FRAMES, FRAMES, SEMANTIC_FRAMES, SEMANTIC_FRAMES, SEMANTIC_FRAMES, FRAMES)
    sizes = [len(piece.pitch) // SEMANTIC_FRAMES for piece in pieces]
    parts = []
    for field, per_block in enumerate(rows):
        given = [piece[field][: length * per_block] for piece in pieces]
        parts.append(np.stack([lengthened(one, length * per_block) for one in given]))
    return Batch(*parts, mask=np.arange(length) < np.array(sizes)[:, None])  # pyright: ignore[reportArgumentType]


def lengthened(rows: np.ndarray, length: int) -> np.ndarray:
    """`rows` [T, ...] with its last row repeated up to `length` rows."""
    return np.pad(rows, [(0, length - len(rows)), *[(0, 0)] * (rows.ndim - 1)], mode="edge")


def batches(
    speech: Sequence[Speech], batch: int, bucket: int = BUCKET
) -> Iterator[tuple[list[int], tuple[np.ndarray, np.ndarray]]]:
    """The blocks of every piece of a batch, and all their codes, int32 [batch, 2 n] and [batch, 3 n].

    Lengths are padded to a multiple of `bucket` blocks, so that few are compiled; the last batch is filled up.
    """
    for start in range(0, len(speech), batch):
        some = speech[start : start + batch]
        blocks = [len(one.linguistic) // LINGUISTIC_PER_BLOCK for one in some]
        length = -(-max(blocks) // bucket) * bucket
        filled = [*some, *[some[-1]] * (batch - len(some))]
        linguistic, semantic = (
            np.stack([lengthened(np.asarray(one[part], np.int32), length * count) for one in filled])
            for part, count in enumerate((LINGUISTIC_PER_BLOCK, SEMANTIC_PER_BLOCK))
        )
        yield blocks, (linguistic, semantic)


def make_codec(config: CodecConfig, phones: int) -> Codec:
    """The network."""
    return Codec(config.width, phones)


def init_codec(config: CodecConfig, phones: int, envelope: np.ndarray) -> CodecState:
    """The first state; `envelope` [T, 32] of the training data sets the scale."""
    keys = jax.random.split(jax.random.key(config.seed), 3)
    params = jax.jit(make_codec(config, phones).init)(keys[0], jnp.zeros((1, MEL_FRAMES, MELS)))["params"]
    linguistic = init_codebook(keys[1], config.linguistic, CODE_WIDTH)
    semantic = init_codebook(keys[2], config.semantic, CODE_WIDTH)
    scale = jnp.stack([jnp.asarray(envelope.mean(axis=0)), jnp.asarray(np.maximum(envelope.std(axis=0), 1e-3))])
    optimiser = fitting.optimiser(config).init(params)
    return CodecState(params, optimiser, linguistic, semantic, scale, jnp.zeros((), jnp.int32))


def losses(told: Told, batch: Batch, scale: Array) -> dict[str, Array]:
    """Each supervision, averaged over what is not padding."""
    frames, tokens = jnp.repeat(batch.mask, FRAMES, axis=1), jnp.repeat(batch.mask, SEMANTIC_FRAMES, axis=1)
    envelope = (batch.envelope - scale[0]) / scale[1]
    voiced = tokens * batch.voiced
    phones = optax.softmax_cross_entropy_with_integer_labels(told.phones, batch.phones.astype(jnp.int32))
    pitch, voicing, energy = jnp.moveaxis(told.prosody, -1, 0)
    return {
        "envelope": jnp.sum(jnp.mean(jnp.abs(told.envelope - envelope), axis=-1) * frames) / jnp.sum(frames),
        "phones": jnp.sum(phones * frames) / jnp.sum(frames),
        "pitch": jnp.sum(jnp.abs(pitch - batch.pitch) * voiced) / jnp.maximum(jnp.sum(voiced), 1.0),
        "voicing": jnp.sum(optax.sigmoid_binary_cross_entropy(voicing, batch.voiced) * tokens) / jnp.sum(tokens),
        "energy": jnp.sum(jnp.abs(energy - batch.energy) * tokens) / jnp.sum(tokens),
    }


@partial(jax.jit, static_argnames=("config", "phones"), donate_argnames="state")
def update(
    state: CodecState, batch: Batch, key: Array, config: CodecConfig, phones: int
) -> tuple[CodecState, dict[str, Array]]:
    """One step of gradients, and of both codebooks' averages."""
    codec: Any = make_codec(config, phones)

    def loss(params: dict) -> tuple[Array, tuple[dict[str, Array], Array, Array]]:
        two, three = codec.apply({"params": params}, batch.mel, method="encode")
        first, _, commitment = quantise(state.linguistic, two)
        second, _, other = quantise(state.semantic, three)
        parts = losses(codec.apply({"params": params}, first, second, method="decode"), batch, state.scale)
        weighted = parts["envelope"] + PHONES * parts["phones"] + PITCH * parts["pitch"]
        weighted += VOICING * parts["voicing"] + ENERGY * parts["energy"] + COMMITMENT * (commitment + other)
        return weighted, (parts, two, three)

    (total, (parts, two, three)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    changes, optimiser = fitting.optimiser(config).update(gradient, state.optimiser, state.params)
    restart = (state.step < RESTART_UNTIL * config.steps) & (state.step % 10 == 0)
    keys = jax.random.split(key)
    new = CodecState(
        optax.apply_updates(state.params, changes),  # pyright: ignore[reportArgumentType]
        optimiser,
        learn(state.linguistic, two.reshape(-1, CODE_WIDTH), keys[0], restart),
        learn(state.semantic, three.reshape(-1, CODE_WIDTH), keys[1], restart),
        state.scale,
        state.step + 1,
    )
    return new, {"loss": total, **parts}


def train_codec(
    folder: Path, features: Features, phones: int, config: CodecConfig, advance: Callable[[int, int], None]
) -> CodecState:
    """The trained state; its folder holds what `fitting.fit` writes."""

    def step(state: CodecState, key: Array) -> tuple[CodecState, Mapping[str, Array]]:
        rng = fitting.generator(key)
        pieces = choose(features.starts, config.blocks, config.batch, rng)
        batch = stack([features.blocks(first, end) for _, first, end in pieces], config.blocks)
        return update(state, batch, key, config, phones)

    first = init_codec(config, phones, features.envelope)
    return fitting.fit(folder, first, step, config.steps, config.seed, advance)


class Tokenizer:
    """A trained tokenizer.

    Args:
        state: as it was saved.
        config: that it was trained with.
        phones: number of phones.
    """

    def __init__(self, state: CodecState, config: CodecConfig, phones: int):
        self.state, self.config = state, config
        codec: Any = make_codec(config, phones)

        def encode(mel: Array) -> tuple[Array, ...]:
            parts = codec.apply({"params": state.params}, mel, method="encode")
            return tuple(nearest_code(book, unit(part[0])) for book, part in zip(self.books, parts, strict=True))

        self._encode = jax.jit(encode)
        self._decode = jax.jit(lambda two, three: codec.apply({"params": state.params}, two, three, method="decode"))

    def encode(self, mel: np.ndarray) -> Speech:
        """Codes of log-mel [12 n, 80]."""
        blocks = len(mel) // MEL_FRAMES
        padded = _bucket(mel, blocks, MEL_FRAMES)
        linguistic, semantic = (np.asarray(one).tolist() for one in self._encode(padded[None]))
        return Speech(tuple(linguistic[: 2 * blocks]), tuple(semantic[: 3 * blocks]))

    def decode(self, speech: Speech) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What codes say by themselves: envelope [6 n, 32], pitch and voicing [3 n], as in `Features`."""
        return self.decode_all([speech], batch=1)[0]

    def decode_all(self, speech: Sequence[Speech], batch: int = 16) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What `decode` says of each, `batch` of them at once."""
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        mean, deviation = np.asarray(self.state.scale)
        books = [np.asarray(book.codes) for book in self.books]
        for lengths, codes in batches(speech, batch):
            told = self._decode(*(book[some] for book, some in zip(books, codes, strict=True)))
            envelopes, prosodies = np.asarray(told.envelope) * deviation + mean, np.asarray(told.prosody)
            for envelope, prosody, blocks in zip(envelopes, prosodies, lengths, strict=False):
                prosody = prosody[: SEMANTIC_FRAMES * blocks]
                found.append((envelope[: FRAMES * blocks], prosody[:, 0], 1 / (1 + np.exp(-prosody[:, 1]))))
        return found

    @property
    def books(self) -> tuple[Codebook, Codebook]:
        """Linguistic and semantic."""
        return self.state.linguistic, self.state.semantic


def _bucket(rows: np.ndarray, blocks: int, per_block: int) -> np.ndarray:
    """Rows padded to a multiple of `BUCKET` blocks, so that few lengths are compiled."""
    return lengthened(rows, -(-blocks // BUCKET) * BUCKET * per_block)
