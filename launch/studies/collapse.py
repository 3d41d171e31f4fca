"""Policy collapse: entropy bonus, fixed temperature and the bandits' temperature on a family of small tasks.

    python launch/studies/collapse.py              # writes collapse_table.md and images/collapse*.png of docs/evidence
    python launch/studies/collapse.py --smoke      # does it run? results of no meaning, in runs/collapse-smoke

A task is a `Fork` (`jaxrl/envs/fork.py`): a `near` reward at once, or `far` behind a corridor. The six tasks differ in
their reward scale (`far` is 0.1, 1 or 10) and in how good the near reward is (30 or 80 % of `far`). Every arm trains
all its settings on all tasks with all seeds in one vmapped, fully jitted run (`jaxrl/runtime/anakin.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import collapse_report as report
import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents import casa, exploration, impala
from jaxrl.agents.exploration import ExplorationConfig, Family
from jaxrl.agents.population import member, set_hypers
from jaxrl.envs.fork import Fork
from jaxrl.networks import mlp
from jaxrl.record.files import replacing
from jaxrl.runtime.anakin import Anakin, Carry, finished_episodes, make_anakin, run, unroll
from jaxrl.types import Agent, Trajectory

DEPTH, NUM_ACTIONS = 3, 3  # a random episode arrives with probability 3^-4 = 1/81
TASKS = tuple((near * far, far) for far in (0.1, 1.0, 10.0) for near in (0.3, 0.8))
NUM_ENVS, UNROLL_LENGTH, LEARNING_RATE = 8, 16, 3e-3
BINS = 24  # of the histogram of x = log(1 + 1/temperature)
MAX_X = float(np.log(51))


class Arm(NamedTuple):
    """What is compared: an algorithm, how it explores, and the settings that are tuned: all combinations are run."""

    agent: ModuleType
    family: Family
    tuned: dict[str, tuple[float, ...]]

    @property
    def settings(self) -> list[dict[str, float]]:
        """One dictionary a combination; a single empty one where nothing is tuned."""
        return [dict(zip(self.tuned, values, strict=True)) for values in product(*self.tuned.values())]


COSTS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ARMS = {
    "CASA, bandit temperature": Arm(casa, "bandit", {}),
    "CASA, fixed temperature": Arm(casa, "fixed", {"temperature": TEMPERATURES}),
    # So cold that its own entropy weight is next to nothing, 0.0004. Costs are ten times IMPALA's, as is its policy
    # cost.
    "CASA, entropy bonus": Arm(
        casa,
        "fixed",
        {
            "temperature": (0.02,),
            "advantage_scale": (0.02,),
            "learning_rate": (1e-3, 3e-3),
            "entropy_cost": tuple(10 * cost for cost in COSTS),
        },
    ),
    "IMPALA, entropy bonus": Arm(impala, "plain", {"learning_rate": (1e-3, 3e-3), "entropy_cost": COSTS}),
    "IMPALA, fixed temperature": Arm(impala, "fixed", {"temperature": TEMPERATURES}),
    "IMPALA, bandit temperature": Arm(impala, "bandit", {}),
}


class History(NamedTuple):
    """What is kept of all runs of one arm; leaves [points, settings, tasks, seeds, ...]."""

    acting: Any  # mean return of the episodes that finished since the last point, over `far`
    greedy: Any  # return of the greedy policy at this point, over `far`
    entropy: Any  # of the behaviour, nats
    histogram: Any  # [..., BINS], share of the rows at each x


def make_agent(arm: Arm, num_updates: int) -> Agent:
    """The agent of an arm; everything that is not compared is equal in all arms."""
    spec = Fork(DEPTH, NUM_ACTIONS).spec
    shared = {"learning_rate": LEARNING_RATE, "discount_factor": 1.0}
    own = {"advantage_scale": 1.0} if arm.agent is casa else {"entropy_cost": 0.0}
    hypers = arm.agent.Hypers(**shared, **own)
    config = arm.agent.Config(hypers, reward_transform="identity", exploration=ExplorationConfig(arm.family))
    network = mlp.make(mlp.Config(hidden_sizes=(16,)), spec)
    return arm.agent.make(config, network, spec, num_updates)


def watch(trajectory: Trajectory) -> Any:
    """Episodes, and how often each x acted."""
    x = exploration.coordinate_of(trajectory.extras.temperature)
    counts, _ = jnp.histogram(x, BINS, (0.0, MAX_X), weights=trajectory.mask.astype(jnp.float32))
    episodes = finished_episodes(trajectory)
    return episodes.count.sum(), episodes.total_return.sum(), counts


def start(arm: Arm, num_updates: int, seed: Any, near: Any, far: Any) -> tuple[Agent, Fork, Anakin, Carry]:
    """A run before its first update."""
    agent, env = member(make_agent(arm, num_updates), seed), Fork(DEPTH, NUM_ACTIONS, near, far)
    anakin = make_anakin(agent, env, NUM_ENVS, UNROLL_LENGTH, watch=watch)
    keys = [jax.random.fold_in(jax.random.fold_in(jax.random.key(0), purpose), seed) for purpose in range(3)]
    return agent, env, anakin, anakin.init(*keys)


def train_one(
    arm: Arm, points: int, per_point: int, seed: jax.Array, setting: dict[str, jax.Array], near: Any, far: Any
) -> History:
    """One run; leaves [points, ...]."""
    agent, env, anakin, carry = start(arm, points * per_point, seed, near, far)
    carry = carry._replace(state=set_hypers(carry.state, setting))

    def point(carry: Carry, _: None) -> tuple[Carry, History]:
        carry, (metrics, (count, total, histogram)) = jax.lax.scan(
            lambda carry, _: anakin.update(carry), carry, None, length=per_point
        )
        histogram = histogram.sum(0)
        return carry, History(
            acting=total.sum() / jnp.maximum(count.sum(), 1) / far,
            greedy=greedy_return(agent, env, carry) / far,
            entropy=metrics["behaviour/entropy"].mean(),
            histogram=histogram / histogram.sum(),
        )

    return jax.lax.scan(point, carry, None, length=points)[1]


def greedy_return(agent: Agent, env: Fork, carry: Carry) -> jax.Array:
    """Mean return of the first episode in fresh environments, acting greedily."""
    keys = [jax.random.key(i) for i in range(4)]
    fresh = make_anakin(agent, env, 4, 1).init(*keys[:3])
    _, trajectory = unroll(agent, env, DEPTH + 1, agent.publish_greedy(carry.state), fresh, keys[3])
    first_episode = jnp.cumsum(trajectory.first[:-1], 0) == 1
    return jnp.sum(jnp.where(first_episode & trajectory.mask, trajectory.reward, 0), 0).mean()


def train_arm(arm: Arm, seeds: int, points: int, per_point: int) -> History:
    """Every setting on every task with every seed, in one vmapped run."""
    near, far = jnp.asarray(TASKS).T
    columns = {name: jnp.asarray([setting[name] for setting in arm.settings]) for name in arm.tuned}

    def one(setting: jax.Array, task: jax.Array, seed: jax.Array) -> History:
        chosen = {name: values[setting] for name, values in columns.items()}
        return train_one(arm, points, per_point, seed, chosen, near[task], far[task])

    shape = len(arm.settings), len(TASKS), seeds
    history = jax.jit(jax.vmap(one))(*(jnp.asarray(index) for index in np.indices(shape).reshape(3, -1)))
    return jax.tree.map(lambda x: np.moveaxis(np.asarray(x).reshape(*shape, *x.shape[1:]), 3, 0), history)


def trained_head(num_updates: int) -> tuple[np.ndarray, ...]:
    """Place [N], temperature [N] and `log mu` [N, A] of the rows of a trained CASA agent, third task."""
    agent, env, anakin, carry = start(ARMS["CASA, bandit temperature"], num_updates, 0, *TASKS[2])
    carry, _ = run(anakin, carry, num_updates)
    play = jax.jit(partial(unroll, agent, env, 256))
    _, trajectory = play(agent.publish(carry.state), carry, jax.random.key(9))
    mask = np.asarray(trajectory.mask)
    place = np.asarray(trajectory.observation[:-1]).argmax(-1)
    rows = place, trajectory.extras.temperature, trajectory.behaviour_logits
    return tuple(np.asarray(x)[mask] for x in rows)


def history_file(work: Path, name: str) -> Path:
    """Where the history of one arm is."""
    return work / (name.replace(", ", "-").replace(" ", "_") + ".npz")


def read_histories(work: Path) -> tuple[dict[str, History], int]:
    """The history of every arm, and the updates between two of its points; ends the process where one is missing."""
    histories, lengths = {}, {}
    for name in ARMS:
        path = history_file(work, name)
        try:
            with np.load(path) as saved:
                histories[name] = History(**{field: saved[field] for field in History._fields})
                points, _, _, seeds, per_point = *saved["greedy"].shape, int(saved["updates_per_point"])
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"collapse: error: cannot read {path}: {error}; train this arm with --missing, or all without")
        lengths[name] = f"{seeds} seeds with {points} points of {per_point} updates"
    if len(set(lengths.values())) > 1:
        sys.exit(f"collapse: error: {work} holds histories of several lengths, {lengths}; train all arms again")
    return histories, per_point


def main() -> None:
    """Train all arms, or read them again; write figures and table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--points", type=int, default=30, help="at which results are kept")
    parser.add_argument("--updates-per-point", type=int, default=50)
    parser.add_argument("--smoke", action="store_true", help="2 seeds and a few updates: does it run?")
    parser.add_argument("--work", type=Path, help="the arms' histories; default: runs/collapse, or runs/collapse-smoke")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--redraw", action="store_true", help="train nothing: read the histories in --work")
    kept.add_argument("--missing", action="store_true", help="train only the arms without a history in --work")
    parser.add_argument("--out", type=Path, help="table and images/; default: docs/evidence, or --work with --smoke")
    options = parser.parse_args()
    seeds, points, per_point = options.seeds, options.points, options.updates_per_point
    if options.smoke:
        seeds, points, per_point = 2, 2, 2
    work = options.work or Path("runs/collapse-smoke" if options.smoke else "runs/collapse")
    began = time.monotonic()
    if not options.redraw:
        for name, arm in ARMS.items():
            if options.missing and history_file(work, name).exists():
                continue
            history = train_arm(arm, seeds, points, per_point)
            with replacing(history_file(work, name)) as scratch:
                np.savez_compressed(scratch, updates_per_point=per_point, **history._asdict())
            print(f"{name}: {len(arm.settings)} settings, done after {time.monotonic() - began:.0f} s", flush=True)
    histories, per_point = read_histories(work)
    points = len(next(iter(histories.values())).greedy)
    head = trained_head(points * per_point // 5 + 1)
    out = options.out or (work if options.smoke else Path("docs/evidence"))
    report.write(histories, ARMS, TASKS, per_point, head, out)
    print(f"all done after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
