"""`--population`: which runs are packed, what each member is given, and that it trains with that."""

import json

import jax
import numpy as np
import pytest

from jaxrl.agents.population import member, member_state
from jaxrl.cli.commands import main
from jaxrl.config.member_values import make_members
from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.errors import ConfigError
from jaxrl.run.experiment import build
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.packing import begun, pack
from jaxrl.sweeps.progress import read_progress
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import State, SweepFolder
from tests.agents.test_population import close, train
from tests.support.interleaved_env import InterleavedEnv

ENVS, STEPS = 4, 700  # ENVS of one member in each of two pools
HEAD = f"""
program: jaxrl
command: [python, -m, jaxrl, train, configs/catch.yaml, --env_steps={STEPS}, --runtime.envs_per_pool={ENVS},
          "--network.hidden_sizes=[8]", --evaluation.episodes=3, --evaluation.against_random=false,
          --record.wandb=off, --record.report_every=1, "${{args}}"]
name: s
"""
GRID = "method: grid\nparameters: {agent.hypers.learning_rate: {values: [1e-3, 0.01]}, seed: {values: [0, 1, 2]}}\n"
SEEDS = "method: grid\nparameters: {seed: {values: [SEEDS]}OTHERS}\n"
RANDOM = """
method: random
run_cap: 9
parameters:
  agent.hypers.learning_rate: {distribution: log_uniform_values, min: 1.0e-4, max: 1.0e-2}
  agent.hypers.temperature: {min: 0.1, max: 1.0}
  agent.num_epochs: {values: [1, 2]}
  seed: {min: 0, max: 4000000000}
"""


@pytest.fixture
def file(tmp_path):
    """Writes a sweep file."""

    def write(text):
        path = tmp_path / "s.yaml"
        path.write_text(HEAD + text)
        return path

    return write


@pytest.fixture
def runs_of(file):
    """The swept runs of a file, one by one."""
    return lambda text: expand([read_sweep(file(text))])


def seeds(*values, others=""):
    return SEEDS.replace("SEEDS", ", ".join(map(str, values))).replace("OTHERS", others)


def config_of(run):
    return read_config(run.config, run.words)


def ids(runs):
    return [run.id for run in runs]


def members_of(runs):
    return [[member.seed for member in run.members] for run in runs]


# Which runs are packed


def test_a_grid_becomes_one_run_whose_members_are_its_points(runs_of):
    runs = runs_of(GRID)
    (whole,) = pack(runs, 100).runs
    assert whole.members == tuple(runs) and whole.id not in ids(runs)
    assert whole.label == "learning_rate=0.001,0.01 seed=0,1,2 (6 members)"
    config = config_of(whole)
    members = make_members(config.population, config.agent.hypers)
    np.testing.assert_allclose(members.hypers["learning_rate"], [1e-3] * 3 + [1e-2] * 3, rtol=1e-6)
    np.testing.assert_array_equal(members.seeds, [0, 1, 2] * 2)


def test_every_member_gets_what_its_run_has(runs_of):
    """Steps, environments, rows and episodes of one; as many updates, and therefore the same schedule."""
    limit = "max_minutes: {value: 2.5}, agent.num_minibatches: {value: 8}"
    runs = runs_of(seeds(0, 1, 2, others=f", {limit}"))
    (whole,) = pack(runs, 3).runs
    config, single = config_of(whole), config_of(runs[0])
    assert whole.env_steps == config.env_steps == 3 * STEPS
    assert config.runtime.envs_per_pool == 3 * ENVS and config.evaluation.episodes == 9 and config.max_minutes == 7.5
    assert make_plan(config).num_updates == make_plan(single).num_updates
    assert make_plan(config).samples_per_update == 3 * make_plan(single).samples_per_update
    assert config.record == single.record


def test_random_points_are_listed_member_by_member(runs_of):
    """Runs that differ in more than seed and hyper-parameters form packs of their own."""
    runs = runs_of(RANDOM)
    packing = pack(runs, 100)
    assert sorted(ids(member for run in packing.runs for member in run.members or (run,))) == sorted(ids(runs))
    assert len(packing.runs) == 2
    for whole in packing.runs:
        config = config_of(whole)
        members = make_members(config.population, config.agent.hypers)
        for i, run in enumerate(whole.members):
            own = config_of(run)
            assert own.agent.num_epochs == config.agent.num_epochs and own.seed == members.seeds[i]
            for name in ("learning_rate", "temperature"):
                assert members.hypers[name][i] == np.float32(getattr(own.agent.hypers, name))


def test_at_most_so_many_and_what_is_left_over_stays_single(runs_of):
    runs = runs_of(seeds(*range(5)))
    packing = pack(runs, 2)
    assert members_of(packing.runs) == [[0, 1], [2, 3], []] and packing.runs[2] == runs[4]
    assert len({config_of(run).seed for run in packing.runs}) == 3, "no two begin from one root key"
    told = packing.describe().splitlines()
    assert told[0] == "4 runs packed into 2, of 2 members" and told[1].startswith("1 not packed: no other is left")


def test_a_hyper_parameter_that_all_share_is_an_ordinary_setting(runs_of):
    one = pack(runs_of(GRID), 3).runs[1]
    assert (
        config_of(one).population.members == {"seed": [0, 1, 2]} and config_of(one).agent.hypers.learning_rate == 0.01
    )


def test_the_ladder_counts_a_members_environments_and_is_packed(runs_of):
    """That it is right is in tests/agents/test_population.py."""
    runs = runs_of(seeds(0, 1, others=", agent.exploration.family: {value: ladder}"))
    assert members_of(pack(runs, 2).runs) == [[0, 1]]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ("agent.replay.capacity: {value: 64}", "agent.replay.capacity must be 0 in a population"),
        ("population.size: {value: 2}", "population.size is 2 already"),
        ("network.hidden_sizes: {values: [[8], [16]]}", "no other is left that differs in seed and agent.hypers alone"),
    ],
)
def test_what_cannot_be_packed_is_one_sentence(runs_of, others, reason):
    runs = runs_of(seeds(*([0] if "hidden" in others else [0, 1]), others=f", {others}"))
    with pytest.raises(ConfigError) as error:
        pack(runs, 100)
    assert str(error.value).startswith(f"--population has nothing to pack: {reason}") and "\n" not in str(error.value)


def test_seeds_that_no_key_can_hold_are_refused(runs_of):
    with pytest.raises(ConfigError, match="seed must be at least 0 and at most 4294967295, got 4294967296"):
        runs_of(seeds(0, 2**32))  # JAX would take it for seed 0


def test_a_swept_population_is_checked_before_anything_starts(runs_of):
    with pytest.raises(ConfigError, match=r"s.yaml: population.members has 3 values of seed for population.size 2"):
        runs_of(seeds(0, others=", population.size: {value: 2}, population.members: {value: {seed: [0, 1, 2]}}"))


# Going on


def test_ids_follow_from_the_members_alone(runs_of):
    (whole,) = pack(runs_of(GRID), 100).runs
    assert ids(pack(runs_of(GRID), 100).runs) == [whole.id]
    (other,) = pack(runs_of(GRID.replace("[0, 1, 2]", "[0, 1, 3]")), 100).runs
    assert other.id != whole.id, "a seed is part of the config"


def test_what_was_begun_stays_together_when_a_sweep_grows(runs_of, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    first = pack(runs_of(seeds(0, 1, 2, 3, 4)), 2, begun(folder, 2)).runs
    folder.write_plan(first)
    assert folder.plan() == first, "with its members"
    for run, status in zip(first, ("finished", "interrupted", "finished"), strict=True):
        folder.set_state(run.id, State(status, 1))
    grown = pack(runs_of(seeds(7, 6, 5, 4, 3, 2, 1, 0)), 2, begun(folder, 2))
    assert members_of(grown.runs) == [[7, 6], [], [], [2, 3], [0, 1]] and set(ids(first)) <= set(ids(grown.runs))
    assert sum(grown.alone.values()) == 1, "4 has finished alone, and nobody asks why"
    fewer = pack(runs_of(seeds(0, 1, 2, 3)), 3, begun(folder, 3))
    assert members_of(fewer.runs) == [[0, 1], [2, 3]]


def test_only_what_has_finished_may_be_larger_than_asked(runs_of, tmp_path):
    """A population that fits no memory must not stay for ever."""
    folder = SweepFolder(tmp_path / "sweep")
    (whole,) = pack(runs_of(seeds(0, 1, 2, 3)), 4).runs
    folder.write_plan([whole])
    for status, number in (("waiting", 2), ("failed", 2), ("interrupted", 2), ("finished", 1)):
        folder.set_state(whole.id, State(status, 1))
        assert len(pack(runs_of(seeds(0, 1, 2, 3)), 2, begun(folder, 2)).runs) == number


@pytest.mark.parametrize("word", ["1", "0", "-3", "many"])
def test_a_wrong_number_of_members_is_refused(file, word, capsys):
    assert main(["sweep", str(file(GRID)), f"--population={word}"]) == 2
    assert "how many members a run may have, 2 or more" in capsys.readouterr().err


def test_progress_is_read_from_a_line_of_many_members(runs_of, tmp_path):
    folder, (whole,) = SweepFolder(tmp_path), pack(runs_of(GRID), 100).runs
    made = folder.of(whole.id) / "catch-20260101-000000-s1"
    made.mkdir(parents=True)
    (made / "config.yaml").touch()
    report = {"env_steps": 21, "episode/return": 0.5, **{f"member_{i}/episode/return": i / 10 for i in range(5)}}
    long = json.dumps(report | {f"member_0/loss/{i}": 0.0 for i in range(20_000)})
    (made / "metrics.jsonl").write_text(f"{long}\n{long}\n{long[:-20]}")
    row = read_progress(folder, whole)
    assert (row.env_steps, row.value, row.member_values) == (21, 0.5, (0.0, 0.1, 0.2, 0.3, 0.4, None))


# Training


def test_a_member_trains_as_its_run_would(runs_of):
    """From the same keys and environments: values, schedule, parameters. Its run's own seed does not enter a pack."""
    text = RANDOM.replace("values: [1, 2]", "value: 2").replace("run_cap: 9", "run_cap: 2")
    (whole,) = pack(runs_of(text), 2).runs
    pools = [InterleavedEnv([env_of(i, pool) for i in range(2)]) for pool in range(2)]
    _, state, metrics = train(build(config_of(whole)).agent, pools)
    for i, run in enumerate(whole.members):
        agent = member(build(config_of(run)).agent, 0, seeds=np.asarray([run.seed], np.uint32))
        _, alone, its_metrics = train(agent, [env_of(i, pool) for pool in range(2)])
        jax.tree.map(close, member_state(state, i), alone)
        rate = its_metrics["optimiser/learning_rate"]
        close(metrics["optimiser/learning_rate"][i], rate)
        close(metrics["hypers/learning_rate"][i], np.float32(run.settings["agent.hypers.learning_rate"]))
    assert len(np.unique(metrics["optimiser/learning_rate"])) == 2


def env_of(index, pool):
    return BatchedJaxEnv(Catch(), ENVS, jax.random.key(100 * pool + index))


def test_a_packed_sweep_finishes_and_is_not_run_again(file, tmp_path, capsys):
    path, out = file(GRID.replace("[0, 1, 2]", "[0, 1]")), tmp_path / "sweep"
    words = ["sweep", str(path), "--out", str(out), "--population", "--jobs", "1"]
    assert main(words) == 0
    assert "1 to do, 0 done before" in capsys.readouterr().out
    folder = SweepFolder(out)
    (whole,) = folder.plan()
    (run,) = (path for path in folder.of(whole.id).iterdir() if path.is_dir())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["env_steps"] >= 4 * STEPS
    listed = [lines[-1][f"member_{i}/hypers/learning_rate"] for i in range(4)]
    assert listed == pytest.approx([config_of(own).agent.hypers.learning_rate for own in whole.members], rel=1e-6)
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert {row["member"] for row in episodes} == {0, 1, 2, 3}
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["episodes"] == 4 * 3 and len(evaluation["member_returns"]) == 4

    assert main(words) == 0
    assert "0 to do, 1 done before" in capsys.readouterr().out and folder.state(whole.id).attempts == 1
    file(GRID)
    assert main([*words, "--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "6 runs packed into 2, of 2 to 4 members"
    assert told[1].startswith(f"{whole.id}  finished") and "episode/return" in told[1]
    assert told[2].split() == ["member", "0", "s", "learning_rate=0.001", "seed=0", *told[2].split()[-2:]]
    assert told[6].split()[1] == "waiting" and len(told) == 1 + 5 + 3
