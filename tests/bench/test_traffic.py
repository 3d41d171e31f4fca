"""The table of bytes between host and device."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.bench.traffic import size_of, table, traffic
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import build, make_actors
from jaxrl.runtime.learner import make_publish

ROOT = Path(__file__).parents[2]


def test_what_is_counted_is_what_an_unroll_is() -> None:
    """Bytes of a real trajectory of a real actor, and nothing more."""
    sizes = {"num_actors": 1, "pools_per_actor": 1, "envs_per_pool": 4, "unroll_length": 3}
    settings = [f"--runtime.{name}={size}" for name, size in sizes.items()]
    experiment = build(read_config("configs/catch.yaml", settings))
    (actor,) = make_actors(experiment)
    state = experiment.agent.init(experiment.key(0))
    (params,) = make_publish(experiment.agent, [next(iter(state.updates.devices()))])(state).values()
    trajectory, _ = actor.unroll(params, experiment.key(1))
    moved = traffic(experiment)
    assert moved.batch == size_of(trajectory) == sum(np.asarray(x).nbytes for x in jax.tree.leaves(trajectory))
    assert moved.to_learn == pytest.approx(moved.batch / 12)
    assert moved.to_act == size_of(actor._timesteps[0]) / 4
    assert moved.state == size_of(state)


def test_anakin_sends_nothing() -> None:
    moved = traffic(build(read_config("configs/catch.yaml", ["--runtime.kind=anakin"])))
    assert moved.to_act == moved.to_learn == 0 < moved.back < 30


def test_the_table_in_the_docs_is_what_the_command_prints() -> None:
    text = (ROOT / "docs" / "accelerators.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"<!-- jaxrl.bench.traffic -->\n(.*?)<!-- end -->", text, re.DOTALL)
    names = re.findall(r"^\| `(\w+)`", printed, re.MULTILINE)
    assert {"casa_h100", "casa_lstm_h100", "casa_workstation"} <= set(names)
    assert table({name: traffic(build(read_config(name, []))) for name in names}) == printed
