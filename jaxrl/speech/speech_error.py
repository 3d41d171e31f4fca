"""What a user of speech can put right."""

from jaxrl.errors import UserError


class SpeechError(UserError):
    """A text, tag, stream, wave or folder that cannot be used; the message is one sentence, with the fix."""
