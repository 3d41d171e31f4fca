"""Frames that are kept once: an unroll of Atari is the same bit for bit, and so is what is learnt from it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrl.agents.replay_buffer import unroll_like
from jaxrl.agents.unrolling import whole
from jaxrl.config.parsing import read_config
from jaxrl.run import experiment as experiments
from jaxrl.run.experiment import build, make_actors
from jaxrl.runtime.learner import make_publish
from jaxrl.types import Frames
from tests.support.parts import assert_same_bits

SIZES = ["--runtime.num_actors=1", "--runtime.pools_per_actor=2", "--runtime.envs_per_pool=3"]
SHORT = ["--runtime.unroll_length=9", "--env.max_episode_steps=7", "--network.hidden_sizes=[8]"]
PONG = ["configs/atari/pong_cpu.yaml", *SIZES, *SHORT, "--agent.num_minibatches=2", "--agent.num_epochs=1"]


@pytest.fixture(autouse=True)
def as_to_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "sends_once", lambda experiment: experiment.spec.frame_stack > 1)


def play(frames: str, unrolls: int = 3, *more: str):
    config, *settings = PONG
    experiment = build(read_config(config, [*settings, f"--runtime.frames={frames}", *more]))
    (actor,) = make_actors(experiment)
    state = experiment.agent.init(experiment.key(0))
    (params,) = make_publish(experiment.agent, jax.devices()[:1])(state).values()
    try:
        return experiment, state, [actor.unroll(params, experiment.key(k))[0] for k in range(unrolls)]
    finally:
        actor.close()


@pytest.mark.parametrize(("protocol", "sent_once"), [("cpu", True), ("machado", True), ("cpu", False)])
def test_every_unroll_is_the_same(protocol: str, sent_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of 7 steps, so that starts and ends fall on every row; noop starts and sticky actions included."""
    if not sent_once:
        monkeypatch.setattr(experiments, "sends_once", lambda experiment: False)
    more = [f"--env.protocol={protocol}"]
    experiment, _, once = play("once", 3, *more)
    _, _, stacked = play("stacked", 3, *more)
    for slim, full in zip(once, stacked, strict=True):
        assert isinstance(slim.observation, Frames)
        assert full.first.any() and full.last.any()
        assert_same_bits(whole(slim), full)
        size = slim.observation.frames.nbytes / full.observation.nbytes
        assert size == (9 + 4) / (9 + 1) / 4  # a quarter, and the three older frames of row 0
    like = unroll_like(experiment.agent, experiment.spec, 9, 6)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), like) == jax.tree.map(lambda x: (x.shape, x.dtype), once[0])


def test_an_actor_sends_every_frame_once() -> None:
    """One frame a row, and before an unroll the older ones of its first row; nothing is compiled again for it."""
    config, *settings = PONG
    experiment = build(read_config(config, settings))
    (actor,) = make_actors(experiment)
    state = experiment.agent.init(experiment.key(0))
    (params,) = make_publish(experiment.agent, jax.devices()[:1])(state).values()
    act, sent = actor._act, []

    def spy(params, state, timestep, *rest):
        sent.append(timestep.observation.nbytes + (state.older.nbytes if rest[1] == 0 else 0))
        return act(params, state, timestep, *rest)

    actor._act = spy
    try:
        actor.place(jax.devices()[0])
        for k in range(2):
            actor.unroll(params, experiment.key(k))
    finally:
        actor.close()
    frame = 3 * 42 * 42
    assert sent == [size for _ in range(2) for row in range(9) for size in [(4 if row == 0 else 1) * frame] * 2]
    assert act._cache_size() == 1


def test_what_is_learnt_is_the_same() -> None:
    replay = ["--agent.replay.capacity=2"]
    experiment, state, once = play("once", 3, *replay)
    other, _, stacked = play("stacked", 3, *replay)
    assert experiment.spec.frame_stack == 4 and other.spec.frame_stack == 1
    a, b = state, other.agent.init(other.key(0))
    for slim, full in zip(once, stacked, strict=True):
        a, _ = jax.jit(experiment.agent.update)(a, slim)
        b, _ = jax.jit(other.agent.update)(b, full)
    assert_same_bits(a.params, b.params)
    assert isinstance(a.replay.observation, Frames)


def test_an_agent_that_takes_no_frames_gets_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxrl.agents import casa

    make = casa.make
    monkeypatch.setattr(casa, "make", lambda *given: make(*given)._replace(takes_frames=False))
    _, _, (unroll,) = play("once", 1)
    assert not isinstance(unroll.observation, Frames) and np.ndim(unroll.observation) == 5
