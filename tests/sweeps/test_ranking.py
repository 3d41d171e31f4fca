"""What a sweep found: seeds count together, the best comes first, and what matters is told from what does not."""

import json

import pytest

from jaxrl.cli.commands import main
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.search.ranking import Tried, importance, rank
from jaxrl.sweeps.sweep_folder import State, SweepFolder


@pytest.fixture
def folder(tmp_path):
    """Two learning rates, two widths, two seeds; the rate is what matters."""
    made, runs = SweepFolder(tmp_path / "sweep"), []
    for i, (rate, width, seed) in enumerate((r, w, s) for r in (1e-4, 1e-2) for w in (8, 16) for s in (0, 1)):
        settings = {"agent.hypers.learning_rate": rate, "network.hidden_sizes": [width], "seed": seed}
        run = Run(f"id{i}", "mine", "catch.yaml", (), settings, "catch", seed, 100)
        runs.append(run)
        path = made.of(run.id) / "catch-20260101-120000-s0"
        path.mkdir(parents=True)
        (path / "config.yaml").touch()
        value = (1.0 if rate == 1e-2 else 0.0) + 0.1 * (width == 16) + 0.01 * seed
        (path / "metrics.jsonl").write_text(json.dumps({"env_steps": 100, "episode/return": value}) + "\n")
        made.set_state(run.id, State("finished"))
    made.write_plan(runs)
    return made


def test_seeds_count_together_and_the_best_comes_first(folder):
    best, *others = rank(folder, "episode/return", maximize=True)
    assert best.settings == {"agent.hypers.learning_rate": 1e-2, "network.hidden_sizes": [16]}
    assert best.values == pytest.approx((1.1, 1.11)) and len(others) == 3
    assert rank(folder, "episode/return", maximize=False)[-1] == best


def test_what_matters_explains_the_variance(folder):
    shares = importance(rank(folder, "episode/return", maximize=True))
    assert shares["agent.hypers.learning_rate"] > 0.98 and shares["network.hidden_sizes"] < 0.02
    assert sum(shares.values()) == pytest.approx(1), "in a whole grid the parts add up"
    many = [Tried({"x": float(i), "y": i % 2}, (float(i),)) for i in range(30)]
    assert importance(many)["x"] > 0.8 > 0.1 > importance(many)["y"]


def test_the_command_ranks_and_draws(folder, capsys):
    assert main(["plot", str(folder.path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[:2] == ["1", "1.105"] and "learning_rate=0.01" in out.splitlines()[1]
    assert (folder.path / "sweep.png").stat().st_size > 5000
    assert main(["plot", str(folder.path), "--metric", "loss/totl"]) == 1
    assert "has reported loss/totl yet" in capsys.readouterr().err
    assert main(["plot", str(folder.path), "--out", "a.txt"]) == 1
    assert "a figure's name must end in one of" in capsys.readouterr().err
    assert main(["plot", str(folder.of("id0")), "--minimize"]) == 2
