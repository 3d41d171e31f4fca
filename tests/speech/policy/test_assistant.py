"""What was typed becomes what the domain says, and a call of the policy is really run."""

import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jaxrl.cli import sound
from jaxrl.cli.commands import main
from jaxrl.speech.chat import Call, Turn
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.assistant import Answer, Assistant, spoken_form
from jaxrl.speech.policy.conversation import Conversation, Setting
from jaxrl.speech.speech_error import SpeechError


class Scripted(Assistant):
    """An assistant whose policy says what it is told to."""

    def __init__(self, *said: Turn, context: int = 320):
        self.said, self.heard = list(said), []
        policy: Any = SimpleNamespace(vocabulary=Vocabulary(4, 6), config=SimpleNamespace(context=context))
        self.policy = policy
        self.__dict__["voices"] = dict.fromkeys(("carl", "anna"))

    def say(self, turns: Sequence[Turn]) -> Answer:
        self.heard.append(list(turns))
        turn = self.said.pop(0)
        return Answer([turn], "".join(part for part in turn.content if isinstance(part, str)), None)


def assistant(*content) -> Turn:
    return Turn("assistant", content)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("Turn ON the lamp, please.", "turn on the lamp please"), ("what is 17 plus 5?", "what is seventeen plus five")],
)
def test_words_as_the_domain_says_them(typed, said):
    assert spoken_form(typed) == said


@pytest.mark.parametrize(
    "typed", ["(fast turn on", "fast) turn on", "((fast)) turn on", "turn (fast) on", "turn on (fast)", "(fast)) on"]
)
def test_a_tag_that_is_not_whole_or_not_at_the_head_is_refused(typed):
    conversation = Conversation(Scripted(), Setting())
    for line in (typed, f"say: {typed}"):
        with pytest.raises(SpeechError, match="brackets are only for tags"):
            conversation.turn(line, 0)


@pytest.mark.parametrize("typed", ["what is 17+25", "at 10:30", "3.5", "-5", "room2", "1000", "1²"])
def test_numbers_that_no_training_has_are_refused(typed):
    with pytest.raises(SpeechError, match="is too large to be spoken, or part of a word"):
        spoken_form(typed)


def test_calls_are_run_and_what_a_tool_raises_is_an_answer():
    made = Scripted(
        assistant(Call("calc 17+25")), assistant("forty two"), assistant(Call("bad")), assistant("i do not know")
    )
    conversation = Conversation(made, Setting())
    reply = conversation.turn("what is 17 plus 25", 0)
    assert (reply.text, reply.notes, reply.wave) == ("forty two", ["calc 17+25 -> 42"], None)
    assert made.heard[1][-1] == Turn("input", ("42",))

    def broken(words, clock):
        raise RuntimeError("out of order")

    found = made.answer(asking.to_answer("what"), 0, {"bad": broken})
    assert found.turns[1] == Turn("input", ("error: out of order",)) and found.text == "i do not know"


def test_endless_calls_and_bad_lines_are_one_sentence_and_change_nothing():
    made = Scripted(*[assistant(Call("clock"))] * 4, assistant("yes"), assistant("no"))
    conversation = Conversation(made, Setting("anna", "a robot"))
    for line, said in (
        ("what", "called tools 4 times"),
        ("(fats) hi", "no tag"),
        ("a.WAV", "there is no file"),
        ("\0.wav", "no wave"),
    ):
        with pytest.raises(SpeechError, match=said):
            conversation.turn(line, 0)
    conversation.turn("(fast)(high) hi", 0)
    assert made.heard[-1] == [
        Turn("system", ("voice anna. you are a robot",)),
        Turn("human", ("say: (fast)(high)hi",)),
    ]
    with pytest.raises(SpeechError, match="there is no voice 'zoe'; the voices are carl, anna"):
        Conversation(made, Setting("zoe"))


def test_what_is_read_out_belongs_to_no_dialogue():
    made = Scripted(*map(assistant, ("one", "two", "three", "four", "five")))
    conversation = Conversation(made, Setting())
    for line in ("what", "Say: hi", "speak up: hi", "Answer in text: why", "how"):
        conversation.turn(line, 0)
    first, read, loud, why, how = made.heard
    assert read == [Turn("human", ("say: hi",))]
    assert loud == [Turn("human", ("speak up: hi",))]
    assert why == [*first, assistant("one"), Turn("human", ("answer in text: why",))]
    assert how == [*why, assistant("four"), Turn("human", ("how",))]


def test_the_oldest_turns_make_room_and_it_is_said():
    made = Scripted(*[assistant("word " * 4)] * 4, context=260)
    conversation = Conversation(made, Setting())
    notes = [conversation.turn("what is the capital of france", 0).notes for _ in range(4)]
    assert notes[0] == [] and notes[-1] == ["1 of the oldest questions no longer fit and are left out"]
    assert made.heard[-1][0].role == "system" and made.heard[-1][1].role == "human"


def test_chat_refuses_what_is_no_text_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sound, "_assistant", lambda options: Scripted(assistant("yes")))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"(\xff) hi\nwhat\n"), "utf-8"))
    assert main(["chat", "talker"]) == 1
    told = capsys.readouterr()
    assert told.out == "yes\n" and "there is no tag" in told.err and told.err.count("\n") == 1
    monkeypatch.setattr("sys.stdin", None)  # as with `<&-`
    assert main(["chat", "talker"]) == 0


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1" * 30, "x"])
def test_seeds_have_bounds(seed, capsys):
    assert main(["listen", "talker", "a.wav", "--seed", seed]) == 2
    assert "--seed: must be" in capsys.readouterr().err
