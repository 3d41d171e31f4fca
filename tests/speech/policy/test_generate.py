"""Answers parse, are as likely as the policy says without a cache, and end where they must."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.chat import Speech, Turn, encode_prompt, parse
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import phases
from jaxrl.speech.policy.generate import generate, grammar_of, masked_logits, stack_prompts
from jaxrl.speech.policy.transformer import Transformer

VOCABULARY = Vocabulary(4, 6)
GRAMMAR = grammar_of(VOCABULARY)
NETWORK: Any = Transformer(VOCABULARY.size, width=16, layers=1, heads=2)
PROMPTS = [
    encode_prompt(turns, VOCABULARY, 99)
    for turns in (
        [Turn("human", ("say: hello",))],
        [Turn("human", (Speech((0, 1), (2, 3, 4)),))],
        [Turn("system", ("tools calc",)), Turn("human", ("what is one plus two",))],
    )
]


@pytest.fixture(scope="module")
def params():
    first = NETWORK.init(jax.random.key(0), jnp.zeros((1, 4), int))["params"]
    first["head"]["kernel"] = first["head"]["kernel"] * 8  # logits that differ
    return first


def sample(params, **settings):
    prompts, lengths = stack_prompts(PROMPTS)
    return generate(NETWORK, params, prompts, lengths, jax.random.key(1), 0.8, 24, GRAMMAR, **settings)


def test_answers_parse_and_their_likelihood_is_the_policys(params):
    made = jax.tree.map(np.asarray, sample(params))
    assert made.mask.any(axis=1).all() and (made.tokens[~made.mask] == ids.PAD).all()
    assert not made.log_probs[~made.mask].any()
    for prompt, tokens, log_probs, mask in zip(PROMPTS, *made, strict=True):
        stream = [*prompt, *tokens[mask].tolist()]
        parse(stream, VOCABULARY)
        assert (tokens[mask] == ids.EOT).sum() <= 1 and (mask.all() or tokens[mask][-1] == ids.EOT)
        logits = NETWORK.apply({"params": params}, jnp.array([stream]))[0, len(prompt) - 1 : -1]
        legal = GRAMMAR.legal[phases(stream, VOCABULARY)[len(prompt) : -1]]
        expected = jax.nn.log_softmax(masked_logits(logits, jnp.asarray(legal), 0.8))
        np.testing.assert_allclose(log_probs[mask], expected[np.arange(mask.sum()), tokens[mask]], atol=1e-4)


def test_temperature_zero_is_the_likeliest_and_a_tiny_nucleus_too(params):
    prompts, lengths = stack_prompts(PROMPTS)
    cold = generate(NETWORK, params, prompts, lengths, jax.random.key(1), 0.0, 24, GRAMMAR)
    np.testing.assert_array_equal(cold.tokens, sample(params, top_p=1e-6, nucleus=True).tokens)
    np.testing.assert_array_equal(sample(params).tokens, sample(params, top_p=1.0, nucleus=True).tokens)


def test_the_rule_forbids_what_came_too_often(params):
    ruled = np.asarray(sample(params, rule=True).tokens)
    assert not any(len(set(row[at : at + 3])) == 1 and row[at] != ids.PAD for row in ruled for at in range(21))
