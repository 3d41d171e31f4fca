"""Features that no wave had: for tests of what is trained on them."""

import numpy as np

from jaxrl.speech.sound.features import Features, join


def made_up_features(utterances: int, phones: int = 4, seed: int = 0) -> Features:
    """Utterances of 1 to 6 blocks in which every frame's phone and pitch show in its mel and envelope."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(utterances):
        blocks = int(rng.integers(4, 7))
        label = np.repeat(rng.integers(phones, size=2 * blocks), 3)
        pitch = rng.normal(size=3 * blocks) * 0.3
        envelope = np.eye(32)[label] * 3 + 0.1 * rng.normal(size=(6 * blocks, 32))
        mel = np.concatenate([np.repeat(envelope, 2, axis=0), np.zeros((12 * blocks, 48))], axis=1)
        mel[:, 40:] += np.repeat(pitch, 4)[:, None]
        ones = np.ones(3 * blocks)
        parts = (mel, envelope, pitch, ones, ones * 1.5)
        found.append(
            Features(*(part.astype(np.float32) for part in parts), label.astype(np.int16), np.array([0, blocks]))
        )
    return join(found)
