"""The front door: every command, and what its help says. A command imports what is heavy when it runs."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jaxrl
from jaxrl.cli import agents_at_hand, catalogue, exploitation, game, machine, many_runs, one_run, sound
from jaxrl.cli.catalogue import table
from jaxrl.cli.completion import completion
from jaxrl.cli.output import lost_output, prepare_streams
from jaxrl.errors import ConfigError, UserError, nearest
from jaxrl.run.backend import check_flags, memory_fault, platform_fault


class Command(NamedTuple):
    """One command: what it runs, the words that it takes, and what it does."""

    run: Callable[[Sequence[str]], int]  # returns the exit status
    words: str
    does: str
    failure: int = 1  # status after a `UserError`; of many runs 1 says that one of them failed
    computes: bool = True  # here or in processes that it starts


CANNOT_BE_OPENED = (errno.ENAMETOOLONG, errno.EACCES)  # whatever it is: `Path.is_file` raises these

COMMANDS = {
    "train": Command(one_run.train, "CONFIG [--resume [RUN]] [--KEY VALUE ...]", "train an agent"),
    "evaluate": Command(one_run.evaluate, "RUN [--episodes N] [--video FILE]", "score its newest checkpoint"),
    "plot": Command(one_run.plot, "RUN [RUN ...] [--out FILE]", "draw curves, or rank a sweep", computes=False),
    "upload": Command(one_run.upload, "RUN", "send a run to Weights & Biases", computes=False),
    "export": Command(agents_at_hand.export, "RUN FILE", "write its weights, config and card to one file"),
    "zoo": Command(agents_at_hand.zoo, "[NAME]", "the trained agents that come with it", computes=False),
    "watch": Command(agents_at_hand.watch, "RUN|zoo:NAME [--video FILE]", "see a training, or an agent play"),
    "sweep": Command(many_runs.sweep, "FILE [--on slurm] [--population]", "run a sweep; run again, it goes on", 2),
    "reproduce": Command(many_runs.reproduce, "--scale smoke|cpu|full", "run a study and write its report", 2),
    "bench": Command(machine.bench, "CONFIG --json FILE [--seconds S]", "measure every part of the loop"),
    "doctor": Command(machine.doctor, "[--require gpu|tpu]", "check this machine and the installation"),
    "play": Command(game.play, "GAME A B [--games N]", "a match between two players, or of one against a command"),
    "view": Command(game.view, "GAME A B [--seed N]", "one game in words, turn by turn"),
    "bot": Command(game.bot, "GAME PLAYER [--version V]", "play in the game's contest: messages in, lines out"),
    "replay": Command(game.replay, "GAME FILE ...", "compare an engine with recorded games"),
    "exploit": Command(exploitation.exploit, "RUN [--env_steps N]", "train a best response to a policy of self-play"),
    "crossplay": Command(exploitation.crossplay, "RUN [--games N]", "a run's frozen policies against each other"),
    "speech": Command(sound.speech, "--scale NAME [--until STAGE]", "data, tokenizer, decoder and policy of speech"),
    "speak": Command(sound.speak, "RUN TEXT --out FILE.wav", "text with tags as a wave"),
    "listen": Command(sound.listen, "RUN FILE.wav", "what is said in a wave"),
    "chat": Command(sound.chat, "RUN [--persona NAME]", "talk, typed or spoken; tools are run"),
    "list": Command(catalogue.list_names, "[KIND]", f"what can be named: {', '.join(catalogue.LISTS)}", computes=False),
    "notebooks": Command(catalogue.notebooks, "DIR", "copy the notebooks out", computes=False),
    "completion": Command(lambda words: completion(words, COMMANDS), "bash|zsh", "for a shell", computes=False),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for a wrong command or config."""
    name, *words = (sys.argv[1:] if arguments is None else arguments) or [""]
    prepare_streams()
    status, said, lost = 1, "", None
    try:
        status = _dispatch(name, words)
    except SystemExit as end:  # of `--help`
        status = int(end.code or 0)
    except UserError as error:
        status, said = error.status or COMMANDS[name].failure, str(error)
    except KeyboardInterrupt:
        status = 130
    except OSError as error:
        if error.filename and error.errno in CANNOT_BE_OPENED:
            said = f"cannot open {str(error.filename)[:200]}: {error.strerror}; name another, or change its rights"
            status = COMMANDS[name].failure
        elif not (lost := lost_output(suspected=True)):
            raise
    except Exception as error:
        if said := memory_fault(error):
            traceback.print_exc()  # where
            status = COMMANDS[name].failure
        elif said := platform_fault(error):
            status = 2
        else:
            raise
    if said:
        _say(said)
    lost = lost or lost_output()
    if lost and not isinstance(lost, BrokenPipeError):  # but for `jaxrl train --help | head`
        _say(f"standard output or error cannot be written: {lost.strerror}")
    return status or int(lost is not None)


def _say(error: str) -> None:
    try:
        print(f"jaxrl: error: {error}", file=sys.stderr, flush=True)
    except OSError:
        lost_output()  # what is left in its buffer would be Python's own last words


def _dispatch(name: str, words: Sequence[str]) -> int:
    if name in COMMANDS:
        if COMMANDS[name].computes and not {"-h", "--help"} & set(words):
            check_flags()
        return COMMANDS[name].run(words)
    if name == "--version":
        print(f"jaxrl {jaxrl.__version__}")
        return 0
    if name in ("", "-h", "--help", "help"):
        print(help_text(), end="")
        return 0 if name else 2
    raise ConfigError(
        f"there is no command {name!r}; the nearest is {nearest(name, COMMANDS)}, and all are {', '.join(COMMANDS)}"
    )


def help_text() -> str:
    """`jaxrl --help`."""
    lines = table((f"  {name} {command.words}", command.does) for name, command in COMMANDS.items())
    games = ", ".join(f"{name} ({title})" for name, title in game.GAMES.items())
    return f"""usage: jaxrl COMMAND ...

High-throughput reinforcement learning in JAX.

commands:
{lines}

`jaxrl COMMAND --help` says more. RUN is a run folder, such as runs/pong-20260101-120000-s0, or `latest`;
for evaluate and watch also a file of `jaxrl export`, or zoo:NAME. GAME is
{games}; `jaxrl bench GAME` measures it.

options:
  -h, --help  of jaxrl or of a command
  --version   print the version
"""
