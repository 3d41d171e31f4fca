"""Dialogues behind one another in rows of one length, so that one shape is compiled and little is padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.chat import Speech, Turn, assistant_mask, encode_dialogue
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import ENDED, phases
from jaxrl.speech.policy.supervised import Rows
from jaxrl.speech.speech_error import SpeechError

PATIENCE = 8  # dialogues in a row that may find no place before rows are taken as they are


def pack(
    dialogues: Sequence[Sequence[int]],
    rows: int,
    length: int,
    vocabulary: Vocabulary,
    phones: Sequence[Sequence[int]] = (),
) -> Rows:
    """Rows [rows, length] of streams, each in the first row with room; those that find none are left out. `phones` are
    those of the codes of each stream, one after another; none are known unless given."""
    shape = (rows, length)
    packed = Rows(
        np.full(shape, ids.PAD, np.int32),
        np.zeros(shape, np.int32),
        np.full(shape, ENDED, np.int32),
        np.zeros(shape, bool),
        np.full(shape, -1, np.int32),
    )
    filled = np.zeros(rows, np.int32)
    for number, stream in enumerate(dialogues):
        fitting = np.flatnonzero(filled + len(stream) <= length)
        if not fitting.size:
            continue
        row, start = int(fitting[0]), int(filled[fitting[0]])
        place = slice(start, start + len(stream))
        packed.tokens[row, place] = stream
        packed.segments[row, place] = packed.segments[row].max() + 1
        packed.phases[row, place] = phases(stream, vocabulary)[:-1]
        packed.counted[row, place] = assistant_mask(stream)
        if phones:
            packed.phones[row, place][np.asarray(stream) >= vocabulary.first_linguistic] = phones[number]
        filled[row] += len(stream)
    return packed


def fill(
    draw: Callable[[], list[Turn]],
    rows: int,
    length: int,
    vocabulary: Vocabulary,
    phones: Mapping[Speech, Sequence[int]] = MappingProxyType({}),
) -> Rows:
    """Rows of dialogues drawn one after another until they are full; those longer than a row lose their last turns.

    Args:
        draw: one dialogue.
        rows: in the batch.
        length: of each.
        vocabulary: of the tokens.
        phones: classes of the codes of pieces of speech, in the order of a stream; -1 for those that are not in it.

    Raises:
        SpeechError: no dialogue is short enough.
    """
    streams: list[list[int]] = []
    heard: list[list[int]] = []
    filled, refused = np.zeros(rows, np.int32), 0
    while refused < PATIENCE:
        turns, stream = _shortened(draw(), length, vocabulary)
        fitting = np.flatnonzero(filled + len(stream) <= length)
        refused = 0 if fitting.size else refused + 1
        if fitting.size:
            filled[fitting[0]] += len(stream)
            streams.append(stream)
            heard.append(_phones(turns, phones))
    if not streams:
        raise SpeechError(f"no dialogue fits into {length} tokens; raise policy.context")
    return pack(streams, rows, length, vocabulary, heard)


def _phones(turns: Sequence[Turn], phones: Mapping[Speech, Sequence[int]]) -> list[int]:
    spoken = (part for turn in turns for part in turn.content if isinstance(part, Speech))
    return [one for part in spoken for one in phones.get(part) or [-1] * (len(part.linguistic) + len(part.semantic))]


def _shortened(turns: list[Turn], length: int, vocabulary: Vocabulary) -> tuple[list[Turn], list[int]]:
    stream = encode_dialogue(turns, vocabulary)
    while len(stream) > length and len(turns) > 3:
        turns = turns[:-2]  # a question and its answer
        stream = encode_dialogue(turns, vocabulary)
    return turns, stream
