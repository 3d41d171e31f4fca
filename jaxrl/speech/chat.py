"""Dialogues as streams: `<bot>role content <eot>` for each turn, where content is text, speech and calls of tools.

Roles are system, human, assistant, and `input` for what a tool answered (Step-Audio 2). A role is one token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.ids import ROLES, Vocabulary, encode_text
from jaxrl.speech.interleave import BLOCKS, CALL, ENDED, TEXT, deinterleave, interleave, phases
from jaxrl.speech.speech_error import SpeechError


class Speech(NamedTuple):
    """Codes of a piece of speech: linguistic [2 n] and semantic [3 n], n blocks of 120 ms."""

    linguistic: tuple[int, ...]
    semantic: tuple[int, ...]


class Call(NamedTuple):
    """A call of a tool, as its text: `calc 17+25`."""

    text: str


class Turn(NamedTuple):
    """What one role says."""

    role: str
    content: tuple[str | Speech | Call, ...]


def encode_turn(turn: Turn, vocabulary: Vocabulary) -> list[int]:
    """Ids of one turn, its brackets included."""
    return [*opening(turn.role), *(i for part in turn.content for i in _encode_part(part, vocabulary)), ids.EOT]


def opening(role: str) -> list[int]:
    """What begins a turn; with `assistant` it is what the policy goes on from."""
    if role not in ROLES:
        raise SpeechError(f"there is no role {role!r}; the roles are {', '.join(ROLES)}")
    return [ids.BOT, ids.ROLE_IDS[ROLES.index(role)]]


def encode_dialogue(turns: Sequence[Turn], vocabulary: Vocabulary) -> list[int]:
    """Ids of all turns."""
    return [i for turn in turns for i in encode_turn(turn, vocabulary)]


def encode_prompt(turns: Sequence[Turn], vocabulary: Vocabulary, max_tokens: int) -> list[int]:
    """Ids of all turns and the opening of the assistant's answer.

    Raises:
        SpeechError: the prompt leaves no place for an answer within `max_tokens`.
    """
    prompt = [*encode_dialogue(turns, vocabulary), *opening("assistant")]
    if len(prompt) >= max_tokens:
        raise SpeechError(f"the prompt has {len(prompt)} tokens and must have fewer than {max_tokens}; shorten it")
    return prompt


def cloning(voice_text: str, voice: Speech, text: str, system: str = "") -> list[Turn]:
    """The dialogue that asks for `text` in the voice of a prompt: its text is read out by the assistant first."""
    first = [Turn("system", (system,))] if system else []
    return [*first, Turn("human", (voice_text,)), Turn("assistant", (voice,)), Turn("human", (text,))]


def parse(stream: Sequence[int], vocabulary: Vocabulary) -> tuple[list[Turn], bool]:
    """The turns of a stream that begins with `<bot>`, and whether the last one ended; padding is left out.

    An unfinished last turn holds what was complete: a block of speech or a call that was cut off is left out.

    Raises:
        SpeechError: the stream breaks the grammar.
    """
    found = phases(stream, vocabulary)
    turns = [_parse_turn(part, vocabulary) for part in _split(stream)]
    return turns, bool(found[-1] == ENDED)


def assistant_mask(stream: Sequence[int]) -> np.ndarray:
    """Which tokens are the assistant's own, bool [T]: what stands between its role and `<eot>`, that one included."""
    mask, speaking = np.zeros(len(stream), bool), False
    for place, token in enumerate(stream):
        mask[place] = speaking
        if token in ids.ROLE_IDS:
            speaking = token == ids.ROLE_IDS[ROLES.index("assistant")]
        elif token == ids.EOT:
            speaking = False
    return mask


def _encode_part(part: str | Speech | Call, vocabulary: Vocabulary) -> list[int]:
    if isinstance(part, Speech):
        return [ids.AUDIO, *interleave(*part, vocabulary).tolist(), ids.END_AUDIO]
    if isinstance(part, Call):
        return [ids.CALL, *encode_text(part.text), ids.END_CALL]
    return encode_text(part)


def _split(stream: Sequence[int]) -> Iterator[list[int]]:
    """The tokens of each turn, without `<bot>`, `<eot>` and padding."""
    turn: list[int] | None = None
    for token in map(int, stream):
        if token == ids.BOT:
            turn = []
        elif token == ids.EOT and turn is not None:
            yield turn
            turn = None
        elif turn is not None:
            turn.append(token)
    if turn is not None:
        yield turn


def _parse_turn(tokens: list[int], vocabulary: Vocabulary) -> Turn:
    if not tokens or tokens[0] not in ids.ROLE_IDS or any(token in ids.ROLE_IDS for token in tokens[1:]):
        raise SpeechError("a turn must begin with <bot> and one role; the stream is malformed")
    parts: list[str | Speech | Call] = []
    piece: list[int] = []
    for before, token in zip(phases(tokens, vocabulary, TEXT)[1:-1], tokens[1:], strict=True):
        if token in (ids.AUDIO, ids.CALL, ids.END_AUDIO, ids.END_CALL):
            parts += _piece(piece, int(before), vocabulary)
            piece = []
        else:
            piece.append(token)
    last = int(phases(tokens, vocabulary, TEXT)[-1])
    parts += _piece(piece, last, vocabulary) if last != CALL else []
    return Turn(ROLES[ids.ROLE_IDS.index(tokens[0])], tuple(parts))


def _piece(tokens: list[int], phase: int, vocabulary: Vocabulary) -> list[str | Speech | Call]:
    """One part of a turn: the tokens between two brackets, which end in `phase`."""
    if phase == CALL:
        return [Call(vocabulary.decode(tokens))]
    if BLOCKS <= phase < CALL:
        two, three = deinterleave(tokens[: len(tokens) - (phase - BLOCKS)], vocabulary)
        return [Speech(tuple(two.tolist()), tuple(three.tolist()))]
    return [vocabulary.decode(tokens)] if tokens else []
