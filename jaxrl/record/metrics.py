"""Every metric that a run may write, in one place; docs/metrics.md is this table.

`python -m jaxrl.record.metrics` prints the table for the docs. No JAX here.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Metric(NamedTuple):
    """Unit and meaning of one number."""

    unit: str
    meaning: str


METRICS: dict[str, Metric] = {
    "rate/env_steps": Metric("1/s", "Agent decisions per second, mean of the last 30 s; auto-reset rows left out."),
    "rate/frames": Metric("1/s", "Emulator frames per second: `rate/env_steps` times the frame skip."),
    "rate/updates": Metric("1/s", "Learner updates per second of wall time."),
    "rate/games": Metric("1/s", "Games of two players finished per second of wall time."),
    "episode/return": Metric("reward", "Mean raw, undiscounted return of the last 100 finished episodes."),
    "episode/return_min": Metric("reward", "Lowest return among those episodes."),
    "episode/return_max": Metric("reward", "Highest return among those episodes."),
    "episode/length": Metric("env steps", "Mean length of those episodes."),
    "episode/count": Metric("episodes", "Episodes finished since the run began."),
    "loss/total": Metric("-", "What the optimiser minimised: the weighted sum of the parts."),
    "loss/value": Metric("reward^2", "State-value part, before its weight; of the head where `value_transform` is on."),
    "loss/policy": Metric("-", "Policy-gradient part, before its weight."),
    "loss/kl": Metric("nats", "Estimated divergence from the first policy, of `group`, before its weight."),
    "loss/upgo": Metric("-", "Upgoing policy-gradient part, before its weight."),
    "loss/q": Metric("reward^2", "Action-value part of CASA, before its weight."),
    "loss/entropy": Metric("nats", "Entropy part, before its weight: minus the mean entropy of the policy."),
    "policy/entropy": Metric("nats", "Mean entropy of the policy; log(number of actions) when it is uniform."),
    "policy/max_probability": Metric("0 to 1", "Mean probability of the most probable action."),
    "policy/deviation": Metric(
        "action", "Mean standard deviation of a continuous action's policy, where 2 is the whole range of the action."
    ),
    "policy/kl": Metric("nats", "Estimated divergence of the policy from the one that acted, mean of PPO's steps."),
    "policy/clipped": Metric(
        "0 to 1", "Share of the samples whose ratio is outside of the clip range, of PPO and `group`."
    ),
    "behaviour/entropy": Metric("nats", "Mean entropy of the policy that acted, at the temperatures that acted."),
    "behaviour/inverse_temperature": Metric("1/reward", "Mean of 1/temperature, at which samples are learnt."),
    "behaviour/inverse_temperature_std": Metric(
        "1/reward", "Its standard deviation over samples; 0 where the temperature is fixed."
    ),
    "advantage/std": Metric(
        "reward",
        "Root of the mean over states of the variance over actions of CASA's advantage, the head over kappa (casa.md).",
    ),
    "value/mean": Metric("reward", "Mean predicted state value, in the learner's reward scale."),
    "trace/rho_mean": Metric("ratio", "Mean importance ratio pi/mu before clipping; 1 when on-policy."),
    "trace/rho_clipped": Metric("0 to 1", "Share of the importance ratios that clipping reduced."),
    "optimiser/grad_norm": Metric("-", "Global norm of the gradient before it is clipped."),
    "optimiser/learning_rate": Metric("-", "Learning rate, mean over the updates of the report."),
    "population/replaced": Metric(
        "0 to 1", "Share of the members that copied a better one, mean over updates; of a population that competes."
    ),
    "selfplay/games": Metric("games", "Games of two players that ended in an update."),
    "selfplay/game_length": Metric("actions", "Mean length of those games, actions of both seats."),
    "selfplay/first_seat": Metric("-1 to 1", "Mean result of seat 0 in those games: what moving first is worth."),
    "selfplay/filled": Metric("0 to 1", "Share of the rows of a batch that hold an action that is learnt from."),
    "selfplay/lost": Metric("0 to 1", "Share of the finished rows that found no place; more `unroll_rows` hold them."),
    "selfplay/meets_pool": Metric(
        "0 to 1", "Share of about the last hundred updates' games against the pool that the learning policy won."
    ),
    "selfplay/meets_greedy": Metric("0 to 1", "The same of training games against the script `greedy`."),
    "selfplay/meets_scored": Metric("0 to 1", "The same of training games against the script `scored`."),
    "selfplay/pool_size": Metric("policies", "Frozen copies of the policy in the pool."),
    "selfplay/pool_worst": Metric(
        "0 to 1", "By mean result the win rate in this period against the member that the policy does worst against."
    ),
    "selfplay/against_greedy": Metric(
        "0 to 1", "Share of the newest match against `greedy` that the policy won, taking its most probable action."
    ),
    "selfplay/against_scored": Metric("0 to 1", "The same against the script `scored`."),
    "selfplay/entropy_deck": Metric("nats", "Mean entropy of the policy that acted, while decks are chosen."),
    "selfplay/entropy_battle": Metric("nats", "The same in the battle."),
    "selfplay/passes": Metric("0 to 1", "Share of the battle's actions that end the turn."),
    "selfplay/deck_cost": Metric("mana", "Mean cost of a card in the decks that are played."),
    "selfplay/deck_pairs": Metric("0 to 1", "Share of their cards that are there twice."),
    "selfplay/deck_creatures": Metric("0 to 1", "Share of creatures in them."),
    "selfplay/deck_green": Metric("0 to 1", "Share of green items in them."),
    "selfplay/deck_red": Metric("0 to 1", "Share of red items in them."),
    "selfplay/deck_blue": Metric("0 to 1", "Share of blue items in them."),
    "lag/versions": Metric("updates", "Mean age of the acting parameters: learner's version minus the actor's."),
    "time/env": Metric("0 to 1", "Share of an actor's wall time spent waiting for environments, mean over actors."),
    "time/inference": Metric("0 to 1", "Share of an actor's wall time spent choosing actions, mean over actors."),
    "time/parameter_wait": Metric(
        "0 to 1",
        "Share of an actor's wall time spent waiting for parameters that it may act with, mean over actors.",
    ),
    "time/queue_wait": Metric(
        "0 to 1",
        "Share of wall time that the learner's thread waited for trajectories; its device may still have been at work.",
    ),
    "progress/updates": Metric("updates", "Learner updates since the run began; also the version of the parameters."),
    "progress/frames": Metric("frames", "Emulator frames since the run began: env steps times the frame skip."),
    "progress/wall": Metric("s", "Wall time since the run began, over all its parts when it was resumed."),
}


def documented(name: str) -> bool:
    """Whether docs/metrics.md explains `name`: as itself, as a member's, a hyper-parameter's or another script's."""
    own = re.sub(r"^member_\d+/", "", name)
    return own in METRICS or re.fullmatch(r"hypers/[a-z_]+|selfplay/(meets|against)_[a-z_-]+", own) is not None


def table() -> str:
    """The Markdown table of docs/metrics.md, without a final line break."""
    rows = [f"| `{name}` | {metric.unit} | {metric.meaning} |" for name, metric in METRICS.items()]
    return "\n".join(["| name | unit | meaning |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
