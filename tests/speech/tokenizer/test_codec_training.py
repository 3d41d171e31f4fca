"""The tokenizer: rates and blocks, what supervises which branch, masks, and training that resumes bit for bit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import interleave
from jaxrl.speech.tokenizer import codec_training as training
from jaxrl.speech.tokenizer.codec import Told
from jaxrl.speech.tokenizer.codec_training import CodecConfig, Tokenizer, choose, init_codec, losses, stack, train_codec
from tests.speech.made_up import made_up_features

CONFIG = CodecConfig(linguistic=8, semantic=16, width=16, steps=6, batch=2, blocks=3, learning_rate=1e-2)
PHONES = 4


@pytest.fixture(scope="module")
def features():
    return made_up_features(5)


def test_a_block_is_two_and_three_codes_at_any_length(features):
    state = init_codec(CONFIG, PHONES, features.envelope)
    tokenizer = Tokenizer(state, CONFIG, PHONES)
    for blocks in (1, 5):
        speech = tokenizer.encode(features.mel[: 12 * blocks])
        assert (len(speech.linguistic), len(speech.semantic)) == (2 * blocks, 3 * blocks)
        assert len(interleave(*speech, Vocabulary(8, 16))) == 5 * blocks
        envelope, pitch, voiced = tokenizer.decode(speech)
        assert envelope.shape == (6 * blocks, 32) and pitch.shape == voiced.shape == (3 * blocks,)
        assert voiced.min() >= 0 and voiced.max() <= 1


def test_phones_come_from_linguistic_codes_alone_and_prosody_from_semantic_ones(features):
    state = init_codec(CONFIG, PHONES, features.envelope)
    codec = training.make_codec(CONFIG, PHONES)

    def told(two, three) -> Told:
        return codec.apply({"params": state.params}, two, three, method="decode")

    two, three = jnp.ones((1, 4, 16)), jnp.ones((1, 6, 16))
    before, other_two, other_three = told(two, three), told(2 * two, three), told(two, 2 * three)
    assert (before.phones == other_three.phones).all() and (before.prosody == other_two.prosody).all()
    assert not (before.phones == other_two.phones).all() and not (before.prosody == other_three.prosody).all()
    assert not (before.envelope == other_two.envelope).all() and not (before.envelope == other_three.envelope).all()


def test_padding_changes_no_loss(features):
    pieces = [features.blocks(0, 3), features.blocks(4, 5)]
    batch = stack(pieces, 3)
    assert batch.mask.tolist() == [[True] * 3, [True, False, False]]
    keys = jax.random.split(jax.random.key(0), 3)
    told = Told(
        jax.random.normal(keys[0], (2, 18, 32)),
        jax.random.normal(keys[1], (2, 18, PHONES)),
        jax.random.normal(keys[2], (2, 9, 3)),
    )
    scale = jnp.stack([jnp.zeros(32), jnp.ones(32)])
    clean = losses(told, batch, scale)
    poisoned = Told(*(part.at[1, part.shape[1] // 3 :].set(1e3) for part in told))
    dirty = losses(poisoned, batch, scale)
    assert set(clean) == {"envelope", "phones", "pitch", "voicing", "energy"}
    for name, value in clean.items():
        np.testing.assert_allclose(value, dirty[name], rtol=1e-5, err_msg=name)


def test_pieces_lie_within_their_utterance():
    starts = np.array([0, 2, 9])
    for utterance, first, end in choose(starts, 4, 200, np.random.default_rng(0)):
        assert starts[utterance] <= first < end <= starts[utterance + 1] and end - first <= 4


def test_training_learns_and_goes_on_bit_for_bit_where_it_was_interrupted(features, tmp_path, monkeypatch):
    config = CodecConfig(**{**CONFIG.__dict__, "steps": 60})
    whole = train_codec(tmp_path / "a", features, PHONES, config, lambda *_: None)

    def stop(done: int, _: int) -> None:
        if done == 55:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.fitting, "fit", partial(training.fitting.fit, every=20))
    with pytest.raises(KeyboardInterrupt):
        train_codec(tmp_path / "b", features, PHONES, config, stop)
    again = train_codec(tmp_path / "b", features, PHONES, config, lambda *_: None)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    lines = (tmp_path / "b" / "curve.jsonl").read_text().splitlines()
    assert len(lines) == 3
    first, last = (float(line.split('"loss": ')[1].split(",")[0]) for line in (lines[0], lines[-1]))
    assert last < first
