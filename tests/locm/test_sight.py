"""What a player knows from messages, against the true states: the same observation, mask and choice."""

import jax
import numpy as np
import pytest

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.observe import legal_actions, observe
from jaxrl.envs.locm.state import V12, V15
from jaxrl.locm.bot import Bot, PlayerChooser
from jaxrl.locm.contest import conduct
from jaxrl.locm.players import PLAYERS
from jaxrl.locm.referee import Referee, advance
from jaxrl.locm.sight import Sight
from jaxrl.locm.wire import read_orders
from tests.support.recorded_protocol import recorded_games

OBSERVE = jax.jit(observe, static_argnames="version")
LEGAL = jax.jit(legal_actions, static_argnames="version")


def assert_same_view(sight: Sight, state, version) -> None:
    """The observation and the mask of what is known are those of the true state.

    In 1.2 nothing tells which of two equal picks has been drawn: there the own deck is a set.
    """
    known, true = (jax.device_get(OBSERVE(x, version=version)) for x in (sight.state, state))
    if version.runes:
        decks = [np.unique(x.battle.deck, axis=0) for x in (known, true)]
        known, true = (
            x._replace(battle=x.battle._replace(deck=deck)) for x, deck in zip((known, true), decks, strict=True)
        )
    jax.tree.map(np.testing.assert_array_equal, known, true)
    np.testing.assert_array_equal(sight.legal, LEGAL(state, version=version))


@pytest.mark.parametrize("version", [V15, V12])
def test_recorded_messages_give_the_true_observation_and_recorded_lines_the_true_actions(version):
    positions = 0
    for game in recorded_games(version.name)[:: 3 if version.runes else 2]:
        referee, sights, expected = game.referee(), (Sight(version), Sight(version)), iter(game.exchanges)

        def answer(seat, message, limit, referee=referee, sights=sights, expected=expected, game=game):
            nonlocal positions
            sight, line = sights[seat], next(expected).answer
            if not referee.in_battle():
                sight.read(message)
                picks = game.picks(seat)[len(sight.picks) :][: 1 if version.runes else 30]
                offer = [card.base for card in message.cards]
                assert [sight.pick(offer.index(base)) for base in picks] == picks
                return line
            if message.own.health <= 0:
                return line
            state = referee.state
            sight.read(message)
            for order in read_orders(line):
                assert_same_view(sight, state, version)
                positions += 1
                action = sight.number(order)
                if action is not None:
                    assert sight.play(action) == order
                    state, _ = jax.device_get(advance(state, np.int16(action), version))
            assert state is not None
            if state.winner < 0:
                assert_same_view(sight, state, version)
            return line

        outcome = conduct(referee, answer)
        assert outcome.winner == game.winner
    assert positions > 100


def test_the_deck_stage_reads_as_the_environment_shows_it():
    for game in (recorded_games("1.2")[0], recorded_games("1.5")[0]):
        version, sight = game.version, Sight(game.version)
        own = [x for x in game.exchanges if x.seat == 1 and not x.message.in_battle]
        for made, exchange in enumerate(own):
            sight.read(exchange.message)
            seen = jax.device_get(OBSERVE(sight.state, version=version))
            assert not seen.in_battle and seen.deck.scalars[0] == pytest.approx(made / 30)
            assert (seen.deck.cards[:, 0] == 1).all() and (seen.deck.picked[:, 0] == 1).sum() == made
            assert seen.deck.scalars[1] == pytest.approx((made + (1 if version.runes else 0)) / 30)
            sight.pick(made % 3)


def play_and_compare(names, games: int, old_ids: bool, first: int = 0) -> int:
    """Games of 1.5 between bots; at each position the choice from the messages is that from the true state."""
    choosers, positions = [PlayerChooser(PLAYERS[name](V15)) for name in names], 0
    for number in range(first, first + games):
        deal = jax.device_get(new_game(jax.random.key(number), V15))
        referee = Referee(deal, range(120), V15, old_ids)
        bots = [Bot(chooser, V15, float("inf")) for chooser in choosers]

        def answer(seat, message, limit, bots=bots, referee=referee):
            nonlocal positions
            if not referee.in_battle():
                return bots[seat].answer(message)
            sight, chooser, state, orders = bots[seat].sight, choosers[seat], referee.state, []
            sight.read(message)
            while True:
                positions += 1
                assert_same_view(sight, state, V15)
                chooser.restart(positions)
                action = chooser(sight.state, sight.legal)
                chooser.restart(positions)
                assert action == chooser(state, sight.legal)
                order = sight.play(action)
                if order is None:
                    return ";".join(orders)
                orders.append(order.text())
                state, _ = jax.device_get(advance(state, np.int16(action), V15))
                if state.winner >= 0:
                    return ";".join(orders)

        outcome = conduct(referee, answer)
        assert outcome.fault is None and outcome.illegal == [0, 0]
    return positions


def test_the_choice_from_messages_is_the_choice_from_the_state():
    assert play_and_compare(("random", "scored"), games=3, old_ids=False) > 60
    assert play_and_compare(("scored", "random"), games=3, old_ids=True) > 60


@pytest.mark.slow
def test_the_choice_from_messages_is_the_choice_from_the_state_in_thousands_of_positions():
    positions = 0
    for old_ids in (False, True):
        for names in (("random", "scored"), ("greedy", "random"), ("scored", "greedy")):
            positions += play_and_compare(names, games=20, old_ids=old_ids, first=100)
    assert positions > 2500


def test_passing_is_no_order():
    assert Sight(V15).play(PASS) is None
