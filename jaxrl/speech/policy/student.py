"""A student of half the blocks: what the policy read out and a judge understood is all that it learns from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.record.files import replace_json
from jaxrl.speech.chat import Speech
from jaxrl.speech.engine.accept import MAX_WER
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.loading import CODES, read_codes, write_codes
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.at_hand import Policy
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.policy.policy_report import ask, unseen_texts
from jaxrl.speech.sound.judges import Recogniser, word_errors
from jaxrl.speech.speech_error import damaged

MADE = "made.json"
PIECE = 32  # texts between two savings


def self_generated(
    folder: Path,
    policy: Policy,
    texts: int,
    judge: Recogniser,
    wave: Callable[[Speech], np.ndarray],
    advance: Callable[[int, int], None],
) -> tuple[Library, dict[str, Any]]:
    """Readings of training sentences by the policy, of which those stay that the judge understands as the engine's must
    be; and how many of them.
    """
    if not ((folder / MADE).exists() and (folder / CODES).exists()):
        wanted = unseen_texts(texts, "train", seed=11)
        kept: list[tuple[str, Speech]] = []
        for start in range(0, texts, PIECE):
            advance(start, texts)
            part = wanted[start : start + PIECE]
            said = ask(policy, [asking.to_say(text) for text in part], seed=start)
            for text, one in zip(part, said, strict=True):
                if one.ended and one.speech and _understood(text, judge.hear(wave(one.speech))):
                    kept.append((text, one.speech))
        advance(texts, texts)
        write_codes(folder / CODES, [speech for _, speech in kept])
        replace_json(folder / MADE, {"texts": [text for text, _ in kept], "asked": texts})
    speech = read_codes(folder / CODES)
    library = Library([], [], "train")
    with damaged(folder / MADE, "it, and the texts are read again"):
        told = json.loads((folder / MADE).read_text(encoding="utf-8"))
        for text, codes in zip(told["texts"], speech, strict=True):
            library.add(Utterance(text, codes, "", ASSISTANT, (), ""))
    return library, {"asked": told["asked"], "accepted": len(speech), "acceptance": len(speech) / told["asked"]}


def _understood(text: str, heard: str) -> bool:
    errors, words = word_errors(text, heard)
    return errors <= MAX_WER * words
