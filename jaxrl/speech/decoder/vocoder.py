"""Channels to waves, whole or in chunks as codes arrive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow_training import FlowDecoder
from jaxrl.speech.sound import world
from jaxrl.speech.sound.features import BLOCK_SAMPLES, ENVELOPE, FRAMES, SEMANTIC_FRAMES, to_parts
from jaxrl.speech.sound.world import Parts

CHUNK, CONTEXT, AHEAD = 4, 4, 1  # blocks: that are emitted together, and seen before and after them
FADE = 320  # samples over which one chunk becomes the next


def to_wave(channels: np.ndarray) -> np.ndarray:
    """The wave [N] of channels [6 n, 34], by WORLD."""
    halves = channels[:, ENVELOPE:].reshape(-1, FRAMES // SEMANTIC_FRAMES, 2).mean(axis=1)
    f0, power = to_parts(channels[:, :ENVELOPE], halves[:, 0], halves[:, 1])
    wave = world.synthesise(Parts(f0, power, world.plain_aperiodicity(f0, power.shape[1])))
    length = len(channels) // FRAMES * BLOCK_SAMPLES
    return np.pad(wave, (0, max(length - len(wave), 0)))[:length]


def stream(decoder: FlowDecoder, speech: Speech, voice: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of the wave, each as soon as its codes and one block more are there; together as long as the codes.

    A piece is decoded with 480 ms of what was before it, and faded into the one before over 20 ms.
    """
    blocks = len(speech.linguistic) // 2
    tail = np.zeros(0)
    for start in range(0, blocks, CHUNK):
        end = min(start + CHUNK, blocks)
        first, last = max(start - CONTEXT, 0), min(end + AHEAD, blocks)
        seen = Speech(speech.linguistic[2 * first : 2 * last], speech.semantic[3 * first : 3 * last])
        channels = decoder.decode(seen, voice, first, bucket=CONTEXT + CHUNK + AHEAD)
        wave = to_wave(channels[: (end - first) * FRAMES])
        piece = wave[(start - first) * BLOCK_SAMPLES - len(tail) :]
        rising = np.linspace(0.0, 1.0, len(tail), endpoint=False)
        piece[: len(tail)] = tail * (1 - rising) + piece[: len(tail)] * rising
        keep = FADE if end < blocks else 0
        tail = piece[len(piece) - keep :]
        yield piece[: len(piece) - keep]
