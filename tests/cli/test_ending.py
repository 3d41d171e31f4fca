"""Ctrl-C ends a command, wherever it comes."""

import gc
import signal
import sys
import time
import weakref

import pytest

from jaxrl.cli.ending import keep_interrupts


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # so that it is put back
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script runs this behind it
    keep_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


def _in_garbage_collection():
    def once(phase, info):
        gc.callbacks.remove(once)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(once)
    gc.collect()


def _in_a_finaliser():
    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    Dying()


def _in_a_weak_reference():
    class Dying: ...

    dying = Dying()
    reference = weakref.ref(dying, lambda _: signal.raise_signal(signal.SIGINT))
    del dying
    assert reference() is None


@pytest.mark.parametrize("drop", [_in_garbage_collection, _in_a_finaliser, _in_a_weak_reference])
def test_ctrl_c_is_not_lost_where_python_drops_exceptions(drop):
    with pytest.raises(KeyboardInterrupt):
        drop()
        time.sleep(30)


def test_what_else_is_dropped_is_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    keep_interrupts()

    class Dying:
        def __del__(self):
            raise ValueError("here")

    Dying()
    assert [str(dropped.exc_value) for dropped in told] == ["here"]
