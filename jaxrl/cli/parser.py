"""How every command reads its words: mistakes are one sentence, with what was probably meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from jaxrl.errors import ConfigError, nearest

DESCRIBE = "--describe-the-parser"  # in place of words: `Described` is raised, and nothing is read


class Described(Exception):
    """The parser that a command would have read its words with."""

    def __init__(self, parser: Parser):
        super().__init__(parser.prog)
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """The options of one command."""

    takes_settings = False  # beside them

    def __init__(self, command: str, description: str, **settings: Any):
        super().__init__(prog=f"jaxrl {command}", description=description, allow_abbrev=False, **settings)

    def parse_args(self, args: Sequence[str]) -> argparse.Namespace:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read all of `args`; before anything else, an option that this command does not have is refused."""
        if DESCRIBE in args:
            raise Described(self)
        for word in args:
            name = word.partition("=")[0]
            if name.startswith("--") and name not in self._option_string_actions:
                self.error(f"there is no option {name}; the nearest is {nearest(name, self._option_string_actions)}")
        return super().parse_args(args)

    def parse_with_settings(self, args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options, and the `--key value` pairs for the config, which argparse must not see: it would take the
        value of a key that it does not know for a positional argument."""
        from jaxrl.config.sections import ExperimentConfig

        self.takes_settings = True
        own, settings, words = [], [], list(args)
        while words:
            word = words.pop(0)
            name = word.partition("=")[0]
            action = self._option_string_actions.get(name)
            if action is not None or not word.startswith("--") or word == DESCRIBE:
                own.append(word)
                takes_value = action is not None and action.nargs != 0 and "=" not in word
                if takes_value and words and not words[0].startswith("-"):
                    own.append(words.pop(0))
                continue
            if name[2:] not in ExperimentConfig.__dataclass_fields__:
                near = get_close_matches(name, self._option_string_actions, 1, cutoff=0.75)
                if near:
                    self.error(f"there is no option or setting {name}; the nearest is {near[0]}")
            settings.append(word)
            if "=" not in word and words and not words[0].startswith("--"):
                settings.append(words.pop(0))
        return self.parse_args(own), settings

    def error(self, message: str) -> NoReturn:
        """One sentence, like those for a config."""
        raise ConfigError(f"{self.prog.partition(' ')[2]}: {message}; see `{self.prog} --help`")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, and with the nearest of the choices."""
        if action.choices is not None and value not in action.choices:
            near = nearest(value, [str(choice) for choice in action.choices])
            there = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"there is no {value!r}; the nearest is {near}, and all are {there}")


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    return count(text, 1)


def count(text: str, least: int = 0) -> int:
    """A whole number of at least `least`."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number that no other one stands for: a key of JAX keeps 32 bits."""
    from jaxrl.config.sections import MAX_SEED

    if not text.isdecimal() or len(text) > 10 or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MAX_SEED}, not {text[:40]!r}")
    return int(text)


def positive_float(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
