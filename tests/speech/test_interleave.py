"""Codes go into a stream and come out of it, and no stream that was sampled through `legal` is malformed."""

import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.chat import Speech, parse
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import BLOCKS, ENDED, SAID, deinterleave, interleave, legal_table, next_phase_table, phases
from jaxrl.speech.speech_error import SpeechError

SMALL = Vocabulary(7, 11)


def test_codes_come_back_and_blocks_are_two_and_three():
    rng = np.random.default_rng(0)
    for blocks in range(6):
        two, three = rng.integers(7, size=2 * blocks), rng.integers(11, size=3 * blocks)
        stream = interleave(two, three, SMALL)
        again = deinterleave(stream, SMALL)
        np.testing.assert_array_equal(again[0], two)
        np.testing.assert_array_equal(again[1], three)
        semantic = stream.reshape(blocks, 5) >= SMALL.first_semantic
        assert (semantic == [False, False, True, True, True]).all()


@pytest.mark.parametrize(("two", "three"), [(2, 2), (3, 3), (1, 0), (4, 3)])
def test_what_is_no_whole_block_is_refused(two, three):
    with pytest.raises(SpeechError, match="whole blocks"):
        interleave(np.zeros(two), np.zeros(three), SMALL)


def test_codes_outside_their_codebook_are_refused():
    with pytest.raises(SpeechError, match="codebook of 7"):
        interleave([0, 7], [0, 0, 0], SMALL)
    with pytest.raises(SpeechError, match="blocks"):
        deinterleave([SMALL.first_linguistic], SMALL)
    with pytest.raises(SpeechError, match="token 0"):
        deinterleave([SMALL.first_semantic] * 5, SMALL)


def sample(rng: np.random.Generator, length: int) -> list[int]:
    """An assistant's turn, drawn uniformly from what is legal."""
    legal, after = legal_table(SMALL), next_phase_table(SMALL)
    stream = [ids.BOT, ids.ROLE_IDS[2]]
    phase = int(phases(stream, SMALL)[-1])
    while len(stream) < length and phase != ENDED:
        # Brackets are as likely as all codes together, or hardly any stream would end.
        weights = legal[phase] * np.where(np.arange(SMALL.size) <= ids.END_CALL, 10.0, 1.0)
        token = int(rng.choice(SMALL.size, p=weights / weights.sum()))
        phase = int(after[phase, token])
        stream.append(token)
    return stream


def test_every_stream_sampled_from_what_is_legal_parses():
    rng, ended, spoken, called = np.random.default_rng(1), 0, 0, 0
    for _ in range(300):
        stream = sample(rng, 60)
        (turn,), done = parse(stream, SMALL)
        assert turn.role == "assistant" and done == (stream[-1] == ids.EOT)
        speech = [part for part in turn.content if isinstance(part, Speech)]
        codes = sum(len(part.linguistic) + len(part.semantic) for part in speech)
        there = sum(token >= SMALL.first_linguistic for token in stream)
        assert codes == there if done else there - codes < 5
        ended, spoken, called = ended + done, spoken + bool(speech), called + (ids.END_CALL in stream)
    assert min(ended, spoken, called) > 30  # all of the grammar was walked through


def test_something_is_legal_in_every_phase_and_leads_on():
    legal, after = legal_table(SMALL), next_phase_table(SMALL)
    assert legal.any(axis=1).all() and (after[legal] >= 0).all()
    assert legal.sum(axis=1)[BLOCKS : BLOCKS + 5].tolist() == [8, 7, 11, 11, 11]  # `</audio>` at a block's start only
    assert len(SAID) == len(legal)


def test_a_malformed_stream_is_named_with_its_place():
    stream = [ids.BOT, ids.ROLE_IDS[2], ids.AUDIO, SMALL.first_semantic]
    with pytest.raises(SpeechError, match="token 3 of the stream, <s:0>"):
        phases(stream, SMALL)
