"""The learners that the policy is post-trained by: three agents of the registry, and one that is paid wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxrl.agents import casa, group, impala
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.speech.rl.rl_config import MINIBATCHES, RLConfig
from jaxrl.speech.rl.scoring import WEIGHTS, WORDS_ONLY
from jaxrl.speech.rl.stream import spec_of
from jaxrl.speech.rl.token_network import TokenNetwork
from jaxrl.types import Agent


class Arm(NamedTuple):
    """One way to learn.

    Args:
        make: the agent, of the settings and its network.
        weights: of the parts of the score.
        shaping: whether the divergence is taken from the rewards; `group` has it in its loss.
        does: in words.
    """

    make: Callable[[RLConfig, TokenNetwork], Agent]
    weights: Mapping[str, float]
    shaping: bool
    does: str


def _optimiser() -> OptimiserConfig:
    return OptimiserConfig(max_grad_norm=1.0)


def _steps(config: RLConfig) -> dict[str, Any]:
    return {"num_epochs": config.epochs, "num_minibatches": MINIBATCHES}


def _group(config: RLConfig, network: TokenNetwork) -> Agent:
    hypers = group.Hypers(learning_rate=config.learning_rate, kl_cost=config.kl_cost, temperature=config.temperature)
    own = {"group_size": config.group, "credit": "to_go"}
    settings = group.Config(hypers, optimiser=_optimiser(), **own, **_steps(config))
    return group.make(settings, network, _spec(network), config.updates)


def _impala(config: RLConfig, network: TokenNetwork) -> Agent:
    hypers = impala.Hypers(
        learning_rate=IMPALA_RATE * config.learning_rate,
        temperature=config.temperature,
        discount_factor=1.0,
        entropy_cost=0.0,
    )
    steps = {**_steps(config), "reward_transform": "identity"}
    return impala.make(
        impala.Config(hypers=hypers, optimiser=_optimiser(), **steps), network, _spec(network), config.updates
    )


def _casa(config: RLConfig, network: TokenNetwork) -> Agent:
    """With `advantage_scale` its temperature, the network's output is the logits, and what was learnt under supervision
    is the first policy. The temperature is small beside rewards, whose regression would else flatten it."""
    hypers = casa.Hypers(
        learning_rate=config.learning_rate,
        temperature=CASA_TEMPERATURE * config.temperature,
        advantage_scale=CASA_TEMPERATURE,
        discount_factor=1.0,
        q_cost=1.0,
        policy_cost=1.0,
    )
    steps = {**_steps(config), "reward_transform": "identity"}
    return casa.make(
        casa.Config(hypers=hypers, optimiser=_optimiser(), temperature_factor=True, **steps),
        network,
        _spec(network),
        config.updates,
    )


def _spec(network: TokenNetwork) -> Any:
    return spec_of(network.model.size)


CASA_TEMPERATURE = 0.02  # in units of score
IMPALA_RATE = 0.3  # at the whole rate its score fell in ten updates, at this one it rose: docs/speech.md
ARMS: Mapping[str, Arm] = {
    "group": Arm(_group, WEIGHTS, False, "answers to one prompt compared with each other, the whole score"),
    "impala": Arm(_impala, WEIGHTS, True, "V-trace and a value head, the whole score"),
    "casa": Arm(_casa, WEIGHTS, True, "DR-Trace, one advantage head as critic and policy, the whole score"),
    "words": Arm(_group, WORDS_ONLY, False, "the group learner, paid for right words alone: the failure to be seen"),
}
