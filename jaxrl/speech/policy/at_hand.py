"""A policy out of a run folder, ready to answer prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.speech import fitting
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy.generate import generate, grammar_of, stack_prompts
from jaxrl.speech.policy.policy_config import PolicyConfig, make_network
from jaxrl.speech.policy.supervised import init_policy
from jaxrl.speech.policy.transformer import Transformer
from jaxrl.speech.scale import Scale, read_scale
from jaxrl.speech.speech_error import SpeechError

SCALE = "scale.json"  # of a run folder: all its settings
POLICY, TRAINING, STUDENT = "policy", "teacher", "student"
TOP_P = 0.9
BUCKET = 64  # prompts are padded to multiples of it


class Policy(NamedTuple):
    """A trained policy."""

    network: Transformer
    params: Any
    vocabulary: Vocabulary
    config: PolicyConfig

    def answer(
        self,
        prompts: Sequence[Sequence[int]],
        key: jax.Array,
        temperature: float | None = None,
        top_p: float = TOP_P,
        max_new: int | None = None,
    ) -> list[list[int]]:
        """The tokens that answer each prompt, `<eot>` included where it was reached within the context.

        Args:
            prompts: each ends with the opening of the assistant's turn, as of `chat.encode_prompt`.
            key: of the samples.
            temperature: 0 takes the likeliest token; that of the settings, unless given.
            top_p: only the likeliest tokens that together reach this probability; 1 takes all.
            max_new: most tokens of an answer; what the context leaves, unless given.
        """
        stacked, lengths = stack_prompts(prompts, BUCKET)
        left = self.config.context - int(lengths.max())
        made = generate(
            self.network,
            self.params,
            stacked,
            lengths,
            key,
            self.config.temperature if temperature is None else temperature,
            self.config.context - stacked.shape[1] + BUCKET,  # of few shapes, each at least what is left
            grammar_of(self.vocabulary),
            top_p,
            nucleus=top_p < 1,
            limit=min(left, max_new or left),
        )
        tokens, mask = np.asarray(made.tokens), np.asarray(made.mask)
        return [row[said].tolist() for row, said in zip(tokens, mask, strict=True)]


def scale_of(run: Path) -> Scale:
    """The settings that a run folder was made with; raises `SpeechError` where it is none."""
    if not (run / SCALE).exists():
        raise SpeechError(f"{run} is no folder of `jaxrl speech` with a policy; make it with --until policy")
    return read_scale(run / SCALE)


def vocabulary_of(scale: Scale) -> Vocabulary:
    """The ids of a run's tokens."""
    return Vocabulary(scale.tokenizer.linguistic, scale.tokenizer.semantic)


def load_policy(run: Path, part: str = TRAINING) -> Policy:
    """The newest policy of a run folder, also of one that is still trained.

    Args:
        run: the folder of `jaxrl speech`.
        part: of the folder `policy`: the teacher or the student.

    Raises:
        SpeechError: there is none, or it cannot be used.
    """
    scale = scale_of(run)
    config, vocabulary = scale.policy, vocabulary_of(scale)
    if part == STUDENT:
        config = student_config(config)
    like = jax.eval_shape(lambda: init_policy(config, vocabulary))
    state = fitting.load_trained(run / POLICY / part / "state", like)
    return Policy(make_network(config, vocabulary), state.params, vocabulary, config)


def student_config(config: PolicyConfig) -> PolicyConfig:
    """The settings of the student of a policy: fewer blocks, the rest the same."""
    return dataclasses.replace(config, layers=config.student_layers, steps=config.student_steps)
