"""A batch that is split over devices is work that is split: equal parameters alone would not show it.

Every device counts what its part of the compiled update computes. A gather across the split, or a scan along it, would
have each device compute the whole minibatch and still give the right numbers.
"""

import json
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.support.host_runs import free_port

ROOT = Path(__file__).parents[2]
MOST = 0.27  # of one device's FLOPs on each of four; the rest is what has no B, such as the optimiser

MEASURE = """
import json, os, re, sys
port, num_hosts, host, config, *overrides = sys.argv[1:]
os.environ["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={4 // int(num_hosts)}"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp
from jaxrl.config.sections import HostsConfig
from jaxrl.run import hosts
if num_hosts > "1":
    hosts.join(HostsConfig(f"localhost:{port}", num_processes=int(num_hosts), process_id=int(host), timeout_s=240))
from jaxrl.agents.replay_buffer import unroll_like
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import build
from jaxrl.runtime.learner import batch_sharding, make_learner_step, make_mesh, state_sharding

def measure(config, overrides, devices):
    mesh = make_mesh(devices)
    experiment = build(read_config(config, overrides))
    agent, plan = experiment.agent, experiment.plan
    like = unroll_like(agent, experiment.spec, experiment.config.runtime.unroll_length, plan.num_envs)
    state = jax.eval_shape(agent.init, jax.random.key(0))
    def placed(tree, shardings):
        return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), tree, shardings)
    arguments = placed(state, state_sharding(state, mesh)), placed(like, batch_sharding(like, mesh))
    compiled = make_learner_step(agent, mesh).lower(*arguments).compile()
    names = "all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter"
    kinds = re.findall(rf"= (.*?) ({names})\\(", compiled.as_text())  # "f32[16,32]{1,0} all-reduce(", or a tuple
    sizes = {}
    for shapes, kind in kinds:
        for dtype, dims in re.findall(r"(\\w+)\\[([\\d,]*)\\]", shapes):
            numbers = 1
            for dim in filter(None, dims.split(",")):
                numbers *= int(dim)
            sizes[kind] = max(sizes.get(kind, 0), numbers)
    largest = max(x.size for x in jax.tree.leaves(state.params))
    return compiled.cost_analysis()["flops"], sizes, largest

one, _, _ = measure(config, overrides, jax.local_devices()[:1])
four, sizes, largest = measure(config, overrides, jax.devices())
assert jax.device_count() == 4 and len(jax.local_devices()) == 4 // int(num_hosts)
hosts.leave()
print(json.dumps({"share": four / one, "collectives": sizes, "largest": largest}))
"""

SIZES = ["--runtime.envs_per_pool", "16", "--runtime.pools_per_actor", "2", "--runtime.unroll_length", "15"]
SMALL = ["configs/atari/pong_cpu.yaml", *SIZES]
NATURE = [*SMALL, "--network.input", "plain", "--env.frame_size", "84"]
MEMBERS = ["--population.size", "2", "--agent.num_minibatches", "2", "--runtime.envs_per_pool", "64"]
FORMS = {
    "small": SMALL,
    "lstm": [*SMALL, "--network.core", "lstm", "--network.core_size", "32"],
    "replay": [*SMALL, "--agent.replay.capacity", "2"],
    "population": ["configs/catch.yaml", *MEMBERS],
    "population of torsos": [*SMALL, "--population.size", "2", "--agent.num_minibatches", "2"],
    "nature": [*NATURE, "--network.torso", "nature"],
    "resnet": [*NATURE, "--network.torso", "resnet"],
}


def measure(words: list[str], num_hosts: int = 1) -> list[dict]:
    """What each host found of the update on four devices, of which each has as many."""
    command = [sys.executable, "-c", MEASURE, str(free_port()), str(num_hosts)]
    processes = [
        subprocess.Popen([*command, str(host), *words], cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True)
        for host in range(num_hosts)
    ]
    try:
        outputs = [process.communicate(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * num_hosts, [err[-3000:] for _, err in outputs]
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


def assert_split(found: dict) -> None:
    assert 0.2 < found["share"] <= MOST, found
    assert set(found["collectives"]) <= {"all-reduce"}, "only gradients and scalars cross between devices"
    assert found["collectives"]["all-reduce"] <= found["largest"], found


QUICK = ("small", "replay", "population")


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form in QUICK else pytest.mark.slow) for form in FORMS]
)
def test_four_devices_do_a_quarter_each(form):
    (found,) = measure(FORMS[form])
    assert_split(found)


def test_two_hosts_of_two_devices_do_a_quarter_each():
    for found in measure(SMALL, num_hosts=2):
        assert_split(found)
