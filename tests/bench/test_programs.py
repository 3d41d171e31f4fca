"""What an accelerator would be given, lowered here: no machine with one is needed."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxrl.agents import impala
from jaxrl.bench.locm import make_random_play
from jaxrl.bench.programs import Program, programs
from jaxrl.config.parsing import read_config
from jaxrl.config.seating import make_table
from jaxrl.config.sections import SelfPlayConfig
from jaxrl.envs.locm.env import Locm, LocmBatch
from jaxrl.networks.cpu import stacks
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.run.experiment import build
from jaxrl.selfplay.kuhn import Kuhn
from jaxrl.selfplay.period import make_period

ACCELERATORS = ("cuda", "tpu")
PONG, CATCH = "configs/atari/pong_cpu.yaml", "configs/catch.yaml"
FEW = [
    "--runtime.num_actors=1",
    "--runtime.pools_per_actor=1",
    "--runtime.envs_per_pool=8",
    "--runtime.unroll_length=4",
]
BF16 = "--network.dtype=bfloat16"
# What trains on accelerators: every torso, both dtypes, the core, replay, a population; Catch has
# Anakin's program too.
TRAININGS: dict[str, list[str]] = {
    "small": [PONG, *FEW],
    "nature": [PONG, *FEW, "--network.torso=nature", "--env.frame_size=84", BF16],
    "resnet": ["configs/atari/casa.yaml", *FEW],
    "paper": ["configs/atari/casa_paper.yaml", *FEW, "--agent.burn_in=2", "--agent.num_minibatches=4"],
    "impala": ["configs/atari/impala.yaml", *FEW, "--network.core=lstm"],
    "population": [CATCH, *FEW, "--population.size=2"],
    "recall": ["configs/recall.yaml", *FEW],
}


def make_programs(name: str) -> dict[str, Program]:
    if name == "locm":
        env = LocmBatch(Locm(), 8)
        key = jax.eval_shape(partial(jax.random.key, 0))
        play = make_random_play(env, steps=2, features=True)
        return {"play": Program(play, (jax.eval_shape(env.reset, key), key), donated=(0,))}
    if name != "selfplay":
        config, *settings = TRAININGS[name]
        return programs(build(read_config(config, settings)))
    kuhn = Kuhn()
    network = PolicyValueNetwork(MLPTorso((32,), jnp.dtype("float32")), kuhn.spec.num_actions)
    agent = impala.make(impala.Config(), network, kuhn.spec, num_updates=10)
    table = make_table(SelfPlayConfig(), 40)
    period = make_period(agent, kuhn, SelfPlayConfig(), table, num_steps=8, num_rows=6)
    keys = [jax.eval_shape(partial(jax.random.key, 0))] * 3
    return {"update": Program(jax.jit(period.update, donate_argnums=0), (jax.eval_shape(period.init, *keys),), (0,))}


@pytest.mark.parametrize("name", [*TRAININGS, "selfplay", "locm"])
def test_programs_for_accelerators(name: str) -> None:
    for what, program in make_programs(name).items():
        for platform in ACCELERATORS:
            text = program.lower(platform)
            assert "f64" not in text, f"{what} computes in float64"
            # Callbacks and library calls are both custom calls; these programs have none of either.
            assert set(re.findall(r"custom_call @(\w+)", text)) == set(), f"{what} on {platform}"
            assert text.count("tf.aliasing_output") == donated_leaves(program), f"{what} keeps what it was given"


def donated_leaves(program: Program) -> int:
    return sum(len(jax.tree.leaves(program.arguments[i])) for i in program.donated)


@pytest.mark.parametrize("name", ["small", "resnet"])
def test_accelerators_are_given_their_own_convolutions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loops, products, convolutions and pooling as where there is no other form; on a CPU they are others."""

    def heavy(platform: str) -> dict[str, Counter[str]]:
        return {what: heavy_operations(program.lower(platform)) for what, program in make_programs(name).items()}

    chosen, cpu = {platform: heavy(platform) for platform in ACCELERATORS}, heavy("cpu")
    monkeypatch.setattr(stacks.lax, "platform_dependent", lambda *operands, cpu, default: default(*operands))
    native = {platform: heavy(platform) for platform in ACCELERATORS}
    assert chosen == native
    assert all(found.total() and cpu[what] != found for what, found in native["cuda"].items())


def heavy_operations(text: str) -> Counter[str]:
    """What is multiplied, pooled and repeated, with its shapes and without the names of values."""
    kinds = "convolution|dot_general|while|reduce_window|select_and_scatter"
    lines = re.findall(rf"stablehlo\.(?:{kinds})\W.*", text)
    return Counter(re.sub(r"%\w+(:\d+)?(#\d+)?", "%", line) for line in lines)


def test_what_the_assertions_would_find() -> None:
    """Each of them fails on a program that has the fault."""
    x = jnp.zeros(3)
    library_call = Program(jax.jit(jnp.linalg.eigh), (jnp.zeros((3, 3)),)).lower("cuda")
    assert re.findall(r"custom_call @(\w+)", library_call)
    with pytest.raises(ValueError, match="platform"):  # callbacks
        Program(jax.jit(lambda x: jax.pure_callback(lambda x: x, x, x)), (x,)).lower("cuda")
    assert donated_leaves(Program(jax.jit(jnp.sin), (x,), donated=(0,))) == 1
    assert "tf.aliasing_output" not in Program(jax.jit(jnp.sin), (x,)).lower("cuda")
    with jax.enable_x64(True):
        assert "f64" in Program(jax.jit(jnp.sin), (jnp.zeros(3, jnp.float64),)).lower("cuda")
