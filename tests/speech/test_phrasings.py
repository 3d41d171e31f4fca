"""Sentences for tags: many, each for one tag, and none that is held out."""

from jaxrl.speech.phrasings import IDIOMS, WAYS, phrasings
from jaxrl.speech.tags import TAGS


def test_sentences_are_many_and_each_means_one_tag():
    told = {tag: phrasings(tag) for tag in TAGS}
    assert all(len(told[tag]) > 100 for tag in WAYS) and WAYS.keys() == IDIOMS.keys() < told.keys()
    everything = [sentence for some in told.values() for sentence in some]
    assert len(everything) == len(set(everything))
    assert all(set(TAGS[tag].sentences) <= set(told[tag]) for tag in TAGS)


def test_what_is_held_out_stays_out_of_all_sentences_and_their_parts():
    held = [sentence for tag in TAGS.values() for sentence in tag.held_out]
    for tag in TAGS:
        assert not any(one in sentence for sentence in phrasings(tag) for one in held), tag
