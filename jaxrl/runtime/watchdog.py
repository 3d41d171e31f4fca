"""No wait without an end: a thread that ends the process when the main one hangs where nothing can interrupt it.

Between actors and learner a wait has a timeout of its own. Where the main thread itself waits inside a library, for a
collective operation or for environments, only the end of the process helps.
"""

from __future__ import annotations

import os
import sys
import threading

COMPILING_S = 1800.0  # that may pass before a first step, at least


class Watchdog:
    """Use as a context manager. A first step, which waits for compilers, may take half an hour, or `timeout_s` where
    that is longer.

    Args:
        timeout_s: of silence after a step, until the process ends. It is counted in slices of awake time: a process
            that was suspended has not waited.
        sentence: what the user is told.
        status: the exit status.
    """

    def __init__(self, timeout_s: float, sentence: str, status: int):
        self._timeout_s = timeout_s
        self._sentence, self._status = sentence, status
        self._silent, self._limit = 0.0, max(timeout_s, COMPILING_S)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(1.0)

    def step(self) -> None:
        """There was progress."""
        self._silent, self._limit = 0.0, self._timeout_s

    def expect(self, timeout_s: float, sentence: str) -> None:
        """From now on another limit, and another sentence where it is not kept."""
        self._timeout_s, self._sentence = timeout_s, sentence
        self.step()

    def _wait(self) -> None:
        seconds = min(1.0, self._timeout_s / 4)
        while not self._over.wait(seconds):
            self._silent += seconds
            if self._silent > self._limit:
                before = f" (before a first step it waits {self._limit:g} s)" if self._limit > self._timeout_s else ""
                print(f"jaxrl: error: {self._sentence}{before}", file=sys.stderr, flush=True)
                sys.stdout.flush()
                os._exit(self._status)
