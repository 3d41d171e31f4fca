"""Every task's dialogues are streams of the grammar; calls are those that really answer, and roles keep their rule."""

from itertools import pairwise

import numpy as np
import pytest

from jaxrl.speech.chat import Call, Speech, encode_dialogue, parse
from jaxrl.speech.engine.phrasings import KINDS
from jaxrl.speech.engine.scripts import draw, number_words
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.dialogues import STRANGE, TASKS, draw_dialogue
from jaxrl.speech.policy.library import Library, phones_of
from jaxrl.speech.sound.throats import sooner
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tools import TOOLS, run_tool

VOCABULARY = Vocabulary(4, 6)


def made_up(count: int = 60) -> tuple[list[Item], list[Speech]]:
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
    return items, speech


ITEMS, SPEECH = made_up()
LIBRARY = Library(ITEMS, SPEECH, "train")


def test_each_code_has_the_phone_of_its_middle():
    """Two blocks: 0.03, 0.09 s linguistic, 0.02, 0.06, 0.10 s semantic in the first; a quarter of a block is 30 ms."""
    phones = (("k", 0.05), ("a", 0.125), ("t", 0.2))
    one = Item("0", "train", "home", "cat", "", phones, "anna", (), "", 0, {}, {}, "", 0, 0)
    speech, classes = Speech((0,) * 4, (0,) * 6), {"k": 1, "a": 2, "t": 3}
    assert phones_of(phones, speech, classes) == [1, 2, 1, 2, 2, 3, 0, 3, 3, 0]
    assert phones_of(phones, speech, classes, 0.25) == [1, 2, 0, 1, 2, 2, 3, 2, 3, 3]
    assert phones_of(sooner(phones, 0.4), speech, classes) == [1] * 5 + [2] * 5
    later = (Speech((1,) * 4, (0,) * 6), Speech((2,) * 4, (0,) * 6), Speech((3,) * 4, (0,) * 6))
    library = Library([one], [speech], "train", [later])
    assert set(library.phones) == {speech, *later} and library.phones[speech] == phones_of(phones, speech, classes)


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
        for human, answer, told in zip(turns, turns[1:], [*turns[2:], None], strict=False):
            if human.role != "human":
                continue
            asked, made = human.content[-1], [part for part in answer.content if isinstance(part, Call)]
            calls += len(made)
            if isinstance(asked, str):
                wanted = asking.call_for(asked.removeprefix(asking.IN_TEXT).removeprefix(asking.IN_SPEECH))
                assert len(answer.content) == 1 or not made  # a typed question is not repeated
                assert bool(made) == (wanted is not None and wanted.text.split()[0] in at_hand)
                assert not made or made == [wanted]
            if made:
                assert told and told.role == "input"
                said = str(told.content[0])
                assert made[0].text.startswith("clock") or said == run_tool(made[0], 0)
                answers += said.startswith("error")
    assert calls > 60 and answers > 3


def test_what_nobody_can_know_is_no_reason_for_a_call():
    rng, unknown = np.random.default_rng(4), 0
    for _ in range(200):
        turns = draw_dialogue(rng, LIBRARY, ["tools"])
        for human, answer in pairwise(turns):
            asked = str(human.content[-1])
            if human.role == "human" and "capital of" in asked and asked.split()[-1] in STRANGE:
                assert answer.content == (asking.UNKNOWN,)
                unknown += 1
    assert unknown > 3


def test_a_spoken_question_is_written_down_before_it_is_answered_and_the_answer_is_what_follows():
    rng, texts = np.random.default_rng(6), {one.speech: one.text for one in LIBRARY.questions}
    for task in ("questions", "tools", "personas"):
        repeated = 0
        for _ in range(150):
            for human, answer in pairwise(draw_dialogue(rng, LIBRARY, [task])):
                asked, first = human.content[-1] if human.role == "human" else "", answer.content[0]
                assert isinstance(asked, Speech) or asking.HEARD not in str(first)
                if isinstance(asked, Speech) and isinstance(
                    first, str
                ):  # nothing is written where speech alone is wanted
                    assert first.startswith(texts[asked] + asking.HEARD)
                    assert asking.HEARD not in asking.written(answer) and asking.written(answer) in first
                    repeated += 1
        assert repeated > 20, task


def test_what_a_sentence_or_a_role_means_is_written_before_it_is_spoken():
    rng, seen = np.random.default_rng(7), set()
    by_speech = {one.speech: one for one in LIBRARY.tagged}
    for _ in range(200):
        for task in ("control", "personas"):
            *_, human, answer = draw_dialogue(rng, LIBRARY, [task])
            if isinstance(answer.content[-1], Speech) and not str(human.content[0]).startswith(f"{asking.SAY}("):
                tags, speech = answer.content
                assert isinstance(speech, Speech) and tags == asking.under(by_speech[speech].tags)
                seen.add((task, tags))
    assert {("control", "(fast)"), ("personas", "(monotone)"), ("personas", "(slow)")} <= seen


def test_a_line_of_text_asks_for_a_sum_or_for_what_a_sentence_means():
    rng, seen = np.random.default_rng(8), set()
    for _ in range(100):
        human, answer = draw_dialogue(rng, LIBRARY, ["sums"])
        call = asking.call_for(str(human.content[0]).removeprefix(asking.IN_TEXT))
        assert call and answer.content == (number_words(int(run_tool(call, 0))),)
        *_, human, answer = draw_dialogue(rng, LIBRARY, ["naming"])
        if not isinstance(answer.content[-1], Speech):  # of notes and beats there are no sentences
            sentence = str(human.content[0]).removeprefix(asking.IN_TEXT).partition(": ")[0]
            tag = str(answer.content[0]).strip("()")
            assert any(sentence in kind(tag) for kind, _ in KINDS)
            seen.add(tag)
    assert {"fast", "slow"} <= seen


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


def test_other_throats_are_listened_to_and_cloned_and_never_the_assistants_own():
    """Two sentences at two speeds: a clone has the speed of its prompt."""
    items = [item for item in ITEMS if not item.tags and item.voice == "anna"][:2]
    own = [Speech((number,) * 2, (0,) * 3) for number in range(2)]
    throats = [{0.8: Speech((number,) * 2, (1,) * 3), 1.25: Speech((number,) * 2, (2,) * 3)} for number in range(2)]
    library, rng = Library(items, own, "train", throats=throats), np.random.default_rng(0)
    spoken = {
        task: [[part for turn in draw_dialogue(rng, library, [task]) for part in turn.content] for _ in range(60)]
        for task in ("tts", "asr", "cloning")
    }
    speeds = {
        task: [tuple(part.semantic[0] for part in told if isinstance(part, Speech)) for told in some]
        for task, some in spoken.items()
    }
    assert set(speeds["tts"]) == {(0,)} and set(speeds["asr"]) == {(0,), (1,), (2,)}
    assert set(speeds["cloning"]) == {(0, 0), (1, 1), (2, 2)}


def test_a_second_course_has_more_of_what_the_first_has_little_of():
    for second, most in ((False, "tts"), (True, "tools")):
        rng = np.random.default_rng(0)
        drawn = [draw_dialogue(rng, LIBRARY, ["tts", "tools"], second) for _ in range(200)]
        called = sum(any(str(part).startswith("say: ") for turn in turns for part in turn.content) for turns in drawn)
        assert (called > 150) == (most == "tts")
    for shares in ([task.first for task in TASKS.values()], [task.second for task in TASKS.values()]):
        assert abs(sum(shares) - 1) < 1e-9


def test_a_library_that_lacks_much_still_speaks_and_an_empty_one_is_one_sentence():
    rng = np.random.default_rng(0)
    small = Library(*made_up(1), "train")
    for task in TASKS:
        assert draw_dialogue(rng, small, [task])
    with pytest.raises(SpeechError, match="a split has no utterance"):
        draw_dialogue(rng, Library([], [], "train"))
