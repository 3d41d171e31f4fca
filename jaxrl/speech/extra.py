"""The packages of the extra `speech`, imported where they are needed: everything else works without them."""

from __future__ import annotations

import importlib.util
import warnings
from types import ModuleType

from jaxrl.speech.speech_error import SpeechError

PACKAGES = {"espeakng_loader": "espeakng-loader", "pyworld": "pyworld", "pocketsphinx": "pocketsphinx"}


def load(name: str) -> ModuleType:
    """One of the packages; raises `SpeechError` that says how to install it."""
    try:
        with warnings.catch_warnings():  # pyworld's import says what is of no use to who runs it
            warnings.filterwarnings("ignore", "pkg_resources is deprecated")
            return importlib.import_module(name)
    except ImportError as error:
        raise SpeechError(
            f"{PACKAGES[name]} cannot be imported ({error}); install the extra: pip install 'jaxrl[speech]'"
        ) from None


def missing() -> list[str]:
    """Names of the packages that are not installed."""
    return [package for name, package in PACKAGES.items() if importlib.util.find_spec(name) is None]
