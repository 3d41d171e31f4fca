"""A policy is loaded from a run folder, and answers within its context; what is no run is one sentence."""

import dataclasses

import jax
import pytest

from jaxrl.record.files import replace_json
from jaxrl.speech import fitting, ids
from jaxrl.speech.chat import Turn, encode_prompt, parse
from jaxrl.speech.policy.at_hand import SCALE, load_policy, scale_of, student_config, vocabulary_of
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.policy.supervised import init_policy
from jaxrl.speech.scale import Scale
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tokenizer.codec_training import CodecConfig

SMALL = Scale(tokenizer=CodecConfig(4, 6), policy=PolicyConfig(width=16, layers=2, student_layers=1, context=48))


def test_what_was_saved_answers(tmp_path):
    replace_json(tmp_path / SCALE, dataclasses.asdict(SMALL))
    vocabulary = vocabulary_of(SMALL)
    for part, config in (("teacher", SMALL.policy), ("student", student_config(SMALL.policy))):
        state = init_policy(config, vocabulary)
        fitting.save(tmp_path / "policy" / part / "state", 1, state)
        policy = load_policy(tmp_path, part)
        prompt = encode_prompt([Turn("human", ("hello",))], policy.vocabulary, policy.config.context)
        answers = policy.answer([prompt, prompt], jax.random.key(0))
        for answer in answers:
            parse([*prompt, *answer], vocabulary)
            assert len(prompt) + len(answer) == policy.config.context or answer[-1] == ids.EOT
        assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), policy.params, state.params))
    assert scale_of(tmp_path) == SMALL


def test_no_policy_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="is no folder of `jaxrl speech` with a policy"):
        load_policy(tmp_path)
    replace_json(tmp_path / SCALE, dataclasses.asdict(SMALL))
    with pytest.raises(SpeechError, match="cannot be used"):
        load_policy(tmp_path)
