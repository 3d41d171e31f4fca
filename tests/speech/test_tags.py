"""Tags are split from a text, mean numbers, and refuse what contradicts itself."""

import pytest

from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import (
    TAGS,
    Band,
    Style,
    bands_of,
    note_frequency,
    parse_note,
    parse_tagged,
)


def test_tags_are_split_from_the_head():
    tagged = parse_tagged("(fast)( New  York ) turn the lamp on (now)")
    assert tagged.text == "turn the lamp on (now)" and tagged.names == ("fast", "new york")
    assert tagged.style == Style(rate=1.35, accent="new york")
    assert parse_tagged("hello").style == Style()


def test_notes_and_beats_have_values():
    assert parse_tagged("(sing: C4 e4 F#4) la").style.notes == (60, 64, 66)
    assert parse_tagged("(rap 120)(high) yo").style == Style(bpm=120, pitch=4.0)
    assert note_frequency(parse_note("a4")) == 440.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(fats) a", "the nearest is \\(fast\\)"),
        ("(fast)(slow) a", "sets rate"),
        ("(happy)(high) a", "sets pitch"),
        ("(fast)(high)(slow) a", r"\(slow\) sets rate, which \(fast\) before it"),
        ("(sing: h4) a", "no note 'h4'"),
        ("(sing:) a", "needs notes"),
        ("(sing: c9) a", "no note"),
        ("(rap 300) a", "60 to 160"),
        ("(sing: c4)(fast) a", "leave the other tags"),
        ("(rap 90)(slow) a", "sets the rate itself"),
    ],
)
def test_tags_that_cannot_be_are_one_sentence(text, said):
    with pytest.raises(SpeechError, match=said):
        parse_tagged(text)


def test_the_number_of_every_tag_lies_within_its_own_band():
    for name, tag in TAGS.items():
        style = Style(**tag.sets)
        for band in tag.bands:
            value = 0.0 if band.attribute == "voicing" else getattr(style, band.attribute)
            assert band.holds(value), f"({name}) sets {band.attribute} to {value}, which is not within its band"
            neutral = {"rate": 1.0, "voicing": 1.0, "spread": 1.9}.get(band.attribute, 0.0)
            assert not band.holds(neutral), f"a neutral reading is right under ({name})"


def test_no_sentence_means_two_tags_and_held_out_ones_are_not_trained_on():
    sentences = [sentence for tag in TAGS.values() for sentence in (*tag.sentences, *tag.held_out)]
    assert len(sentences) == len(set(sentences)) and all(tag.sentences and tag.held_out for tag in TAGS.values())


def test_bands_of_several_tags_are_all_of_theirs():
    assert [band.attribute for band in bands_of(["fast", "sing: c4", "rap 90"])] == ["rate", "notes", "beats"]
    assert bands_of(["scottish"]) == () and Band("rate", 1, 2).holds(2)
