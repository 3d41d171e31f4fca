"""`jaxrl bench`: the keys it documents, the ideal it derives, and that it leaves no thread behind."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import jaxrl.run.experiment
from jaxrl import bench
from jaxrl.bench import printout
from jaxrl.bench.threads import BenchError, Rate, in_parallel
from jaxrl.config.parsing import read_config
from jaxrl.errors import UserError

ROOT = Path(__file__).parents[2]
TINY = ["--runtime.unroll_length=8", "--runtime.envs_per_pool=4", "--runtime.num_actors=2", "--runtime.timeout_s=60"]


class FakeDevice(NamedTuple):
    platform: str
    id: int = 0


CPU, GPU_0, GPU_1 = FakeDevice("cpu"), FakeDevice("gpu"), FakeDevice("gpu", 1)
RATES = {"env": 6.0, "inference": 3.0, "learner": 2.0, "train": 0.9}


def tiny_config() -> Any:
    return read_config(str(ROOT / "configs" / "catch.yaml"), TINY)


def threads_of_ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("actor", "bench"))]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "new" / "bench.json"
    bench.main(tiny_config(), path, 0.05)
    assert threads_of_ours() == []
    return json.loads(path.read_text())


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        open_ended = prefix + name in ("config", "versions")
        leaves |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) and not open_ended else {prefix + name: value}
        )
    return leaves


def test_keys_are_those_documented(result: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `([\w.<>]+)` \|", (ROOT / "docs" / "bench.md").read_text(), re.MULTILINE))
    found = {re.sub(r"^(cpu_cores|spread)\.\w+$", r"\1.<part>", key) for key in flat(result)}
    assert found == documented
    assert set(result["spread"]) == {*printout.PARTS, "utilisation"}
    assert set(result["cpu_cores"]) == set(printout.PARTS)


def test_numbers_follow_from_the_parts(result: dict[str, Any]) -> None:
    rates, spread = result["env_steps_per_s"], result["spread"]
    e, a, l, train = (rates[part] for part in ("env", "inference", "learner", "train"))  # noqa: E741
    assert min(e, a, l, train) > 0
    assert rates["ideal"] == pytest.approx(1 / (1 / e + 1 / a + 1 / l))
    assert result["utilisation"] == pytest.approx(train / rates["ideal"])
    assert all(low <= rates[part] <= high for part, (low, high) in spread.items() if part in rates)
    assert len(result["rounds"]) == 5
    samples = result["samples_per_s"]
    assert samples["gradient"] == pytest.approx(2 * samples["learner"])  # two epochs
    assert samples["learner"] >= l  # auto-reset rows are samples and no env steps
    flops = result["flops_per_s"]
    assert flops["ratio"] == pytest.approx(flops["learner"] / flops["matmul"])
    assert result["config"]["name"] == "catch-casa"
    assert result["nature_torso_640"]["ratio"] is None  # left out of a benchmark this short


@pytest.mark.parametrize(
    ("inference", "learner", "formula", "ideal"),
    [
        ([CPU], [CPU], "1/(1/E + 1/A + 1/L)", 1.0),
        ([GPU_0], [GPU_0], "min(E, 1/(1/A + 1/L))", 1.2),
        ([CPU], [GPU_0], "min(1/(1/E + 1/A), L)", 2.0),
    ],
)
def test_ideal(inference: list[Any], learner: list[Any], formula: str, ideal: float) -> None:
    occupied = printout.resources(inference, learner)
    assert printout.ideal_formula(occupied) == formula
    assert printout.ideal(RATES, occupied) == pytest.approx(ideal)


def test_ideal_of_an_accelerator_each() -> None:
    occupied = printout.resources([GPU_0], [GPU_1])
    assert printout.ideal_formula(occupied) == "min(E, A, L)"
    assert printout.ideal(RATES, occupied) == 2.0


def test_medians_over_rounds() -> None:
    def one_round(factor: float) -> dict[str, Rate]:
        return {part: Rate(rate * factor, 1.0) for part, rate in {**RATES, "matmul": 100.0}.items()}

    sizes = printout.Sizes(samples=20, env_steps=10, epochs=3, flops=50.0, frame_skip=4)
    occupied = printout.resources([CPU], [CPU])
    result = printout.summarise([one_round(factor) for factor in (1, 100, 2)], sizes, occupied)
    assert result["env_steps_per_s"]["env"] == 12.0
    assert result["spread"]["env"] == [6.0, 600.0]
    assert result["utilisation"] == pytest.approx(0.9)
    assert result["frames_per_s"]["train"] == pytest.approx(7.2)
    assert result["samples_per_s"] == {"learner": 8.0, "gradient": 24.0}
    assert result["flops_per_s"]["learner"] == pytest.approx(20.0)
    assert result["cpu_efficiency"] == pytest.approx(0.9)


def test_several_learner_devices_are_compared_with_one() -> None:
    rates = {**RATES, "matmul": 100.0, printout.ONE_DEVICE: 1.0}
    rounds = [{part: Rate(rate * factor, 1.0) for part, rate in rates.items()} for factor in (1, 5, 2)]
    rounds[1]["learner"] = Rate(15.0, 1.0)
    sizes = printout.Sizes(samples=20, env_steps=10, epochs=3, flops=50.0, frame_skip=4)
    result = printout.summarise(rounds, sizes, printout.resources([CPU], [CPU]))
    assert result["learner_scaling"] == {"one_device_env_steps_per_s": 2.0, "ratio": 2.0, "range": [2.0, 3.0]}


def test_threads_that_fail_are_one_sentence() -> None:
    def fail(more: Any) -> int:
        raise RuntimeError("the emulator is gone\nand so on")

    with pytest.raises(BenchError, match=r"^measuring the environments failed: RuntimeError: the emulator is gone$"):
        in_parallel("the environments", [lambda more: 1, fail], 0.01, 10.0)
    assert threads_of_ours() == []


def test_threads_that_hang_are_given_up() -> None:
    released = threading.Event()
    with pytest.raises(BenchError, match="hangs"):
        in_parallel("inference", [lambda more: int(released.wait(30))], 0.01, 0.1)
    released.set()


def test_environment_that_fails_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_env = jaxrl.run.experiment.make_env

    def make_failing(*args: Any, stream: tuple[int, ...], **kwargs: Any) -> Any:
        env, steps = make_env(*args, stream=stream, **kwargs), 0
        recv = env.recv

        def failing_recv() -> Any:
            nonlocal steps
            steps += 1
            if steps > 30:
                raise RuntimeError("no such ROM")
            return recv()

        if stream[-1] == 0:  # the full training's, not those that are stepped alone
            monkeypatch.setattr(env, "recv", failing_recv)
        return env

    monkeypatch.setattr(jaxrl.run.experiment, "make_env", make_failing)
    with pytest.raises(UserError, match=r"measuring training failed: actor \d failed in unroll \d+: .*no such ROM$"):
        bench.main(tiny_config(), tmp_path / "bench.json", 0.05)
    assert threads_of_ours() == []


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*bench\.json: .*; free space there"):
        bench.main(tiny_config(), tmp_path / "file" / "bench.json", 0.05)
