"""What needs the packages of the extra `speech` is skipped with a sentence where they are not installed."""

import pytest

from jaxrl.speech import extra


@pytest.fixture(scope="session")
def speech_extra() -> None:
    """The synthesiser, the recogniser and WORLD."""
    if names := extra.missing():
        pytest.skip(f"the extra `speech` is not installed ({', '.join(names)}); `make test-speech` brings it")
