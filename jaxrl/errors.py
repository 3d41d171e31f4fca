"""What all errors meant for the user share. No JAX here: the command line catches them before it loads anything."""

from collections.abc import Collection
from difflib import get_close_matches

TRY_AGAIN = 75  # exit status, as sysexits has it, of what may go well later; launchers start it again


class UserError(Exception):
    """Something the user can put right; the message is one sentence, shown without a traceback."""

    status = 0  # with which a command ends; 0 for the command's own


class ConfigError(UserError, ValueError):
    """A setting that cannot work; the message is one sentence that names the setting and the fix."""

    status = 2


def nearest(word: object, names: Collection[str]) -> str:
    """The one of `names` that was probably meant by `word`."""
    return get_close_matches(str(word), names, 1, cutoff=0)[0]
