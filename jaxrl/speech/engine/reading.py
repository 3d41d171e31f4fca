"""One utterance: a text, a voice and a style become a wave whose rate, pitch, spread and level are what was asked for.

The neutral reading is what a style is measured against, so both are read. espeak's settings are corrected by what is
heard, and what they cannot reach WORLD moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxrl.speech.engine.espeak import Spoken, speak
from jaxrl.speech.engine.singing import NOTE_SECONDS, Placed, on_grid
from jaxrl.speech.engine.voices import VOICES, Voice
from jaxrl.speech.sound import world
from jaxrl.speech.sound.measures import Measured, beats_share, measure, notes_share, onsets, relative
from jaxrl.speech.sound.waves import to_int16, to_level
from jaxrl.speech.sound.world import Parts
from jaxrl.speech.tags import Style

NEUTRAL_SPEED, NEUTRAL_RANGE = 165, 50
NEUTRAL_LEVEL = -26.0  # dB; synthesisers differ by 15
ROUNDS = 4
RATE_ERROR, PITCH_ERROR = 0.02, 0.15  # share, semitones: what the corrections aim at; the bars are 5 % and 3 %


class Reading(NamedTuple):
    """A wave, its phones with their ends in seconds, what the synthesiser was told, and what was heard."""

    samples: np.ndarray  # int16 [N]
    phones: tuple[tuple[str, float], ...]
    parameters: dict[str, Any]
    measured: dict[str, float]


class _Settings(NamedTuple):
    pitch: float
    speed: float = NEUTRAL_SPEED
    spread: float = NEUTRAL_RANGE


def read(text: str, voice: str, style: Style) -> Reading:
    """Read `text` in a voice of `VOICES` and a style; the same arguments give the same bytes in a new process."""
    who = VOICES[voice]
    settings = _Settings(who.pitch)
    spoken = _speak(text, who, "", settings)
    neutral = measure(to_level(spoken.samples, NEUTRAL_LEVEL))
    level = NEUTRAL_LEVEL + style.loudness
    extra: dict[str, float] = {}
    if style.notes or style.bpm:
        samples, phones, extra = _place(spoken, style)
    elif style == Style():
        samples, phones = spoken
    else:
        accented = _speak(text, who, style.accent, settings) if style.accent else spoken
        settings, (samples, phones) = _adjust(text, who, style, neutral, settings, accented)
    wave = to_int16(to_level(samples, level))
    heard = measure(wave / 32767)
    parameters = {"variant": who.variant, "warp": who.warp, **_rounded(settings._asdict())}
    measured = {**heard._asdict(), **{f"relative_{name}": value for name, value in relative(heard, neutral).items()}}
    return Reading(wave, phones, parameters, _rounded({**measured, **extra}))


def asked(style: Style, neutral: Measured) -> Mapping[str, float]:
    """Seconds and Hz that a style asks for, beside the neutral reading."""
    return {"seconds": neutral.seconds / style.rate, "f0": neutral.f0 * 2 ** (style.pitch / 12)}


def _speak(text: str, voice: Voice, accent: str, settings: _Settings) -> Spoken:
    """espeak's reading, through another throat where the voice has one."""
    pitch, speed, spread = map(round, settings)
    spoken = speak(text, voice.variant, accent, speed, pitch, spread)
    if voice.warp == 1.0:
        return spoken
    warped = world.warp_formants(world.analyse(spoken.samples), voice.warp)
    return Spoken(world.synthesise(warped), spoken.phones)


def _adjust(
    text: str, voice: Voice, style: Style, neutral: Measured, settings: _Settings, spoken: Spoken
) -> tuple[_Settings, Spoken]:
    """Correct espeak's settings by what is heard; then WORLD does what is left, and takes the voice away."""
    target = asked(style, neutral)
    heard = measure(spoken.samples)
    for _ in range(ROUNDS):
        rate_off, pitch_off, spread_off = _off(heard, target, style)
        if abs(rate_off) < RATE_ERROR and abs(pitch_off) < PITCH_ERROR and abs(spread_off) < 0.3:
            break
        settings = _Settings(
            min(max(settings.pitch + pitch_off * 7.0, 0), 99),  # 10 to 90 is 11 semitones
            min(max(settings.speed * math.exp(rate_off), 80), 450),
            min(max(settings.spread + spread_off * 25.0, 0), 99),
        )
        spoken = _speak(text, voice, style.accent, settings)
        heard = measure(spoken.samples)
    rate_off, pitch_off, spread_off = _off(heard, target, style)
    moved = abs(pitch_off) > 2 * PITCH_ERROR or abs(spread_off) > 0.5
    if moved or style.whisper:
        parts = world.analyse(spoken.samples, aperiodicity=not style.whisper)
        if moved:
            factor = style.spread / max(heard.spread, 0.1) if style.spread is not None else 1.0
            parts = world.scale_pitch(parts, target["f0"], factor)
        spoken = Spoken(world.synthesise(world.whisper(parts) if style.whisper else parts), spoken.phones)
    return settings, spoken


def _off(heard: Measured, target: Mapping[str, float], style: Style) -> tuple[float, float, float]:
    """How far the reading is from what was asked: log of the rate, semitones, semitones of spread."""
    voiced = heard.f0 > 0 and target["f0"] > 0
    pitch = 12 * math.log2(target["f0"] / heard.f0) if voiced else 0.0
    spread = style.spread - heard.spread if style.spread is not None and voiced else 0.0
    return math.log(heard.seconds / target["seconds"]), pitch, spread


def _place(spoken: Spoken, style: Style) -> tuple[np.ndarray, tuple[tuple[str, float], ...], dict[str, float]]:
    """A song or a rap, with the shares of notes and of beats that were hit."""
    parts: Parts = world.analyse(spoken.samples)
    beat = NOTE_SECONDS if style.notes else 30.0 / style.bpm  # two syllables a beat
    placed: Placed = on_grid(parts, spoken.phones, beat, style.notes)
    parts = placed.parts
    if style.pitch or style.spread is not None:
        own = measure(spoken.samples)
        factor = style.spread / max(own.spread, 0.1) if style.spread is not None else 1.0
        parts = world.scale_pitch(parts, own.f0 * 2 ** (style.pitch / 12), factor)
    samples = world.synthesise(world.whisper(parts) if style.whisper else parts)
    heard = {"beats": beats_share(onsets(samples), beat)}
    if placed.notes:
        heard["notes"] = notes_share(world.pitch_track(samples), placed.notes)
    return samples, placed.phones, heard


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(float(value), 4) if isinstance(value, float) else value for name, value in values.items()}
