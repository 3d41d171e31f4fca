"""The filter: an utterance stays where the recogniser hears its text and the meters hear what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jaxrl.speech.engine.scripts import corpus, vocabulary
from jaxrl.speech.sound.judges import Recogniser, word_errors
from jaxrl.speech.tags import bands_of, style_of

# The recogniser is American and never heard anybody sing: there a word in four may be missed.
MAX_WER, MAX_WER_STRANGE = 0.1, 0.25
RATE_TOLERANCE, PITCH_TOLERANCE = 0.05, 0.03  # shares
HEARD = 12_000  # sentences from which the judge knows the domain
OFTEN = 60  # times that it is told each of some more sentences


def domain_judge(more: Iterable[str] = ()) -> Recogniser:
    """The recogniser that filters the data, and judges all that is spoken after it.

    Args:
        more: sentences that may be heard beside those of the domain, such as the meanings in the dictionary.
    """
    told = list(more)
    words = sorted({*vocabulary(), *(word for text in told for word in text.split())})
    return Recogniser([*corpus(HEARD), *told * OFTEN], words)


def objection(text: str, tags: Sequence[str], measured: Mapping[str, float], heard: str) -> str:
    """Why an utterance is not taken, in one or two words; empty where it is."""
    errors, words = word_errors(text, heard)
    style = style_of(tags)
    if errors > (MAX_WER_STRANGE if style.accent or style.notes else MAX_WER) * words:
        return "words"
    if not (style.notes or style.bpm):
        if abs(measured["relative_rate"] / style.rate - 1) > RATE_TOLERANCE:
            return "rate"
        if not style.whisper and abs(2 ** ((measured["relative_pitch"] - style.pitch) / 12) - 1) > PITCH_TOLERANCE:
            return "pitch"
    for band in bands_of(tags):
        if not band.holds(measured.get(f"relative_{band.attribute}", measured.get(band.attribute, 0.0))):
            return band.attribute
    return ""
