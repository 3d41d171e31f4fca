"""What a policy can do, measured on unseen sentences: speaking, writing, answering, calling; and whether it parses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.chat import Call, Speech, Turn, encode_prompt, parse
from jaxrl.speech.engine.scripts import draw_of
from jaxrl.speech.engine.voices import VOICES
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.at_hand import Policy
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.sound.judges import Recogniser, error_rate
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tools import TOOLS

BATCH = 32


class Said(NamedTuple):
    """The assistant's turn after a prompt, and whether it came to its end."""

    turn: Turn
    ended: bool

    @property
    def text(self) -> str:
        """What is written in it, see `asking.written`."""
        return asking.written(self.turn)

    @property
    def speech(self) -> Speech | None:
        """What is spoken in it, if anything is."""
        return next((part for part in self.turn.content if isinstance(part, Speech) and part.linguistic), None)

    @property
    def call(self) -> str:
        """The call in it, or nothing."""
        return next((part.text for part in self.turn.content if isinstance(part, Call)), "")


def ask(
    policy: Policy, dialogues: Sequence[Sequence[Turn]], temperature: float | None = None, seed: int = 0
) -> list[Said]:
    """Answers to dialogues, in batches of about one length, since a long prompt leaves all of its batch little room.

    Raises:
        SpeechError: an answer does not parse, which the grammar rules out.
    """
    prompts = [encode_prompt(turns, policy.vocabulary, policy.config.context) for turns in dialogues]
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    said: dict[int, Said] = {}
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        padded = [prompts[place] for place in [*part, *[part[-1]] * (BATCH - len(part))]]  # one size is compiled
        tokens = policy.answer(padded, jax.random.fold_in(jax.random.key(seed), start), temperature)
        for place, answer in zip(part, tokens, strict=False):
            turns, _ = parse([*prompts[place], *answer], policy.vocabulary)
            said[place] = Said(turns[-1], answer[-1:] == [ids.EOT])
    return [said[place] for place in range(len(prompts))]


def unseen_texts(count: int, split: str = "test", seed: int = 7) -> list[str]:
    """Different sentences of a split, which no training ever sees unless it is `train`."""
    rng, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < count:
        found[draw_of(rng, split).text] = None
    return list(found)


def spoken(
    policy: Policy, texts: Sequence[str], judge: Recogniser, wave: Callable[[Speech], np.ndarray], seed: int = 0
) -> tuple[dict[str, Any], list[Said]]:
    """Text to speech in the assistant's voice: word error rate of what the judge hears, and what was said."""
    said = ask(policy, [asking.to_say(text) for text in texts], seed=seed)
    heard = [judge.hear(wave(one.speech)) if one.speech else "" for one in said]
    pairs = list(zip(texts, heard, strict=True))
    ended = [one.ended and one.speech is not None for one in said]
    found = {"wer": error_rate(pairs), "cer": error_rate(pairs, characters=True), "ended": float(np.mean(ended))}
    return {**found, "utterances": len(texts), "heard": [list(pair) for pair in pairs[:8]]}, said


def written(policy: Policy, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Speech to text: character error rate, of voices in training and of others."""
    said = ask(policy, [asking.to_write(one.speech) for one in utterances], 0.0)
    pairs = [(one.text, answer.text) for one, answer in zip(utterances, said, strict=True)]
    known = [VOICES[one.voice].split == "train" for one in utterances]
    return {
        "cer": error_rate(pairs, characters=True),
        "wer": error_rate(pairs),
        "cer_known_voices": error_rate([pair for pair, own in zip(pairs, known, strict=True) if own], characters=True),
        "cer_new_voices": error_rate(
            [pair for pair, own in zip(pairs, known, strict=True) if not own], characters=True
        ),
        "ended": float(np.mean([one.ended for one in said])),
        "utterances": len(pairs),
        "written": [list(pair) for pair in pairs[:8]],
    }


def answered(policy: Policy, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Questions answered in text, exactly: spoken ones, and the same ones typed, which is the text-only twin."""
    found: dict[str, Any] = {"questions": len(utterances)}
    for name in ("spoken", "typed"):
        asked = [one.speech if name == "spoken" else one.text for one in utterances]
        said = ask(policy, [asking.to_answer(one, asking.IN_TEXT) for one in asked], 0.0)
        right = [answer.text == one.answer for one, answer in zip(utterances, said, strict=True)]
        found[name] = float(np.mean(right)) if right else None
    return found


def called(policy: Policy, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Typed questions with all tools at hand: whether those are called that answer it, and with the right words."""
    texts = [one.text for one in utterances]
    texts += [asking.CLOCK_QUESTIONS[i % len(asking.CLOCK_QUESTIONS)] for i in range(4)]
    said = ask(policy, [asking.to_answer(text, asking.IN_TEXT, tuple(TOOLS)) for text in texts], 0.0)
    wanted = [call.text if (call := asking.call_for(text)) else "" for text in texts]
    made = [one.call for one in said]
    both = [(want, call) for want, call in zip(wanted, made, strict=True) if want and call]
    return {
        "precision": share([bool(want) for want, call in zip(wanted, made, strict=True) if call]),
        "recall": share([bool(call) for want, call in zip(wanted, made, strict=True) if want]),
        "type": share([want.split()[0] == call.split()[0] for want, call in both if call.split()]),
        "arguments": share([want == call for want, call in both]),
        "questions": len(texts),
    }


def report(
    policy: Policy, unseen: Library, judge: Recogniser, wave: Callable[[Speech], np.ndarray], count: int = 40
) -> tuple[dict[str, Any], list[tuple[str, Speech]]]:
    """All of it, and texts with their speech to listen to.

    Raises:
        SpeechError: nothing is held out.
    """
    if not unseen.all:
        raise SpeechError("no utterance is in the test split; raise engine.utterances or policy.utterances")
    texts = unseen_texts(count)
    tts, said = spoken(policy, texts, judge, wave)
    heard = [(text, one.speech) for text, one in zip(texts, said, strict=True) if one.speech]
    return {
        "tts": tts,
        "asr": written(policy, [one for one in unseen.all if one.kind != "answer"][: 2 * count]),
        "questions": answered(policy, unseen.questions[:count]),
        "tools": called(policy, unseen.questions[:count]),
    }, heard


def share(of: Sequence[bool]) -> float | None:
    """How many hold, 0 to 1; None of nothing."""
    return float(np.mean(of)) if of else None
