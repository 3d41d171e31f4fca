"""Features of packed cards: what `observe.card_features` shows, read from two words a card by shifts and masks.

A trajectory keeps the words, 8 bytes a card instead of 40, and a network unpacks them where it needs them: all twenty
columns are one elementwise program, which a compiler fuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.observe import CARD_FEATURES, COST_SCALE, EFFECT_SCALE, STRENGTH_SCALE

if TYPE_CHECKING:  # a bot starts in less time without the rest of what it imports
    from jaxrl.types import Array

# A column is ((word << left) >> right) & mask, less `shift`, over `scale`, or whether it is `equal` (-1: no flag).
# The words are those of `cards.pack`.
_STRENGTH, _REST = 0, 1
_ROWS = (
    [(_REST, 0, 0, 3, 0, 1, kind) for kind in range(4)]
    + [(_REST, 0, 2, 15, 0, COST_SCALE, -1)]
    + [(_STRENGTH, 16, 16, -1, 0, STRENGTH_SCALE, -1), (_STRENGTH, 0, 16, -1, 0, STRENGTH_SCALE, -1)]
    + [(_REST, 0, 6 + bit, 1, 0, 1, -1) for bit in range(6)]
    + [(_REST, 0, 17, 31, 16, EFFECT_SCALE, -1), (_REST, 0, 22, 31, 16, EFFECT_SCALE, -1)]
    + [(_REST, 0, 14, 7, 0, EFFECT_SCALE, -1)]
    + [(_REST, 0, 12, 3, 0, 1, area) for area in range(3)]
)
_COLUMNS = [np.asarray(column) for column in zip(*_ROWS, strict=True)]
_WORD, _LEFT, _RIGHT, _MASK, _SHIFT, _EQUAL = (_COLUMNS[k].astype(np.int32) for k in (0, 1, 2, 3, 4, 6))
_SCALE = _COLUMNS[5].astype(np.float32)


def is_card(words: Array) -> Array:
    """bool [...]: words [..., 2] are a card's. No card is packed as two zeros."""
    return words[..., _REST] != 0


def word_features(words: Array, numpy: Any = jnp) -> Array:
    """Words int32 [..., 2] -> float32 [..., 20], the columns of `observe.card_features`; zeros where no card is.

    `numpy` computes: jax.numpy, or NumPy itself.
    """
    word = numpy.where(_WORD == _STRENGTH, words[..., :1], words[..., 1:])
    value = (word << _LEFT) >> _RIGHT & _MASK
    number = (value - _SHIFT).astype(np.float32) / _SCALE
    column = numpy.where(_EQUAL < 0, number, value == _EQUAL)
    there = is_card(words)[..., None]
    features = numpy.concatenate([there.astype(np.float32), numpy.where(there, column, 0)], axis=-1)
    assert features.shape[-1] == CARD_FEATURES
    return features
