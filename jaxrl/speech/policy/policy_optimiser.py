"""The optimiser of the supervised policy: Muon for the matrices of the blocks, AdamW for the rest.

Muon (Jordan et al., 2024) makes the momentum of a matrix orthogonal; with its root mean square held at 0.2, as AdamW's
is, both take one learning rate.
"""

from __future__ import annotations

from typing import Any

import jax
import optax
from optax import contrib

from jaxrl.speech import fitting
from jaxrl.speech.policy.policy_config import PolicyConfig

RMS, DECAY = 0.2, 0.1


def policy_optimiser(config: PolicyConfig) -> optax.GradientTransformation:
    """A warm-up, a cosine to 0, gradients of norm 1 at most."""
    muon = contrib.muon(
        fitting.schedule(config),
        weight_decay=DECAY,
        adam_weight_decay=DECAY,
        consistent_rms=RMS,
        muon_weight_dimension_numbers=_matrices,
    )
    return optax.chain(optax.clip_by_global_norm(1.0), muon)


def _matrices(params: Any) -> Any:
    """Which axes of a kernel are its input and its output; None for what is no matrix of a block."""

    def of(path: tuple[Any, ...], leaf: jax.Array) -> contrib.MuonDimensionNumbers | None:
        names = "/".join(str(getattr(part, "key", part)) for part in path)
        if "blocks" not in names or leaf.ndim < 2:
            return None
        # Queries, keys and values [in, 3, heads, out] are a matrix each; what joins the heads is [heads, in, out].
        inputs, outputs = {4: (0, (2, 3)), 3: ((0, 1), 2), 2: (0, 1)}[leaf.ndim]
        return contrib.MuonDimensionNumbers(inputs, outputs)

    return jax.tree_util.tree_map_with_path(of, params)
