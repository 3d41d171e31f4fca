"""Dialogues to streams and back; whose tokens are learnt."""

import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.chat import Call, Speech, Turn, assistant_mask, cloning, encode_dialogue, encode_prompt, parse
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.speech_error import SpeechError

VOCABULARY = Vocabulary(5, 9)
HELLO = Speech((1, 2, 3, 4), (0, 1, 2, 3, 4, 5))


def some_turn(rng: np.random.Generator) -> Turn:
    """Any turn: text, speech and calls in any order, no two texts in a row."""
    parts = [("(fast)turn on 7", HELLO, Call("calc 1+2"))[rng.integers(3)] for _ in range(rng.integers(4))]
    alone = [
        part for i, part in enumerate(parts) if not (isinstance(part, str) and i and isinstance(parts[i - 1], str))
    ]
    if Call("calc 1+2") in alone:  # nothing follows a call
        alone = alone[: alone.index(Call("calc 1+2")) + 1]
    return Turn(ids.ROLES[rng.integers(4)], tuple(alone))


def test_any_dialogue_comes_back():
    rng = np.random.default_rng(0)
    for _ in range(100):
        turns = [some_turn(rng) for _ in range(rng.integers(1, 5))]
        assert parse([*encode_dialogue(turns, VOCABULARY), ids.PAD], VOCABULARY) == (turns, True)


def test_what_was_cut_off_is_left_out_whole():
    whole = encode_dialogue([Turn("assistant", ("hi", HELLO))], VOCABULARY)
    (turn,), done = parse(whole[:-4], VOCABULARY)  # without the last two codes and both brackets
    assert turn == Turn("assistant", ("hi", Speech((1, 2), (0, 1, 2)))) and not done
    called = encode_dialogue([Turn("assistant", (Call("calc 1+2"),))], VOCABULARY)
    assert parse(called[:-2], VOCABULARY) == ([Turn("assistant", ())], False)


def test_the_mask_covers_what_the_assistant_says_and_its_end():
    turns = [Turn("human", ("ab",)), Turn("assistant", ("c", HELLO)), Turn("input", ("d",)), Turn("assistant", ())]
    stream = encode_dialogue(turns, VOCABULARY)
    said = [VOCABULARY.piece(token) for token in np.asarray(stream)[assistant_mask(stream)]]
    assert said[:2] == ["c", "<audio>"] and said[-3:] == ["</audio>", "<eot>", "<eot>"] and len(said) == 15


def test_cloning_is_a_dialogue_that_ends_with_the_wanted_text():
    prompt = encode_prompt(cloning("hello", HELLO, "turn on"), VOCABULARY, 200)
    assert VOCABULARY.decode(prompt).endswith("<eot><bot><human>turn on<eot><bot><assistant>")
    assert not assistant_mask(prompt)[-1] and assistant_mask([*prompt, ids.AUDIO])[-1]


def test_prompts_that_are_too_long_and_malformed_turns_are_one_sentence():
    with pytest.raises(SpeechError, match="must have fewer than 10"):
        encode_prompt([Turn("human", ("a long text",))], VOCABULARY, 10)
    with pytest.raises(SpeechError, match="no role 'robot'"):
        encode_dialogue([Turn("robot", ())], VOCABULARY)
    with pytest.raises(SpeechError, match="one role"):
        parse([ids.BOT, ids.ROLE_IDS[0], ids.ROLE_IDS[1], ids.EOT], VOCABULARY)
