"""The settings of reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass

from jaxrl.errors import ConfigError

MINIBATCHES = 2


@dataclass(frozen=True)
class RLConfig:
    """Reinforcement learning of the policy.

    Args:
        updates: of each learner.
        prompts: in an update.
        group: answers to each of them, which are compared with each other.
        tokens: most of a prompt and its answer.
        learning_rate: peak.
        epochs: gradient steps over each batch, with two minibatches in each.
        kl_cost: weight of the divergence from the supervised policy, per token.
        temperature: of what is sampled.
        held: unseen prompts by which learners are compared with the supervised policy, before and after.
        listener_width: channels of the listener.
        listener_steps: updates of the listener.
        seed: of everything.
        seeds: of each learner on the whole score; intervals want three.
    """

    updates: int = 20
    prompts: int = 4
    group: int = 8
    tokens: int = 160
    learning_rate: float = 1e-4
    epochs: int = 2
    kl_cost: float = 0.05
    temperature: float = 1.0
    held: int = 32
    listener_width: int = 96
    listener_steps: int = 800
    seed: int = 0
    seeds: int = 1

    def __post_init__(self):
        if self.group < 2:
            raise ConfigError(f"rl.group must be 2 or more: answers are compared with each other, got {self.group}")
        if self.prompts * self.group % MINIBATCHES:
            both = f"{self.prompts} x {self.group}"
            raise ConfigError(f"rl.prompts x rl.group must divide into {MINIBATCHES} minibatches, got {both}")
