"""espeak-ng as a library in this process, from the wheel `espeakng-loader`: waves with the times of their phones.

The library keeps state from one utterance to the next, which no function resets. So that an utterance depends on
nothing that was spoken before it, `reading.py` speaks each in a forked child, from an untouched library.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.ctypeslib import as_array

from jaxrl.speech import extra
from jaxrl.speech.sound.waves import RATE, resample
from jaxrl.speech.speech_error import SpeechError

ACCENTS = {"": "en-us", "scottish": "en-gb-scotland", "british": "en-gb-x-rp"}
ACCENTS |= {"caribbean": "en-029", "new york": "en-us-nyc"}
# Of speak_lib.h.
_SYNCHRONOUS, _PHONE_EVENTS, _PHONE, _UTF8 = 2, 1, 7, 1
_SPEED, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
PAUSE = "_"


class Spoken(NamedTuple):
    """A wave [N] at 16 kHz, and its phones with the time in seconds where each ends; silence at both ends is cut."""

    samples: np.ndarray
    phones: tuple[tuple[str, float], ...]


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """The loaded and initialised library, and what it has said of the present utterance."""

    def __init__(self):
        loader = extra.load("espeakng_loader")
        self.library = ctypes.CDLL(loader.get_library_path())
        data = str(loader.get_data_path()).encode()
        self.rate = int(self.library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONE_EVENTS))
        if self.rate <= 0:
            raise SpeechError("espeak-ng does not start; install the wheel espeakng-loader again")
        self.pieces: list[np.ndarray] = []
        self.events: list[tuple[int, str]] = []
        self._callback = _Callback(self._hear)  # kept alive as long as the library
        self.library.espeak_SetSynthCallback(self._callback)

    def _hear(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self.pieces.append(as_array(wave, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == _PHONE:
                self.events.append((events[index].sample, events[index].id.string.decode("utf-8", "replace")))
            index += 1
        return 0


@cache
def _library() -> _Library:
    return _Library()


def start() -> None:
    """Load the library and its data, without a word; `speak` does so itself where it was not done before."""
    _library()


def speak(text: str, variant: str, accent: str = "", speed: int = 165, pitch: int = 50, spread: int = 50) -> Spoken:
    """Read `text` aloud.

    Args:
        text: words with spaces.
        variant: timbre, such as m3 or f2; empty for espeak's own.
        accent: of `ACCENTS`.
        speed: words a minute, 80 to 450.
        pitch: 0 to 99, about an octave and a half.
        spread: range of the pitch, 0 to 99.

    Raises:
        SpeechError: espeak-ng is not installed, has no such voice, or says nothing.
    """
    espeak = _library()
    espeak.pieces.clear()
    espeak.events.clear()
    espeak.library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # of flutter and noise; the library starts from the time
    name = ACCENTS[accent] + (f"+{variant}" if variant else "")
    if espeak.library.espeak_SetVoiceByName(name.encode()):
        raise SpeechError(f"espeak-ng has no voice {name}; install the wheel espeakng-loader again")
    for key, value in ((_SPEED, speed), (_VOLUME, 100), (_PITCH, pitch), (_RANGE, spread)):
        espeak.library.espeak_SetParameter(key, int(value), 0)
    encoded = text.encode()
    espeak.library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
    espeak.library.espeak_Synchronize()
    phones = _spans(espeak.events, espeak.rate)
    if not espeak.pieces or not phones:
        raise SpeechError(f"espeak-ng says nothing for {text!r}; write words")
    samples = resample(np.concatenate(espeak.pieces) / 32768.0, espeak.rate)
    start, end = phones[0][1] - 0.03, phones[-1][2] + 0.06
    first = max(int(start * RATE), 0)
    return Spoken(samples[first : int(end * RATE)], tuple((name, stop - first / RATE) for name, _, stop in phones))


def _spans(events: list[tuple[int, str]], rate: int) -> list[tuple[str, float, float]]:
    """Name, start and end in seconds of each phone, without the pauses at both ends and without marks of stress."""
    names = [PAUSE if name.startswith(PAUSE) else name.strip("',%=|") for _, name in events]
    times = [sample / rate for sample, _ in events]
    spans = [(name, start, stop) for name, start, stop in zip(names, times, times[1:], strict=False) if stop > start]
    while spans and spans[0][0] in (PAUSE, ""):
        spans.pop(0)
    while spans and spans[-1][0] in (PAUSE, ""):
        spans.pop()
    return spans
