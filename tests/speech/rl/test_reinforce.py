"""The loop of answers, scores and updates: it learns what it is paid for, and goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech import ids
from jaxrl.speech.chat import Turn, encode_prompt
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy.generate import grammar_of
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.policy.transformer import Transformer
from jaxrl.speech.rl.arms import ARMS
from jaxrl.speech.rl.asks import Ask
from jaxrl.speech.rl.reinforce import reinforce
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.rl.scoring import Score
from jaxrl.speech.rl.token_network import TokenNetwork
from jaxrl.speech.speech_error import SpeechError

VOCABULARY = Vocabulary(3, 3)
CONFIG = RLConfig(updates=16, prompts=2, group=8, tokens=20, learning_rate=0.02, epochs=1, kl_cost=0.01)
MODEL = Transformer(VOCABULARY.size, width=16, layers=1, heads=2)


class Asked:
    """Two prompts."""

    def draw(self, rng: np.random.Generator, count: int) -> list[Ask]:
        texts = [("on", "off")[int(rng.integers(2))] for _ in range(count)]
        prompts = [encode_prompt([Turn("human", (text,))], VOCABULARY, CONFIG.tokens) for text in texts]
        return [Ask(tuple(prompt), text, "ben", {}, None) for prompt, text in zip(prompts, texts, strict=True)]


class PaysForShort:
    """1 where the answer is nothing but its end; the optimum is known, and chance is one in the legal tokens."""

    def score(self, asks: Any, answers: Any) -> list[Score]:
        found = []
        for answer in answers:
            earned = np.zeros(len(answer))
            earned[-1] = float(list(answer) == [ids.EOT])
            said = Said(Turn("assistant", ()), True)
            found.append(Score({"content": earned[-1]}, float(earned[-1]), earned, None, "", said, np.zeros(0)))
        return found


@pytest.fixture(scope="module")
def supervised() -> Any:
    return MODEL.init(jax.random.key(1), jnp.zeros((1, 2), jnp.int32))["params"]


def train(folder: Any, supervised: Any, arm: str, config: RLConfig, scorer: Any = None) -> list[dict[str, float]]:
    network = TokenNetwork(MODEL, supervised, config.tokens)
    given: Any = (network, supervised, grammar_of(VOCABULARY), Asked(), scorer or PaysForShort())
    reinforce(folder, ARMS[arm], config, *given, advance=lambda done, total: None)
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def test_what_is_paid_for_is_learnt_and_an_interrupted_run_goes_on(tmp_path, supervised):
    whole = train(tmp_path / "whole", supervised, "group", CONFIG)
    scores = [line["score"] for line in whole]
    assert np.mean(scores[:3]) < 0.3 and np.mean(scores[-3:]) > 0.8
    assert whole[-1]["kl"] > whole[0]["kl"] == pytest.approx(0, abs=1e-5)
    train(tmp_path / "parts", supervised, "group", replace(CONFIG, updates=3))
    parts = train(tmp_path / "parts", supervised, "group", CONFIG)
    timeless = [[{k: v for k, v in line.items() if k != "time"} for line in lines] for lines in (whole, parts)]
    assert timeless[0] == timeless[1]


def test_other_learners_go_through_the_same_loop(tmp_path, supervised):
    """IMPALA, whose divergence is in its rewards; that CASA learns from such streams is in `test_rollout.py`."""
    lines = train(tmp_path, supervised, "impala", replace(CONFIG, updates=2))
    assert len(lines) == 2 and lines[1]["kl"] > 0 and all(np.isfinite(list(line.values())).all() for line in lines)


def test_a_loss_that_is_no_number_ends_it_in_one_sentence(tmp_path, supervised):
    class Broken(PaysForShort):
        def score(self, asks: Any, answers: Any) -> list[Score]:
            return [score._replace(earned=score.earned * np.nan) for score in super().score(asks, answers)]

    with pytest.raises(SpeechError, match=r"the loss of group is no number .* rl.learning_rate"):
        train(tmp_path / "group", supervised, "group", CONFIG, Broken())
