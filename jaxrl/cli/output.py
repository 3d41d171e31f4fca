"""Output that work outlives: a closed pipe (`| head`), a full disk, a terminal that is gone or lacks a character."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class LastingStream:
    """Writes to a stream while that is possible; then says so, once, on the other, and what follows goes nowhere."""

    def __init__(self, stream: TextIO, name: str, other: TextIO):
        self._stream, self._name, self._other, self._lost = stream, name, other, False

    def write(self, text: str) -> int:
        """All of `text` counts as written."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Never raises `OSError`."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, do: Callable[..., Any], *what: str) -> None:
        if self._lost:
            return
        try:
            do(*what)
        except OSError as error:
            self._lost = True
            _to_nowhere(self._stream)
            why = f"standard {self._name} cannot be written any more ({error.strerror or error})"
            with suppress(OSError):
                self._other.write(f"jaxrl: warning: {why}; the work goes on\n")
                self._other.flush()


@contextmanager
def lasting_output() -> Iterator[None]:
    """No failed write to standard output or error ends the block."""
    output, error = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = LastingStream(output, "output", error), LastingStream(error, "error", output)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = output, error


def prepare_streams() -> None:
    """Print a question mark for what the encoding of a terminal has not, read one for what is no text, and use nowhere
    in place of a stream that is closed.

    No file of the run gets the number of one that is closed: what a library writes there would go into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  (to the end of the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def lost_output(*, suspected: bool = False) -> OSError | None:
    """Flush standard output and error: why one of them could not be written, which from now on goes nowhere.

    What a failed write held is gone, so that where that is `suspected` an empty line is tried.
    """
    lost = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            if suspected and lost is None:
                stream.write("\n")
                stream.flush()
        except OSError as error:
            lost = lost or error
            _to_nowhere(stream)
    return lost


def _to_nowhere(stream: TextIO) -> None:
    """Also what is in its buffer, when Python ends."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
