"""Packed dialogues are whole, apart, and only the assistant's tokens count."""

import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.chat import Call, Speech, Turn, encode_dialogue
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import ENDED, phases
from jaxrl.speech.policy.row_packing import fill, pack
from jaxrl.speech.speech_error import SpeechError

VOCABULARY = Vocabulary(4, 6)
SPOKEN = Speech((0, 1), (2, 3, 4))
TURNS = [
    [Turn("human", ("say: hi",)), Turn("assistant", (SPOKEN,))],
    [Turn("human", ("write: ", SPOKEN)), Turn("assistant", ("hi",))],
    [
        Turn("human", ("what is one plus two",)),
        Turn("assistant", (Call("calc 1+2"),)),
        Turn("input", ("3",)),
        Turn("assistant", ("three", SPOKEN)),
    ],
]


def test_rows_hold_whole_dialogues_and_count_what_the_assistant_says():
    streams = [encode_dialogue(turns, VOCABULARY) for turns in TURNS]
    rows = pack([*streams, *streams], 3, 70, VOCABULARY)
    found = []
    for row in range(3):
        for number in range(1, rows.segments[row].max() + 1):
            here = rows.segments[row] == number
            stream = rows.tokens[row][here].tolist()
            found.append(stream)
            np.testing.assert_array_equal(rows.phases[row][here], phases(stream, VOCABULARY)[:-1])
            counted = VOCABULARY.decode(np.array(stream)[rows.counted[row][here]].tolist())
            said = [turn.content for turn in TURNS[streams.index(stream)] if turn.role == "assistant"]
            assert counted == "".join(
                VOCABULARY.decode(encode_dialogue([Turn("assistant", content)], VOCABULARY)[2:]) for content in said
            )
    assert len(found) >= 5 and all(stream in streams for stream in found)
    padding = rows.segments == 0
    assert (rows.tokens[padding] == ids.PAD).all() and (rows.phases[padding] == ENDED).all()
    assert not rows.counted[padding].any()


def test_phones_stand_at_the_codes_of_the_speech_that_they_are_of():
    phones = {SPOKEN: [7, 7, 8, 9, 9]}
    rows = fill(lambda: TURNS[1], 1, 60, VOCABULARY, phones)
    codes = rows.tokens >= VOCABULARY.first_linguistic
    assert rows.phones[codes].tolist() == phones[SPOKEN] * int(rows.segments.max())
    assert (rows.phones[~codes] == -1).all()
    assert (fill(lambda: TURNS[1], 1, 60, VOCABULARY).phones == -1).all()


def test_drawn_rows_are_nearly_full_and_long_dialogues_lose_their_last_turns():
    rng = np.random.default_rng(0)
    rows = fill(lambda: TURNS[int(rng.integers(3))], 4, 120, VOCABULARY)
    assert (rows.segments > 0).mean() > 0.8
    long = [turn for _ in range(5) for turn in TURNS[0]]
    rows = fill(lambda: long, 2, 60, VOCABULARY)
    length = len(encode_dialogue(TURNS[0], VOCABULARY))
    assert ((rows.segments > 0).sum(axis=1) % length == 0).all() and (rows.segments > 0).sum(axis=1).min() >= length
    with pytest.raises(SpeechError, match=r"fits into 9 tokens; raise policy.context"):
        fill(lambda: TURNS[0], 2, 9, VOCABULARY)
