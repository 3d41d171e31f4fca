"""`jaxrl bench`: makes the parts, measures them by turns and says what was found."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

import jaxrl
from jaxrl.bench import networks, parts
from jaxrl.bench import peer as peers
from jaxrl.bench.both_seats import measure_selfplay
from jaxrl.bench.printout import ONE_DEVICE, PARTS, Sizes, resources, summarise, table
from jaxrl.bench.threads import Rate, as_user_error
from jaxrl.config.parsing import write_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.record.files import check_writable, replace_json
from jaxrl.record.meters import format_duration
from jaxrl.record.versions import collect
from jaxrl.run.experiment import INIT_KEY, Experiment, build, devices_of, make_pools, sends_once
from jaxrl.runtime.actor import Act, Actor, make_act
from jaxrl.runtime.learner import make_publish
from jaxrl.types import ActorParams, Trajectory

ROUNDS = 5  # every part is measured so often, in turn, because a machine's speed drifts
MATMUL_SHARE = 0.2  # of the other parts' time: one product is much like the next
BUSY = 0.25  # processes running beforehand, for each core, from which on the table warns
NATURE_BATCH = 640
NATURE_FROM_SECONDS = 1.0  # shorter benchmarks leave the Nature CNN out


class Part(Protocol):
    """Something with a rate."""

    def measure(self, seconds: float) -> Rate:
        """Its rate, measured for about `seconds`."""
        ...


def main(config: ExperimentConfig, json_path: Path | None, seconds: float, peer: str | None = None) -> None:
    """Measure every part and the whole loop, show a table, write the numbers.

    Args:
        config: whose sizes are measured.
        json_path: where the numbers go, if anywhere; docs/bench.md says what they mean.
        seconds: for each part, over all rounds. Under 1, and on an accelerator, the Nature CNN is left out.
        peer: `torch` times the network's update there too.

    Raises:
        UserError: the config cannot work, an environment fails or the file cannot be written; one sentence.
    """
    load = load_average()
    if config.runtime.kind == "anakin":
        raise ConfigError("jaxrl bench measures runtime.kind sebulba or selfplay, got anakin; set it to sebulba")
    experiment = build(config)
    if config.runtime.kind == "selfplay":
        if peer is not None:
            raise ConfigError("jaxrl bench compares with a peer where runtime.kind is sebulba; leave --peer out")
        measure_selfplay(experiment, json_path, seconds, lambda: _circumstances(experiment, seconds))
        return
    if json_path:
        check_writable(json_path)  # better to know before than after
    if peer is not None:
        peers.check(config.network)
    console = Console(stderr=True)
    with _progress(console) as show:
        show(0.0, "compiling and warming up")
        with ExitStack() as stack:
            loop, sizes = _prepare(experiment, seconds, stack)
            rounds = _measure_by_turns(loop, seconds / ROUNDS, show)
        nature: dict[str, float | None] = dict.fromkeys(networks.UpdateSpeed._fields)
        on_cpu = devices_of(experiment)[1][0].platform == "cpu"  # elsewhere both forms are the same one
        if seconds >= NATURE_FROM_SECONDS and on_cpu:
            show(1.0, f"Nature CNN at batch {NATURE_BATCH}, plain and ours")
            nature = networks.measure(NATURE_BATCH, repetitions=3 if seconds < 5 else 5)._asdict()
        beside: dict[str, float | None] = dict.fromkeys(peers.PeerSpeed._fields)
        if peer is not None:
            show(1.0, "a minibatch's update in PyTorch and here")
            rows = (config.runtime.unroll_length + 1) * experiment.plan.num_envs
            batch = rows // getattr(config.agent, "num_minibatches", 1)
            beside = peers.measure(config.network, experiment.spec, experiment.network, batch)._asdict()
    result = {
        **summarise(rounds, sizes, resources(*devices_of(experiment))),
        "nature_torso_640": nature,
        "peer": beside,
        **_circumstances(experiment, seconds),
        "load_average": load,
    }
    if json_path:
        replace_json(json_path, result)  # first: standard output may be gone
    Console().print(table(result))
    if load is not None and load > BUSY * result["cores"]:
        print(f"other processes were busy here (load average {load:.1f}): trust CPU efficiency more than utilisation")
    if json_path:
        print(f"written to {json_path}")


def _prepare(experiment: Experiment, seconds: float, stack: ExitStack) -> tuple[dict[str, Part], Sizes]:
    """Every part, warm; `stack` ends their threads and environments."""
    config, spec, agent = experiment.config, experiment.spec, experiment.agent
    runtime = config.runtime
    actor_devices, learner_devices = devices_of(experiment)
    act = make_act(agent.act, sends_once(experiment))
    published = make_publish(agent, actor_devices)(agent.init(experiment.key(INIT_KEY)))
    pools = make_pools(experiment, restart=1)
    for pool in chain.from_iterable(pools):
        stack.callback(pool.close)
    environments = parts.Environments(pools, spec, config.seed, runtime.timeout_s)
    try:
        trajectories = _first_unrolls(experiment, act, published, pools)
        timesteps = environments.record(runtime.unroll_length)
    except Exception as error:
        raise as_user_error("the first unroll", error) from error
    learner = parts.Learner(experiment, trajectories)
    pause_s = 60 + (len(PARTS) + 1) * seconds
    training = parts.Training(experiment, act, make_pools(experiment), pause_s)
    stack.enter_context(training)
    training.measure(0.0)
    loop: dict[str, Part] = {
        "env": environments,
        "inference": parts.Inference(experiment, act, published, actor_devices, timesteps),
        "learner": learner,
        "train": training,
        "matmul": parts.MatrixProduct(experiment),
    }
    epochs = getattr(config.agent, "num_epochs", 1)
    rows = (runtime.unroll_length + 1) * experiment.plan.num_envs * epochs
    flops = rows * networks.update_flops(experiment.network, spec)
    if len(learner_devices) > 1:
        loop[ONE_DEVICE] = parts.Learner(experiment, trajectories, learner_devices[:1])
    return loop, Sizes(
        samples=experiment.plan.samples_per_update,
        env_steps=learner.env_steps_per_update,
        epochs=epochs,
        flops=flops,
        frame_skip=spec.frame_skip,
    )


def _first_unrolls(
    experiment: Experiment, act: Act, published: dict[Any, ActorParams], pools: parts.Pools
) -> list[Trajectory]:
    """A real trajectory of every actor; its environments have been reset then, and `act` is compiled."""
    runtime, agent = experiment.config.runtime, experiment.agent
    actor_devices, _ = devices_of(experiment)
    trajectories = []
    for line, device in zip(pools, actor_devices, strict=True):
        stack, once = experiment.spec.frame_stack, sends_once(experiment)
        actor = Actor(line, act, agent.initial_actor_state, runtime.unroll_length, stack, once)
        trajectories.append(actor.unroll(published[device], experiment.key(INIT_KEY))[0])
    return trajectories


def _measure_by_turns(loop: dict[str, Part], seconds: float, show: Any) -> list[dict[str, Rate]]:
    """The rates of every round; `seconds` for each part of a round."""
    names = {
        "env": "environments",
        "train": "full training",
        "matmul": "matrix product",
        ONE_DEVICE: "learner on one device",
    }
    rounds: list[dict[str, Rate]] = []
    start = time.monotonic()
    for number in range(ROUNDS):
        rounds.append({})
        for i, part in enumerate(loop):
            share = (number + i / len(loop)) / ROUNDS
            elapsed = time.monotonic() - start
            left = elapsed / share - elapsed if number else ROUNDS * seconds * (len(loop) - 1 + MATMUL_SHARE)
            show(share, f"round {number + 1} of {ROUNDS}: {format_duration(left)} left, {names.get(part, part)}")
            rounds[-1][part] = loop[part].measure(seconds * (MATMUL_SHARE if part == "matmul" else 1.0))
    return rounds


@contextmanager
def _progress(console: Console) -> Iterator[Any]:
    """`show(share done, what is going on)`: a bar on a terminal, lines elsewhere. Without a thread of its own."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    hidden = not console.is_terminal
    with Progress(*columns, console=console, auto_refresh=False, transient=True, disable=hidden) as bar:
        task, printed = bar.add_task("", total=1.0), ""

        def show(share: float, what: str) -> None:
            nonlocal printed
            if not hidden:
                bar.update(task, completed=share, description=what, refresh=True)
            elif (stage := what.partition(":")[0]) != printed:  # a log needs one line a round
                printed = stage
                console.print(what, highlight=False)

        yield show


def _circumstances(experiment: Experiment, seconds: float) -> dict[str, Any]:
    """On what, with what and of what the numbers are."""
    actors, learners = devices_of(experiment)
    there = collect()
    return {
        "seconds": seconds,
        "config": yaml.safe_load(write_config(experiment.config)),
        "device": {"inference": _device_names(actors), "learner": _device_names(learners)},
        "cores": there["cores"],
        "versions": {"jaxrl": jaxrl.__version__}
        | {name: there[name] for name in ("python", "platform", "packages", "git")},
    }


def load_average() -> float | None:
    """Processes running on this machine, mean of the last minute; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _device_names(devices: list[parts.Device]) -> str:
    different = list(dict.fromkeys(devices))
    return f"{len(different)} x {different[0].platform} ({different[0].device_kind})"
