"""A batch that is split over devices is work that is split: equal parameters alone would not show it.

Every device counts what its part of the compiled update computes. A gather across the split, or a scan along it, would
have each device compute the whole minibatch and still give the right numbers.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 0.27  # of one device's FLOPs on each of four; the rest is what has no B, such as the optimiser

MEASURE = """
import json, os, re, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp
from jaxrl.agents.replay_buffer import unroll_like
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import build
from jaxrl.runtime.learner import batch_sharding, make_learner_step, make_mesh, state_sharding

def measure(config, overrides, devices):
    mesh = make_mesh(jax.devices()[:devices])
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

config, *overrides = sys.argv[1:]
one, _, _ = measure(config, overrides, 1)
four, sizes, largest = measure(config, overrides, 4)
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
    "nature": [*NATURE, "--network.torso", "nature"],
    "resnet": [*NATURE, "--network.torso", "resnet"],
}


def measure(words: list[str]) -> dict:
    command = [sys.executable, "-c", MEASURE, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=pytest.mark.slow if form in ("nature", "resnet") else ()) for form in FORMS]
)
def test_four_devices_do_a_quarter_each(form):
    found = measure(FORMS[form])
    assert 0.2 < found["share"] <= MOST, found
    assert set(found["collectives"]) <= {"all-reduce"}, "only gradients and scalars cross between devices"
    assert found["collectives"]["all-reduce"] <= found["largest"], found
