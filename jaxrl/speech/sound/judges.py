"""Judges: a recogniser that writes down what it hears in a wave, and error rates between texts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxrl.speech import extra
from jaxrl.speech.sound.ngrams import arpa
from jaxrl.speech.sound.waves import RATE, to_int16
from jaxrl.speech.speech_error import SpeechError

FLOOR_DB = -57.0
MAX_SAMPLES = 60 * RATE


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Least number of insertions, deletions and replacements that make one of the other."""
    row = list(range(len(second) + 1))
    for index, one in enumerate(first, 1):
        above, row[0] = row[0], index
        for column, other in enumerate(second, 1):
            above, row[column] = row[column], min(above + (one != other), row[column] + 1, row[column - 1] + 1)
    return row[-1]


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Word errors, and the number of words said."""
    words = said.split()
    return edit_distance(words, heard.split()), len(words)


def error_rate(pairs: Iterable[tuple[str, str]], characters: bool = False) -> float:
    """Errors over words (or characters) said, of (said, heard) pairs together."""
    errors = total = 0
    for said, heard in pairs:
        unit = (list(said), list(heard)) if characters else (said.split(), heard.split())
        errors, total = errors + edit_distance(*unit), total + len(unit[0])
    return errors / max(total, 1)


class Recogniser:
    """Judge 1: pocketsphinx with a trigram model of the domain.

    Args:
        sentences: what the model learns from.
        words: all that can be heard; each must be in the recogniser's dictionary.

    Raises:
        SpeechError: pocketsphinx is not installed, or does not know a word.
    """

    def __init__(self, sentences: Iterable[str], words: Sequence[str]):
        sphinx = extra.load("pocketsphinx")
        model = Path(sphinx.get_model_path()) / "en-us"
        with tempfile.TemporaryDirectory(prefix="jaxrl-judge-") as folder:
            grammar, dictionary = Path(folder) / "domain.lm", Path(folder) / "domain.dict"
            grammar.write_text(arpa(sentences, words), encoding="utf-8")
            dictionary.write_text(_pronunciations(model / "cmudict-en-us.dict", words), encoding="utf-8")
            self._decoder = sphinx.Decoder(
                hmm=str(model / "en-us"),
                lm=str(grammar),
                dict=str(dictionary),
                loglevel="FATAL",
                lw=8.0,
                beam=1e-60,
                wbeam=1e-40,
            )
        # Synthesisers are silent to the last bit where a microphone never is: without a floor of noise 23 % of the
        # words of espeak's own voice are misheard, with it none.
        self._floor = np.random.default_rng(0).normal(size=MAX_SAMPLES) * 32767 * 10 ** (FLOOR_DB / 20)

    def hear(self, samples: np.ndarray) -> str:
        """The words in a wave at 16 kHz, int16 or in [-1, 1]; empty where it hears none, and after a minute."""
        wave = (samples if samples.dtype == np.int16 else to_int16(samples))[: MAX_SAMPLES - 4800]
        padded = np.clip(np.pad(wave, (1600, 3200)) + self._floor[: len(wave) + 4800], -32768, 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(padded.tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return re.sub(r"\(\d+\)|<.*?>|\[.*?\]", "", found.hypstr).strip() if found else ""


def _pronunciations(path: Path, words: Sequence[str]) -> str:
    """The lines of the dictionary for `words`."""
    wanted, lines, found = set(words), [], set()
    for line in path.read_text(encoding="utf-8").splitlines():
        word = re.sub(r"\(\d+\)$", "", line.split(" ", 1)[0])
        if word in wanted:
            lines.append(line)
            found.add(word)
    if wanted - found:
        raise SpeechError(f"pocketsphinx does not know the words {', '.join(sorted(wanted - found))}; use others")
    return "\n".join(lines) + "\n"
