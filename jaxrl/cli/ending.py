"""How Ctrl-C ends a command that has nothing to save."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05  # long enough for the code that drops exceptions to be over


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
