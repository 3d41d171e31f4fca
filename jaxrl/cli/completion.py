"""`jaxrl completion`: what a shell offers at the TAB key, read from the same parsers that read the words."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxrl.cli.parser import DESCRIBE, Described, Parser
from jaxrl.config.shipped import configs
from jaxrl.errors import UserError
from jaxrl.run.zoo.card import PREFIX, zoo

# Bash splits a word at : and =, and wants only what follows; zsh does not.
BASH = """_jaxrl() {
    local IFS=$'\\n' line=${COMP_LINE:0:COMP_POINT} word cut
    word=${line##*[[:space:]]}
    cut=${word%"${word##*[:=]}"}
    COMPREPLY=($(jaxrl completion --words "$line" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -o default -F _jaxrl jaxrl"""
ZSH = """#compdef jaxrl
_jaxrl() {
    local -a found
    found=(${(f)"$(jaxrl completion --words "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)"})
    (( $#found )) && compadd -a found || _files
}
compdef _jaxrl jaxrl"""
SHELLS = {"bash": BASH, "zsh": ZSH}


def completion(arguments: Sequence[str], commands: Mapping[str, Any]) -> int:
    parser = Parser("completion", "A script that completes jaxrl's words: `source <(jaxrl completion bash)`.")
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, nargs="?", help="bash or zsh")
    parser.add_argument("--words", metavar="LINE", help="print what may stand at the end of this line; for the script")
    options = parser.parse_args(arguments)
    if (options.shell is None) == (options.words is None):
        parser.error("name a shell, bash or zsh")
    print(SHELLS[options.shell] if options.shell else "\n".join(offers(options.words, commands)))
    return 0


def offers(line: str, commands: Mapping[str, Any]) -> list[str]:
    """What may stand in place of the last word of `line`, which begins with the program's name."""
    words = _split(line)[1:]
    last = "" if not words or line[-1:].isspace() else words.pop()
    if not words:
        found: Iterable[str] = [*commands, "--help", "--version"]
    elif words[0] not in commands:
        found = []
    else:
        found = _of_command(commands[words[0]].run, words[1:], last)
    return sorted(word for word in {*found} - {*words} if word.startswith(last))


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quotation that is still open
        return line.split()


def _of_command(run: Any, words: Sequence[str], last: str) -> Iterable[str]:
    parser = _parser(run, [*words[:1], DESCRIBE]) if words else None
    parser = parser or _parser(run, [DESCRIBE])
    if parser is None:
        return []
    options = parser._option_string_actions
    if last.startswith("-"):
        return [*options, *(_settings(words) if parser.takes_settings else [])]
    before = options.get(words[-1]) if words else None
    if before is not None and before.nargs != 0:
        return _values(before)
    positional = [action for action in parser._actions if not action.option_strings]
    return [value for action in positional for value in _values(action)]


def _parser(run: Any, words: Sequence[str]) -> Parser | None:
    """The parser that would read what follows; None where the words before are wrong."""
    with suppress(UserError):
        try:
            run(words)
        except Described as described:
            return described.parser
    return None


def _values(action: argparse.Action) -> Iterable[str]:
    """What an option or a position may have, where that can be listed; files are the shell's."""
    if action.choices is not None:
        return map(str, action.choices)
    if action.metavar == "CONFIG":
        return configs()
    if action.metavar == "RUN":
        return ["latest", *map(str, Path("runs").glob("*-s*")), *(f"{PREFIX}{name}" for name in zoo())]
    return configs(of_sweeps=True) if action.dest == "files" else []


def _settings(words: Sequence[str]) -> Iterable[str]:
    """`--a.b` of every setting, those of the parts of the config that is named among `words`."""
    from jaxrl.config.parsing import read_config, setting_names

    path, config = next((word for word in words if not word.startswith("-")), None), None
    with suppress(UserError):
        config = read_config(path) if path else None
    return [f"--{name}" for name in setting_names(config)]
