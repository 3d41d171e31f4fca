"""Only the assistant's tokens are learnt, a handful is learnt by heart, and resumed bits are equal bits."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.chat import Speech, Turn, encode_prompt, parse
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import interleave, legal_table
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.at_hand import Policy
from jaxrl.speech.policy.policy_config import PolicyConfig, make_network
from jaxrl.speech.policy.row_packing import fill
from jaxrl.speech.policy.supervised import losses, noisy, phone_loss, train_policy

VOCABULARY = Vocabulary(6, 8)
CONFIG = PolicyConfig(
    width=32, layers=2, heads=2, context=48, rows=3, steps=150, learning_rate=1e-2, noise=0.0, dropout=0.0
)
WORDS = {
    "a": Speech((0, 1), (2, 3, 4)),
    "be": Speech((5, 2, 0, 0), (7, 6, 1, 1, 0, 5)),
    "sea": Speech((3, 3), (0, 0, 6)),
}
DIALOGUES = [[*asking.to_say(text), Turn("assistant", (codes,))] for text, codes in WORDS.items()]
DIALOGUES += [[*asking.to_write(codes), Turn("assistant", (text,))] for text, codes in WORDS.items()]


def draw(rng: np.random.Generator):
    return fill(lambda: DIALOGUES[int(rng.integers(len(DIALOGUES)))], CONFIG.rows, CONFIG.context, VOCABULARY)


ROWS = draw(np.random.default_rng(0))


def test_only_the_assistants_tokens_have_a_loss_and_only_legal_ones_a_share():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(*ROWS.tokens.shape, VOCABULARY.size)))
    gradient = np.asarray(jax.grad(lambda given: losses(given, ROWS, VOCABULARY)["loss"])(logits))
    touched = np.abs(gradient).max(axis=-1) > 0
    np.testing.assert_array_equal(touched[:, :-1], ROWS.counted[:, 1:])
    legal = legal_table(VOCABULARY)[ROWS.phases[:, 1:]]
    assert not gradient[:, :-1][~legal].any()
    parts = losses(logits, ROWS, VOCABULARY)
    choices = np.where(legal, np.asarray(logits[:, :-1]), -np.inf)
    log_probs = choices - np.log(np.exp(choices).sum(axis=-1, keepdims=True))
    likely = np.take_along_axis(log_probs, ROWS.tokens[:, 1:, None], axis=-1)[..., 0]
    assert float(parts["loss"]) == pytest.approx(-likely[ROWS.counted[:, 1:]].mean(), rel=1e-5)


def test_a_handful_is_learnt_by_heart_and_a_resumed_training_has_the_same_bits(tmp_path):
    whole = train_policy(tmp_path / "a", draw, ROWS, CONFIG, VOCABULARY, lambda *_: None, every=50)

    class Killed(Exception):
        pass

    def killer(done: int, total: int) -> None:
        if done == 70:
            raise Killed

    with pytest.raises(Killed):
        train_policy(tmp_path / "b", draw, ROWS, CONFIG, VOCABULARY, killer, every=50)
    again = train_policy(tmp_path / "b", draw, ROWS, CONFIG, VOCABULARY, lambda *_: None, every=50)
    assert jax.tree.all(jax.tree.map(lambda one, other: bool((one == other).all()), whole, again))
    assert (tmp_path / "a" / "curve.jsonl").read_bytes() == (tmp_path / "b" / "curve.jsonl").read_bytes()
    assert '"valid_loss"' in (tmp_path / "a" / "curve.jsonl").read_text()

    further = replace(CONFIG, steps=1, learning_rate=1e-6, seed=1)  # as the second course begins
    begun = train_policy(tmp_path / "c", draw, ROWS, further, VOCABULARY, lambda *_: None, begun=whole.params)
    near = jax.tree.map(lambda one, other: bool(jnp.allclose(one, other, atol=1e-4)), whole.params, begun.params)
    assert jax.tree.all(near)

    policy = Policy(make_network(CONFIG, VOCABULARY), whole.params, VOCABULARY, CONFIG)
    prompts = [encode_prompt(turns[:-1], VOCABULARY, CONFIG.context) for turns in DIALOGUES]
    answers = policy.answer(prompts, jax.random.key(0), temperature=0.0)
    said = [parse([*prompt, *answer], VOCABULARY)[0][-1] for prompt, answer in zip(prompts, answers, strict=True)]
    assert said == [turns[-1] for turns in DIALOGUES]


def test_text_has_its_weight_and_phones_teach_nothing_but_what_is_known():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(*ROWS.tokens.shape, VOCABULARY.size)))
    plain, heavy = (losses(logits, ROWS, VOCABULARY, weight) for weight in (1.0, 3.0))
    spoken = ROWS.tokens[:, 1:] >= VOCABULARY.first_linguistic
    share = 1 - spoken[ROWS.counted[:, 1:]].mean()
    assert float(heavy["loss"] - plain["loss"]) == pytest.approx(2 * share * float(plain["text"]), rel=1e-4)
    assert plain["text"] == heavy["text"]

    rows = ROWS._replace(phones=np.where(ROWS.tokens % 2, ROWS.tokens % 5, -1))
    heard = jnp.asarray(np.random.default_rng(2).normal(size=(*ROWS.tokens.shape, 5)))
    touched = np.abs(np.asarray(jax.grad(lambda given: phone_loss(given, rows))(heard))).max(axis=-1) > 0
    np.testing.assert_array_equal(touched, rows.phones >= 0)
    assert phone_loss(heard, ROWS) == 0  # none is known


def test_a_policy_that_learns_phones_tells_them(tmp_path):
    phones = {speech: [code % 3 for code in interleave(*speech, VOCABULARY).tolist()] for speech in WORDS.values()}
    config = replace(CONFIG, phone_weight=0.5, steps=60)

    def drawn(rng: np.random.Generator):
        return fill(lambda: DIALOGUES[int(rng.integers(len(DIALOGUES)))], 3, CONFIG.context, VOCABULARY, phones)

    state = train_policy(tmp_path, drawn, ROWS, config, VOCABULARY, lambda *_: None, every=30)
    network: Any = make_network(config, VOCABULARY)
    rows = drawn(np.random.default_rng(5))
    given = {"params": state.params}, rows.tokens, rows.segments
    logits, heard = network.apply(*given, method="with_phones")
    known = rows.phones >= 0
    assert (np.argmax(heard, axis=-1)[known] == rows.phones[known]).mean() > 0.9
    np.testing.assert_array_equal(logits, network.apply(*given))  # the head is beside it, and answers do without


def test_noise_stays_within_a_codebook_and_its_share():
    tokens = jnp.asarray(np.random.default_rng(2).integers(VOCABULARY.size, size=(50, 200)))
    read = np.asarray(noisy(tokens, jax.random.key(0), 0.5, VOCABULARY))
    for first, end in (
        (0, VOCABULARY.first_linguistic),
        (VOCABULARY.first_linguistic, VOCABULARY.first_semantic),
        (VOCABULARY.first_semantic, VOCABULARY.size),
    ):
        here = (tokens >= first) & (tokens < end)
        assert ((read[here] >= first) & (read[here] < end)).all()
        changed = (read != tokens)[here].mean()
        assert changed == 0 if first == 0 else 0.3 < changed < 0.5
    np.testing.assert_array_equal(noisy(tokens, jax.random.key(0), 0.0, VOCABULARY), tokens)
