"""Tags at the head of a text, each defined by what can be measured in the wave: `(fast)(scottish) turn the lamp on`.

A tag changes attributes of the reading; the neutral reading of the same text by the same voice is what it is measured
against. Step-Audio puts tags in round brackets at the head of the text (P); the list and its numbers are ours (O).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from jaxrl.errors import nearest
from jaxrl.speech.speech_error import SpeechError


@dataclass(frozen=True)
class Style:
    """How a text is read, in numbers; the defaults are the neutral reading.

    Args:
        rate: speed relative to the neutral reading, so that its duration is divided by it.
        pitch: shift of the median F0 in semitones.
        spread: standard deviation of F0 in semitones; None leaves the voice's own.
        loudness: level in dB relative to the neutral one.
        whisper: without voicing.
        accent: name of an accent; empty for the voice's own.
        notes: MIDI numbers, one a syllable, repeated while syllables are left; empty for speech.
        bpm: beats a minute of a rap, two syllables a beat; 0 for speech.
    """

    rate: float = 1.0
    pitch: float = 0.0
    spread: float | None = None
    loudness: float = 0.0
    whisper: bool = False
    accent: str = ""
    notes: tuple[int, ...] = ()
    bpm: int = 0


@dataclass(frozen=True)
class Band:
    """What must be heard: `attribute` within [low, high], measured as `measures.py` says.

    `rate` is a ratio to the neutral reading, `pitch` semitones and `loudness` dB away from it, `spread` semitones,
    `voicing` the share of the neutral reading's voiced frames, `notes` the share of voiced frames within 50 cents,
    `beats` the share of syllables within 60 ms of the grid.
    """

    attribute: str
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a measured value is right."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Tag:
    """One tag: what it sets, what must be heard, and how people say it.

    Args:
        sets: fields of `Style`.
        bands: what must be heard.
        sentences: the same as a plain sentence, for training.
        held_out: sentences that training never sees.
    """

    sets: Mapping[str, float | bool | str]
    bands: tuple[Band, ...]
    sentences: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


FAST, SLOW = Band("rate", 1.15, 1.6), Band("rate", 0.6, 0.88)
HIGH, LOW = Band("pitch", 2.0, 7.0), Band("pitch", -7.0, -2.0)
LOUD, SOFT = Band("loudness", 3.0, 10.0), Band("loudness", -13.0, -4.0)
MONOTONE, LIVELY = Band("spread", 0.0, 0.8), Band("spread", 2.4, 8.0)

TAGS: Mapping[str, Tag] = {
    "fast": Tag(
        {"rate": 1.35},
        (FAST,),
        ("say it faster than usual", "speak quickly", "read it at a high speed", "hurry up", "say it fast"),
        ("be quick about it", "speak faster"),
    ),
    "slow": Tag(
        {"rate": 0.75},
        (SLOW,),
        ("say it slower than usual", "speak slowly", "read it at a low speed", "take your time", "say it slow"),
        ("do not rush it", "speak slower"),
    ),
    "high": Tag(
        {"pitch": 4.0},
        (HIGH,),
        ("say it in a high voice", "speak higher", "raise your pitch", "use a higher tone", "read it high"),
        ("make your voice higher", "go up with your voice"),
    ),
    "low": Tag(
        {"pitch": -4.0},
        (LOW,),
        ("say it in a low voice", "speak deeper", "lower your pitch", "use a deeper tone", "read it low"),
        ("make your voice deeper", "go down with your voice"),
    ),
    "loud": Tag(
        {"loudness": 6.0},
        (LOUD,),
        ("say it loudly", "speak up", "raise your volume", "read it out loud", "say it with force"),
        ("be louder", "turn the volume up"),
    ),
    "soft": Tag(
        {"loudness": -8.0},
        (SOFT,),
        ("say it softly", "speak quietly", "lower your volume", "read it in a quiet voice", "say it gently"),
        ("be quieter", "turn the volume down"),
    ),
    "monotone": Tag(
        {"spread": 0.2},
        (MONOTONE,),
        ("say it flat", "speak like a robot", "keep one tone", "read it without melody", "say it in a monotone"),
        ("do not change your pitch", "sound like a machine"),
    ),
    "lively": Tag(
        {"spread": 3.5},
        (LIVELY,),
        ("say it with life", "speak with a lot of melody", "sound excited", "read it in a lively way", "be animated"),
        ("put some energy in your tone", "vary your pitch a lot"),
    ),
    "whisper": Tag(
        {"whisper": True},
        (Band("voicing", 0.0, 0.3),),
        ("whisper it", "say it under your breath", "speak in a whisper", "read it without your voice", "hush"),
        ("tell it like a secret", "do it in a whisper"),
    ),
    "scottish": Tag({"accent": "scottish"}, (), ("say it like a scot", "use a scottish accent"), ("sound scottish",)),
    "british": Tag({"accent": "british"}, (), ("say it like a brit", "use a british accent"), ("sound british",)),
    "caribbean": Tag(
        {"accent": "caribbean"}, (), ("say it like an islander", "use a caribbean accent"), ("sound caribbean",)
    ),
    "new york": Tag(
        {"accent": "new york"}, (), ("say it like a new yorker", "use a new york accent"), ("sound like new york",)
    ),
    "happy": Tag(
        {"pitch": 3.0, "spread": 3.5, "rate": 1.2},
        (Band("pitch", 1.5, 7.0), LIVELY, Band("rate", 1.08, 1.5)),
        ("say it happily", "sound glad", "be cheerful", "read it with joy", "say it with a smile"),
        ("sound like you are happy", "be in a good mood"),
    ),
    "sad": Tag(
        {"pitch": -3.0, "rate": 0.8, "loudness": -6.0},
        (Band("pitch", -7.0, -1.5), Band("rate", 0.6, 0.92), Band("loudness", -13.0, -3.0)),
        ("say it sadly", "sound unhappy", "be gloomy", "read it with sorrow", "say it in tears"),
        ("sound like you are sad", "be in a bad mood"),
    ),
    "angry": Tag(
        {"loudness": 6.0, "rate": 1.2, "spread": 0.6},
        (LOUD, Band("rate", 1.08, 1.5), Band("spread", 0.0, 1.3)),
        ("say it angrily", "sound mad", "be furious", "read it in a rage", "shout it"),
        ("sound like you are angry", "lose your temper"),
    ),
}
# Tags that take a value: the token opens the bracket, the value follows in characters, `)` closes it.
SING, RAP = "(sing:", "(rap "
TAG_TOKENS = (*(f"({name})" for name in TAGS), SING, RAP)
NOTES_BAND, BEATS_BAND = Band("notes", 0.85, 1.0), Band("beats", 0.8, 1.0)

_SEMITONE: Mapping[str, int] = MappingProxyType({"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11})
_HEAD = re.compile(r"\s*\(([^()]*)\)")


@dataclass(frozen=True)
class Tagged:
    """A text without its tags: how it is to be read, and the names of the tags as they stood."""

    text: str
    style: Style = field(default_factory=Style)
    names: tuple[str, ...] = ()


def parse_tagged(text: str) -> Tagged:
    """Split the tags from the head of `text`.

    Raises:
        SpeechError: an unknown tag, two tags for one attribute, a note or a number of beats that cannot be.
    """
    sets: dict[str, float | bool | str | tuple[int, ...]] = {}
    names: list[str] = []
    rest = text
    while match := _HEAD.match(rest):
        name = " ".join(match.group(1).lower().split())
        for attribute, value in tag_settings(name).items():
            if attribute in sets:
                first = next(one for one in names if attribute in tag_settings(one))
                raise SpeechError(
                    f"the tag ({name}) sets {attribute}, which ({first}) before it has set; leave one out"
                )
            sets[attribute] = value
        names.append(name)
        rest = rest[match.end() :]
    if "notes" in sets and sets.keys() & {"bpm", "rate", "pitch", "spread", "whisper"}:
        raise SpeechError("(sing: ...) sets rate and pitch itself; leave the other tags of pitch, rate and whisper out")
    if "bpm" in sets and "rate" in sets:
        raise SpeechError("(rap ...) sets the rate itself; leave the other tag of rate out")
    return Tagged(rest.strip(), Style(**sets), tuple(names))  # pyright: ignore[reportArgumentType]


def only_tags(text: str) -> bool:
    """Whether nothing but what looks like tags stands in a text."""
    return not re.sub(_HEAD, "", text).strip()


def tag_settings(name: str) -> Mapping[str, float | bool | str | tuple[int, ...]]:
    """The fields of `Style` that one tag, without its brackets, sets."""
    if name in TAGS:
        return TAGS[name].sets
    if name.startswith("sing:"):
        return {"notes": tuple(map(parse_note, name.removeprefix("sing:").split())) or _no_notes()}
    if match := re.fullmatch(r"rap (\d+)", name):
        if not 60 <= int(match.group(1)) <= 160:
            raise SpeechError(f"({name}) must have 60 to 160 beats a minute")
        return {"bpm": int(match.group(1))}
    known = [*TAGS, "sing: c4 e4", "rap 120"]
    near = nearest(name, known)
    raise SpeechError(f"there is no tag ({name}); the nearest is ({near}), and all are {', '.join(known)}")


def parse_note(name: str) -> int:
    """MIDI number of a note such as C4 (60) or F#3; raises `SpeechError` outside C2 to C6, which no voice can sing."""
    match = re.fullmatch(r"([a-g])(#?)([2-6])", name.lower())
    number = 12 * (int(match.group(3)) + 1) + _SEMITONE[match.group(1)] + len(match.group(2)) if match else 0
    if not 36 <= number <= 84:
        raise SpeechError(f"there is no note {name!r} to sing; write C2 to C6, such as c4 or f#3")
    return number


def note_frequency(number: float) -> float:
    """Frequency in Hz of a MIDI number; 69 is 440 Hz."""
    return 440.0 * 2.0 ** ((number - 69.0) / 12.0)


def style_of(names: Sequence[str]) -> Style:
    """What tags without brackets make of the neutral reading; raises `SpeechError` like `parse_tagged`."""
    return parse_tagged("".join(f"({name})" for name in names)).style


def bands_of(names: Sequence[str]) -> tuple[Band, ...]:
    """All that must be heard under these tags."""
    bands: list[Band] = []
    for name in names:
        own = (
            (NOTES_BAND,)
            if name.startswith("sing:")
            else (BEATS_BAND,)
            if name.startswith("rap ")
            else TAGS[name].bands
        )
        bands += own
    return tuple(bands)


def _no_notes() -> tuple[int, ...]:
    raise SpeechError("(sing: ...) needs notes, such as (sing: c4 e4 g4 c4)")
