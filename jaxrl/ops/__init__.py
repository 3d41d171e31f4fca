"""Pure mathematics on sequences: no networks, no environments, no state."""

from jaxrl.ops.categorical import entropy, log_prob, normalise_logits, sample, softmax_policy
from jaxrl.ops.drtrace import DRTrace, dr_trace
from jaxrl.ops.frames import push_frame, stack_frames
from jaxrl.ops.gae import generalised_advantage
from jaxrl.ops.policies import CATEGORICAL, GAUSSIAN, SQUASHED, Distribution, distribution_of
from jaxrl.ops.rewards import transform_reward
from jaxrl.ops.trace import masked_mean
from jaxrl.ops.upgo import upgo_advantage
from jaxrl.ops.values import compress_value, expand_value
from jaxrl.ops.vtrace import VTrace, vtrace

__all__ = [
    "CATEGORICAL",
    "GAUSSIAN",
    "SQUASHED",
    "DRTrace",
    "Distribution",
    "VTrace",
    "compress_value",
    "distribution_of",
    "dr_trace",
    "entropy",
    "expand_value",
    "generalised_advantage",
    "log_prob",
    "masked_mean",
    "normalise_logits",
    "push_frame",
    "sample",
    "softmax_policy",
    "stack_frames",
    "transform_reward",
    "upgo_advantage",
    "vtrace",
]
