"""The card game's network: sets of cards through one embedding, a head for each stage, and a memory between them.

After the published policy of the contest's winner (arXiv 2303.04096): one embedding E of a card wherever a card occurs,
a summary of the own picks that both stages share, and an LSTM that is stepped once an action through both stages.
Battle actions are scored from what they are about: a card's own embedding for SUMMON and USE, a creature's own for
targets and attackers. So hand slots and lanes are interchangeable by construction, and the own deck is a set.

    context = LSTM(dense(s, E of the cards left, hand, lanes, scalars))
    pick i          W E(card i) . relu(U context) + b E(card i) + c context copies i, or (`dense`)
                    v . relu(W E(card i) + U context + W' copies i)
    PASS            linear in the context
    SUMMON i, l     hand i . lane l           USE i, t    hand i . target t            ATTACK c, t    own c . target t
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.config.ranges import AtLeast
from jaxrl.envs.locm.actions import ATTACK_TARGETS, USE_TARGETS
from jaxrl.envs.locm.env import NUM_ACTIONS
from jaxrl.envs.locm.state import DECK_SIZE, HAND_SLOTS, LANE_SLOTS, LANES, SIDES, V15
from jaxrl.errors import ConfigError
from jaxrl.locm.policy.outcomes import KINDS, OPPONENT_HEALTH, Outcomes, outcomes
from jaxrl.locm.policy.rows import Games
from jaxrl.locm.policy.words import word_features
from jaxrl.locm.table import CardView
from jaxrl.networks.heads import NetworkOutput, dense
from jaxrl.networks.lstm import LSTM, initial_memory
from jaxrl.types import EnvSpec, Memory

ROOT_TWO = 2**0.5
FIRST_GAIN = 0.1  # of what logits are made from: the first policy is close to uniform


@dataclass(frozen=True)
class Config:
    """Both stages of the card game.

    Args:
        embedding: size of a card's and of a creature's embedding.
        width: of the dense layers and of both heads.
        layers: dense layers between the sets and the memory.
        core_size: units of the LSTM; 0 for none.
        pick_head: how a card on offer meets the context: `product`, as in the battle, or `dense`, a hidden layer for
            every pair of them as published, at twice the time of all the rest.
        shared_embedding: one embedding of cards in both stages; otherwise each has its own.
        shared_summary: the battle, too, sees the summary of the own picks.
        outcomes: the battle sees what attacks and items would do (`jaxrl.locm.policy.outcomes`).
    """

    embedding: Annotated[int, AtLeast(1)] = 16
    width: Annotated[int, AtLeast(1)] = 64
    layers: Annotated[int, AtLeast(0)] = 2
    core_size: Annotated[int, AtLeast(0)] = 64
    pick_head: Literal["product", "dense"] = "product"
    shared_embedding: bool = True
    shared_summary: bool = True
    outcomes: bool = False


def make(config: Config, spec: EnvSpec) -> CardNetwork:
    """The network; raises `ConfigError` where `spec` is not that of the card game."""
    if not isinstance(spec.observation, CardView):
        raise ConfigError(
            f"network.name cards sees the card game only, and env.name shows {spec.describe()}; set env.name locm"
        )
    return CardNetwork(config)


class CardNetwork(nn.Module):
    """See above."""

    config: Config

    def initial_memory(self, num_envs: int) -> Memory:
        """Of seats that have seen nothing; without an LSTM it has no units, but `first` is given all the same."""
        return initial_memory(num_envs, self.config.core_size)

    @nn.compact
    def __call__(self, observation: CardView, first: jax.Array | None = None, memory: Memory = ()) -> NetworkOutput:
        """Views [N, ...] -> NetworkOutput, logits [N, 145]; `first` and `memory` as in `PolicyValueNetwork`."""
        config, number = self.config, len(observation.in_battle)
        if first is None:
            first, memory = jnp.ones((number, 1), bool), self.initial_memory(number)
        view = _as_float(observation)
        pooled = observation.cards.shape[1] == V15.choices  # the same choices at every pick of a game
        games = Games(first if pooled else jnp.ones((number, 1), bool))
        in_battle = view.in_battle[:, None]

        embed = Embedding(config.embedding, name="embedding")
        embed_battle = embed if config.shared_embedding else Embedding(config.embedding, name="battle_embedding")
        offered = embed(word_features(games.words(observation.cards, view.in_battle == 0)))  # [B, S, C, E]
        pick_words = word_features(games.words(observation.picks, view.in_battle > 0))  # all picks of each game
        picks = embed(pick_words)  # [B, S, 30, E]
        mine = picks if config.shared_embedding else embed_battle(pick_words)
        held_words = word_features(observation.hand)
        hand = embed_battle(held_words)
        outcome = outcomes(view.board, held_words, view.scalars[:, OPPONENT_HEALTH]) if config.outcomes else None
        board = view.board if outcome is None else jnp.concatenate([view.board, outcome.creatures], axis=-1)
        creatures = nn.relu(dense(config.embedding, ROOT_TWO, jnp.float32, "creature")(board))
        creatures = creatures * view.board[..., :1]

        everything = games.spread(jnp.sum(picks, axis=2))
        if pooled:
            everything = jnp.where(in_battle > 0, everything, games.weigh(view.copies, offered))
        summary = everything / DECK_SIZE
        if not config.shared_summary:
            summary = jnp.where(in_battle > 0, 0, summary)
        left = games.weigh(view.left, mine) / DECK_SIZE
        offer = jnp.where(in_battle > 0, 0, games.spread(jnp.mean(offered, axis=2)))
        # Lanes are a set: what is in one lane meets only in `lane`, and the two are added up and compared.
        lanes = jnp.sum(creatures, axis=3).swapaxes(1, 2).reshape(-1, LANES, SIDES * config.embedding)
        if outcome is not None:
            lanes = jnp.concatenate([lanes, outcome.lanes], axis=-1)
        lane = nn.relu(dense(config.width, ROOT_TWO, jnp.float32, "lane")(lanes))
        held = jnp.concatenate([jnp.sum(hand, axis=1) / HAND_SLOTS, jnp.max(hand, axis=1)], axis=-1)
        parts = summary, left, offer, held, jnp.sum(lane, axis=1), jnp.max(lane, axis=1), view.scalars, in_battle
        features = jnp.concatenate(parts, axis=-1)
        for layer in range(config.layers):
            features = nn.relu(dense(config.width, ROOT_TWO, jnp.float32, f"dense_{layer}")(features))
        if config.core_size:
            core = LSTM(config.core_size, name="core")
            rows, memory = core(features.reshape(*first.shape, features.shape[-1]), first, memory)
            features = jnp.concatenate([features, rows.reshape(number, -1)], axis=-1)

        picking = PickHead(config.width, config.pick_head == "product", name="pick")(
            offered, games, view.copies, features
        )
        battle = BattleHead(config.width, name="battle")(hand, creatures, lane, features, outcome)
        rest = jnp.zeros((number, NUM_ACTIONS - picking.shape[1]))
        policy = jnp.where(in_battle > 0, battle, jnp.concatenate([picking, rest], axis=1))
        values = [Value(config.width, name=f"value_{stage}")(features) for stage in ("deck", "battle")]
        return NetworkOutput(policy, jnp.where(view.in_battle > 0, values[1], values[0]), memory)


def _as_float(view: CardView) -> CardView:
    """Everything but the cards as float32."""
    packed = ("cards", "picks", "hand")
    return view._replace(
        **{name: jnp.asarray(x, jnp.float32) for name, x in view._asdict().items() if name not in packed}
    )


class Embedding(nn.Module):
    """Card features [..., 20] -> [..., size]; nothing of a place without a card."""

    size: int

    @nn.compact
    def __call__(self, cards: jax.Array) -> jax.Array:
        """Two dense layers."""
        there = cards[..., :1]
        for layer in range(2):
            cards = nn.relu(dense(self.size, ROOT_TWO, jnp.float32, f"dense_{layer}")(cards))
        return cards * there


class PickHead(nn.Module):
    """One logit a card on offer."""

    width: int
    product: bool

    @nn.compact
    def __call__(self, cards: jax.Array, games: Games, copies: jax.Array, features: jax.Array) -> jax.Array:
        """Cards [B, S, C, E] of the games, copies [N, C], features [N, F] -> logits [N, C]."""
        width = self.width // 2
        if self.product:
            keys = dense(width, FIRST_GAIN, jnp.float32, "key")(cards)
            query = nn.relu(dense(width, ROOT_TWO, jnp.float32, "query")(features))
            worth = games.spread(_bias(cards, "bias")[..., 0])
            return games.match(query, keys) + worth + copies * dense(1, FIRST_GAIN, jnp.float32, "copies")(features)
        keys = dense(width, ROOT_TWO, jnp.float32, "card")(cards)
        context = nn.Dense(width, use_bias=False, name="context")(features)
        about = games.spread(keys) + context[:, None]
        about += copies[..., None] * self.param("copies", nn.initializers.normal(0.5), (width,))
        return dense(1, FIRST_GAIN, jnp.float32, "logit")(nn.relu(about))[..., 0]


class BattleHead(nn.Module):
    """Every battle action from what it is about, in the order of `jaxrl.envs.locm.actions`."""

    width: int

    @nn.compact
    def __call__(
        self,
        hand: jax.Array,
        creatures: jax.Array,
        lane: jax.Array,
        features: jax.Array,
        outcome: Outcomes | None,
    ) -> jax.Array:
        """Hand [N, 8, E], creatures [N, 2, 2, 3, E], lane [N, 2, W], features [N, F] -> logits [N, 145]."""
        number, size = len(features), self.width // 2

        def about(things: jax.Array, name: str) -> jax.Array:
            """Things [N, K, .] in the light of the whole."""
            context = nn.Dense(size, use_bias=False, name=f"{name}_context")(features)
            return nn.relu(dense(size, ROOT_TWO, jnp.float32, name)(things) + context[:, None])

        def query(things: jax.Array, name: str) -> jax.Array:
            return dense(size, FIRST_GAIN, jnp.float32, name)(things)

        # A creature meets its lane: what it may attack, and what may attack it.
        board = Beside(size, name="board")(creatures, lane).reshape(number, 12, size)
        board = nn.relu(board + nn.Dense(size, use_bias=False, name="board_context")(features)[:, None])
        side = dense(size, 1.0, jnp.float32, "enemy")(jnp.repeat(jnp.eye(2), 6, axis=0))  # own or enemy
        board = board + side
        cards, lanes = about(hand, "hand"), about(lane, "lanes")
        face = nn.Dense(size, name="face")(features)[:, None]
        nothing = dense(1, FIRST_GAIN, jnp.float32, "pass")(features)

        summon = jnp.einsum("nhs,nls->nhl", query(cards, "summon"), lanes) + _bias(cards, "summon_bias")
        targets = jnp.concatenate([face, board], axis=1)
        use = jnp.einsum("nhs,nts->nht", query(cards, "use"), targets) + _bias(cards, "use_bias")
        enemy = board[:, 6:].reshape(number, LANES, LANE_SLOTS, size)
        own = query(board[:, :6], "attack").reshape(number, LANES, LANE_SLOTS, size)
        faces = jnp.broadcast_to(face[:, None], (number, LANES, 1, size))
        attack = jnp.einsum("nlcs,nlts->nlct", own, jnp.concatenate([faces, enemy], axis=2))
        attack = attack.reshape(number, LANES * LANE_SLOTS, ATTACK_TARGETS) + _bias(board[:, :6], "attack_bias")
        assert use.shape[-1] == USE_TARGETS
        if outcome is not None:
            weighed = {
                name: _weigh(kinds, features, name) for name, kinds in outcome._asdict().items() if name in KINDS
            }
            summon += weighed["summons"]
            use += jnp.concatenate([weighed[name] for name in ("uses_on_face", "uses_on_own", "uses")], axis=2)
            on_creatures = jnp.concatenate([weighed["attacks_on_face"], weighed["attacks"]], axis=3)
            attack += on_creatures.reshape(attack.shape)
        return jnp.concatenate([nothing, *(x.reshape(number, -1) for x in (summon, use, attack))], axis=1)


class Beside(nn.Module):
    """A dense layer over each creature and its lane, without laying the lane beside every creature."""

    size: int

    @nn.compact
    def __call__(self, creatures: jax.Array, lane: jax.Array) -> jax.Array:
        """Creatures [N, 2, 2, 3, E], lane [N, 2, W] -> [N, 2, 2, 3, size]."""
        own, wide = creatures.shape[-1], lane.shape[-1]
        kernel = self.param("kernel", nn.initializers.orthogonal(ROOT_TWO), (own + wide, self.size))
        bias = self.param("bias", nn.initializers.zeros, (self.size,))
        return creatures @ kernel[:own] + (lane @ kernel[own:] + bias)[:, None, :, None]


def _bias(things: jax.Array, name: str) -> jax.Array:
    """One number a thing [N, K, 1]: how much to do something with it, whatever it is done to."""
    return dense(1, FIRST_GAIN, jnp.float32, name)(things)


def _weigh(kinds: Sequence[jax.Array], features: jax.Array, name: str) -> jax.Array:
    """The sum of kinds of outcomes [N, ...], each with a weight that the features [N, F] decide."""
    weights = dense(len(kinds), FIRST_GAIN, jnp.float32, name)(features)
    shape = -1, *(1,) * (kinds[0].ndim - 1)
    return sum((kind * weights[:, k].reshape(shape) for k, kind in enumerate(kinds)), start=jnp.float32(0))


class Value(nn.Module):
    """Value [N] of one stage."""

    width: int

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """Features [N, F]."""
        hidden = nn.relu(dense(self.width, ROOT_TWO, jnp.float32, "dense")(features))
        return dense(1, 1.0, jnp.float32, "value")(hidden)[:, 0]
