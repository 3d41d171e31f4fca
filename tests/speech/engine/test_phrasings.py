"""Sentences for tags: many, each for one tag, and none that is held out."""

import numpy as np

from jaxrl.speech.engine.phrasings import KINDS, beings, idioms, negations, phrasing, sayings
from jaxrl.speech.engine.wordings import IDIOMS, OPPOSITES, QUALITIES, WAYS
from jaxrl.speech.tags import TAGS


def test_sentences_are_many_and_each_means_one_tag():
    told = {tag: {sentence for kind, _ in KINDS for sentence in kind(tag)} for tag in TAGS}
    assert all(len(sayings(tag)) > 1000 and len(beings(tag)) > 300 and len(idioms(tag)) > 30 for tag in WAYS)
    assert WAYS.keys() == IDIOMS.keys() == QUALITIES.keys() < told.keys()
    everything = [sentence for some in told.values() for sentence in some]
    assert len(everything) == len(set(everything))
    assert all(set(TAGS[tag].sentences) <= told[tag] for tag in TAGS)


def test_what_is_held_out_stays_out_of_all_sentences_and_their_parts():
    held = [sentence for tag in TAGS.values() for sentence in tag.held_out]
    for tag in TAGS:
        told = [sentence for kind, _ in KINDS for sentence in kind(tag)]
        assert not any(one in sentence for sentence in told for one in held), tag


def test_what_is_not_wanted_is_the_opposite():
    assert all(OPPOSITES[OPPOSITES[tag]] == tag for tag in OPPOSITES)
    assert "you are too slow" in negations("fast") and "not so loud" in negations("soft")
    assert not negations("whisper") and not negations("angry")


def test_kinds_of_sentences_have_their_shares_and_accents_have_sentences_too():
    rng = np.random.default_rng(0)
    drawn = [phrasing(rng, "slow") for _ in range(1000)]
    for kind, share in KINDS:
        assert abs(np.mean([one in kind("slow") for one in drawn]) - share) < 0.06, kind
    assert phrasing(rng, "scottish") in idioms("scottish")
