"""The commands. Everything heavy is imported by the command that needs it, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import jaxrl
from jaxrl.errors import ConfigError, UserError

HELP = """usage: jaxrl COMMAND ...

High-throughput reinforcement learning in JAX.

commands:
  train CONFIG [--resume [RUN]] [--KEY VALUE ...]  train an agent; `jaxrl train --help` lists the keys
  evaluate RUN [--episodes N] [--video FILE]       score the newest checkpoint of a run
  bench CONFIG --json FILE [--seconds S]           measure every part of the loop on this machine
  plot RUN [RUN ...] [--out FILE]                  draw learning curves
  doctor [--require gpu|tpu]                       check this machine and the installation
  play locm A B [--games N]                        a match of the card game, players `random` or `greedy`
  bench locm [--json FILE] [--batch N ...]         games/s of the card game

RUN is a run folder, such as runs/pong-20260101-120000-s0, or `latest`.

options:
  -h, --help  of jaxrl or of a command
  --version   print the version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for a wrong command or config."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _dispatch(arguments)
    except ConfigError as error:
        return _complain(error, 2)
    except UserError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `jaxrl train --help | head`
        sys.stderr.close()
        return 1


def train(arguments: Sequence[str]) -> int:
    own, overrides = split_overrides(arguments, {"--resume"})
    if own[:1] == ["--resume"] and own[1:] and own[1].endswith((".yaml", ".yml")):
        own[0] = "--resume=latest"  # `train --resume CONFIG`: the next word is not the run
    parser = _Parser("train", "train an agent", add_help=False)
    parser.add_argument("config", metavar="CONFIG", nargs="?")
    parser.add_argument("--resume", metavar="RUN", nargs="?", const="latest")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args(own)
    if options.help:
        print(_train_help(options.config, overrides), end="")
        return 0
    config = _read(parser, options.config, overrides)
    from jaxrl.run.train import train

    return train(config, resume=options.resume)


def evaluate(arguments: Sequence[str]) -> int:
    own, overrides = split_overrides(
        arguments, {"--episodes", "--member", "--json", "--video"}, {"--greedy", "--no-greedy"}
    )
    parser = _Parser("evaluate", "Score the newest checkpoint of a run over whole episodes.")
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run folder, or `latest`; followed by --KEY VALUE for settings of env, evaluation, runtime and seed",
    )
    parser.add_argument("--episodes", type=_positive_int, metavar="N", help="default: the config's evaluation.episodes")
    parser.add_argument(
        "--greedy", action=argparse.BooleanOptionalAction, help="the most probable action; default: the config's"
    )
    parser.add_argument(
        "--member", type=int, metavar="I", help="of a population; default: all members share the episodes"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result there")
    parser.add_argument("--video", type=Path, metavar="FILE", help="film one of the episodes: .gif, .webp or .mp4")
    options = parser.parse_args(own)
    if options.json and options.json.exists() and not options.json.is_file():  # said before anything is played
        raise ConfigError(f"--json {options.json} is a folder or a device; name a file, such as scores.json")
    from jaxrl.record.files import replace_json
    from jaxrl.run.evaluate import evaluate

    result = evaluate(
        options.run,
        episodes=options.episodes,
        greedy=options.greedy,
        member=options.member,
        video=options.video,
        overrides=overrides,
    )
    _print_result(result)
    if options.json:
        replace_json(options.json, result)
    return 0


def bench(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["locm"]:
        from jaxrl.bench import locm

        return locm.main(arguments[1:])
    own, overrides = split_overrides(arguments, {"--json", "--seconds"})
    parser = _Parser("bench", "Measure environments, inference, learner and full training in one run on this machine.")
    parser.add_argument("config", metavar="CONFIG", help="followed by --KEY VALUE for settings, as in `jaxrl train`")
    parser.add_argument("--json", type=Path, metavar="FILE", required=True, help="where the numbers go")
    parser.add_argument("--seconds", type=_positive_float, default=10.0, metavar="S", help="per part; default: 10")
    options = parser.parse_args(own)
    config = _read(parser, options.config, overrides)
    from jaxrl import bench

    return bench.main(config, options.json, options.seconds) or 0


def plot(arguments: Sequence[str]) -> int:
    parser = _Parser("plot", "Draw the learning curve of one run, or compare several.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders, archives of them (.tar.gz), or `latest`")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: beside the run, or compare.png for several")
    options = parser.parse_args(arguments)
    from jaxrl.analysis.figures import learning

    print(learning.plot(options.runs, options.out))
    return 0


def doctor(arguments: Sequence[str]) -> int:
    parser = _Parser("doctor", "Check this machine and the installation; exit status 1 where something fails.")
    parser.add_argument("--require", choices=["gpu", "tpu"], help="fail where JAX has no such device")
    options = parser.parse_args(arguments)
    from jaxrl.bench import doctor

    return doctor.main(options.require)


def play(arguments: Sequence[str]) -> int:
    if arguments[:1] != ["locm"]:
        raise ConfigError(f"there is no game {' '.join(arguments[:1]) or 'named'!r} to play; write jaxrl play locm A B")
    from jaxrl.locm.match import main as match

    return match(arguments[1:])


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "bench": bench,
    "plot": plot,
    "doctor": doctor,
    "play": play,
}


def split_overrides(
    arguments: Sequence[str], own: set[str], flags: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The words for the command itself, and the `--key value` pairs for the config, which argparse must not see: it
    would take the value of a key that it does not know for a positional argument.

    Args:
        own: the command's options that take a value.
        flags: those that take none.
    """
    mine, overrides = [], []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--help" or word in flags or word.partition("=")[0] in own:
            mine.append(word)
            if word in own and words and not words[0].startswith("-"):
                mine.append(words.pop(0))
        else:
            overrides.append(word)
            if "=" not in word and words and not words[0].startswith("--"):
                overrides.append(words.pop(0))
    return mine, overrides


def _dispatch(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in COMMANDS:
        return COMMANDS[name](arguments[1:])
    if name == "--version":
        print(f"jaxrl {jaxrl.__version__}")
        return 0
    if name in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if arguments else 2
    near = get_close_matches(name, COMMANDS, 1, cutoff=0)[0]
    raise ConfigError(f"there is no command {name!r}; the nearest is {near}, and all are {', '.join(COMMANDS)}")


def _train_help(path: str | None, overrides: Sequence[str]) -> str:
    from jaxrl.config import registry
    from jaxrl.config.parsing import help_text, read_config

    usage = "jaxrl train CONFIG [--resume [RUN]] [--KEY VALUE ...]"
    description = (
        "Train an agent. CONFIG is a YAML file, such as those in configs/; --KEY VALUE (or --KEY=VALUE) sets one value "
        "on top of it. --resume goes on with the newest run of CONFIG's name, --resume RUN with that run folder."
    )
    if path is not None:
        return help_text(usage, f"{description} The defaults below are {path}'s.", read_config(path, overrides))
    agents = "".join(f"    {name:19} {registry.summary(name)}".rstrip() + "\n" for name in registry.AGENTS)
    return (
        f"{help_text(usage, description)}\nagent:\n  --agent.name NAME     the algorithm, one of:\n{agents}"
        "  --agent.KEY VALUE     `jaxrl train CONFIG --help` also shows the section of CONFIG's agent\n"
    )


def _read(parser: _Parser, path: str | None, overrides: Sequence[str]) -> Any:
    if path is None:
        parser.error("the config is missing; name a YAML file, such as those in configs/")
    from jaxrl.config.parsing import read_config

    return read_config(path, overrides)


class _Parser(argparse.ArgumentParser):
    """Mistakes are one sentence, like those in a config."""

    def __init__(self, command: str, description: str, **options: Any):
        super().__init__(prog=f"jaxrl {command}", description=description, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.partition(' ')[2]}: {message}; see `{self.prog} --help`")


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def _print_result(result: Mapping[str, Any]) -> None:
    """Scalars only: a list of a hundred returns belongs in the JSON file."""
    scalars = {name: value for name, value in result.items() if isinstance(value, int | float | str)}
    width = max(map(len, scalars), default=0)
    for name, value in scalars.items():
        print(f"{name:{width}}  {value:.4g}" if isinstance(value, float) else f"{name:{width}}  {value}")


def _complain(error: Exception, status: int) -> int:
    print(f"jaxrl: error: {error}", file=sys.stderr)
    return status
