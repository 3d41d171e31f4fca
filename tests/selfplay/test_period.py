"""A learning period in Kuhn poker: learning, the pool, and going on from a saved one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import impala
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.record import leaves
from jaxrl.selfplay.fictitious import FictitiousPlay
from jaxrl.selfplay.games import BatchedGames
from jaxrl.selfplay.kuhn import NUM_CARDS, NUM_NODES, Kuhn, all_observations
from jaxrl.selfplay.opponents import OpponentConfig
from jaxrl.selfplay.period import PeriodConfig, make_period
from jaxrl.types import Agent, TimeStep, TrainState

SMALL = PeriodConfig(
    num_games=40,
    num_slots=4,
    unroll_steps=8,
    unroll_rows=6,
    updates=3,
    seat_every=2,
    opponents=OpponentConfig(threshold=-2.0, capacity=2),
)


def make_agent(num_updates: int, **hypers: float) -> Agent:
    """IMPALA with an MLP."""
    network = PolicyValueNetwork(MLPTorso((32,), jnp.dtype("float32")), 2)
    config = impala.Config(impala.Hypers(discount_factor=1.0, **hypers), reward_transform="identity")
    return impala.make(config, network, Kuhn().spec, num_updates)


def bets(agent: Agent, state: TrainState) -> np.ndarray:
    """Probability of BET [3, 4] in every information set."""
    rows = NUM_CARDS * NUM_NODES
    zero, no = jnp.zeros(rows), jnp.zeros(rows, bool)
    timestep = TimeStep(
        jnp.asarray(all_observations().reshape(rows, -1)),
        zero,
        zero + 1,
        ~no,
        no,
        jnp.ones((rows, 2), bool),
        zero,
        zero,
    )
    actor_state = agent.initial_actor_state(rows)
    _, output = jax.jit(agent.act)(agent.publish(state), actor_state, timestep, jax.random.key(0))
    return np.exp(np.asarray(output.behaviour_logits, np.float64))[:, 1].reshape(NUM_CARDS, NUM_NODES)


@pytest.fixture(scope="module")
def small():
    period = make_period(make_agent(100), partial(BatchedGames, Kuhn()), SMALL)
    return period, jax.jit(period.run), period.init(*jax.random.split(jax.random.key(0), 3))


def test_a_period(small):
    period, run, carry = small
    assert period.table.num_games == 40
    sizes = []
    for _ in range(3):
        before, (carry, report) = carry, run(carry)
        sizes.append(int(carry.pool.ledger.size))
        assert report.frozen and report.env_steps > 500 and report.games > 150
        assert 0.3 < report.metrics["selfplay/filled"] <= 1
        assert int(carry.state.updates) == int(before.state.updates) + 3
    assert sizes == [1, 2, 2], "a full pool gives one up"
    assert (report.played > 5).all() and (jnp.abs(report.results) <= 2).all()
    current = jax.tree.leaves(carry.state.params)
    members = jax.tree.leaves(carry.pool.members.params)
    same = [all(jnp.array_equal(m[i], x) for m, x in zip(members, current, strict=True)) for i in range(2)]
    assert sorted(same) == [False, True], "the newest member is the current policy"


def test_a_saved_run_goes_on_bit_for_bit(small):
    _, run, carry = small
    carry, _ = run(carry)
    saved = leaves.flatten(carry)
    template = small[2]
    again = leaves.unflatten(template, saved)
    expected, found = run(carry), run(again)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


def test_the_loop_is_stopped_saved_and_gone_on_with():
    """Two periods, a checkpoint, one more: the same bits as three at once, and a stop ends the loop."""
    keys = jax.random.split(jax.random.key(3), 3)

    def begin():
        return FictitiousPlay(make_period(make_agent(100), partial(BatchedGames, Kuhn()), SMALL), tuple(keys))

    def go(run, number):
        for _, report in zip(range(number), run.periods(), strict=False):
            assert report.games > 100

    whole, parts = begin(), begin()
    go(whole, 3)
    go(parts, 2)
    saved = leaves.flatten((parts.state, parts.standing()))
    fresh = begin()
    fresh.load(*leaves.unflatten((fresh.state, fresh.standing()), saved))
    assert int(fresh.state.updates) == 6 and int(fresh.pool.ledger.size) == 2
    go(fresh, 1)
    same = jax.tree.map(
        lambda a, b: bool(jnp.all(a == b)), (whole.state, whole.standing()), (fresh.state, fresh.standing())
    )
    assert all(jax.tree.leaves(same))
    fresh.signal.stop()
    assert not list(fresh.periods())
