"""Self-play on several devices: each has games of its own, one policy learns from all, and only gradients travel."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TWO = """
import json, os, re
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, numpy as np
from jaxrl.config.seating import make_table
from jaxrl.config.sections import OpponentConfig, SelfPlayConfig
from jaxrl.record import leaves
from jaxrl.selfplay.kuhn import Kuhn
from jaxrl.selfplay.period import make_period
from tests.selfplay.test_period import make_agent

config = SelfPlayConfig(period=2, num_slots=2, scripts={"calling": 0.2}, opponents=OpponentConfig(threshold=-2.0))
period = make_period(make_agent(9), Kuhn(), config, make_table(config, 20), 8, 6, jax.devices())
begin = lambda: period.init(*jax.random.split(jax.random.key(0), 3))
compiled = jax.jit(period.update).lower(begin()).compile()
kinds = re.findall(r"= .*? (all-gather|all-to-all|collective-permute|all-reduce)\\(", compiled.as_text())
carry = begin()
for _ in range(3):
    carry, (metrics, env_steps, ended) = compiled(carry)
    saved = leaves.flatten(carry)
    places = jax.tree.map(lambda x: x.sharding, carry)
    carry = jax.device_put(leaves.unflatten(begin(), saved), places)
games = [np.asarray(x.data) for x in carry.play.games.state.cards.addressable_shards]
params = [[np.asarray(s.data) for s in x.addressable_shards] for x in jax.tree.leaves(carry.state.params)]
print(json.dumps({
    "collectives": sorted(set(kinds)), "env_steps": int(env_steps), "ended": ended.there.shape,
    "other games": bool((games[0] != games[1]).any()), "same policy": all((a == b).all() for a, b in params),
    "pool": int(carry.pool.ledger.size), "met": float(carry.met[1, 1]), "fair": carry.pool.fair.shape,
}))
"""


def test_two_devices():
    done = subprocess.run([sys.executable, "-c", TWO], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    # 20 games a device: 4 against the script, 8 against the pool.
    assert found["ended"] == [8, 24] and found["fair"] == [16]
    assert found["env_steps"] > 150 and found["pool"] == 1 and found["met"] > 20
    assert found["other games"] and found["same policy"]
    assert found["collectives"] == ["all-reduce"]
