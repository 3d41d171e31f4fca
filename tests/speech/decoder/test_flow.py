"""Flow matching: Euler's method, look-ahead, masks, voices, chunks of a stream."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow import integrate
from jaxrl.speech.decoder.flow_training import (
    Coded,
    FlowConfig,
    FlowDecoder,
    channels_of,
    code,
    draw_batch,
    init_flow,
    train_flow,
    voice_of,
)
from tests.speech.made_up import made_up_features

CONFIG = FlowConfig(width=32, steps=300, batch=4, blocks=4, learning_rate=1e-2)
SIZES = (4, 5)


@pytest.fixture(scope="module")
def coded() -> Coded:
    """Codes that are the phones, and any: what the decoder must make follows from them."""
    features, speech = made_up_features(6), []
    for index in range(6):
        one = features.utterance(index)
        speech.append(Speech(tuple(one.phones[::3].tolist()), (0,) * len(one.pitch)))
    return code(features, speech, ["a", "b", "a", "b", "a", "a"])


def test_eulers_method_follows_straight_paths_exactly():
    data, noise = jnp.array([[3.0, -1.0]]), jnp.array([[0.5, 2.0]])
    for steps in (1, 7):
        np.testing.assert_allclose(integrate(lambda x, t: data - noise, noise, steps), data, atol=1e-5)
    moved = integrate(lambda x, t: jnp.ones_like(x) * t[:, None], noise, 4)
    np.testing.assert_allclose(moved - noise, (0.0 + 0.25 + 0.5 + 0.75) / 4, atol=1e-6)  # the times that it asks for


def test_voices_come_from_another_utterance_of_the_same_speaker(coded):
    prompts = np.arange(6.0)[:, None] * np.ones(34)
    batch = draw_batch(coded, prompts, CONFIG, np.random.default_rng(0))
    assert batch["linguistic"].shape == (4, 8) and batch["semantic"].shape == (4, 12)
    assert batch["channels"].shape == (4, 24, 34) and batch["mask"].shape == (4, 4)
    drawn = [draw_batch(coded, prompts, CONFIG, np.random.default_rng(seed))["voice"][:, 0] for seed in range(20)]
    assert {int(one) for one in np.concatenate(drawn)} == set(range(6))
    channels = np.concatenate([np.ones((3, 34)), np.zeros((5, 34))])
    np.testing.assert_array_equal(voice_of(channels), np.ones(34))  # voiced frames alone


@pytest.mark.parametrize("kind", ["flow", "regression"])
def test_training_makes_what_the_codes_say(coded, tmp_path, kind):
    config = dataclasses.replace(CONFIG, kind=kind)
    state = train_flow(tmp_path, coded, config, SIZES, lambda *_: None)
    decoder = FlowDecoder(state, config, SIZES)
    speech = Speech(tuple(coded.linguistic[:8].tolist()), tuple(coded.semantic[:12].tolist()))
    prompt = coded.starts[2:4] * 6  # another utterance of the same speaker, as in training
    voice = voice_of(coded.channels[prompt[0] : prompt[1]])
    made = decoder.decode(speech, voice)
    assert made.shape == (24, 34)
    right = made[:, :4].argmax(axis=1) == coded.channels[:24, :4].argmax(axis=1)
    assert right.mean() > 0.5  # one in four by chance
    start = FlowDecoder(init_flow(config, SIZES, coded.channels), config, SIZES).decode(speech, voice)
    before, after = (np.abs(one - coded.channels[:24]).mean() for one in (start, made))
    assert after < before
    np.testing.assert_array_equal(decoder.decode(speech, voice), made)
    short = Speech(speech.linguistic[:4], speech.semantic[:6])
    together = decoder.decode_all([speech, short, speech], [voice, voice, voice], batch=2)
    for one, alone in zip(together, (made, decoder.decode(short, voice), made), strict=True):
        np.testing.assert_allclose(one, alone, atol=1e-4)
    elsewhere = decoder.decode(speech, voice, first=1)  # noise belongs to a block, and the ablation has none
    assert (elsewhere == made).all() == (kind == "regression")


def test_channels_are_envelope_pitch_and_voicing():
    features = made_up_features(1)
    channels = channels_of(features)
    np.testing.assert_array_equal(channels[:, :32], features.envelope)
    np.testing.assert_array_equal(channels[::2, 32], features.pitch)
    assert (channels[:, 33] == 1).all()


def test_a_voice_that_was_noisy_in_training_weighs_less_than_the_codes(coded, tmp_path):
    speech = Speech(tuple(coded.linguistic[:8].tolist()), tuple(coded.semantic[:12].tolist()))
    moved = []
    for jitter in (0.0, 3.0):
        config = dataclasses.replace(CONFIG, kind="regression", steps=60, jitter=jitter)
        decoder = FlowDecoder(train_flow(tmp_path / str(jitter), coded, config, SIZES, lambda *_: None), config, SIZES)
        voice = voice_of(coded.channels)
        moved.append(np.abs(decoder.decode(speech, voice + 0.5) - decoder.decode(speech, voice)).mean())
    assert moved[1] < 0.75 * moved[0]


def test_pitch_that_weighs_more_is_nearer(coded, tmp_path):
    """Codes of which each pitch has its own: with a weight F0 is learnt sooner than the rest."""
    told = np.digitize(coded.channels[::2, 32], [-0.3, -0.1, 0.1, 0.3])
    coded, off = coded._replace(semantic=told.astype(np.int32)), []
    for weight in (1.0, 30.0):
        config = dataclasses.replace(CONFIG, kind="regression", steps=60, pitch_weight=weight)
        decoder = FlowDecoder(train_flow(tmp_path / str(weight), coded, config, SIZES, lambda *_: None), config, SIZES)
        speech = Speech(tuple(coded.linguistic[:8].tolist()), tuple(coded.semantic[:12].tolist()))
        made = decoder.decode(speech, voice_of(coded.channels))
        off.append(np.abs(made[:, 32] - coded.channels[:24, 32]).mean())
    assert off[1] < 0.8 * off[0], off
