"""Voices of the quick start: variants of espeak-ng and formant warps of them by WORLD; whole voices are held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """One voice.

    Args:
        variant: timbre of espeak-ng.
        warp: every formant at this multiple of its frequency; 1 leaves WORLD out.
        pitch: neutral setting of espeak-ng.
        split: of the items that it reads.
    """

    variant: str
    warp: float = 1.0
    pitch: int = 50
    split: str = "train"


VOICES: Mapping[str, Voice] = {
    "anna": Voice("f2"),
    "ben": Voice("m3"),
    "carl": Voice(""),
    "dora": Voice("f5"),
    "emil": Voice("m6"),
    "fred": Voice("m5"),
    "gina": Voice("klatt2", pitch=75),
    "hans": Voice("klatt3"),
    "ida": Voice("klatt", pitch=40, split="valid"),
    "jack": Voice("klatt4", warp=0.9, pitch=30, split="test"),
    "kate": Voice("f2", warp=0.93, split="test"),
}
ASSISTANT = "carl"  # whose voice the assistant answers in where nothing else is asked for
# Pairs of a style and a voice that training never sees together, though it sees both.
HELD_OUT_PAIRS = frozenset(
    {("whisper", "ben"), ("high", "emil"), ("slow", "anna"), ("lively", "dora"), ("sad", "hans")}
)
