"""A training that begins with the parameters of a trained agent."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxrl.config.parsing import read_config
from jaxrl.config.sections import PopulationConfig
from jaxrl.errors import ConfigError
from jaxrl.run.experiment import build
from jaxrl.run.export import export
from jaxrl.run.runtimes import make_runtime
from jaxrl.run.train import run_training
from jaxrl.run.trained import restore
from jaxrl.run.warm_start import warm
from tests.support.small_runs import make_config

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    status, run = run_training(make_config(tmp_path_factory.mktemp("source")))
    assert status == 0
    return run


def begun(config):
    runtime = make_runtime(warm(build(config)))
    return runtime.state.params


@pytest.mark.parametrize("kind", ["sebulba", "anakin"])
def test_a_runtime_begins_with_the_parameters(tmp_path, source, kind, capsys):
    config = make_config(tmp_path)
    config = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, kind=kind), seed=9)
    warmed = begun(dataclasses.replace(config, init_from=str(source)))
    jax.tree.map(np.testing.assert_array_equal, warmed, restore(source).state.params)
    assert f"beginning with the parameters of {source}, 720 env steps" in capsys.readouterr().out
    cold = begun(config)
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, cold, warmed)))


def test_every_member_of_a_population_begins_with_them(tmp_path, source):
    config = make_config(tmp_path)
    config = dataclasses.replace(config, population=PopulationConfig(size=2), init_from=str(source))
    warmed, given = begun(config), restore(source).state.params
    jax.tree.map(lambda two, one: np.testing.assert_array_equal(two, np.stack([one, one])), warmed, given)


def test_it_learns_from_an_exported_file_and_keeps_where_it_came_from(tmp_path, source):
    export(str(source), tmp_path / "agent.npz", episodes=0)
    config = dataclasses.replace(make_config(tmp_path), init_from=str(tmp_path / "agent.npz"))
    status, run = run_training(config)
    assert status == 0 and read_config(run.config, recorded=True).init_from == str(tmp_path / "agent.npz")
    (tmp_path / "agent.npz").unlink()  # from its first checkpoint on a run needs nothing but itself
    longer = dataclasses.replace(config, env_steps=config.env_steps + 70)
    assert run_training(longer, run)[0] == 0
    moved = jax.tree.map(np.array_equal, restore(run).state.params, restore(source).state.params)
    assert not any(jax.tree.leaves(moved))


def test_what_does_not_fit_is_a_sentence(tmp_path, source):
    config = dataclasses.replace(make_config(tmp_path), init_from=str(source))
    wider = dataclasses.replace(config, network=dataclasses.replace(config.network, hidden_sizes=(9,)))
    with pytest.raises(ConfigError, match=r"is of another network: \S+ .*9.*; give network"):
        run_training(wider)
    several = dataclasses.replace(make_config(tmp_path), population=PopulationConfig(size=2))
    _, population = run_training(several)
    with pytest.raises(ConfigError, match="is a population; name a file that `jaxrl export --member I` wrote"):
        run_training(dataclasses.replace(config, init_from=str(population)))
    agent = dataclasses.replace(config.agent, normalise_observations=True)
    _, normalising = run_training(dataclasses.replace(make_config(tmp_path), agent=agent))
    with pytest.raises(ConfigError, match="saw normalised observations or rewards"):
        run_training(dataclasses.replace(config, init_from=str(normalising)))
