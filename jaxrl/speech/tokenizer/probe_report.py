"""The report of a tokenizer: use of its codes, and what the probes tell from each codebook on unseen sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.manifest import Item
from jaxrl.speech.sound.features import FRAMES, Features
from jaxrl.speech.tokenizer.probes import histogram_accuracy, map_accuracy, mean_error, usage

FASTER, SLOWER = frozenset({"fast", "happy", "angry"}), frozenset({"slow", "sad"})
# Labels of utterances; None leaves one out.
LABELS: dict[str, Callable[[Item], str | None]] = {
    "voice_accuracy": lambda item: item.voice,
    "rate_accuracy": lambda item: "fast" if FASTER & set(item.tags) else "slow" if SLOWER & set(item.tags) else None,
}


def probe(
    features: Features, speech: Sequence[Speech], items: Sequence[Item], sizes: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """All probes, of the linguistic and the semantic codes, and what is right by chance.

    Phones and pitch are told frame by frame from the code alone: fitted on the training split, read off the others.
    Voice, and fast against slow, are told by a linear classifier from histograms of the codes of training utterances,
    of which every third is left out.
    """
    train = np.array([item.split == "train" for item in items])
    fitted = np.repeat(train, np.diff(features.starts) * FRAMES)
    phones, pitch = features.phones.astype(int), 12 * np.repeat(features.pitch, 2)
    voiced = np.repeat(features.voiced > 0.5, 2)
    report: dict[str, dict[str, float]] = {}
    for name, per_block, size in (("linguistic", 2, sizes[0]), ("semantic", 3, sizes[1])):
        codes = [np.asarray(getattr(one, name), int) for one in speech]
        flat = np.repeat(np.concatenate(codes), FRAMES // per_block)
        report[name] = _of_frames(flat, phones, pitch, voiced, fitted)
        used, perplexity = usage([one for one, there in zip(codes, train, strict=True) if there], size)
        report[name] |= {"used": used, "perplexity": perplexity, **_of_utterances(codes, items, size)}
    report["chance"] = _of_frames(np.zeros(len(phones), int), phones, pitch, voiced, fitted)
    report["chance"] |= _of_utterances([np.zeros(1, int)] * len(items), items, 1)
    return report


def _of_frames(
    codes: np.ndarray, phones: np.ndarray, pitch: np.ndarray, voiced: np.ndarray, fitted: np.ndarray
) -> dict[str, float]:
    first, second = fitted & voiced, ~fitted & voiced
    return {
        "phone_accuracy": map_accuracy(codes[fitted], phones[fitted], codes[~fitted], phones[~fitted]),
        "pitch_error_semitones": mean_error(codes[first], pitch[first], codes[second], pitch[second]),
    }


def _of_utterances(codes: Sequence[np.ndarray], items: Sequence[Item], size: int) -> dict[str, float]:
    found: dict[str, Any] = {}
    for name, label in LABELS.items():
        chosen = [index for index, item in enumerate(items) if item.split == "train" and label(item) is not None]
        names = sorted({str(label(items[index])) for index in chosen})
        labels = [names.index(str(label(items[index]))) for index in chosen]
        fitted = np.arange(len(chosen)) % 3 > 0
        if len(names) > 1 and fitted.any() and not fitted.all():
            found[name] = histogram_accuracy([codes[index] for index in chosen], labels, size, fitted)
    return found
