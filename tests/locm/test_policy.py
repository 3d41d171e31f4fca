"""Trained policies as players: NumPy's forward pass, the compiled one, memory, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.deck_stage import pick
from jaxrl.envs.locm.state import V15
from jaxrl.locm.policy import crossplay
from jaxrl.locm.policy.chooser import PolicyChooser
from jaxrl.locm.policy.forward import look
from jaxrl.locm.policy.seated import policy_player
from jaxrl.locm.policy.weights import PolicyError, as_weights
from jaxrl.locm.sight import LEGAL
from jaxrl.locm.table import view
from tests.support.card_policy import random_weights

SMALL = {"embedding": 8, "width": 16}
SETTINGS = [
    {**SMALL, "core_size": 8, "pick_head": "product", "outcomes": True},
    {**SMALL, "core_size": 0, "pick_head": "dense", "shared_embedding": False, "shared_summary": False},
]


def both_stages(count: int = 40) -> list:
    """States of one game with what is legal in them, moved on at random; a part of its picks, then its battle."""
    step = jax.jit(lambda s, a: pick(act(s, a, V15), a, V15))
    state = jax.device_get(jax.jit(lambda key: new_game(key, V15))(jax.random.key(4)))
    rng, states = np.random.default_rng(1), []
    for number in range(60 + count):
        legal = np.asarray(LEGAL(state, version=V15))
        if number < 20 or number >= 60:
            states.append((state, legal))
        state = jax.device_get(step(state, np.int16(rng.choice(np.flatnonzero(legal)))))
    return states


@pytest.mark.parametrize("settings", SETTINGS)
def test_numpy_and_the_compiled_network_play_alike(settings):
    weights = random_weights(**settings)
    player = policy_player(weights, V15)
    chooser = PolicyChooser(weights, V15)
    assert player.mind is not None
    moves, thinks, memory = jax.jit(player.mind.act), jax.jit(player.mind.look), player.mind.initial(1)
    sees = jax.jit(view, static_argnums=1)
    states = both_stages()
    assert {int(state.deck_step) >= 60 for state, _ in states} == {True, False}
    for state, legal in states:
        alone = jax.tree.map(lambda x: np.asarray(x)[..., None], state)
        probabilities, value = jax.device_get(thinks(alone, memory))
        seen = look(weights, jax.device_get(sees(state, V15)), chooser.memory)
        shares = np.exp(np.where(legal, seen.logits, -np.inf))
        np.testing.assert_allclose(probabilities[:, 0], shares / shares.sum(), atol=1e-5)
        np.testing.assert_allclose(value[0], seen.value, atol=1e-4)
        action, memory = moves(jax.random.key(0), alone, memory)
        assert chooser(state, legal) == int(action[0]) and legal[int(action[0])]


def test_a_drawn_action_is_legal_and_follows_the_seed():
    weights = random_weights(**SETTINGS[0])
    states = both_stages(5)

    def play(seed: int) -> list[int]:
        chooser = PolicyChooser(weights, V15, sampled=True, seed=seed)
        return [chooser(*row) for row in states]

    first = play(1)
    assert first == play(1) != play(2)
    assert all(legal[action] for (_, legal), action in zip(states, first, strict=True))


def test_what_is_no_policy_of_the_game_is_refused():
    with pytest.raises(PolicyError, match="no policy of the card game"):
        as_weights("a", {"network": {"name": "mlp"}}, {})
    with pytest.raises(PolicyError, match="no parameters"):
        as_weights("a", {"network": {"name": "cards"}}, {})
    with pytest.raises(PolicyError, match="does not know"):
        policy_player(random_weights(**SMALL)._replace(settings={"depth": 3}), V15)


def test_cross_play_plays_as_many_games_as_it_says(monkeypatch):
    """Batches of four, and an odd number of games: seat 0 wins them all, so that a pair is level."""

    def play_pairs(key, players, version, pairs, card_list):
        return jnp.zeros(2 * pairs, jnp.int16), jnp.ones(2 * pairs, jnp.int32)

    monkeypatch.setattr(crossplay, "play_pairs", play_pairs)
    told: list[str] = []
    shares = crossplay.cross_play([random_weights(**SMALL)] * 2, V15, 5, told.append, batch=4)
    assert shares.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert told == ["unlearnt wins 50.0% of 6 games against unlearnt"]
