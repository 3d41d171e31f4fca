"""Pure mathematics on sequences: no networks, no environments, no state."""

from jaxrl.ops.categorical import entropy, importance_ratio, log_prob, sample, softmax_policy
from jaxrl.ops.drtrace import DRTrace, dr_trace
from jaxrl.ops.gae import generalised_advantage
from jaxrl.ops.rewards import transform_reward
from jaxrl.ops.trace import masked_mean
from jaxrl.ops.upgo import upgo_advantage
from jaxrl.ops.values import compress_value, expand_value
from jaxrl.ops.vtrace import VTrace, vtrace

__all__ = [
    "DRTrace",
    "VTrace",
    "compress_value",
    "dr_trace",
    "entropy",
    "expand_value",
    "generalised_advantage",
    "importance_ratio",
    "log_prob",
    "masked_mean",
    "sample",
    "softmax_policy",
    "transform_reward",
    "upgo_advantage",
    "vtrace",
]
