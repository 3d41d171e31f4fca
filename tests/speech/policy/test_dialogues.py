"""Every task's dialogues are streams of the grammar; calls are those that really answer, and roles keep their rule."""

import numpy as np
import pytest

from jaxrl.speech.chat import Call, Speech, encode_dialogue, parse
from jaxrl.speech.engine.scripts import draw
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.dialogues import TASKS, draw_dialogue
from jaxrl.speech.policy.library import Library, phones_of
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tools import TOOLS, run_tool

VOCABULARY = Vocabulary(4, 6)


def made_up_library(count: int = 60) -> Library:
    """Utterances of all kinds with codes that nobody said; the second of two has a tag."""
    rng, items, speech = np.random.default_rng(0), [], []
    tags = [persona.tag for persona in asking.PERSONAS.values() if persona.tag] + ["sing: c3 e3", "fast"]
    for index in range(count):
        script = draw(rng)
        said = [(script.text, script.answer, "anna", (tags[index % len(tags)],) if index % 2 else ())]
        said += [(script.answer, "", "carl", ())] if script.answer else []
        for text, answer, voice, own in said:
            blocks = int(rng.integers(1, 4))
            codes = (tuple(rng.integers(size, size=n * blocks).tolist()) for size, n in ((4, 2), (6, 3)))
            speech.append(Speech(*codes))
            items.append(Item(str(index), "train", script.kind, text, answer, (), voice, own, "", 0, {}, {}, "", 0, 0))
    return Library(items, speech, "train")


LIBRARY = made_up_library()


def test_each_code_has_the_phone_of_its_middle():
    """Two blocks: 0.03, 0.09 s linguistic, 0.02, 0.06, 0.10 s semantic in the first; a quarter of a block is 30 ms."""
    phones = (("k", 0.05), ("a", 0.125), ("t", 0.2))
    one = Item("0", "train", "home", "cat", "", phones, "anna", (), "", 0, {}, {}, "", 0, 0)
    speech, classes = Speech((0,) * 4, (0,) * 6), {"k": 1, "a": 2, "t": 3}
    assert phones_of(one, speech, classes) == [1, 2, 1, 2, 2, 3, 0, 3, 3, 0]
    assert phones_of(one, speech, classes, 0.25) == [1, 2, 0, 1, 2, 2, 3, 2, 3, 3]
    later = (Speech((1,) * 4, (0,) * 6), Speech((2,) * 4, (0,) * 6), Speech((3,) * 4, (0,) * 6))
    library = Library([one], [speech], "train", [later])
    assert set(library.phones) == {speech, *later} and library.phones[speech] == phones_of(one, speech, classes)


@pytest.mark.parametrize("task", TASKS)
def test_dialogues_parse_back(task):
    rng, lengths = np.random.default_rng(1), set()
    for _ in range(30):
        turns = draw_dialogue(rng, LIBRARY, [task])
        parsed, ended = parse(encode_dialogue(turns, VOCABULARY), VOCABULARY)
        merged = [turn._replace(content=tuple(part for part in turn.content if part)) for turn in turns]
        assert ended and parsed == merged and turns[-1].role == "assistant"
        lengths.add(len(turns))
    assert task != "tools" or len(lengths) > 1


def test_tools_are_called_where_they_answer_and_what_they_say_is_what_they_said():
    rng, calls, answers = np.random.default_rng(2), 0, 0
    for _ in range(200):
        turns = draw_dialogue(rng, LIBRARY, ["tools"])
        at_hand = str(turns[0].content[0]).split()[1:] if turns[0].role == "system" else []
        asked = next(turn for turn in turns if turn.role == "human").content[-1]
        made = [part for turn in turns for part in turn.content if isinstance(part, Call)]
        calls += len(made)
        if isinstance(asked, str):
            wanted = asking.call_for(asked.removeprefix(asking.IN_TEXT).removeprefix(asking.IN_SPEECH))
            assert bool(made) == (wanted is not None and wanted.text.split()[0] in at_hand)
            assert not made or made == [wanted]
        if made:
            told = str(next(turn for turn in turns if turn.role == "input").content[0])
            assert made[0].text.startswith("clock") or told == run_tool(made[0], 0)
            answers += told.startswith("error")
    assert calls > 60 and answers > 3


def test_what_calls_are_for():
    assert asking.call_for("how much is seventeen plus twenty five") == Call("calc 17+25")
    assert asking.call_for("what is nine times four") == Call("calc 9*4")
    assert asking.call_for("what does lamp mean") == Call("define lamp")
    assert asking.call_for("what time is it") == Call("clock")
    for text in ("what is the capital of france", "turn on the lamp", "spell sun"):
        assert asking.call_for(text) is None
    assert asking.needs(Call("calc 1+1"), tuple(TOOLS)) and not asking.needs(Call("calc 1+1"), ("clock",))


def test_all_codings_of_a_wave_are_heard():
    one = LIBRARY.all[0]
    library = Library([], [], "train")
    library.add(one._replace(later=(Speech((3, 3), (5, 5, 5)),)))
    rng = np.random.default_rng(0)
    heard = {draw_dialogue(rng, library, ["tts"])[-1].content[0] for _ in range(20)}
    assert heard == {one.speech, Speech((3, 3), (5, 5, 5))}


def test_a_library_that_lacks_much_still_speaks_and_an_empty_one_is_one_sentence():
    rng = np.random.default_rng(0)
    small = made_up_library(1)
    for task in TASKS:
        assert draw_dialogue(rng, small, [task])
    with pytest.raises(SpeechError, match="a split has no utterance"):
        draw_dialogue(rng, Library([], [], "train"))
