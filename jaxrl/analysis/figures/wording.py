"""What a reader is told in place of a metric's key."""

from __future__ import annotations

from jaxrl.record.metrics import METRICS

NAMES = {
    "rate/env_steps": "Speed, env steps",
    "rate/frames": "Speed, frames",
    "episode/return": "Return of the last 100 episodes",
    "episode/length": "Length of the last 100 episodes",
    "loss/total": "Total loss",
    "loss/value": "Value loss",
    "loss/policy": "Policy loss",
    "loss/q": "Action-value loss",
    "loss/entropy": "Entropy loss",
    "policy/entropy": "Entropy of the policy",
    "policy/max_probability": "Probability of the most probable action",
    "policy/deviation": "Standard deviation of the action",
    "policy/kl": "Divergence from the policy that acted",
    "policy/clipped": "Share of clipped ratios",
    "behaviour/entropy": "Entropy of what acted",
    "behaviour/inverse_temperature": "1 / temperature",
    "advantage/std": "Standard deviation of the advantage",
    "value/mean": "Mean value",
    "trace/rho_mean": "Mean importance ratio",
    "trace/rho_clipped": "Share of clipped importance ratios",
    "optimiser/grad_norm": "Norm of the gradient",
    "optimiser/learning_rate": "Learning rate",
}


def metric_name(key: str) -> str:
    """`Entropy of the policy` for `policy/entropy`; of a metric without a name of its own its key in words."""
    return NAMES.get(key) or spaced(key.replace("/", ", ")).capitalize()


def metric_unit(key: str) -> str:
    """As in docs/metrics.md, with real powers; empty where there is none."""
    unit = METRICS[key].unit if key in METRICS else "-"
    return {"-": "", "reward^2": "reward²", "1/s": "per second"}.get(unit, unit)


def spaced(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")
