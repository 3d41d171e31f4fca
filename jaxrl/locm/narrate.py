"""A game in words, turn by turn: `jaxrl view locm A B --seed N`.

Cards go by their number in the pool, `#17`; the copy of an area summon is `#17'`. A creature is shown
as `#17 4/5 BG!`: attack/defense, its keywords, and `!` if it may attack now. A trained policy's actions come with the
value of the state to it, from -1 (lost) to 1 (won), and with the probabilities of its likeliest actions.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jax import Array

from jaxrl.envs.locm.actions import ATTACK_START, ATTACK_TARGETS, PASS, SUMMON_START, USE_START, USE_TARGETS
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import CREATURE, KEYWORD_LETTERS, TYPE_NAMES, Cards, unpack
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS
from jaxrl.envs.locm.state import DECK_SIZE, LANES, State, Version
from jaxrl.locm.match import build_decks
from jaxrl.locm.players import Player

AREAS = ("", "in the whole lane", "in both lanes")
LEAST_SHARE = 0.01  # of an action that is told
COPIES = ("", "with a copy beside it", "with a copy in the other lane")


def letters(bits: int) -> str:
    """Keywords as letters without dashes."""
    return "".join(letter for bit, letter in enumerate(KEYWORD_LETTERS) if bits >> bit & 1)


def card_text(cards: Cards, number: int) -> str:
    """A card: "#17 creature 4/5 BG, cost 4, own health +2, draw 1"."""
    card = Cards(*(int(field[number]) for field in cards))
    kind = TYPE_NAMES[card.type] if card.type == CREATURE else f"{TYPE_NAMES[card.type]} item"
    strength = f"{card.attack}/{card.defense}"
    if card.type != CREATURE:
        strength = f"{card.attack:+d}/{card.defense:+d}"
    parts = [f"#{number} {kind} {strength} {letters(card.keywords)}".rstrip(), f"cost {card.cost}"]
    if card.own_health:
        parts.append(f"own health {card.own_health:+d}")
    if card.opponent_health:
        parts.append(f"opponent's health {card.opponent_health:+d}")
    if card.draw:
        parts.append(f"draw {card.draw}")
    if card.area:
        parts.append((COPIES if card.type == CREATURE else AREAS)[card.area])
    return ", ".join(parts)


def creature_name(card: int) -> str:
    """A creature's number, with a prime for a copy."""
    return f"#{card >> 1}" + ("'" if card & 1 else "")


def creature_text(state: State, side: int, lane: int, slot: int) -> str:
    """A creature on the board."""
    board = state.board
    at = (side, lane, slot)
    skills = letters(int(board.keywords[at])) + ("!" if board.ready[at] else "")
    name = creature_name(int(board.card[at]))
    return f"{name} {board.attack[at]}/{board.defense[at]} {skills}".rstrip()


def lane_text(state: State, side: int, lane: int) -> str:
    """The creatures of a lane."""
    slots = np.flatnonzero(state.board.card[side, lane] >= 0)
    return " | ".join(creature_text(state, side, lane, int(slot)) for slot in slots) or "-"


def side_text(state: State, side: int, name: str, version: Version) -> str:
    """A player's numbers in one line."""
    runes = f", {state.runes[side]} runes" if version.runes else ""
    hand = int((state.hand[side] >= 0).sum())
    return (
        f"{name}: health {state.health[side]}, mana {state.mana[side]}/{state.max_mana[side]}, "
        f"{hand} cards in hand, {DECK_SIZE - int(state.drawn[side])} in the deck{runes}"
    )


def board_text(state: State, names: Sequence[str], cards: Cards, version: Version) -> list[str]:
    """The whole table as the player to move has it before him (his hand open)."""
    player = int(state.player)
    lines = [side_text(state, 1, names[1 - player], version)]
    for lane in range(LANES):
        enemy, own = lane_text(state, 1, lane), lane_text(state, 0, lane)
        lines.append(f"  lane {lane}:  theirs  {enemy}")
        lines.append(f"           own     {own}")
    lines.append(side_text(state, 0, names[player], version))
    hand = [int(number) for number in state.hand[0] if number >= 0]
    lines += [f"    {card_text(cards, number)}" for number in hand]
    return lines


def action_text(action: int, state: State, card: Callable[[int], str]) -> str:
    """An action in words; `card` says how a card of the hand is called."""
    if action == PASS:
        return "ends the turn"
    if action < USE_START:
        slot, lane = divmod(action - SUMMON_START, LANES)
        return f"summons {card(int(state.hand[0][slot]))}, to lane {lane}"

    def creature(place: int) -> str:
        side, lane, slot = np.unravel_index(place, (2, LANES, 3))
        whose = "own" if side == 0 else "enemy"
        return f"{whose} {creature_text(state, int(side), int(lane), int(slot))}"

    if action < ATTACK_START:
        slot, target = divmod(action - USE_START, USE_TARGETS)
        item = card(int(state.hand[0][slot]))
        return f"uses {item}, on {creature(target - 1) if target else 'the opponent'}"
    source, target = divmod(action - ATTACK_START, ATTACK_TARGETS)
    enemy = 6 + source // 3 * 3 + target - 1
    return f"attacks with {creature(source)}: {creature(enemy) if target else 'the opponent'}"


def outcome_text(before: State, after: State) -> str:
    """The change of both health totals by an action that is not PASS."""
    changes = after.health.astype(int) - before.health.astype(int)
    words = [
        f"{whose} health {before.health[side]} -> {after.health[side]}"
        for side, whose in ((0, "own"), (1, "their"))
        if changes[side]
    ]
    return f"  ({', '.join(words)})" if words else ""


def thoughts(probabilities: np.ndarray, value: Array, state: State) -> str:
    """What a policy thinks of its state: the value, and its likeliest actions; probabilities [145, 1], value [1].

    Cards are called by their numbers here, so that the same action with another copy of a card is the same.
    """
    shares: dict[str, float] = {}
    for action in np.flatnonzero(probabilities[:, 0]):
        text = action_text(int(action), state, "#{}".format)
        shares[text] = shares.get(text, 0.0) + float(probabilities[action, 0])
    likely = sorted(shares, key=lambda text: -shares[text])[:3]
    words = "; ".join(f"{shares[text]:.0%} {text}" for text in likely if shares[text] >= LEAST_SHARE)
    return f"    value {float(np.asarray(value)[0]):+.2f}: {words}"


def narrate(
    players: tuple[Player, Player], version: Version, seed: int, card_list: Cards | None = None
) -> Iterator[str]:
    """The lines of one game; players[0] moves first."""
    deal_key, deck_key, key = jax.random.split(jax.random.key(seed), 3)
    # Two games are dealt, as matches come in pairs; the first is shown.
    state = new_game(deal_key, version, (1,), card_list)
    doubled = jax.tree.map(lambda x: np.concatenate([x, x], axis=-1), jax.device_get(state))
    built, remembered = jax.jit(lambda s, k: build_decks(s, players, k, version))(doubled, deck_key)
    single = jax.tree.map(lambda x: np.asarray(x[..., 0]), built)
    memories = [jax.tree.map(lambda x: x[:1], memory) for memory in remembered]
    cards = jax.tree.map(np.asarray, unpack(single.pool))
    names = [f"P{seat} {player.name}" for seat, player in enumerate(players)]
    for seat, name in enumerate(names):
        yield f"Deck of {name}:"
        for number in sorted(int(card) for card in single.deck[seat]):
            yield f"    {card_text(cards, number)}"

    choosers = [jax.jit(partial(player.act, stage="battle")) for player in players]
    minds = [jax.jit(player.mind.look) if player.mind else None for player in players]
    advance = jax.jit(lambda s, action: act(s, action, version))
    turn = -1
    for step in range(MAX_BATTLE_STEPS):
        if int(single.winner) >= 0:
            break
        player = int(single.player)
        if int(single.turn) != turn:
            turn = int(single.turn)
            yield ""
            yield f"Turn {turn + 1} (round {turn // 2 + 1}), {names[player]} to move"
            yield from board_text(single, names, cards, version)
        alone = jax.tree.map(lambda x: x[..., None], single)
        mind = minds[player]
        if mind:
            probabilities, value = mind(alone, memories[player])
            yield thoughts(np.asarray(probabilities), value, single)
        chosen, memories[player] = choosers[player](jax.random.fold_in(key, step), alone, memories[player])
        action = int(chosen[0])
        after = jax.device_get(advance(single, np.int16(action)))
        outcome = outcome_text(single, after) if action != PASS else ""
        yield f"  > {action_text(action, single, partial(card_text, cards))}{outcome}"
        single = after
    yield ""
    if int(single.winner) < 0:
        yield f"Not decided after {MAX_BATTLE_STEPS} actions."
    else:
        yield f"{names[int(single.winner)]} wins in turn {int(single.turn) + 1}."
