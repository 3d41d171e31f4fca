"""What to watch while a policy learns the card game: each stage's entropy, how often it passes, and its decks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.observe import COST_SCALE
from jaxrl.locm.policy.words import word_features
from jaxrl.types import Metrics, Trajectory

if TYPE_CHECKING:
    from jaxrl.locm.table import CardView

TYPES = ("creatures", "green", "red", "blue")
FIRST_TYPE, COST = 1, 5  # columns of `observe.card_features`


def watch_stages(trajectory: Trajectory) -> Metrics:
    """Means over the unmasked rows of a stage."""
    battle = trajectory.observation.in_battle[:-1] > 0
    entropy, mask = ops.entropy(trajectory.behaviour_logits), trajectory.mask
    return {
        "selfplay/entropy_deck": ops.masked_mean(entropy, mask & ~battle),
        "selfplay/entropy_battle": ops.masked_mean(entropy, mask & battle),
        "selfplay/passes": ops.masked_mean(trajectory.action == PASS, mask & battle),
    }


def watch_decks(trajectory: Trajectory) -> Metrics:
    """Means over the decks with which the unroll ended, one a column whose seat is in the battle."""
    view: CardView = jax.tree.map(lambda x: x[-1], trajectory.observation)
    battle, picks = view.in_battle > 0, word_features(view.picks)  # [C], [C, 30, 20]
    alike = jnp.all(view.picks[:, :, None] == view.picks[:, None], axis=-1)
    paired = jnp.sum(alike, axis=-1) > 1
    shares = {name: picks[:, :, FIRST_TYPE + number] for number, name in enumerate(TYPES)}
    per_card = {"cost": COST_SCALE * picks[:, :, COST], "pairs": paired.astype(jnp.float32), **shares}
    return {f"selfplay/deck_{name}": ops.masked_mean(jnp.mean(x, axis=1), battle) for name, x in per_card.items()}
