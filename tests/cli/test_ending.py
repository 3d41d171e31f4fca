"""Ctrl-C ends a command, wherever it comes."""

import gc
import signal
import subprocess
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


def test_an_actor_that_computes_does_not_change_the_status() -> None:
    """A thread that Python ends inside of compiled code would abort the process."""
    code = (
        "import sys, threading, time\n"
        "import jax, numpy\n"
        "import jaxrl.cli.commands\n"
        "from jaxrl.__main__ import main\n"
        "inside = threading.Event()\n"
        "def callback(x):\n"
        "    inside.set()\n"
        "    while True: time.sleep(0.001)\n"
        "def act():\n"
        "    jax.jit(lambda x: jax.pure_callback(callback, x, x))(numpy.float32(0)).block_until_ready()\n"
        "def command():\n"
        "    threading.Thread(target=act, name='actor-0', daemon=True).start()\n"
        "    inside.wait(60)\n"
        "    print('stopped')\n"
        "    return 143\n"
        "jaxrl.cli.commands.main = command\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (143, "stopped\n", "")
