"""One table of ids: nothing twice, everything there and back."""

import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.ids import PLAIN, Vocabulary, encode_text
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import TAGS


def test_every_id_has_one_text_and_comes_back():
    vocabulary = Vocabulary(5, 9)
    everything = list(range(vocabulary.size))
    assert len({vocabulary.piece(index) for index in everything}) == vocabulary.size == len(PLAIN) + 14
    assert vocabulary.encode(vocabulary.decode(everything)) == everything


def test_any_stream_comes_back():
    vocabulary, rng = Vocabulary(256, 512), np.random.default_rng(0)
    for _ in range(50):
        stream = rng.integers(vocabulary.size, size=40).tolist()
        assert vocabulary.encode(vocabulary.decode(stream)) == stream


def test_specials_are_where_the_formats_say():
    assert PLAIN[:3] == ("<pad>", "<bot>", "<eot>") and PLAIN.index("</call>") == ids.END_CALL
    assert [PLAIN[i] for i in ids.ROLE_IDS] == ["<system>", "<human>", "<assistant>", "<input>"]
    assert ids.FIRST_TAG == 16 and PLAIN[ids.FIRST_CHARACTER] == " "


def test_typed_text_holds_no_specials_but_tags():
    assert encode_text("(fast)hi") == [PLAIN.index("(fast)"), PLAIN.index("h"), PLAIN.index("i")]
    assert encode_text("(sing: c4)")[0] == PLAIN.index("(sing:")
    with pytest.raises(SpeechError, match="'<'"):
        encode_text("<eot>")
    assert all(encode_text(f"({name})") == [ids.FIRST_TAG + i] for i, name in enumerate(TAGS))


@pytest.mark.parametrize(
    ("text", "said"),
    [("Hello", "'h'"), ("ü", "'ü' .*; the nearest is 'u'"), (";", "spoken, and all"), ("<l:5>", "codebook has 5")],
)
def test_what_is_not_in_the_table_is_one_sentence(text, said):
    with pytest.raises(SpeechError, match=said):
        Vocabulary(5, 9).encode(text)
