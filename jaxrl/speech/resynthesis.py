"""What is left of speech after tokens: words, pitch and speed of waves that were made from codes alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow_training import FlowDecoder
from jaxrl.speech.decoder.vocoder import stream, to_wave
from jaxrl.speech.sound.judges import Recogniser, error_rate
from jaxrl.speech.sound.waves import RATE
from jaxrl.speech.sound.world import pitch_track

GROSS = 0.2  # share by which F0 must be off to be a gross error


class Sample(NamedTuple):
    """An utterance: its wave in [-1, 1], its words, its codes, and the voice of a prompt, [34]."""

    samples: np.ndarray
    text: str
    speech: Speech
    voice: np.ndarray


def pitch_errors(true: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Of frames that are voiced in both tracks: the share that is off by more than a fifth, and the median distance in
    semitones of the others; (1, 0) where no frame is voiced in both."""
    length = min(len(true), len(made))
    both = (true[:length] > 0) & (made[:length] > 0)
    if not both.any():
        return 1.0, 0.0
    ratio = made[:length][both] / true[:length][both]
    gross = np.abs(ratio - 1) > GROSS
    fine = np.abs(12 * np.log2(ratio[~gross]))
    return float(gross.mean()), float(np.median(fine)) if fine.size else 0.0


def compare(samples: Sequence[Sample], made: Sequence[np.ndarray], judge: Recogniser) -> dict[str, float | None]:
    """Word error rate, gross pitch errors, the median F0 error in semitones, and the error of the utterances' median F0
    in semitones, of waves made from `samples`; None where nothing has a pitch."""
    pairs, gross, fine, medians = [], [], [], []
    for one, wave in zip(samples, made, strict=True):
        pairs.append((one.text, judge.hear(wave)))
        true, track = pitch_track(one.samples), pitch_track(wave)
        if (true > 0).mean() < 0.05:  # a whisper has no pitch to lose
            continue
        for values, value in zip((gross, fine), pitch_errors(true, track), strict=True):
            values.append(value)
        if (track > 0).any():
            medians.append(abs(12 * np.log2(np.median(track[track > 0]) / np.median(true[true > 0]))))
    return {
        "wer": error_rate(pairs),
        "gross_pitch_error": float(np.mean(gross)) if gross else None,
        "f0_error_semitones": float(np.mean(fine)) if fine else None,
        "median_f0_error_semitones": float(np.median(medians)) if medians else None,
    }


def speed(decoder: FlowDecoder, samples: Sequence[Sample], rounds: int = 3) -> dict[str, Any]:
    """Real-time factor of codes to wave, and milliseconds to the first chunk of a stream: the least of some rounds."""
    whole, first = [], []
    for _ in range(rounds + 1):  # the first round compiles
        start = time.perf_counter()
        for one in samples:
            to_wave(decoder.decode(one.speech, one.voice))
        whole.append(time.perf_counter() - start)
        start = time.perf_counter()
        next(stream(decoder, samples[0].speech, samples[0].voice))
        first.append(1000 * (time.perf_counter() - start))
    seconds = sum(len(one.samples) for one in samples) / RATE
    return {"real_time_factor": min(whole[1:]) / seconds, "first_chunk_ms": min(first[1:])}


def evaluate(samples: Sequence[Sample], makers: dict[str, Callable[[Sample], np.ndarray]], judge: Recogniser) -> dict:
    """`compare` for each way to make a wave; the original is one of them."""
    makers = {"original": lambda one: one.samples, **makers}
    return {name: compare(samples, [make(one) for one in samples], judge) for name, make in makers.items()}
