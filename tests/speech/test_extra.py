"""Without the extra everything imports, and what needs it says how to install it."""

import sys

import pytest

from jaxrl.speech import extra
from jaxrl.speech.speech_error import SpeechError


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)  # what Python has for a module that cannot be imported
    with pytest.raises(SpeechError, match=r"pyworld cannot be imported .*pip install 'jaxrl\[speech\]'"):
        extra.load("pyworld")


def test_the_core_imports_none_of_them():
    import jaxrl.speech.engine.produce  # noqa: F401

    assert set(extra.missing()) <= set(extra.PACKAGES.values())
