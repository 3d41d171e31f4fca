"""What an attack or an item would do: the comparisons of two numbers that products of embeddings cannot make.

Whether a creature survives is a threshold of a difference between its own numbers and another's; a bilinear head over
separate embeddings only comes near it. Here it is read off the rules (`jaxrl.envs.locm.rules`): who falls, what is
wasted, what the creatures of a lane can do to the other side's face. Nothing hidden is used, and no value is put on
anything: the network learns what to make of it.

Boards are float [N, 2, 2, 3, 10] as `observe.board_features` makes them, hands [N, 8, 20] as `words.word_features`
does; numbers stay in their units (strength over 12). `numpy` computes: jax.numpy, or NumPy itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp

from jaxrl.envs.locm.observe import BATTLE_SCALARS, DECK_SCALARS, EFFECT_SCALE, SCALAR_SCALES, STRENGTH_SCALE
from jaxrl.envs.locm.state import HAND_SLOTS

if TYPE_CHECKING:  # a bot starts in less time without the rest of what it imports
    from jaxrl.types import Array

# Columns of a creature; those of a card that stand for the same, and others.
THERE, ATTACK, DEFENSE, GUARD, LETHAL, WARD, READY = 0, 1, 2, 6, 7, 8, 9
CREATURE_CARD, CARD_ATTACK, CARD_DEFENSE, CHARGE, CARD_GUARD, CARD_LETHAL, CARD_WARD = 1, 6, 7, 9, 11, 12, 13
GREEN_CARD, ON_OPPONENT, AREA = 2, 15, 17
OPPONENT_HEALTH = len(DECK_SCALARS) + BATTLE_SCALARS.index("opponent_health")  # its place in `CardView.scalars`
HALF = 0.5 / STRENGTH_SCALE  # numbers are whole, but of float16 on the board and of float32 in the hand
HEALTH_SCALE = SCALAR_SCALES[BATTLE_SCALARS.index("opponent_health")]


class Outcomes(NamedTuple):
    """Of the actions of N battles. From `attacks` on these are tuples of kinds of outcomes, an array each."""

    creatures: Array  # [N, 2, 2, 3, 1]: a creature of the other side that may strike next can kill it
    lanes: Array  # [N, 2, 4]: guarded own and enemy side, damage to the enemy's and to the own face
    attacks: tuple[Array, ...]  # [N, 2, 3, 3] each: lane, own slot, enemy slot
    attacks_on_face: tuple[Array, ...]  # [N, 2, 3, 1] each
    summons: tuple[Array, ...]  # [N, 8, 2] each: hand slot, lane
    uses: tuple[Array, ...]  # [N, 8, 6] each: hand slot, enemy creature
    uses_on_own: tuple[Array, ...]  # [N, 8, 6] each: hand slot, own creature
    uses_on_face: tuple[Array, ...]  # [N, 8, 1] each


KINDS = Outcomes._fields[2:]


class Fighter(NamedTuple):
    """What decides who falls; arrays of any one shape."""

    there: Array
    attack: Array
    defense: Array
    lethal: Array
    ward: Array


class Battle(NamedTuple):
    """What several outcomes are made of."""

    own: Fighter  # [N, 2, 3]
    enemy: Fighter
    ready: Array  # [N, 2, 3]: own creatures that may attack
    guards: Array  # [N, 2, 2, 3]: side, lane, slot
    guard: Array  # [N, 2, 2]: side, lane: there is one
    power: Array  # [N, 2]: attack of the own ready creatures of a lane
    threat: Array  # [N, 2]: damage to the own face from a lane
    health: Array  # [N, 1, 1, 1]: of the opponent, in units of strength, less a half
    numpy: Any


def outcomes(board: Array, hand: Array, opponent_health: Array, numpy: Any = jnp) -> Outcomes:
    """What actions do.

    Args:
        board: creatures [N, 2, 2, 3, 10], own side first.
        hand: own cards [N, 8, 20].
        opponent_health: [N], over 30.
        numpy: what computes.
    """
    battle = _battle(board, opponent_health, numpy)
    own, enemy = _axis(battle.own, 3), _axis(battle.enemy, 2)  # [N, 2, 3, 1], [N, 2, 1, 3]
    kills, dies = _falls(own, enemy, numpy), _falls(enemy, own, numpy)  # [N, 2, 3, 3]
    to_enemy = battle.power * (1 - battle.guard[:, 1])
    attacks, on_face = _attacks(battle, kills, dies, to_enemy)
    uses, burns = _harms(battle, hand)
    per_card = len(board), HAND_SLOTS, -1
    return Outcomes(
        numpy.stack([numpy.max(dies, axis=3), numpy.max(kills * battle.ready[..., None], axis=2)], axis=1)[..., None],
        numpy.stack([battle.guard[:, 0], battle.guard[:, 1], to_enemy, battle.threat], axis=-1),
        attacks,
        on_face,
        _summons(battle, hand),
        tuple(x.reshape(per_card) for x in uses),
        tuple(x.reshape(per_card) for x in _strengthens(battle, hand, kills, dies)),
        (burns.reshape(per_card),),
    )


def _battle(board: Array, opponent_health: Array, numpy: Any) -> Battle:
    own, enemy = (_fighter(board[:, side], (THERE, ATTACK, DEFENSE, LETHAL, WARD)) for side in (0, 1))
    ready, guards = board[:, 0, :, :, READY], board[..., GUARD]
    guard = numpy.max(guards, axis=3)
    return Battle(
        own,
        enemy,
        ready,
        guards,
        guard,
        power=numpy.sum(own.attack * ready, axis=2),
        threat=numpy.sum(enemy.attack, axis=2) * (1 - guard[:, 0]),
        health=opponent_health[:, None, None, None] * (HEALTH_SCALE / STRENGTH_SCALE) - HALF,
        numpy=numpy,
    )


def _fighter(things: Array, columns: tuple[int, ...]) -> Fighter:
    """Creatures or cards [..., K] as fighters [...]."""
    return Fighter(*(things[..., column] for column in columns))


def _held(hand: Array) -> Fighter:
    """Cards [N, 8, 20] as the fighters that they are, or by what they change them: [N, 8, 1, 1]."""
    columns = THERE, CARD_ATTACK, CARD_DEFENSE, CARD_LETHAL, CARD_WARD
    return _fighter(hand[:, :, None, None], columns)


def _axis(fighter: Fighter, axis: int) -> Fighter:
    """With one more axis of size 1, before the axis of this number."""
    places = (slice(None),) * axis + (None,)
    return Fighter(*(x[places] for x in fighter))


def _flag(condition: Array, numpy: Any) -> Array:
    return condition.astype(numpy.float32)


def _falls(by: Fighter, creature: Fighter, numpy: Any) -> Array:
    """1 where a strike of `by` kills `creature`."""
    hurt = by.there * creature.there * (1 - creature.ward) * (by.attack > 0)
    return hurt * numpy.maximum(by.lethal, by.attack + HALF >= creature.defense)


def _only_guards(battle: Battle) -> Array:
    """[N, 2, 3]: enemies that are the only Guard of their lane."""
    guards = battle.guards[:, 1]
    return guards * (battle.numpy.sum(guards, axis=2, keepdims=True) < 2)


def _attacks(battle: Battle, kills: Array, dies: Array, to_enemy: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Of attacks on creatures [N, 2, 3, 3] and on the face [N, 2, 3, 1].

    On creatures: who falls, on both sides, and what attack with them; whether the attacker lives on; damage beyond what
    the target had; own damage for which the lane opens. On the face: whether it falls, by how much it is hurt, and
    whether all lanes together can win now.
    """
    numpy, own, enemy = battle.numpy, _axis(battle.own, 3), _axis(battle.enemy, 2)
    others = battle.power[..., None, None] - own.attack * battle.ready[..., None]
    in_sight = numpy.sum(to_enemy, axis=1)[:, None, None, None] >= battle.health
    on_creatures = (
        kills,
        dies,
        kills * (1 - dies),
        kills * enemy.attack,
        dies * own.attack,
        kills * (own.attack - enemy.defense),
        kills * _only_guards(battle)[:, :, None] * others,
    )
    return on_creatures, (_flag(own.attack >= battle.health, numpy), own.attack, _flag(in_sight, numpy) * own.there)


def _summons(battle: Battle, hand: Array) -> tuple[Array, ...]:
    """[N, 8, 2] each: enemies that can kill the creature, and that it can; damage by Charge, and what a Guard stops."""
    numpy, enemy = battle.numpy, _axis(battle.enemy, 1)
    card = _held(hand)._replace(there=hand[:, :, None, None, CREATURE_CARD])
    charge, guard = (card.there[..., 0] * hand[:, :, None, column] for column in (CHARGE, CARD_GUARD))
    return (
        numpy.sum(_falls(enemy, card, numpy), axis=3),
        numpy.sum(_falls(card, enemy, numpy), axis=3),
        charge * card.attack[..., 0] * (1 - battle.guard[:, None, 1]),
        guard * battle.threat[:, None],
    )


def _harms(battle: Battle, hand: Array) -> tuple[tuple[Array, ...], Array]:
    """What red and blue items do to enemies [N, 8, 2, 3] and to the face [N, 8, 1, 1].

    To enemies: those that fall and their attack, with all that the item's area adds; damage beyond what the target had;
    own damage for which its lane opens; attack that it loses. To the face: whether it falls.
    """
    numpy, item, enemy = battle.numpy, _held(hand), _axis(battle.enemy, 1)
    damage, area = numpy.maximum(-item.defense, 0), hand[:, :, None, None, AREA:]
    hurt = (damage > 0) * enemy.there * (1 - enemy.ward * (1 - item.ward))
    falls = hurt * (damage + HALF >= enemy.defense)

    def with_area(single: Array) -> Array:
        lane, both = numpy.sum(single, axis=3, keepdims=True), numpy.sum(single, axis=(2, 3), keepdims=True)
        return area[..., 0] * single + (area[..., 1] * lane + area[..., 2] * both) * enemy.there

    # An area takes all Guards of a lane together.
    last = numpy.where(area[..., 0] > 0, _only_guards(battle)[:, None], battle.guards[:, None, 1])
    opens = last * numpy.maximum(hand[:, :, None, None, CARD_GUARD], falls) * battle.power[:, None, :, None]
    disarms = numpy.minimum(numpy.maximum(-item.attack, 0), enemy.attack)
    burns = damage - hand[:, :, None, None, ON_OPPONENT] * (EFFECT_SCALE / STRENGTH_SCALE)
    kinds = with_area(falls), with_area(falls * enemy.attack), hurt * (damage - enemy.defense), opens, disarms
    return kinds, _flag(burns >= battle.health, numpy)


def _strengthens(battle: Battle, hand: Array, kills: Array, dies: Array) -> tuple[Array, ...]:
    """What green items do for own creatures [N, 8, 2, 3]: enemies that they can kill then, and no longer die of."""
    numpy, item, own = battle.numpy, _held(hand), _axis(battle.own, 1)
    green = hand[:, :, None, None, GREEN_CARD]
    then = Fighter(
        own.there,
        own.attack + green * item.attack,
        own.defense + green * item.defense,
        numpy.maximum(own.lethal, green * item.lethal),
        numpy.maximum(own.ward, green * item.ward),
    )
    then, enemy = _axis(then, 4), _axis(_axis(battle.enemy, 2), 1)
    return (
        numpy.sum(_falls(then, enemy, numpy), axis=4) - numpy.sum(kills, axis=3)[:, None],
        numpy.sum(dies, axis=3)[:, None] - numpy.sum(_falls(enemy, then, numpy), axis=4),
    )
