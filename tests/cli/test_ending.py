"""Ctrl-C ends a command, wherever it comes."""

import gc
import signal
import time

import pytest

from jaxrl.cli.ending import interrupt


def test_ctrl_c_is_not_lost_in_a_function_whose_exceptions_python_drops():
    """JAX has a callback of the garbage collector; a `KeyboardInterrupt` there is printed and forgotten."""

    def _xla_gc_callback(phase, info):
        gc.callbacks.remove(_xla_gc_callback)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupt)
    gc.callbacks.append(_xla_gc_callback)
    try:
        with pytest.raises(KeyboardInterrupt):
            gc.collect()
            time.sleep(30)
    finally:
        signal.signal(signal.SIGINT, before)
