"""What all errors meant for the user share. No JAX here: the command line catches them before it loads anything."""

HOST_LOST = 75  # exit status when another host is lost: sysexits' "try again", which launchers requeue on


class UserError(Exception):
    """Something the user can put right; the message is one sentence, shown without a traceback."""


class ConfigError(UserError, ValueError):
    """A setting that cannot work; the message is one sentence that names the setting and the fix."""
