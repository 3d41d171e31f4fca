"""Two linguistic and three semantic codes make a block of 120 ms; what may follow what in a stream of tokens.

Block k is `l[2k], l[2k+1], s[3k], s[3k+1], s[3k+2]` (Step-Audio, section 3). A phase says where in the grammar a stream
stands; `legal` is a function of the phase alone, so no malformed stream can be sampled, and a learner that is given the
phases knows exactly which logits were masked.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.speech_error import SpeechError

BLOCK_MS, LINGUISTIC_PER_BLOCK, SEMANTIC_PER_BLOCK = 120, 2, 3
BLOCK = LINGUISTIC_PER_BLOCK + SEMANTIC_PER_BLOCK
# TEXT of a turn; BLOCKS + i: position i of a block is next; CALL: within a call; CALLED: after it; ENDED: after a turn
TEXT, BLOCKS, CALL, CALLED, ENDED = 0, 1, 6, 7, 8
NUM_PHASES = 9
# Classes of tokens, by which both tables are indexed.
PADDING, OPEN, CLOSE, SPEAK, SPOKEN, ASK, ASKED, ROLE, TAG, CHARACTER, LINGUISTIC, SEMANTIC, RESERVED = range(13)


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The phase after a token of each class, -1 where it breaks the grammar; what an assistant may say in each."""
    after = np.full((NUM_PHASES, RESERVED + 1), -1, np.int32)
    after[TEXT, [ROLE, TAG, CHARACTER]] = TEXT
    after[TEXT, [CLOSE, SPEAK, ASK]] = [ENDED, BLOCKS, CALL]
    after[BLOCKS, SPOKEN] = TEXT
    for position in range(BLOCK):
        kind = LINGUISTIC if position < LINGUISTIC_PER_BLOCK else SEMANTIC
        after[BLOCKS + position, kind] = BLOCKS + (position + 1) % BLOCK
    after[CALL, [CHARACTER, ASKED]] = [CALL, CALLED]
    after[CALLED, CLOSE] = ENDED
    after[ENDED, [OPEN, PADDING]] = [TEXT, ENDED]
    said = after >= 0
    said[:, [OPEN, ROLE]] = False  # those belong to prompts
    return after, said


AFTER, SAID = _tables()
_AFTER = AFTER.tolist()  # for one token after another


@cache
def token_classes(vocabulary: Vocabulary) -> np.ndarray:
    """Class of every id, int32 [A]."""
    classes = np.full(vocabulary.size, RESERVED, np.int32)
    classes[ids.PAD : ids.END_CALL + 1] = [PADDING, OPEN, CLOSE, SPEAK, SPOKEN, ASK, ASKED]
    classes[ids.ROLE_IDS] = ROLE
    classes[ids.FIRST_TAG : ids.FIRST_CHARACTER] = TAG
    classes[ids.FIRST_CHARACTER : vocabulary.first_linguistic] = CHARACTER
    classes[vocabulary.first_linguistic : vocabulary.first_semantic] = LINGUISTIC
    classes[vocabulary.first_semantic :] = SEMANTIC
    classes.flags.writeable = False
    return classes


def legal_table(vocabulary: Vocabulary) -> np.ndarray:
    """What an assistant may say next in each phase, bool [phases, A]; `table[phase]` is the mask of a batch."""
    return SAID[:, token_classes(vocabulary)]


def next_phase_table(vocabulary: Vocabulary) -> np.ndarray:
    """The phase after each token, int32 [phases, A]; -1 where the token breaks the grammar. Prompts follow it too."""
    return AFTER[:, token_classes(vocabulary)]


def phases(stream: Any, vocabulary: Vocabulary, start: int = ENDED) -> np.ndarray:
    """The phase before each token of one stream and, last, the one after it, int32 [T + 1].

    Raises:
        SpeechError: a token that may not stand where it stands; the message names it and its place.
    """
    found, tokens = [start], np.asarray(stream, np.int32)
    for token in tokens[(tokens < 0) | (tokens >= vocabulary.size)]:
        vocabulary.piece(int(token))  # which says that there is none
    for place, kind in enumerate(token_classes(vocabulary)[tokens].tolist()):
        found.append(_AFTER[found[-1]][kind])
        if found[-1] < 0:
            piece = vocabulary.piece(int(tokens[place]))
            raise SpeechError(f"token {place} of the stream, {piece}, cannot stand there; the stream is malformed")
    return np.asarray(found, np.int32)


def interleave(linguistic: Any, semantic: Any, vocabulary: Vocabulary) -> np.ndarray:
    """Codes [2 n] and [3 n] as ids [5 n], block by block.

    Raises:
        SpeechError: the codes do not make whole blocks, or are not in their codebooks.
    """
    two, three = np.asarray(linguistic, np.int32), np.asarray(semantic, np.int32)
    blocks = len(two) // LINGUISTIC_PER_BLOCK
    if len(two) != blocks * LINGUISTIC_PER_BLOCK or len(three) != blocks * SEMANTIC_PER_BLOCK:
        raise SpeechError(f"{len(two)} linguistic and {len(three)} semantic codes make no whole blocks of 2 and 3")
    for codes, count in ((two, vocabulary.linguistic), (three, vocabulary.semantic)):
        if codes.size and not 0 <= codes.min() <= codes.max() < count:
            raise SpeechError(f"codes from {codes.min()} to {codes.max()} do not fit a codebook of {count}")
    parts = [
        two.reshape(blocks, LINGUISTIC_PER_BLOCK) + vocabulary.first_linguistic,
        three.reshape(blocks, SEMANTIC_PER_BLOCK) + vocabulary.first_semantic,
    ]
    return np.concatenate(parts, axis=1).reshape(-1)


def deinterleave(stream: Any, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Ids [5 n] as linguistic codes [2 n] and semantic codes [3 n]; raises `SpeechError` for anything else."""
    stream = np.asarray(stream, np.int32)
    if phases(stream, vocabulary, BLOCKS)[-1] != BLOCKS or (stream == ids.END_AUDIO).any():
        raise SpeechError(f"{len(stream)} tokens make no whole blocks of {BLOCK}")
    blocks = stream.reshape(-1, BLOCK)
    two, three = blocks[:, :LINGUISTIC_PER_BLOCK], blocks[:, LINGUISTIC_PER_BLOCK:]
    return (two - vocabulary.first_linguistic).reshape(-1), (three - vocabulary.first_semantic).reshape(-1)
