"""A game in a window: on a desktop made for the test, and one sentence where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.errors import ConfigError
from jaxrl.run.zoo.window import Window, WindowClosed, window_at_hand

REASON = "there is no Xvfb here; apt-get install xvfb"


@pytest.fixture(scope="module")
def desktop():
    """The name of a display that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip(REASON)
    read, write = os.pipe()
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"]
    server = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        number = os.read(read, 16).decode().strip()  # comes when the server is ready
        if not number:
            pytest.skip("Xvfb did not start here")
        yield f":{number}"
    finally:
        os.close(read)
        server.terminate()
        server.wait(60)


def test_a_picture_fills_its_share_and_closing_ends_the_game(desktop, monkeypatch):
    monkeypatch.setenv("DISPLAY", desktop)
    assert window_at_hand()
    picture = np.zeros((10, 5, 3), np.uint8)
    picture[0, 0] = (255, 0, 0)
    with Window("a title") as window:
        window.show(picture, "return 1   step 3")
        image = window._image
        assert (image.width(), image.height()) == (180, 360), "0.6 of the height, in whole pixels of the board"
        assert image.get(0, 0) == (255, 0, 0) and image.get(179, 359) == (0, 0, 0)
        assert window._caption.cget("text") == "return 1   step 3"
        window._root.after(0, window._close)  # as its cross does
        with pytest.raises(WindowClosed):
            window.show(picture, "")


def test_watch_plays_in_it(desktop):
    words = [sys.executable, "-m", "jaxrl", "watch", "zoo:catch", "--speed", "50"]
    played = subprocess.run(words, env={**os.environ, "DISPLAY": desktop}, capture_output=True, text=True, timeout=250)
    assert played.returncode == 0 and played.stdout.startswith("return "), played.stderr


def test_without_a_desktop_one_sentence(monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert not window_at_hand()
    assert main(["watch", "zoo:catch", "--window"]) == 2
    assert "there is no desktop here (DISPLAY is not set), so no window; leave --window out" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setattr("jaxrl.run.zoo.window.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="no Tk in this Python"):
        Window("")
    assert main(["watch", "runs/x", "--no-window"]) == 2
    assert "--window says nothing about the page of a run" in capsys.readouterr().err


def test_a_desktop_that_refuses_is_one_sentence(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", ":4711")  # where no server listens
    with pytest.raises(ConfigError, match=r"no window can be opened \(.*\); use --no-window, or --video FILE"):
        Window("")
