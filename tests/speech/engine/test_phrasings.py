"""Sentences for tags: many, each for one tag, and none that is held out."""

import numpy as np

from jaxrl.speech.engine.phrasings import IDIOMS, WAYS, framed, idioms, phrasing
from jaxrl.speech.tags import TAGS


def test_sentences_are_many_and_each_means_one_tag():
    told = {tag: {*idioms(tag), *framed(tag)} for tag in TAGS}
    assert all(len(framed(tag)) > 100 and len(idioms(tag)) > 15 for tag in WAYS)
    assert WAYS.keys() == IDIOMS.keys() < told.keys()
    everything = [sentence for some in told.values() for sentence in some]
    assert len(everything) == len(set(everything))
    assert all(set(TAGS[tag].sentences) <= told[tag] for tag in TAGS)


def test_what_is_held_out_stays_out_of_all_sentences_and_their_parts():
    held = [sentence for tag in TAGS.values() for sentence in tag.held_out]
    for tag in TAGS:
        assert not any(one in sentence for sentence in (*idioms(tag), *framed(tag)) for one in held), tag


def test_half_of_what_is_drawn_is_idioms_and_accents_have_sentences_too():
    rng = np.random.default_rng(0)
    drawn = [phrasing(rng, "slow") for _ in range(400)]
    assert 0.4 < np.mean([one in idioms("slow") for one in drawn]) < 0.6
    assert phrasing(rng, "scottish") in idioms("scottish")
