"""By which rules a game is played, as a user names them: a version, and for 1.2 the competition's list of cards."""

from __future__ import annotations

from typing import NamedTuple

from jaxrl.envs.locm.cards import Cards, load_card_list
from jaxrl.envs.locm.state import V12, VERSIONS, Version
from jaxrl.errors import ConfigError


class Rules(NamedTuple):
    """What games are played by, and dealt from."""

    version: Version
    cards: Cards | None = None  # of 1.2; None where they are generated, and for a player, who is shown them


def rules_of(version: str) -> Rules:
    """Those of `1.5` or `1.2` for whoever deals no games."""
    return Rules(VERSIONS[version])


def read_rules(version: str, card_list: str | None, prefix: str) -> Rules:
    """Those by which games are dealt.

    Args:
        version: `1.5`, which generates its cards, or `1.2`.
        card_list: path of the competition's cardlist.txt, for version 1.2.
        prefix: of both settings' names where they were given: `--` or `env.`.

    Raises:
        ConfigError: version and list do not fit together, or the list cannot be read or is too short for a draft.
    """
    rules, setting = rules_of(version), f"{prefix}card_list"
    if rules.version != V12:
        if card_list:
            raise ConfigError(
                f"{prefix}version {version} generates its cards; leave {setting} out, or say {prefix}version 1.2"
            )
        return rules
    if not card_list:
        raise ConfigError(f"{prefix}version 1.2 needs a list of cards: set {setting} to the path of cardlist.txt")
    try:
        cards, names = load_card_list(card_list)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{setting} {card_list} cannot be read: {error}") from None
    if len(names) < V12.pool_size:
        raise ConfigError(
            f"{setting} {card_list} holds {len(names)} cards, and a draft needs {V12.pool_size} different ones; give "
            "the competition's whole list"
        )
    return rules._replace(cards=cards)
