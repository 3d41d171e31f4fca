"""How Ctrl-C ends a command that has nothing to save, and how a command ends whose threads do not."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05  # long enough for the code that drops exceptions to be over
COMPUTING = ("actor-", "bench")  # names of daemon threads that run compiled code


def keep_interrupts() -> None:
    """Let Ctrl-C come again where Python would drop it.

    No exception comes out of a finaliser, a weak reference's callback or one of the garbage collector's (JAX has one):
    Python hands it to `sys.unraisablehook` and goes on as if nothing had been.
    """
    tell = sys.unraisablehook

    def hook(dropped: UnraisableHookArgs, /) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            tell(dropped)

    sys.unraisablehook = hook


def leave(status: int) -> int:
    """`status`, with which the process ends here where an actor still computes or compiles, with all output written.

    Python would end that thread in the middle of C++, which aborts the process: 134, and not what was meant.
    """
    if any(thread.name.startswith(COMPUTING) for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(status)
    return status
