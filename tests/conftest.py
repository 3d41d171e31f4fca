"""Fixtures that several files beside this one share."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxrl.config import registry
from tests.support import compile_once  # before JAX
from tests.support import fake_agent as fake


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """A file of tests leaves room for the next one."""
    yield
    compile_once.forget_where_much_is_held()


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """SIGHUP is heard, by processes that the test starts too, also where these tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def fake_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs may name the agent `fake`."""
    monkeypatch.setitem(registry.AGENTS, "fake", fake.__name__)


@pytest.fixture
def pong(tmp_path: Path, fake_agent: None) -> Path:
    """A config of the agent `fake`."""
    path = tmp_path / "pong.yaml"
    path.write_text(fake.PONG)
    return path


@pytest.fixture
def one_agent_no_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every run of a file shares its compiled agent; none may leave a thread."""
    from tests.support.parts import experiment_of  # the whole runtime, which most tests do without

    monkeypatch.setattr("jaxrl.run.train.build", experiment_of)
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("actor-")] == []
