"""Commands about single runs: train one, score it, draw it, upload it."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxrl.cli import sound
from jaxrl.cli.agents_at_hand import AGENT_HELP
from jaxrl.cli.catalogue import table
from jaxrl.cli.output import lasting_output
from jaxrl.cli.parser import Parser, positive_int
from jaxrl.errors import ConfigError, UserError

if TYPE_CHECKING:
    from jaxrl.config.sections import ExperimentConfig

RUN_HELP = "a run folder, or `latest`"


def train(arguments: Sequence[str]) -> int:
    """`jaxrl train`; the status is the training's."""
    words = list(arguments)
    if "--resume" in words[:-1] and words[words.index("--resume") + 1].endswith((".yaml", ".yml")):
        words[words.index("--resume")] = "--resume=latest"  # `train --resume CONFIG`: the next word is not the run
    parser = Parser("train", "train an agent", add_help=False)
    parser.add_argument("config", metavar="CONFIG", nargs="?")
    parser.add_argument("--resume", metavar="RUN", nargs="?", const="latest")
    parser.add_argument("-h", "--help", action="store_true")
    options, settings = parser.parse_with_settings(words)
    if options.help:
        print(_train_help(options.config, settings), end="")
        return 0
    if options.config is None and options.resume not in (None, "latest"):
        options.config = str(Path(options.resume) / "config.yaml")  # the run's own
    if options.config is None:
        parser.error("the config is missing; name a YAML file, or one of `jaxrl list configs`")
    from jaxrl.config.parsing import read_config

    with lasting_output():
        read = read_config if options.resume is None else _launch
        try:
            config = read(options.config, settings)
        except ConfigError:
            if sound.scale_file(options.config):
                name = options.config
                raise ConfigError(f"{name} is a scale of speech; `jaxrl speech --scale {name}` trains it") from None
            raise
        from jaxrl.run.train import resume, train

        if options.resume is not None:
            return resume(config, options.config, settings, options.resume)
        played = _played(config, options.config, settings)
        if played.evaluation != config.evaluation:
            print(
                f"{options.config} evaluates its own game greedily; this one is evaluated by sampling, unless you "
                "type --evaluation.greedy true",
                flush=True,
            )
        return train(played)


def _launch(path: str, settings: Sequence[str]) -> ExperimentConfig:
    """What names the run that is resumed; where the settings need another part than it has, it says so itself."""
    from jaxrl.config.parsing import read_config, typed_settings
    from jaxrl.record.rundir import RunDir, RunDirError

    with suppress(ConfigError, RunDirError):
        named = _played(read_config(path, settings, recorded=True), path, settings)
        RunDir.latest(named.record.runs_dir, named.name, named.seed)
        return named
    typed = typed_settings(path, settings).items()
    names = [f"--{name}={text}" for name, text in typed if name.startswith(("name", "seed", "record.", "hosts."))]
    return read_config(path, names, recorded=True)


def _played(config: ExperimentConfig, path: str, settings: Sequence[str]) -> ExperimentConfig:
    """`config` without what its file says of its own game, where the command line names another one.

    The name of the run gets the game that is played, and a greedy evaluation, which suits some games only, is sampled;
    what is typed stays.
    """
    from jaxrl.config.parsing import read_config, typed_settings
    from jaxrl.config.registry import env_title

    if not any(word.startswith("--env.") for word in settings):
        return config
    typed = typed_settings(path, settings)
    if not {"env.id", "env.name"} & typed.keys():
        return config
    before = ""
    with suppress(ConfigError):  # a file that says nothing without its command line
        before = env_title(read_config(path, recorded=True).env)
    titles = (re.sub(r"-v\d+$", "", title.lower()) for title in (before, env_title(config.env)))
    old, new = (re.sub(r"[^\w.+=-]+", "-", title) for title in titles)
    if old == new:
        return config
    name, evaluation = config.name, config.evaluation
    if "name" not in typed:
        name = re.sub(re.escape(old), new, name, count=1, flags=re.IGNORECASE) if old else name
        name = name if new in name.lower() else f"{name}-{new}"
    if "evaluation.greedy" not in typed:
        evaluation = dataclasses.replace(evaluation, greedy=False)
    return dataclasses.replace(config, name=name, evaluation=evaluation)


def _train_help(path: str | None, settings: Sequence[str]) -> str:
    from jaxrl.config import registry
    from jaxrl.config.parsing import help_text, read_config

    usage = "jaxrl train CONFIG [--resume [RUN]] [--KEY VALUE ...]"
    description = (
        "Train an agent. CONFIG is a YAML file, or the name of one of `jaxrl list configs`; --KEY VALUE (or "
        "--KEY=VALUE) sets one value on top of it. --resume goes on with the newest run of CONFIG's name and seed, "
        "--resume RUN, which needs no CONFIG, with that folder: by the config that lies there, where --KEY VALUE may "
        "change length, record, evaluation, devices and hosts."
    )
    if path is not None:
        return help_text(usage, f"{description} The defaults below are {path}'s.", read_config(path, settings))
    summaries = {name: registry.summary("agent", name) for name in registry.AGENTS}
    agents = "".join(f"    {name:19} {summary}".rstrip() + "\n" for name, summary in summaries.items())
    return (
        f"{help_text(usage, description)}\nagent:\n  --agent.name NAME     the algorithm, one of:\n{agents}"
        "  --agent.KEY VALUE     `jaxrl train CONFIG --help` also shows the sections of CONFIG's parts\n"
    )


def evaluate(arguments: Sequence[str]) -> int:
    parser = Parser("evaluate", "Score the newest checkpoint of a run over whole episodes.")
    add = parser.add_argument
    add(
        "run",
        metavar="RUN",
        help=f"{AGENT_HELP}; followed by --KEY VALUE for settings of env, evaluation, runtime and seed",
    )
    add("--episodes", type=positive_int, metavar="N", help="default: the config's evaluation.episodes")
    add("--greedy", action=argparse.BooleanOptionalAction, help="the most probable action; default: the config's")
    add("--member", type=int, metavar="I", help="of a population; default: all members share the episodes")
    add("--json", type=Path, metavar="FILE", help="also write the result there")
    add("--video", type=Path, metavar="FILE", help="film one of the episodes: .gif, .webp or .mp4")
    add("--suite", choices=["speech"], help="RUN is a folder of jaxrl speech: examine its policy on all axes")
    add(
        "--policy",
        metavar="NAME",
        help="of that folder: teacher, student, or a learner such as group; default: teacher",
    )
    options, settings = parser.parse_with_settings(arguments)
    of_games = [options.episodes, options.greedy, options.member, options.video, *settings]
    if options.suite and any(one is not None for one in of_games):
        raise ConfigError("--suite speech plays no episodes: give RUN, --policy and --json only")
    if options.policy and not options.suite:
        raise ConfigError("--policy names one of several in a folder of jaxrl speech; set --suite speech too")
    if options.json and options.json.exists() and not options.json.is_file():  # said before anything is played
        raise ConfigError(f"--json {options.json} is a folder or a device; name a file, such as scores.json")
    if options.suite:
        return sound.suite(Path(options.run), options.policy, options.json)
    from jaxrl.record.files import check_writable, replace_json
    from jaxrl.run.evaluate import evaluate

    if options.json:
        check_writable(options.json)
    result = evaluate(
        options.run,
        episodes=options.episodes,
        greedy=options.greedy,
        member=options.member,
        video=options.video,
        overrides=settings,
    )
    lost = result.pop("film_lost", "")
    if options.json:
        replace_json(options.json, result)  # first: standard output may be gone
    _print_result(result)
    if lost:
        raise UserError(lost)
    return 0


def _print_result(result: Mapping[str, Any]) -> None:
    """Scalars only: a list of a hundred returns belongs in the JSON file."""
    scalars = ((name, value) for name, value in result.items() if isinstance(value, int | float | str))
    print(table((name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in scalars))


def plot(arguments: Sequence[str]) -> int:
    parser = Parser("plot", "Draw the learning curve of one run, compare several, or rank the runs of a sweep.")
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="run folders, archives (.tar.gz), `latest`, or a sweep's folder"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: beside the run, or compare.png for several")
    parser.add_argument("--metric", metavar="NAME", help="of a sweep: what ranks its runs; default: episode/return")
    parser.add_argument("--minimize", action="store_true", help="of a sweep: the lowest is the best")
    options = parser.parse_args(arguments)
    if len(options.runs) == 1 and Path(options.runs[0], "manifest.json").is_file():
        from jaxrl.sweeps.search.ranking import plot_sweep

        print(plot_sweep(Path(options.runs[0]), options.out, options.metric or "episode/return", not options.minimize))
        return 0
    if options.metric or options.minimize:
        parser.error("--metric and --minimize rank the runs of a sweep; name one sweep's folder")
    from jaxrl.analysis.figures import learning

    print(learning.plot(options.runs, options.out))
    return 0


def upload(arguments: Sequence[str]) -> int:
    """`jaxrl upload`; 1 where not everything arrived."""
    parser = Parser("upload", "Send to Weights & Biases what it has not got yet of a run that has ended.")
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--project", metavar="NAME", help="default: the config's record.wandb_project")
    options = parser.parse_args(arguments)
    from jaxrl.analysis.runs import read_settings, setting
    from jaxrl.record.rundir import RunDir
    from jaxrl.record.wandb import WandbSink, has_api_key

    if not has_api_key():
        raise UserError("W&B has no API key here; run `wandb login`, or set WANDB_API_KEY")
    run = RunDir.find(options.run)
    project = options.project or setting(read_settings(run), "record.wandb_project") or "jaxrl"
    sink = WandbSink(run.path, project, "online", close_timeout=24 * 3600.0)
    if sink.mode == "disabled":
        raise UserError("W&B is switched off by WANDB_MODE or WANDB_DISABLED; unset it")
    sink.close()
    return int(not sink.complete)
