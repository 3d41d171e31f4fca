"""What all errors meant for the user share. No JAX here: the command line catches them before it loads anything."""


class UserError(Exception):
    """Something the user can put right; the message is one sentence, shown without a traceback."""
