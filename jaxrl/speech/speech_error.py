"""What a user of speech can put right."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxrl.errors import UserError


class SpeechError(UserError):
    """A text, tag, stream, wave or folder that cannot be used; the message is one sentence, with the fix."""


@contextmanager
def damaged(path: Path, cure: str) -> Iterator[None]:
    """Reading a file of JSON within this raises a `SpeechError` where it is not what was written.

    Args:
        path: of the file.
        cure: what to remove, and what becomes of it.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpeechError(f"{path} is damaged ({error}); remove {cure}") from None
