"""Score the newest checkpoint of a run, and the last page of a training run: result, curve, next command."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import Progress

from jaxrl.analysis import read_metrics
from jaxrl.config import ExperimentConfig, RecordConfig
from jaxrl.envs.build import protocol_label
from jaxrl.evaluation import act_randomly, play_episodes, summary
from jaxrl.experiment import EVALUATION_KEY, INIT_KEY, Experiment, build, make_evaluation_env
from jaxrl.io.checkpoints import CheckpointError, Checkpoints
from jaxrl.io.rundir import RunDir
from jaxrl.parsing import read_config


def evaluate(run: RunDir | str, *, episodes: int | None = None, greedy: bool | None = None) -> dict[str, Any]:
    """Play whole episodes with the newest checkpoint; arguments that are None are the config's.

    Args:
        run: a run folder, or `latest`.
        episodes: how many.
        greedy: take the most probable action instead of sampling.

    Raises:
        UserError: the run has no checkpoint, or cannot be read.
    """
    if not isinstance(run, RunDir):
        run = RunDir.latest(RecordConfig().runs_dir) if run == "latest" else RunDir.open(run)
    config = read_config(run.config)
    experiment = build(config)
    template = experiment.agent.init(experiment.key(INIT_KEY))
    restored = Checkpoints(run).restore(template)
    if restored is None:
        raise CheckpointError(f"{run} has no checkpoint to evaluate; train it first")
    greedy = config.evaluation.greedy if greedy is None else greedy
    publish = experiment.agent.publish_greedy if greedy else experiment.agent.publish
    agent = experiment.agent
    episodes = config.evaluation.episodes if episodes is None else episodes
    result: dict[str, Any] = {
        "run": str(run),
        "env": config.env.id,
        "protocol": protocol_label(config.env),
        "policy": "greedy" if greedy else "sampled",
        "updates": int(restored.state.updates),
        "env_steps": restored.counters.get("env_steps"),
    }
    result |= _play(experiment, agent.act, publish(restored.state), agent.initial_actor_state, episodes, "episodes")
    if config.evaluation.against_random:
        act = partial(act_randomly, num_actions=experiment.spec.num_actions)
        random = _play(experiment, act, (), lambda num_envs: (), episodes, "random policy")
        result["random_return"] = random["mean_return"]
        error = (result["standard_error"] ** 2 + random["standard_error"] ** 2) ** 0.5
        result["standard_errors_above_random"] = (result["mean_return"] - random["mean_return"]) / max(error, 1e-9)
    return result


def _play(
    experiment: Experiment, act: Any, params: Any, initial_state: Any, episodes: int, title: str
) -> dict[str, Any]:
    """`summary` of some episodes, under a progress bar."""
    num_envs = min(experiment.config.evaluation.num_envs, episodes)
    env = make_evaluation_env(experiment, num_envs)
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task(f"evaluating: {title}", total=episodes)
            returns, lengths = play_episodes(
                act,
                jax.device_put(params),
                initial_state(num_envs),
                env,
                episodes,
                experiment.key(EVALUATION_KEY),
                lambda finished: progress.update(task, completed=finished),
            )
    finally:
        env.close()
    return summary(returns, lengths)


def finish(config: ExperimentConfig, run: RunDir) -> None:
    """Evaluate, draw the curve, and say where everything is and what to do next."""
    lines = []
    trained = read_metrics(run.path).get("episode/return")
    if trained is not None:
        lines.append(f"training    {trained[-1]:.2f} over the last 100 training episodes (acting policy)")
    if config.evaluation.episodes:
        result = evaluate(run)
        (run.path / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        label = f", {result['protocol']} protocol" if result["protocol"] else ""
        lines.append(
            f"return      {result['mean_return']:.2f} +- {result['standard_error']:.2f} over {result['episodes']} "
            f"episodes ({result['env']}{label}, {result['policy']} policy)"
        )
        if "random_return" in result:
            lines.append(
                f"random      {result['random_return']:.2f}, so the policy is "
                f"{result['standard_errors_above_random']:.0f} standard errors above it"
            )
    from jaxrl.plot import plot_run  # matplotlib takes a second to load

    curve: Path = plot_run(run.path)
    lines += [
        f"run folder  {run}",
        f"curve       {curve}",
        f"next        jaxrl evaluate {run} --greedy",
    ]
    print("\n".join(lines), flush=True)
