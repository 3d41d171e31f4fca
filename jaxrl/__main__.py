"""`python -m jaxrl` and the `jaxrl` command."""

import signal
import sys

_HANDLER = signal.getsignal(signal.SIGINT)
if _HANDLER is signal.default_int_handler:  # Ctrl-C while modules load, and when all is done, ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Run the command line; returns the exit status."""
    from jaxrl.cli.commands import main

    try:
        signal.signal(signal.SIGINT, _HANDLER)
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
