"""`python -m jaxrl` and the `jaxrl` command."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load ends without a traceback


def main() -> int:
    """Run the command line; returns the exit status."""
    from jaxrl.cli.commands import main
    from jaxrl.cli.ending import keep_interrupts, leave

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        keep_interrupts()
    try:
        return leave(main())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # and so it does when all is done


if __name__ == "__main__":
    sys.exit(main())
