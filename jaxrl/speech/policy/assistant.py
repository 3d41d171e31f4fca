"""The policy with all that stands around it: what it says becomes a wave, waves become its tokens, calls are run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxrl.speech import extra
from jaxrl.speech.chat import Call, Speech, Turn, encode_prompt, parse
from jaxrl.speech.decoder.flow import CHANNELS
from jaxrl.speech.decoder.flow_training import FlowDecoder, channels_of, voice_of
from jaxrl.speech.decoder.vocoder import to_wave
from jaxrl.speech.engine.scripts import number_words
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.interleave import BLOCK
from jaxrl.speech.loading import load_decoder, load_tokenizer
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.at_hand import POLICY, TRAINING, load_policy, scale_of
from jaxrl.speech.sound.features import BLOCK_SAMPLES, log_mel, of_wave, to_blocks
from jaxrl.speech.sound.waves import RATE
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import parse_tagged
from jaxrl.speech.tokenizer.codec_training import Tokenizer
from jaxrl.speech.tools import TOOLS, Tool, answer_turn

VOICES_FILE = "voices.json"
MAX_CALLS = 3  # of tools within one answer


class Answer(NamedTuple):
    """What the assistant did: all its turns and those of the tools, the text of the last one, and its speech."""

    turns: list[Turn]
    text: str
    speech: Speech | None


class Assistant:
    """A run's policy, ready to be talked to.

    Args:
        run: the folder of `jaxrl speech`.
        seed: of what it samples.
        part: teacher or student.
    """

    def __init__(self, run: Path, seed: int = 0, part: str = TRAINING):
        self.policy = load_policy(run, part)
        self._run, self._key, self._asked = run, jax.random.key(seed), 0

    @cached_property
    def decoder(self) -> FlowDecoder:
        """Codes to channels."""
        return load_decoder(self._run, scale_of(self._run))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Waves to codes."""
        return load_tokenizer(self._run, scale_of(self._run))

    @cached_property
    def voices(self) -> Mapping[str, np.ndarray]:
        """What the decoder must know of each voice, [34]."""
        path = self._run / POLICY / VOICES_FILE
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return {name: np.array(values, np.float32).reshape(CHANNELS) for name, values in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            raise SpeechError(
                f"{path} cannot be read; remove it and the report.json beside it where they are there, and run `jaxrl "
                "speech --until policy`"
            ) from None

    def say(self, turns: Sequence[Turn]) -> Answer:
        """What comes next in a dialogue, without running anything."""
        prompt = encode_prompt(turns, self.policy.vocabulary, self.policy.config.context)
        self._asked += 1
        tokens = self.policy.answer([prompt], jax.random.fold_in(self._key, self._asked))[0]
        turn = parse([*prompt, *tokens], self.policy.vocabulary)[0][-1]
        return Answer(
            [turn], asking.written(turn), next((part for part in turn.content if isinstance(part, Speech)), None)
        )

    def answer(self, turns: Sequence[Turn], clock: int, tools: Mapping[str, Tool] = TOOLS) -> Answer:
        """What comes next, with the calls in it run and answered.

        Args:
            turns: of the dialogue so far.
            clock: minutes since midnight, for the tool of that name.
            tools: that can be called; what they raise is an answer too.
        """
        said: list[Turn] = []
        for _ in range(MAX_CALLS + 1):
            found = self.say([*turns, *said])
            said += found.turns
            call = next((part for part in found.turns[0].content if isinstance(part, Call)), None)
            if call is None:
                return Answer(said, found.text, found.speech)
            said.append(answer_turn(call, clock, tools))
        raise SpeechError(f"the policy called tools {MAX_CALLS + 1} times without an answer; train it longer")

    def codes(self, wave: np.ndarray) -> Speech:
        """The codes of a wave at 16 kHz; raises `SpeechError` where the context cannot hold them."""
        most = self.policy.config.context // BLOCK * BLOCK_SAMPLES / RATE
        if (seconds := len(wave) / RATE) > most:
            raise SpeechError(f"the wave has {seconds:.1f} s, and the policy hears {most:.1f} s at most; shorten it")
        return self.tokenizer.encode(log_mel(to_blocks(wave)))

    def wave(self, speech: Speech, voice: str | np.ndarray = ASSISTANT) -> np.ndarray:
        """Speech as a wave: in a voice by name, or of a prompt's wave."""
        known = self.voice_named(voice) if isinstance(voice, str) else voice_of(channels_of(of_wave(voice)))
        return to_wave(self.decoder.decode(speech, known))

    def channels(self, speech: Sequence[Speech], voices: Sequence[str]) -> list[np.ndarray]:
        """What the decoder makes of pieces of speech in voices by name, [6 n, 34] each."""
        return self.decoder.decode_all(speech, [self.voice_named(name) for name in voices])

    def voice_named(self, name: str) -> np.ndarray:
        """[34] of a voice; raises `SpeechError` for a name that there is not."""
        if name not in self.voices:
            raise SpeechError(f"there is no voice {name!r}; the voices are {', '.join(self.voices)}, or a .wav")
        return self.voices[name]

    def speak(self, text: str, voice: str | np.ndarray = ASSISTANT) -> np.ndarray:
        """The wave of a text with its tags, `(fast) turn the lamp on`.

        Args:
            text: tags and words.
            voice: a name, or a wave at 16 kHz whose voice is cloned; what it says is listened to first.

        Raises:
            SpeechError: an unknown tag, voice or character, a text that is too long, or a policy that says nothing.
        """
        extra.load("pyworld")
        tagged = parse_tagged(text)
        words = spoken_form(tagged.text)
        if isinstance(voice, str):
            self.voice_named(voice)
            turns = asking.to_say(words, tagged.names, voice)
        else:
            codes = self.codes(voice)
            tags = "".join(f"({name})" for name in tagged.names)
            turns = asking.to_clone(self.listen(voice), codes, tags + words)
        if not (speech := self.say(turns).speech) or not speech.linguistic:
            raise SpeechError("the policy said nothing; take another --seed, or train it longer")
        return self.wave(speech, voice)

    def listen(self, wave: np.ndarray) -> str:
        """The text of a wave at 16 kHz; raises `SpeechError` where it is too long."""
        return self.say(asking.to_write(self.codes(wave))).text


def spoken_form(text: str) -> str:
    """Words as the domain says them: lower case, numbers up to 999 in words, without punctuation at their ends.

    Raises:
        SpeechError: nothing is left to be said, a bracket is of no tag at the head, a number is not one up to 999.
    """
    if set("()") & set(text):
        raise SpeechError("brackets are only for tags, each whole and before all words, as in (fast)(high) hello")
    words = []
    for word in text.lower().split():
        bare = word.strip(".,?!")
        number = re.fullmatch(r"[0-9]{1,3}", bare)
        if any(map(str.isdigit, bare)) and not number:
            raise SpeechError(
                f"the number {bare} is too large to be spoken, or part of a word; write it in words, or one up to "
                "999 by itself, as in 17 plus 25"
            )
        words += [number_words(int(bare))] if number else [bare] if bare else []
    if not words:
        raise SpeechError("there is no text to speak; write some words after the tags")
    return " ".join(words)
