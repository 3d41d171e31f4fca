"""Pure mathematics on sequences: no networks, no environments, no state."""

from jaxrl.ops.categorical import entropy, importance_ratio, log_prob, sample, softmax_policy
from jaxrl.ops.drtrace import DRTrace, dr_trace
from jaxrl.ops.rewards import transform_reward
from jaxrl.ops.vtrace import VTrace, vtrace

__all__ = [
    "DRTrace",
    "VTrace",
    "dr_trace",
    "entropy",
    "importance_ratio",
    "log_prob",
    "sample",
    "softmax_policy",
    "transform_reward",
    "vtrace",
]
