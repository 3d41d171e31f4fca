"""What is measured: each part of the loop alone, with the config's sizes, and the whole loop.

A part is warm when it was made: compiled, and its environments past their reset. `measure(seconds)` gives its rate; it
can be called again and again, and leaves nothing running in between. Rates of the loop's parts are env steps per
second, auto-reset rows left out.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxrl.bench.threads import Gate, Rate, Stopwatch, Work, as_user_error, in_parallel
from jaxrl.envs.base import BatchedEnv
from jaxrl.run.experiment import ACTOR_KEY, INIT_KEY, Experiment, devices_of, sends_once
from jaxrl.run.runtimes import make_sebulba
from jaxrl.runtime.actor import Act, Actor, Recent, newest
from jaxrl.runtime.exchange import ActorFailed
from jaxrl.runtime.learner import make_learner_step, make_mesh, make_publish, place_batch, place_state
from jaxrl.types import ActorParams, EnvSpec, Key, TimeStep, Trajectory

Device = Any  # a jax.Device, which is no type to type checkers
Pools = list[list[BatchedEnv]]  # [actor][pool]

ACTION_ROWS = 256  # random actions, drawn beforehand and used again and again


class Environments:
    """The pools of all actors under random actions, each actor's in a thread of its own that thinks no time at all."""

    def __init__(self, pools: Pools, spec: EnvSpec, seed: int, timeout_s: float) -> None:
        rng = np.random.default_rng(seed)

        def draw(num_envs: int) -> np.ndarray:
            if spec.bounds is not None:
                return rng.uniform(-1, 1, (ACTION_ROWS, num_envs, spec.num_actions)).astype(np.float32)
            return rng.integers(0, spec.num_actions, (ACTION_ROWS, num_envs), dtype=np.int32)

        self._pools = pools
        self._timeout_s = timeout_s
        self._actions = [[draw(pool.num_envs) for pool in line] for line in pools]

    def measure(self, seconds: float) -> Rate:
        """Env steps per second."""
        works = [self._work(i) for i in range(len(self._pools))]
        return in_parallel("the environments", works, seconds, self._timeout_s)

    def _work(self, actor: int) -> Work:
        pools, actions = self._pools[actor], self._actions[actor]

        def step(more: Callable[[], bool]) -> int:
            env_steps, row = 0, 0
            for p, pool in enumerate(pools):
                pool.send(actions[p][0])
            while not env_steps or more():
                row = (row + 1) % ACTION_ROWS
                for p, pool in enumerate(pools):  # while one is received and sent, the others step
                    env_steps += _played(pool.recv())
                    pool.send(actions[p][row])
            return env_steps + sum(_played(pool.recv()) for pool in pools)

        return step

    def record(self, rows: int) -> list[list[list[TimeStep]]]:
        """[actor][pool][row] time steps, of environments that were reset before."""
        return [
            [[pool.step(action[row % ACTION_ROWS]) for row in range(rows)] for pool, action in zip(*line, strict=True)]
            for line in zip(self._pools, self._actions, strict=True)
        ]


class Inference:
    """The jitted `act` on recorded time steps of every pool, one thread an actor, each action fetched to the host."""

    def __init__(
        self,
        experiment: Experiment,
        act: Act,
        params: dict[Any, ActorParams],
        devices: Sequence[Device],
        timesteps: list[list[list[TimeStep]]],
    ) -> None:
        self._experiment = experiment
        self._act = act
        self._params = [params[device] for device in devices]
        self._starts = [[pool[0] for pool in line] for line in timesteps]
        self._sent_once = sends_once(experiment)
        self._timesteps = timesteps
        if self._sent_once:
            self._timesteps = [[[newest(row) for row in pool] for pool in line] for line in timesteps]
        # An action counts where it was used: a finished environment throws it away.
        self._used = [[[int((~row.last).sum()) for row in pool] for pool in line] for line in timesteps]

    def measure(self, seconds: float) -> Rate:
        """Env steps per second."""
        works = [self._work(i) for i in range(len(self._timesteps))]
        return in_parallel("inference", works, seconds, self._experiment.config.runtime.timeout_s)

    def _work(self, actor: int) -> Work:
        agent, key = self._experiment.agent, jax.random.fold_in(self._experiment.key(ACTOR_KEY), actor)
        params, timesteps, used = self._params[actor], self._timesteps[actor], self._used[actor]

        def infer(more: Callable[[], bool]) -> int:
            env_steps, row, rows = 0, 0, len(used[0])
            states = [agent.initial_actor_state(len(pool[0].last)) for pool in timesteps]
            if self._sent_once:
                states = [Recent.before(*pair) for pair in zip(self._starts[actor], states, strict=True)]
            while not env_steps or more():
                for p, pool in enumerate(timesteps):
                    states[p], output = self._act(params, states[p], pool[row], key, row, p)
                    np.asarray(output.action)
                    env_steps += used[p][row]
                row = (row + 1) % rows
            return env_steps

        return infer


class Learner:
    """Placing a batch, the jitted step, and publishing, with as many updates in flight as the policy lag allows.

    On the config's learner devices, or on `devices`.
    """

    def __init__(
        self, experiment: Experiment, trajectories: Sequence[Trajectory], devices: Sequence[Device] | None = None
    ) -> None:
        runtime = experiment.config.runtime
        actor_devices, learner_devices = devices_of(experiment)
        self._trajectories = trajectories
        self._mesh = make_mesh(devices or learner_devices)
        self._step = make_learner_step(experiment.agent, self._mesh)
        self._publish = make_publish(experiment.agent, actor_devices)
        self._start = jax.device_get(experiment.agent.init(experiment.key(INIT_KEY)).replace(key=None))
        self._make_key = partial(experiment.key, INIT_KEY)
        self._in_flight = runtime.policy_lag
        self.env_steps_per_update = sum(int(trajectory.mask.sum()) for trajectory in trajectories)
        self.measure(0.0)

    def measure(self, seconds: float) -> Rate:
        """Env steps learnt per second; each once, whatever `num_epochs` is."""
        # From the same parameters every time: to learn one batch for ever leads to numbers that no run sees. The key is
        # made anew, because the step before was given its memory.
        state = place_state(self._start.replace(key=self._make_key()), self._mesh)
        pending: deque[Any] = deque()
        jax.block_until_ready(state)
        updates, watch = 0, Stopwatch()
        while not updates or watch.seconds < seconds:
            batch = place_batch(self._trajectories, self._mesh)
            state, metrics = self._step(state, batch)
            pending.append((self._publish(state), metrics))
            if len(pending) > self._in_flight:
                jax.block_until_ready(pending.popleft())
            updates += 1
        jax.block_until_ready((state, pending))
        return watch.rate(updates * self.env_steps_per_update)


class Training:
    """The whole runtime, held at a gate between two measurements. Use as a context manager.

    Args:
        pause_s: the longest time between two measurements.
    """

    def __init__(self, experiment: Experiment, act: Act, pools: Pools, pause_s: float) -> None:
        runtime = experiment.config.runtime
        self._gate = Gate(runtime.timeout_s)
        self._settle = runtime.policy_lag + 2  # updates until nothing is left that waited at the gate
        # The learner stands still while other parts are measured; its actors must not take that for a failure.
        patient = dataclasses.replace(runtime, timeout_s=runtime.timeout_s + pause_s)
        patient = experiment._replace(config=dataclasses.replace(experiment.config, runtime=patient))
        self._runtime = make_sebulba(patient, actors=[GatedActor(self._gate, experiment, line, act) for line in pools])
        self._updates = self._runtime.updates()

    def __enter__(self) -> Training:
        self._runtime.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._gate.end()
        self._runtime.__exit__(*exc)

    def measure(self, seconds: float) -> Rate:
        """Env steps per second, from one update to a later one, after those that settle the pipeline."""
        self._gate.open()
        try:
            for _ in range(self._settle):
                next(self._updates)
            env_steps, watch = 0, Stopwatch()
            while not env_steps or watch.seconds < seconds:
                env_steps += next(self._updates).env_steps
            rate = watch.rate(env_steps)
        except ActorFailed as error:
            raise as_user_error("training", error) from error.__cause__
        self._gate.shut()
        jax.block_until_ready(self._runtime.state)
        return rate


class GatedActor(Actor):
    """An actor that goes through a gate before every unroll."""

    def __init__(self, gate: Gate, experiment: Experiment, pools: Sequence[BatchedEnv], act: Act) -> None:
        agent, length = experiment.agent, experiment.config.runtime.unroll_length
        stack, once = experiment.spec.frame_stack, sends_once(experiment)
        super().__init__(pools, act, agent.initial_actor_state, length, stack, once)
        self._gate = gate

    def unroll(self, params: ActorParams, key: Key) -> tuple[Trajectory, dict[str, float]]:
        """An unroll as every actor's, once the gate is open."""
        with self._gate:
            return super().unroll(params, key)


class MatrixProduct:
    """A large matrix product on every learner device at once: the yardstick of the learner's FLOP/s."""

    def __init__(self, experiment: Experiment) -> None:
        _, devices = devices_of(experiment)
        self.size = 2048 if devices[0].platform == "cpu" else 8192
        shape = (len(devices), self.size, self.size)
        self._flops = 2.0 * len(devices) * self.size**3
        sharding = NamedSharding(make_mesh(devices), PartitionSpec("batch"))
        numbers = np.random.default_rng(0).normal(size=shape)
        self._x = jax.device_put(numbers.astype(getattr(experiment.config.network, "dtype", "float32")), sharding)
        self._product = jax.jit(jnp.matmul, out_shardings=sharding)
        self.measure(0.0)

    def measure(self, seconds: float) -> Rate:
        """FLOP per second."""
        done, watch = 0, Stopwatch()
        while not done or watch.seconds < seconds:
            jax.block_until_ready(self._product(self._x, self._x))
            done += 1
        return watch.rate(done * self._flops)


def _played(timestep: TimeStep) -> int:
    """Env steps that a time step is the result of: those of every environment that was not reset."""
    return len(timestep.first) - int(np.count_nonzero(timestep.first))
