"""The referee's messages against recorded ones, and its judgement of lines."""

import jax
import numpy as np
import pytest

from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.state import V15
from jaxrl.locm.contest import Late, conduct
from jaxrl.locm.referee import Referee
from jaxrl.locm.wire import MalformedLine, message_lines
from tests.support.recorded_protocol import recorded_games


@pytest.mark.parametrize("version", ["1.5", "1.2"])
def test_every_recorded_message_and_winner_comes_out_again(version):
    for game in recorded_games(version):
        expected = iter(game.exchanges)

        def answer(seat, message, limit, expected=expected, game=game):
            exchange = next(expected)
            assert seat == exchange.seat and message_lines(message, game.version) == exchange.lines
            return exchange.answer

        outcome = conduct(game.referee(), answer)
        assert outcome.winner == game.winner and outcome.fault is None and next(expected, None) is None


def fresh(old_ids=False) -> Referee:
    """A game of 1.5 before its first pick."""
    return Referee(new_game(jax.random.key(0), V15), range(120), V15, old_ids)


def begun(old_ids=False) -> Referee:
    """The same game with the 15 cheapest cards twice in both decks."""
    referee = fresh(old_ids)
    referee.choose(0, "PASS")
    referee.choose(1, "PASS")
    return referee


def test_ids_tell_the_pick_in_the_present_numbers_and_in_the_old_ones():
    present, old = begun(), begun(old_ids=True)
    for card, same in zip(present.battle_message().cards, old.battle_message().cards, strict=True):
        assert card.id == 2 * (same.id - 1) and present.picks[0][card.id // 2] == card.base
    for referee in (present, old):
        referee.play("PASS")
    for card, same in zip(present.battle_message().cards, old.battle_message().cards, strict=True):
        assert card.id == 2 * (same.id - 1) and card.id >= 60 and same.id >= 31


def test_illegal_actions_are_skipped_and_counted_and_malformed_ones_leave_all_as_it_was():
    referee = begun()
    with pytest.raises(MalformedLine):
        referee.play("PASS;SUMMON 0")
    assert referee.player == 0
    played = referee.play("SUMMON 999 0;ATTACK 3 -1;USE 5 5;PASS;SUMMON 1 7")
    assert (played.orders, played.illegal, referee.player) == (4, 4, 1)


def test_a_fault_loses_the_game_at_once_and_seat_0_alone_where_both_fail():
    def late(seat, message, limit):
        raise Late("slow")

    outcome = conduct(fresh(), late)
    assert outcome.winner == 1 and outcome.fault == (0, "late", "slow")
    outcome = conduct(fresh(), lambda seat, message, limit: "PASS" if seat == 0 or not message.in_battle else "pass")
    assert outcome.winner == 0 and outcome.fault is not None and outcome.fault[:2] == (1, "malformed")


def test_a_player_killed_by_the_start_of_his_turn_is_still_asked():
    asked = []

    def passes(seat, message, limit):
        asked.append((seat, message.own.health))
        return "PASS"

    outcome = conduct(fresh(), passes)
    seat, health = asked[-1]
    assert health <= 0 and outcome.winner == 1 - seat
    assert all(health > 0 for _, health in asked[:-1]) and np.sum([s for s, _ in asked]) > 30
