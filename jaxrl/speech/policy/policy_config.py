"""The settings of the policy, and its network of a size."""

from __future__ import annotations

from dataclasses import dataclass

from jaxrl.errors import ConfigError
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy.library import PHONES
from jaxrl.speech.policy.transformer import Transformer
from jaxrl.speech.sound.throats import check_throats


@dataclass(frozen=True)
class PolicyConfig:
    """The policy and its supervised training.

    Args:
        utterances: that the engine makes for it beside those of the tokenizer; only their codes are used.
        width: of the hidden states.
        layers: blocks.
        heads: of attention.
        dropout: in training.
        context: most tokens of a dialogue, its answer included.
        rows: of `context` tokens in an update, each filled with whole dialogues.
        steps: updates.
        learning_rate: peak; it falls to 0 as a cosine.
        noise: share of the codes that are read as others in training.
        text_weight: of the loss of a token of text, beside that of a code.
        phone_weight: of a loss beside it, of the phone that each code belongs to, as the synthesiser timed it; 0 for
            none.
        rehearsed: utterances beside them, what tools answer and short texts under tags, see `jobs.rehearsal`; 0 for
            none.
        throats: other throats in which each utterance of training is listened to, 6 at most: see `throats.py`.
        second_steps: updates of a second course, which begins with what the first has learnt, and in which all tasks
            have their share; 0 for none.
        second_rate: peak of the learning rate in it.
        second_text_weight: `text_weight` in it.
        temperature: of its answers, unless another one is asked for.
        student_layers: blocks of the student.
        student_texts: that the policy reads out for its student.
        student_steps: updates of the student.
        seed: of everything.
    """

    utterances: int = 1500
    width: int = 128
    layers: int = 4
    heads: int = 4
    dropout: float = 0.1
    context: int = 320
    rows: int = 6
    steps: int = 4000
    learning_rate: float = 4e-3
    noise: float = 0.1
    text_weight: float = 1.0
    phone_weight: float = 0.0
    rehearsed: int = 0
    throats: int = 0
    second_steps: int = 0
    second_rate: float = 2e-3
    second_text_weight: float = 1.0
    temperature: float = 0.6
    student_layers: int = 2
    student_texts: int = 400
    student_steps: int = 800
    seed: int = 0

    def __post_init__(self):
        check_throats("policy.throats", self.throats)
        if self.width % (2 * self.heads):  # rotary positions turn pairs
            raise ConfigError(
                f"policy.width must be a multiple of twice policy.heads, {2 * self.heads}, got {self.width}"
            )
        if self.dropout and not 1 / 256 <= self.dropout <= 0.9:
            raise ConfigError(f"policy.dropout must be 0, or from 1/256, its unit, to 0.9, got {self.dropout}")


def make_network(config: PolicyConfig, vocabulary: Vocabulary) -> Transformer:
    """The network."""
    phones = PHONES if config.phone_weight else 0
    return Transformer(vocabulary.size, config.width, config.layers, config.heads, config.dropout, phones)
