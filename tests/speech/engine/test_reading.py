"""Readings are what was asked for, and depend on nothing that was read before."""

import multiprocessing

import numpy as np
import pytest

from jaxrl.speech.engine.accept import objection
from jaxrl.speech.tags import parse_tagged

pytestmark = pytest.mark.usefixtures("speech_extra")
TEXT = "the river will dance in the garden"
STYLES = ("", "(fast)", "(slow)(loud)", "(high)", "(low)(soft)", "(monotone)", "(lively)", "(whisper)", "(happy)")
STYLES += ("(scottish)", "(rap 100)", "(sing: c3 e3 g3 c3)")


def read_apart(case: tuple[str, str]):
    """In a process of its own, as the engine does."""
    from jaxrl.speech.engine.reading import read

    tags, voice = case
    return read(TEXT, voice, parse_tagged(tags).style)


@pytest.fixture(scope="module")
def readings(speech_extra):
    """Several styles by one voice, each in a new process."""
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        return dict(zip(STYLES, pool.map(read_apart, [(tags, "ben") for tags in STYLES], chunksize=1), strict=True))


@pytest.mark.parametrize("tags", STYLES)
def test_controls_are_exact(readings, tags):
    reading, names = readings[tags], parse_tagged(tags).names
    assert objection(TEXT, names, reading.measured, TEXT) == ""
    assert objection(TEXT, names, reading.measured, "the") == "words"
    ends = [end for _, end in reading.phones]
    assert ends == sorted(ends) and ends[-1] <= len(reading.samples) / 16000 + 0.05 and len(ends) > 20


def test_asking_for_something_else_is_noticed(readings):
    """The meters reject a neutral reading wherever a tag asks for a difference."""
    for tag in ("fast", "slow", "high", "low", "loud", "soft", "monotone", "lively", "whisper", "happy", "angry"):
        assert objection(TEXT, (tag,), readings[""].measured, TEXT), tag


def test_a_reading_does_not_depend_on_what_was_read_before():
    cases = [("", "ben"), ("(fast)", "gina"), ("(lively)", "anna"), ("(sing: c3 e3)", "carl")]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        first = pool.map(read_apart, cases, chunksize=1)
        second = pool.map(read_apart, cases[::-1], chunksize=1)[::-1]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert one.phones == other.phones and one.measured == other.measured
