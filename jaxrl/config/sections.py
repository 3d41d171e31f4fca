"""What a user may set, as frozen dataclasses. No JAX here: `jaxrl train --help` must answer at once.

The sections `env`, `network` and `agent` belong to the parts that their `name` chooses (`jaxrl.config.registry`);
`jaxrl.config.parsing` reads YAML and the command line into these classes. Nothing changes a config after it was read;
what follows from it is computed in `jaxrl.config.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from jaxrl.config import registry
from jaxrl.config.conditions import Names, ReadIf, ReadUnless
from jaxrl.config.ranges import HUGE, TINY, Above, AtLeast, Between

MAX_CAP = 2**31 - 1
MAX_SEED = 2**32 - 1  # a JAX key keeps 32 bits: 2**32 would be seed 0 again
ALONE, TWO = ReadUnless("runtime.kind", "selfplay"), ReadIf("runtime.kind", "selfplay")


@dataclass(frozen=True)
class RuntimeConfig:
    """The actor/learner split.

    Args:
        kind: `sebulba` for actor threads beside the learner; `anakin` steps pure-JAX environments on the learner's
            device without threads, with the same numbers for the same settings; `selfplay` is anakin for games of two
            players, where `envs_per_pool` games are played side by side.
        num_actors: actor threads.
        pools_per_actor: environment pools of one actor; with 2, one steps while the other's actions are computed.
        envs_per_pool: environments in a pool; an update sees actors x pools x envs of them.
        threads_per_pool: threads that step one EnvPool pool; 0 divides the cores among all pools.
        unroll_length: rows of experience per environment and update.
        policy_lag: unroll k acts with parameter version max(0, k - lag); 0 alternates acting and learning.
        frames: where observations are stacks of the newest frames, as in Atari, `once` keeps and sends every frame of
            an unroll once, and the learner stacks them; `stacked` leaves the observations as they are. Both train the
            same, and `once` needs a quarter of the memory.
        actor_devices: indices of the devices that act, used in turn by the actors.
        learner_devices: indices of the devices that learn; the batch is split evenly over them.
        timeout_s: the learner waits no longer for an unroll, and whatever waits for it ten times as long; a run that
            waits so long is broken and ends.
    """

    kind: Literal["sebulba", "anakin", "selfplay"] = "sebulba"
    num_actors: Annotated[int, AtLeast(1), ALONE] = 1
    pools_per_actor: Annotated[int, AtLeast(1), ALONE] = 2
    envs_per_pool: Annotated[int, AtLeast(1)] = 16
    threads_per_pool: Annotated[int, AtLeast(0), ReadUnless("env.name", *registry.WITHOUT_THREADS)] = 1
    unroll_length: Annotated[int, AtLeast(1)] = 16
    policy_lag: Annotated[int, AtLeast(0), ALONE] = 1
    frames: Annotated[Literal["once", "stacked"], ReadUnless("env.name", *registry.WITHOUT_THREADS)] = "once"
    actor_devices: Annotated[tuple[int, ...], ALONE] = (0,)
    learner_devices: tuple[int, ...] = (0,)
    timeout_s: Annotated[float, Above(0)] = 120.0


@dataclass(frozen=True)
class OpponentConfig:
    """Whom the current policy plays, and when a copy of it is frozen (`jaxrl.selfplay.opponents`).

    Args:
        self_play: p, the share of the games that it plays against itself; all of them while the pool is empty.
        distribution: of members: `uniform`; `squared`, weight (1 - win rate)^2; or `softmin` of the mean result.
        softmin_temperature: of `softmin`; small is the member that the policy does worst against.
        threshold: a copy is frozen when the mean result against every member, from -1 to 1, was above this.
        patience: or when more than so many learning periods have ended without one.
        capacity: members kept; a full pool gives up the one that the policy did best against.
    """

    self_play: Annotated[float, Between(0, 1), TWO] = 0.6
    distribution: Annotated[Literal["uniform", "squared", "softmin"], TWO] = "softmin"
    softmin_temperature: Annotated[float, AtLeast(TINY), ReadIf("selfplay.opponents.distribution", "softmin")] = 0.1
    threshold: Annotated[float, TWO] = 0.7
    patience: Annotated[int, Between(0, MAX_CAP), TWO] = 6
    capacity: Annotated[int, AtLeast(1), TWO] = 32


@dataclass(frozen=True)
class SelfPlayConfig:
    """Two players, one policy: learning periods against itself, its frozen copies and scripts.

    Args:
        period: updates of a learning period, after which a copy of the policy may be frozen.
        num_slots: opponents from the pool at a time, each in an equal share of the games against the pool.
        seat_every: updates after which the slots' members are drawn anew.
        unroll_rows: room for one seat's actions in an unroll; 0 for 9/16 of runtime.unroll_length.
        scripts: share of all games against each of the game's scripted players, such as `{greedy: 0.1}`.
        evaluate_every: updates between two matches of the policy, always taking its most probable action, against each
            of `evaluate`; 0 for none.
        evaluate: scripted players of these matches.
        evaluate_games: of a match.
        opponents: see below.
    """

    period: Annotated[int, Between(1, MAX_CAP), TWO] = 50
    num_slots: Annotated[int, AtLeast(0), TWO] = 4
    seat_every: Annotated[int, Between(1, MAX_CAP), TWO] = 10
    unroll_rows: Annotated[int, AtLeast(0), TWO] = 0
    scripts: Annotated[Mapping[str, Annotated[float, Between(0, 1)]], TWO] = field(default_factory=dict, hash=False)
    evaluate_every: Annotated[int, AtLeast(0), TWO] = 0
    evaluate: Annotated[tuple[str, ...], ReadIf("selfplay.evaluate_every")] = ()
    evaluate_games: Annotated[int, AtLeast(2), ReadIf("selfplay.evaluate_every")] = 256
    opponents: OpponentConfig = field(default_factory=OpponentConfig)


@dataclass(frozen=True)
class RecordConfig:
    """What a run writes, and how often.

    Args:
        runs_dir: the folder that holds run folders.
        report_every: updates between two lines of metrics.
        checkpoint_every: updates between two checkpoints; one more is written at the end and on Ctrl-C.
        keep_checkpoints: how many of the newest stay on disk.
        film: after training, film an episode of the evaluated policy: episode.mp4 in the run folder.
        tensorboard: also write TensorBoard's event files into the run folder; needs the extra `tensorboard`.
        wandb: `auto` logs online where an API key is set and offline otherwise; no run waits for it or needs it.
        wandb_project: the project that W&B files the run under.
    """

    runs_dir: str = "runs"
    report_every: Annotated[int, AtLeast(1)] = 50
    checkpoint_every: Annotated[int, AtLeast(1)] = 1000
    keep_checkpoints: Annotated[int, AtLeast(1)] = 2
    film: Annotated[bool, ReadIf("evaluation.episodes")] = False
    tensorboard: bool = False
    wandb: Literal["auto", "online", "offline", "off"] = "auto"
    wandb_project: Annotated[str, ReadIf("record.wandb", "auto", "online", "offline")] = "jaxrl"


@dataclass(frozen=True)
class EvaluationConfig:
    """How a policy is scored: separate environments, whole episodes.

    Args:
        episodes: how many, each environment an equal share, so that short ones are not favoured; 0 for none.
        num_envs: environments that play side by side.
        greedy: take the most probable action instead of sampling.
        against_random: also score the uniformly random policy, and report the distance in standard errors.
        steps_per_episode: env steps that an episode may take on average; what takes more is cut, counted with the
            return it had, and reported. Nothing else ends a policy that goes in circles where env.max_episode_steps
            sets no cap. The default is the largest cap of Atari.
        max_minutes: cut, likewise, what is not finished after so many minutes.
    """

    episodes: Annotated[int, AtLeast(0)] = 100
    num_envs: Annotated[int, AtLeast(1)] = 20
    greedy: bool = False
    against_random: bool = False
    steps_per_episode: Annotated[int, Between(1, MAX_CAP)] = 27_000
    max_minutes: Annotated[float, Above(0)] = 10.0


SEVERAL = ReadIf("hosts.coordinator")


@dataclass(frozen=True)
class HostsConfig:
    """Several machines train together: the same command on each, one process a machine.

    Args:
        coordinator: `address:port` of host 0, the same everywhere; `auto` asks SLURM or a TPU pod. Empty for one host.
        num_processes: how many hosts there are; 0 with `auto`.
        process_id: number of this host, from 0.
        timeout_s: a host that is not heard of for so long has been lost, and the others end; saving must be faster.
    """

    coordinator: str = ""
    num_processes: Annotated[int, SEVERAL] = 0
    process_id: Annotated[int, SEVERAL] = 0
    timeout_s: Annotated[float, Above(0), SEVERAL] = 120.0


RANKED = ReadIf("population.pbt.every")


@dataclass(frozen=True)
class PBTConfig:
    """Population-based training: the worst members copy the best and perturb their hyper-parameters.

    Args:
        every: updates between two rankings by the mean return of the episodes since; 0 for no ranking.
        fraction: of the members that is replaced, and from which the replacements come.
        perturb: names in agent.hypers, such as [learning_rate, entropy_cost].
        factors: a copied hyper-parameter is multiplied by one of them, all equally likely.
    """

    every: Annotated[int, AtLeast(0)] = 0
    fraction: Annotated[float, Above(0, 0.5), RANKED] = 0.25
    perturb: Annotated[tuple[str, ...], Names("agent.hypers"), RANKED] = ("learning_rate",)
    factors: Annotated[tuple[Annotated[float, Above(0, HUGE)], ...], RANKED] = (0.8, 1.25)


@dataclass(frozen=True)
class PopulationConfig:
    """Several agents trained together in one process, each in its own share of every pool's environments.

    Args:
        size: how many; 1 is an ordinary run. They share env_steps, and environment e belongs to member e mod size.
        vary: hyper-parameters that differ, as `{learning_rate: [1e-4, 3e-4]}` or, even in the logarithm,
            `{learning_rate: {low: 1e-4, high: 1e-2, count: 3}}`; the members run all combinations, and those with
            equal values differ in their seeds.
        members: hyper-parameters, and `seed`, listed member by member, in the same forms with `size` values each.
        pbt: see below.
    """

    size: Annotated[int, AtLeast(1)] = 1
    vary: Annotated[Mapping[str, Any], Names("agent.hypers")] = field(default_factory=dict, hash=False)
    members: Annotated[Mapping[str, Any], Names("agent.hypers")] = field(default_factory=dict, hash=False)
    pbt: PBTConfig = field(default_factory=PBTConfig)


@dataclass(frozen=True)
class ExperimentConfig:
    """One training run.

    Args:
        name: of the run folder; a date and the seed are appended.
        seed: from which every random number of the run follows.
        env_steps: length of the run in agent decisions; Atari frames are 4 times that.
        max_minutes: end training, saved and evaluated, after so many minutes even if env_steps are not done; 0 for no
            limit. A resumed run has as many again.
        init_from: begin with the parameters of a trained agent instead of fresh ones: a run folder, a file of
            `jaxrl export`, or zoo:NAME.
        env: settings of the environment that env.name chooses.
        network: settings of the family of networks that network.name chooses.
        agent: settings of the algorithm that agent.name chooses.
        runtime: see below.
        selfplay: see below.
        hosts: see below.
        record: see below.
        evaluation: see below.
        population: see below.
    """

    agent: Any
    name: str = "run"
    seed: Annotated[int, Between(0, MAX_SEED)] = 0
    env_steps: Annotated[int, AtLeast(1)] = 1_000_000
    max_minutes: Annotated[float, AtLeast(0)] = 0.0
    init_from: str = ""
    env: Any = field(default_factory=lambda: registry.default("env"))
    network: Any = field(default_factory=lambda: registry.default("network"))
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    selfplay: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    hosts: HostsConfig = field(default_factory=HostsConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    population: PopulationConfig = field(default_factory=PopulationConfig)
