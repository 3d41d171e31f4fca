"""How policies are compared before and after: the same unseen prompts, answered coolly and as in training, and judged.

Answers are kept on disk, so that whoever judges them need not be who answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxrl.record.files import replace_json
from jaxrl.speech.decoder.vocoder import to_wave
from jaxrl.speech.policy.at_hand import Policy
from jaxrl.speech.rl.asks import Ask
from jaxrl.speech.rl.reinforce import averages
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.rl.scoring import Score, Scorer, attribute_score
from jaxrl.speech.sound.judges import Recogniser, error_rate
from jaxrl.speech.sound.measures import measure
from jaxrl.speech.speech_error import damaged

ANSWERS = "answers.json"
SAMPLES = 3  # answers to an unseen prompt, of those that are sampled as in training
# What must rise: the first is trained for; the others are judged by programs that are in no score, errors as negative.
APART = ("attribute_in_wave", "recogniser_cer", "recogniser_wer")
JUDGED = ("sampled_score", "score", *APART, *(f"sampled_{name}" for name in APART))


class Answers(NamedTuple):
    """Tokens of a policy's answers: to each prompt one as it speaks, cooler than it learns, and several as sampled."""

    cool: list[list[int]]
    sampled: list[list[list[int]]]


def answers(policy: Policy, held: Sequence[Ask], config: RLConfig) -> Answers:
    """All of them."""
    room = config.tokens - max(len(ask.prompt) for ask in held)
    prompts, key = [ask.prompt for ask in held], jax.random.key(config.seed + 1)
    cool = policy.answer(prompts, key, max_new=room)
    keys = [jax.random.fold_in(key, sample) for sample in range(SAMPLES)]
    return Answers(cool, [policy.answer(prompts, one, config.temperature, 1.0, room) for one in keys])


def write_answers(folder: Path, told: Answers) -> None:
    """Keep them in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_json(folder / ANSWERS, told._asdict())


def read_answers(folder: Path) -> Answers:
    """Those that `write_answers` kept; raises `SpeechError` where they are damaged."""
    with damaged(folder / ANSWERS, f"{folder}, and it is made again"):
        return Answers(**json.loads((folder / ANSWERS).read_text(encoding="utf-8")))


def judged(
    told: Answers, held: Sequence[Ask], scorer: Scorer, judge: Recogniser
) -> tuple[dict[str, float], list[Score]]:
    """What a policy did with the unseen prompts, and the scores of its cool answers.

    Of its cool answers the score and its parts, and what is in no score, see `in_waves`. Under names that begin with
    `sampled` the same of those that were sampled as in training, and the standard error of their score over other
    answers to these prompts, so that "the score rises" is said of fixed prompts and not of those that an update drew.
    """
    scores = scorer.score(held, told.cool)
    draws = [scorer.score(held, some) for some in told.sampled]
    sampled = [score for some in draws for score in some]
    as_trained = averages(sampled) | in_waves([*held] * len(told.sampled), sampled, judge)
    within = np.var([[score.total for score in some] for some in draws], axis=0, ddof=1)  # of a prompt's answers
    error = (np.mean(within) / len(sampled)) ** 0.5
    found = averages(scores) | in_waves(held, scores, judge)
    found |= {f"sampled_{name}": value for name, value in as_trained.items()} | {"sampled_error": float(error)}
    return {**found, "prompts": len(scores)}, scores


def in_waves(asks: Sequence[Ask], scores: Sequence[Score], judge: Recogniser) -> dict[str, float]:
    """`APART`, which are in no score: the recogniser's errors, and the attributes as the meters of waves hear them."""
    pairs, attributes = [], []
    for ask, score in zip(asks, scores, strict=True):
        wave = to_wave(score.channels) if score.channels.size else np.zeros(0)
        if ask.text:
            pairs.append((ask.text, judge.hear(wave) if wave.size else ""))
            heard = attribute_score(ask, measure(wave)) if wave.size else {}
            attributes.append(float(np.mean(list(heard.values()))) if heard else 0.0)
    attribute = float(np.mean(attributes)) if attributes else 0.0
    return dict(zip(APART, (attribute, error_rate(pairs, characters=True), error_rate(pairs)), strict=True))


def over_seeds(before: Sequence[Mapping[str, float]], seeds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """How much each of `JUDGED` rose, mean over the seeds and half of its 95 % interval (Student's t); of fewer than
    two seeds nothing is said. Of each seed `before` has answers of its own, else their chance would be in no
    interval."""
    if len(seeds) < 2:
        return {}
    found = {}
    for name in JUDGED:
        rise = np.array([after[name] - old[name] for old, after in zip(before, seeds, strict=True)]) * (
            -1 if "recogniser" in name else 1
        )
        half = students_t(len(rise) - 1) * rise.std(ddof=1) / len(rise) ** 0.5
        found[f"{name}_rise"] = [round(float(rise.mean()), 4), round(float(half), 4)]
    return found


def students_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: exact for 1 and 2 degrees of freedom, for more by an expansion of Cornish and
    Fisher, within 1 %."""
    if freedom <= 2:
        return {1: 12.7062, 2: 4.3027}[freedom]
    z = 1.959964
    first, second, third = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + first / freedom + second / freedom**2 + third / freedom**3
