"""The card network for one state in NumPy: the same numbers as `jaxrl.locm.policy.network`, and nothing to compile.

A bot that starts for one game would spend its first seconds on compiling the network; one state takes half a
millisecond here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.envs.locm.state import DECK_SIZE, HAND_SLOTS, LANES
from jaxrl.locm.policy.outcomes import KINDS, OPPONENT_HEALTH, Outcomes, outcomes
from jaxrl.locm.policy.weights import Weights
from jaxrl.locm.policy.words import is_card, word_features
from jaxrl.locm.table import CardView

NUM_ACTIONS = 145
Layer = Mapping[str, Any]
Array = np.ndarray


class Looked(NamedTuple):
    """What the network makes of a state."""

    logits: Array  # float32 [145]
    value: float
    memory: tuple[Array, Array]  # hidden and cell, [H] each


def blank_memory(weights: Weights) -> tuple[Array, Array]:
    """Of a seat that has seen nothing."""
    zero = np.zeros(int(weights.settings.get("core_size", 64)), np.float32)
    return zero, zero


def look(weights: Weights, view: CardView, memory: tuple[Array, Array]) -> Looked:
    """Logits, value and the new memory for one `CardView` without batch axes."""
    params, settings = weights.params, weights.settings
    in_battle = bool(view.in_battle)
    embedding = params["embedding"]
    mine = params.get("battle_embedding", embedding)
    size = embedding["dense_1"]["bias"].shape[0]
    offered, copies = _embed(embedding, view.cards), np.asarray(view.copies, np.float32)
    left, hand = _embed(mine, view.picks), _embed(mine, view.hand)
    board, scalars = np.asarray(view.board, np.float32), np.asarray(view.scalars, np.float32)
    outcome = _outcomes(view, board, scalars) if settings.get("outcomes", False) else None
    if outcome is not None:
        board = np.concatenate([board, outcome.creatures[0]], axis=-1)
    creatures = _relu(_dense(params["creature"], board)) * board[..., :1]
    summary = (left if mine is embedding else _embed(embedding, view.picks)).sum(0) / DECK_SIZE
    if in_battle and not settings.get("shared_summary", True):
        summary = np.zeros_like(summary)
    lanes = creatures.sum(2).swapaxes(0, 1).reshape(LANES, 2 * size)
    if outcome is not None:
        lanes = np.concatenate([lanes, outcome.lanes[0]], axis=-1)
    lane = _relu(_dense(params["lane"], lanes))
    parts = [
        summary,
        np.asarray(view.left, np.float32) @ left / DECK_SIZE,
        offered.mean(0),
        hand.sum(0) / HAND_SLOTS,
        hand.max(0),
        lane.sum(0),
        lane.max(0),
        scalars,
        np.array([in_battle], np.float32),
    ]
    features = np.concatenate(parts)
    for number in range(int(settings.get("layers", 2))):
        features = _relu(_dense(params[f"dense_{number}"], features))
    if "core" in params:
        memory = _step(params["core"], features, memory)
        features = np.concatenate([features, memory[0]])
    if in_battle:
        logits = _battle(params["battle"], hand, creatures, lane, features, outcome)
    else:
        picking = _pick(params["pick"], offered, copies, features)
        logits = np.concatenate([picking, np.zeros(NUM_ACTIONS - len(picking), np.float32)])
    head = params["value_battle" if in_battle else "value_deck"]
    value = float(_dense(head["value"], _relu(_dense(head["dense"], features)))[0])
    return Looked(logits, value, memory)


def _outcomes(view: CardView, board: Array, scalars: Array) -> Outcomes:
    """With a leading axis of 1, as `outcomes` has games."""
    hand = word_features(np.asarray(view.hand), np)[None]
    return outcomes(board[None], hand, scalars[None, OPPONENT_HEALTH], np)


def _weigh(layer: Layer, kinds: Sequence[Array], features: Array) -> Array:
    return np.tensordot(_dense(layer, features), np.stack(kinds)[:, 0], axes=1)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _dense(layer: Layer, x: Array) -> Array:
    return x @ layer["kernel"] + layer["bias"] if "bias" in layer else x @ layer["kernel"]


def _embed(layers: Layer, words: Array) -> Array:
    hidden = _relu(_dense(layers["dense_0"], word_features(np.asarray(words), np)))
    return _relu(_dense(layers["dense_1"], hidden)) * is_card(words)[..., None]


def _step(core: Layer, features: Array, memory: tuple[Array, Array]) -> tuple[Array, Array]:
    hidden, cell = memory
    gates = features @ core["kernel"] + core["bias"] + hidden @ core["recurrent_kernel"]
    write, keep, candidate, show = np.split(gates, 4)
    cell = _sigmoid(keep) * cell + _sigmoid(write) * np.tanh(candidate)
    return _sigmoid(show) * np.tanh(cell), cell


def _sigmoid(x: Array) -> Array:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _pick(head: Layer, cards: Array, copies: Array, features: Array) -> Array:
    if "key" in head:
        query = _relu(_dense(head["query"], features))
        worth = _dense(head["bias"], cards)[:, 0]
        return _dense(head["key"], cards) @ query + worth + copies * _dense(head["copies"], features)
    about = _dense(head["card"], cards) + copies[:, None] * head["copies"] + _dense(head["context"], features)
    return _dense(head["logit"], _relu(about))[:, 0]


def _battle(
    head: Layer, hand: Array, creatures: Array, lane: Array, features: Array, outcome: Outcomes | None
) -> Array:
    own = creatures.shape[-1]
    kernel, bias = head["board"]["kernel"], head["board"]["bias"]
    board = creatures @ kernel[:own] + (lane @ kernel[own:] + bias)[None, :, None, :]
    board = _relu(board.reshape(12, -1) + _dense(head["board_context"], features))
    board = board + _dense(head["enemy"], np.repeat(np.eye(2, dtype=np.float32), 6, axis=0))
    cards = _relu(_dense(head["hand"], hand) + _dense(head["hand_context"], features))
    lanes = _relu(_dense(head["lanes"], lane) + _dense(head["lanes_context"], features))
    face = _dense(head["face"], features)[None]
    summon = _dense(head["summon"], cards) @ lanes.T + _dense(head["summon_bias"], cards)
    targets = np.concatenate([face, board])
    use = _dense(head["use"], cards) @ targets.T + _dense(head["use_bias"], cards)
    attackers, enemies = _dense(head["attack"], board[:6]).reshape(LANES, 3, -1), board[6:].reshape(LANES, 3, -1)
    reach = np.concatenate([np.broadcast_to(face[None], (LANES, *face.shape)), enemies], axis=1)
    attack = (attackers @ reach.swapaxes(1, 2)).reshape(6, -1) + _dense(head["attack_bias"], board[:6])
    if outcome is not None:
        weighed = {name: _weigh(head[name], getattr(outcome, name), features) for name in KINDS}
        summon = summon + weighed["summons"]
        use = use + np.concatenate([weighed[name] for name in ("uses_on_face", "uses_on_own", "uses")], axis=1)
        on_creatures = np.concatenate([weighed["attacks_on_face"], weighed["attacks"]], axis=2)
        attack = attack + on_creatures.reshape(attack.shape)
    return np.concatenate([_dense(head["pass"], features), summon.ravel(), use.ravel(), attack.ravel()])
