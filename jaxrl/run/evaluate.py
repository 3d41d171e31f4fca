"""Score the newest checkpoint of a run, and the last page of a training run: result, curve, next command."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

from jaxrl.analysis.curves import RunDataError, read_metrics
from jaxrl.analysis.runs import read_record
from jaxrl.config.registry import env_title
from jaxrl.config.sections import EvaluationConfig, ExperimentConfig
from jaxrl.envs.build import protocol_label, scored
from jaxrl.errors import ConfigError, UserError
from jaxrl.record.console import program, typed
from jaxrl.record.files import check_writable, replace_json
from jaxrl.record.meters import member_name
from jaxrl.record.rundir import RunDir, write_error
from jaxrl.record.video import Film, check_video_path, write_video
from jaxrl.record.wandb import WandbSink, choose_mode
from jaxrl.run.experiment import (
    EVALUATION_KEY,
    Experiment,
    make_evaluation_env,
    make_evaluation_screen,
)
from jaxrl.run.trained import member_states, restore
from jaxrl.runtime.actor import Act, make_act
from jaxrl.runtime.episodes import Played, act_randomly, play_episodes, summary
from jaxrl.runtime.watchdog import Watchdog
from jaxrl.types import TimeStep


def evaluate(
    run: RunDir | str,
    *,
    episodes: int | None = None,
    greedy: bool | None = None,
    member: int | None = None,
    video: Path | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Play whole episodes with the newest checkpoint; arguments that are None are the config's.

    `training_return` in the result is the training curve's last value, which the acting policy had. A sampled score
    under the same rules agrees with it; a greedy one need not.

    Args:
        run: a run folder, `latest`, a file that `jaxrl export` wrote, or `zoo:NAME`.
        episodes: how many, at least one for each member of a population; 100 where the config has none. A config
            that has fewer than members counts as one each. In a game of two players: against each script (`climb`).
        greedy: take the most probable action instead of sampling; always in games of two players unless False.
        member: of a population; without it all members share the episodes.
        video: a file for the film of one of the episodes; .gif, .webp or .mp4. Where it cannot be made, the result has
            the reason, `film_lost`.
        overrides: settings of `SCORED_UNDER` as on the command line, such as `--env.protocol paper`.

    Raises:
        UserError: the run has no checkpoint, or cannot be read; a setting or the video cannot work.
    """
    if video is not None:
        check_video_path(video)
        check_writable(video)
    trained, asked = restore(run, overrides), greedy
    name, experiment, state, counters, folder = trained
    config = experiment.config
    greedy = config.evaluation.greedy if greedy is None else greedy
    if hasattr(experiment.env, "make_games"):
        for option, value in (("video", video), ("member", member)):
            if value is not None:
                raise ConfigError(
                    f"--{option} is not for games of two players, such as {env_title(config.env)}; leave it out"
                )
        from jaxrl.run.rivals import climb  # and with it the games themselves

        about = {"run": name, "env": env_title(config.env), "updates": int(state.updates)}
        return about | {"env_steps": counters.get("env_steps")} | climb(trained, episodes, asked is not False)
    agent = experiment.member
    publish = agent.publish_greedy if greedy else agent.publish
    result: dict[str, Any] = {
        "run": name,
        "env": env_title(config.env),
        "protocol": protocol_label(scored(experiment.env)),
        "policy": "greedy" if greedy else "sampled",
        "updates": int(state.updates),
        "env_steps": counters.get("env_steps"),
    }
    if (share := int(counters.get("env_steps") or config.env_steps) / config.env_steps) < 1:
        result["trained_share"] = share
    label = f"{result['env']} {result['policy']}"
    states = member_states(experiment, state, member)
    shares = _shares(config, episodes, len(states))
    film = None if video is None else Film(make_evaluation_screen(experiment, _num_envs(experiment, shares[0])), label)
    act = make_act(agent.act)  # compiled for all members, at most once for each of the two sizes of a share
    played = [
        _play(experiment, act, publish(state), agent.initial_actor_state, share, "policy", film, share / sum(shares))
        for state, share in zip(states, shares, strict=True)
    ]
    result |= summary(Played.together(played))
    if film is not None and video is not None:
        film.screen.close()
        result |= _write_film(video, film)
    if member is not None:
        result["member"] = member
    elif len(states) > 1:
        result["member_returns"] = [float(part.returns.mean()) for part in played]
    curve = None if folder is None else training_return(folder, member)
    if curve is not None:
        result["training_return"] = curve
    if config.evaluation.against_random:
        result |= _against_random(experiment, sum(shares), result)
    return result


def _shares(config: ExperimentConfig, episodes: int | None, members: int) -> list[int]:
    """How many episodes each member plays; the first ones play those that do not divide."""
    if episodes is not None and episodes < members:
        raise ConfigError(
            f"--episodes {episodes} are too few for {members} members to share; set {members} or more, or name one "
            "with --member"
        )
    total = max(members, episodes or config.evaluation.episodes or EvaluationConfig().episodes)
    return [total // members + (member < total % members) for member in range(members)]


def _against_random(experiment: Experiment, episodes: int, result: dict[str, Any]) -> dict[str, float]:
    """What the random policy has, and how far above it `result` is where chance had a part in either."""
    act = make_act(partial(act_randomly, spec=experiment.spec))
    random = summary(_play(experiment, act, (), lambda num_envs: (), episodes, "random policy"))
    error = np.hypot(result["standard_error"], random["standard_error"])
    compared = {"random_return": random["mean_return"]}
    if error > 0 and min(result["games"], random["games"]) > 1:  # one game alone has no error that could be known
        compared["standard_errors_above_random"] = float((result["mean_return"] - random["mean_return"]) / error)
    return compared


def training_return(run: RunDir, member: int | None = None) -> float | None:
    """Mean raw return of the last 100 training episodes, acting policy; None where none finished or nothing tells."""
    name = "episode/return" if member is None else member_name(member, "episode/return")
    try:
        curve = read_metrics(run.path).get(name)
    except RunDataError:  # a score needs no curve: it was copied without one, or a line is damaged
        return None
    return None if curve is None or not np.isfinite(curve[-1]) else float(curve[-1])


def _num_envs(experiment: Experiment, episodes: int) -> int:
    return min(experiment.config.evaluation.num_envs, episodes)


def _write_film(path: Path, film: Film) -> dict[str, Any]:
    """What there is to say of the film; a score is not lost with it."""
    try:
        write_video(path, film, film.screen.fps)
    except UserError as error:
        return {"film_lost": f"{error}; the score above is whole"}
    return {"video": str(path), "video_return": film.episode_return}


def _play(
    experiment: Experiment,
    act: Act,
    params: Any,
    initial_state: Any,
    episodes: int,
    title: str,
    film: Film | None = None,
    share: float = 1.0,
) -> Played:
    """Some episodes, which may take their `share` of the time; environments that hang end the process.

    Shown meanwhile is a progress bar, or in a log, which cannot have one, a line at the start.
    """
    bar = sys.stderr.isatty()
    if not bar:
        print(f"evaluating: {title}, {episodes} episodes", file=sys.stderr, flush=True)
    num_envs = _num_envs(experiment, episodes)
    timeout_s, bounds = experiment.config.runtime.timeout_s, experiment.config.evaluation
    deadline = time.monotonic() + 60 * bounds.max_minutes * share
    sentence = (
        f"the environments that score the policy made no step for {timeout_s:g} s (runtime.timeout_s); nothing is "
        f"lost: `{program()} evaluate` tries again"
    )

    def watch(action: np.ndarray | None, timestep: TimeStep) -> None:
        if action is not None:  # before the first one `act` is compiled
            watchdog.step()
        if film is not None:
            film(action, timestep)

    with (
        closing(make_evaluation_env(experiment, num_envs)) as env,
        Watchdog(timeout_s, sentence, status=1) as watchdog,
        Progress(console=Console(stderr=True), transient=True, disable=not bar) as progress,
    ):
        task = progress.add_task(f"evaluating: {title}", total=episodes)
        played = play_episodes(
            act,
            jax.device_put(params),
            initial_state(num_envs),
            env,
            episodes,
            experiment.key(EVALUATION_KEY),
            lambda finished: progress.update(task, completed=finished),
            watch,
            bounds.steps_per_episode,
            lambda: time.monotonic() > deadline,
        )
    if played.cut or played.missing:
        print(
            f"evaluating: {title}: of {episodes} episodes {played.cut} were cut and count with the return they had, "
            f"and {played.missing} were not begun, since evaluation.steps_per_episode {bounds.steps_per_episode} or "
            f"evaluation.max_minutes {bounds.max_minutes:g} was reached; a policy that goes in circles needs a cap, "
            "env.max_episode_steps",
            file=sys.stderr,
            flush=True,
        )
    return played


def _counted(result: dict[str, Any]) -> str:
    """How many episodes a score is of, and what is to be known about them."""
    episodes, games = result["episodes"], result["games"]
    repeated = f", only {games} of them different games" if games < episodes else ""
    cut = f", {result['cut_episodes']} of them cut" if result["cut_episodes"] else ""
    missing = f", {result['missing_episodes']} not begun" if result["missing_episodes"] else ""
    return f"{episodes} episodes{repeated}{cut}{missing}"


def _verdict(distance: float | None, trained_share: float | None) -> str:
    """What a distance to the random policy says, and of a policy whose training is not over does not say."""
    if distance is None:
        return ""
    words = f"the policy is {abs(distance):.0f} standard errors {'below' if distance < 0 else 'above'} it"
    return f", so {words}" if trained_share is None else f"; after {trained_share:.1%} of its training {words} so far"


def set_aside_score(run: RunDir, update: int) -> None:
    """Rename a score, where there is one: it is not that of the run any more; of `update` unless it says of which.

    Raises:
        RunDirError: the folder is not writable.
    """
    score = run.path / "evaluation.json"
    try:
        if score.exists():
            told = (read_record(run, score.name) or {}).get("updates", update)
            score.replace(score.with_name(f"evaluation-{told}.json"))
    except OSError as error:
        raise write_error(score, error) from error


def finish(config: ExperimentConfig, run: RunDir) -> None:
    """Evaluate, draw the curve, and say where everything is and what to do next; each as soon as it is known."""
    say = partial(print, flush=True)
    trained = training_return(run)
    if trained is not None:
        say(f"training    {trained:.2f} over the last 100 training episodes (acting policy)")
    if config.evaluation.episodes:
        result = evaluate(run, video=run.path / "episode.mp4" if config.record.film else None)
        lost = result.pop("film_lost", "")
        label = f", {result['protocol']} protocol" if result["protocol"] else ""
        error = f" +- {result['standard_error']:.2f}" if result["games"] > 1 else ""  # of one game it is not known
        say(
            f"return      {result['mean_return']:.2f}{error} over {_counted(result)} "
            f"({result['env']}{label}, {result['policy']} policy)"
        )
        if "random_return" in result:
            verdict = _verdict(result.get("standard_errors_above_random"), result.get("trained_share"))
            say(f"random      {result['random_return']:.2f}{verdict}")
        replace_json(run.path / "evaluation.json", result)
        if lost:
            print(f"jaxrl: warning: {lost}", file=sys.stderr, flush=True)
    say(f"run folder  {run}")
    from jaxrl.analysis.figures.learning import plot_run  # matplotlib takes a second to load

    say(f"curve       {plot_run(run.path)}")
    film = () if config.runtime.kind == "selfplay" else ("--video", "episode.gif")
    say(f"next        {typed('evaluate', run, *film)}")
    if config.record.wandb != "off" and choose_mode(config.record.wandb) == "online":
        WandbSink(run.path, config.record.wandb_project, "online").close()  # score, curve and film
