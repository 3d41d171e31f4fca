"""The one table of token ids: specials, tags, characters, linguistic codes, semantic codes, in this order.

    0..15            specials, five of them reserved
    16..             tags of `tags.py`
    then             characters
    L0 + i           code i of the linguistic codebook
    S0 + j           code j of the semantic codebook

A stream can be written as text: specials, tags and characters as they are, codes as `<l:12>` and `<s:34>`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import TAG_TOKENS

SPECIALS = ("<pad>", "<bot>", "<eot>", "<audio>", "</audio>", "<call>", "</call>")
SPECIALS += ("<system>", "<human>", "<assistant>", "<input>")
SPECIALS += tuple(f"<reserved {i}>" for i in range(len(SPECIALS), 16))
PAD, BOT, EOT, AUDIO, END_AUDIO, CALL, END_CALL, *ROLE_IDS = range(11)
ROLES = ("system", "human", "assistant", "input")
CHARACTERS = " abcdefghijklmnopqrstuvwxyz0123456789.,?!':+-*/=()#"
PLAIN = (*SPECIALS, *TAG_TOKENS, *CHARACTERS)
FIRST_TAG, FIRST_CHARACTER = len(SPECIALS), len(SPECIALS) + len(TAG_TOKENS)

_ID_OF = {piece: index for index, piece in enumerate(PLAIN)}
_CODE = re.compile(r"<([ls]):(\d+)>")
_WRITTEN = re.compile("|".join([*map(re.escape, TAG_TOKENS), "."]), re.S)
_PIECE = re.compile("|".join([_CODE.pattern, *(re.escape(p) for p in sorted(PLAIN, key=len, reverse=True)), "."]), re.S)


@dataclass(frozen=True)
class Vocabulary:
    """Ids of one policy: the table above with its two codebooks.

    Args:
        linguistic: codes of the linguistic codebook.
        semantic: codes of the semantic codebook.
    """

    linguistic: int = 256
    semantic: int = 512

    @property
    def first_linguistic(self) -> int:
        """Id of linguistic code 0."""
        return len(PLAIN)

    @property
    def first_semantic(self) -> int:
        """Id of semantic code 0."""
        return len(PLAIN) + self.linguistic

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(PLAIN) + self.linguistic + self.semantic

    def piece(self, index: int) -> str:
        """The text of one id; raises `SpeechError` outside the table."""
        if not 0 <= index < self.size:
            raise SpeechError(f"there is no token {index}; the table ends at {self.size - 1}")
        if index >= self.first_semantic:
            return f"<s:{index - self.first_semantic}>"
        return PLAIN[index] if index < self.first_linguistic else f"<l:{index - self.first_linguistic}>"

    def decode(self, ids: Sequence[int]) -> str:
        """The stream as text, from which `encode` makes the same ids."""
        return "".join(self.piece(int(index)) for index in ids)

    def encode(self, text: str) -> list[int]:
        """Ids of a whole stream: specials, tags, characters and codes."""
        return [self._id(match) for match in _PIECE.finditer(text)]

    def _id(self, match: re.Match[str]) -> int:
        kind, number = match.group(1), match.group(2)
        if kind is None:
            return plain_id(match.group(0))
        first, count = (self.first_linguistic, self.linguistic) if kind == "l" else (self.first_semantic, self.semantic)
        if int(number) >= count:
            raise SpeechError(f"there is no code {match.group(0)}; its codebook has {count}")
        return first + int(number)


def plain_id(piece: str) -> int:
    """Id of a special, a tag or a character."""
    if piece not in _ID_OF:
        near = unicodedata.normalize("NFKD", piece.lower())[0]
        hint = f"; the nearest is {near!r}" if near in CHARACTERS else ""
        raise SpeechError(f"the character {piece!r} cannot be written or spoken{hint}, and all are {CHARACTERS!r}")
    return _ID_OF[piece]


def encode_text(text: str) -> list[int]:
    """Ids of characters and tags only: what a person typed cannot smuggle in a special or a code."""
    return [plain_id(piece) for piece in _WRITTEN.findall(text)]
