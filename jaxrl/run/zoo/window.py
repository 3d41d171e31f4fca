"""Pictures in a window of the desktop, by Tk from the standard library."""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np

from jaxrl.errors import ConfigError
from jaxrl.run.zoo.terminal import fitted

SHARE = 0.6  # of the screen's width and height, at most


class WindowClosed(Exception):
    """The person who looked on closed the window."""


def window_at_hand() -> bool:
    """Whether there is a desktop to open a window on, and Tk to open it with."""
    return bool(os.environ.get("DISPLAY")) and find_spec("tkinter") is not None and find_spec("_tkinter") is not None


class Window:
    """A window while the block runs, as large as the first picture makes it.

    Raises:
        ConfigError: there is no desktop, or this Python came without Tk.
    """

    def __init__(self, title: str) -> None:
        if not window_at_hand():
            missing = (
                "no desktop here (DISPLAY is not set)" if not os.environ.get("DISPLAY") else "no Tk in this Python"
            )
            raise ConfigError(f"watch: there is {missing}, so no window; leave --window out, or use --video FILE")
        import tkinter

        self._tk = tkinter
        try:
            self._root = tkinter.Tk(className="jaxrl")
        except tkinter.TclError as error:
            raise ConfigError(f"watch: no window can be opened ({error}); use --no-window, or --video FILE") from error
        self._root.title(title)
        self._root.configure(background="black")
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._picture = tkinter.Label(self._root, borderwidth=1, relief="solid", background="black")
        self._caption = tkinter.Label(self._root, anchor="w", background="black", foreground="white")
        self._picture.pack(padx=8, pady=8)
        self._caption.pack(fill="x", padx=8, pady=(0, 8))
        self._open = True

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *error: object) -> None:
        if self._open:
            self._close()

    def show(self, picture: np.ndarray, caption: str) -> None:
        """Draw `picture` uint8 [H, W, 3] and `caption` below it.

        Raises:
            WindowClosed: somebody closed the window.
        """
        if self._open:
            wide, tall = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
            pixels = fitted(picture, int(SHARE * wide), int(SHARE * tall))
            height, width = pixels.shape[:2]
            image = self._tk.PhotoImage(data=b"P6 %d %d 255\n" % (width, height) + pixels.tobytes(), format="PPM")
            self._picture.configure(image=image)
            self._image = image  # Tk keeps no reference of its own
            self._caption.configure(text=caption)
            self._root.update()
        if not self._open:
            raise WindowClosed

    def _close(self) -> None:
        self._open = False
        self._root.destroy()
