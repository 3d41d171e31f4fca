"""Commands about games of two players. The first word names the game."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrl.cli.parser import Parser, positive_float, positive_int, seed
from jaxrl.config.shipped import find_config
from jaxrl.errors import ConfigError, nearest

GAMES = {"locm": "Legends of Code and Magic"}
SCRIPTS = ("random", "greedy", "greedy-random-decks", "scored", "scored-random-decks")  # `locm.players` loads JAX
PLAYERS = f"{', '.join(SCRIPTS)}, champion, a run folder, latest, zoo:NAME or a file of `jaxrl export`"


def is_meant(word: str) -> bool:
    """Whether `word` is a game, or nothing else that `jaxrl bench` takes: a path, or the name of a shipped config."""
    return word in GAMES or not (word.startswith("-") or set("./") & set(word) or find_config(word).exists())


def play(arguments: Sequence[str]) -> int:
    parser = _parser("play", "A match of both seats with the same cards, and an interval of the win rate.")
    parser.add_argument("first", metavar="A", help=PLAYERS, type=_player)
    parser.add_argument("second", metavar="B", help=PLAYERS, type=_player, nargs="?")
    _add_rules(parser)
    _add_sampled(parser)
    add = parser.add_argument
    add("--games", type=positive_int, metavar="N", help="in mirrored pairs; default: 2000, against a COMMAND 200")
    add("--seed", type=seed, default=0)
    add("--batch", type=positive_int, metavar="N", help="games played together; default: 512")
    add("--against", metavar="COMMAND", help="in place of B: starts a bot that speaks the contest's protocol")
    add("--time_factor", type=positive_float, metavar="F", help="stretches the contest's time limits for a COMMAND")
    add("--old_ids", action="store_true", help="give a COMMAND the instance ids of the contest of 2022 (1.5)")
    options = parser.parse_args(arguments)
    if (options.second is None) == (options.against is None):
        parser.error("give one opponent, a player B or --against COMMAND")
    if options.against is not None:
        return _play_against(options)
    if options.time_factor is not None or options.old_ids:
        parser.error("--time_factor and --old_ids belong to --against COMMAND")
    rules = _read_rules(options)
    from jaxrl.locm.match import match

    games, batch, players = options.games or 2000, options.batch or 512, _make_players(options, rules)
    print(match(players, rules.version, games, options.seed, rules.cards, batch, _tell).report())
    return 0


def _play_against(options: argparse.Namespace) -> int:
    """A match against a command. A termination ends it like an exception, so that no bot is left behind."""
    if options.batch is not None:
        raise ConfigError("play: games against a COMMAND are played one by one; leave --batch out")
    version, cards = given = _read_rules(options)
    from jaxrl.cli.contenders import make_chooser
    from jaxrl.locm.outside import match_outside, pair_choosers

    choosers = pair_choosers(make_chooser(options.first, given, options.sampled), version, options.seed)
    rules = (version, options.games or 200, options.seed, cards, options.time_factor or 1.0, options.old_ids, _tell)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        match, faults = match_outside(options.first, choosers, options.against, *rules)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f"{match.report()}\n{faults.report(match.players)}")
    return 0


def bot(arguments: Sequence[str]) -> int:
    parser = _parser("bot", "A player on the referee's protocol, on standard input and output: one game.")
    parser.add_argument("player", metavar="PLAYER", help=PLAYERS, type=_player)
    parser.add_argument("--version", choices=["1.5", "1.2"], default="1.5", help="of the referee")
    _add_sampled(parser)
    parser.add_argument("--seed", type=seed, default=0)
    options = parser.parse_args(arguments)
    from jaxrl.locm.policy.without_jax import stand_in
    from jaxrl.run.zoo.card import exported_file

    if exported_file(options.player) is not None:
        stand_in()  # before what is next imports JAX, which scripts and the checkpoints of a run need
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # no accelerator starts as fast, and one game needs none
    from jaxrl.cli.contenders import make_chooser
    from jaxrl.locm.bot import run
    from jaxrl.locm.rulebook import rules_of

    rules = rules_of(options.version)
    run(lambda: make_chooser(options.player, rules, options.sampled), rules.version, options.seed)
    return 0


def view(arguments: Sequence[str]) -> int:
    parser = _parser("view", "One game in words, turn by turn; A moves first.")
    parser.add_argument("first", metavar="A", help=PLAYERS, type=_player)
    parser.add_argument("second", metavar="B", help=PLAYERS, type=_player)
    _add_rules(parser)
    _add_sampled(parser)
    parser.add_argument("--seed", type=seed, default=0)
    options = parser.parse_args(arguments)
    rules = _read_rules(options)
    from jaxrl.locm.narrate import narrate

    for line in narrate(_make_players(options, rules), rules.version, options.seed, rules.cards):
        print(line)
    return 0


def replay(arguments: Sequence[str]) -> int:
    """`jaxrl replay`; 0 where nothing differs, 1 at any difference, 2 where a file cannot be read."""
    parser = _parser("replay", "Replay games recorded by the referee and compare every state and legal action.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="recorded games, text or .gz")
    options = parser.parse_args(arguments)
    from jaxrl.locm.recorded.replay_check import check_files

    report = check_files(options.files)
    print(report.text())
    return int(report.differences > 0)


def bench(arguments: Sequence[str]) -> int:
    """`jaxrl bench`, where its first word is a game."""
    parser = _parser("bench", "Games/s and steps/s of random play, with everything a learner would pay for.")
    _add_rules(parser)
    add, threads = parser.add_argument, min(os.cpu_count() or 1, 2)
    add("--batch", type=positive_int, nargs="+", metavar="N", help="games played together; default: 64 to 4096")
    add("--threads", type=positive_int, default=threads, metavar="N", help="default: %(default)s")
    add("--seconds", type=positive_float, default=5.0, metavar="S", help="for each batch size; default: 5")
    add("--observe", action="store_true", help="compute all features too")
    add("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args(arguments)
    version, cards = _read_rules(options)
    from jaxrl.bench import locm

    batches = options.batch or locm.BATCH_SIZES
    locm.main(version, batches, options.seconds, options.threads, options.observe, cards, options.json)
    return 0


def _tell(words: str) -> None:
    """How far a match is: on standard error, where no report is read."""
    print(f"play: {words}", file=sys.stderr, flush=True)


def _parser(command: str, description: str) -> Parser:
    """One whose first word is the game."""
    parser = Parser(command, description)
    games = ", ".join(f"{name} ({title})" for name, title in GAMES.items())
    parser.add_argument("game", metavar="GAME", choices=GAMES, help=games)
    return parser


def _player(word: str) -> str:
    """A player that there is; it is read later."""
    from jaxrl.run.zoo.card import NICKNAMES

    names = (*SCRIPTS, *NICKNAMES, "latest")
    if word in names or word.startswith("zoo:") or Path(word).exists():
        return word
    if "/" in word:
        raise argparse.ArgumentTypeError(f"there is no run folder and no file {word!r}; check the path")
    near = nearest(word, names)
    raise argparse.ArgumentTypeError(f"there is no {word!r}; the nearest is {near}, and all are {PLAYERS}")


def _add_sampled(parser: Parser) -> None:
    parser.add_argument("--sampled", action="store_true", help="trained policies draw actions, not take the likeliest")


def _add_rules(parser: Parser) -> None:
    parser.add_argument("--version", choices=["1.5", "1.2"], default="1.5", help="generated cards, or the draft of 1.2")
    parser.add_argument("--card_list", metavar="FILE", help="the competition's card list, for version 1.2")


def _read_rules(options: argparse.Namespace) -> Any:
    """`jaxrl.locm.rulebook.Rules`."""
    from jaxrl.locm.rulebook import read_rules

    return read_rules(options.version, options.card_list, "--")


def _make_players(options: argparse.Namespace, rules: Any) -> tuple[Any, Any]:
    from jaxrl.cli.contenders import make_player

    return tuple(make_player(word, rules, options.sampled) for word in (options.first, options.second))  # pyright: ignore[reportReturnType]
