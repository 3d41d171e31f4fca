"""What the first stages left in a run folder: tokenizer, decoder, codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jaxrl.record.files import replacing
from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow import CHANNELS
from jaxrl.speech.decoder.flow_training import FlowDecoder, init_flow
from jaxrl.speech.interleave import LINGUISTIC_PER_BLOCK
from jaxrl.speech.scale import Scale
from jaxrl.speech.sound.features import ENVELOPE, FRAMES
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tokenizer.codec_training import Tokenizer, init_codec

FEATURES, CODES = "features.npz", "codes.npz"
PHONES = "params/decoder/Dense_0/bias"  # of the tokenizer: as many for each frame as there are phones


def load_tokenizer(folder: Path, scale: Scale) -> Tokenizer:
    """The trained tokenizer of a folder."""
    own, config = folder / "tokenizer" / "state", scale.tokenizer
    leaves = fitting.read_trained(own)
    sizes = {leaf.path: leaf.array.size for leaf in leaves if leaf.array is not None}
    if PHONES not in sizes:
        raise SpeechError(f"{own} cannot be used (it is no tokenizer's); remove {own.parent} and train it again")
    phones = sizes[PHONES] * LINGUISTIC_PER_BLOCK // FRAMES
    like = jax.eval_shape(lambda: init_codec(config, phones, np.zeros((1, ENVELOPE), np.float32)))
    return Tokenizer(fitting.build_trained(own, like, leaves), config, phones)


def load_decoder(folder: Path, scale: Scale) -> FlowDecoder:
    """The trained decoder of a folder."""
    sizes, config = (scale.tokenizer.linguistic, scale.tokenizer.semantic), scale.decoder
    like = jax.eval_shape(lambda: init_flow(config, sizes, np.zeros((1, CHANNELS), np.float32)))
    state = fitting.load_trained(folder / "decoder" / config.kind / "state", like)
    return FlowDecoder(state, config, sizes)


def write_codes(path: Path, speech: Sequence[Speech]) -> None:
    """Write codes of utterances one after another, in one step."""
    with replacing(path) as scratch, scratch.open("wb") as file:
        np.savez(
            file,
            linguistic=np.array([code for one in speech for code in one.linguistic], np.int32),
            semantic=np.array([code for one in speech for code in one.semantic], np.int32),
            starts=np.cumsum([0, *(len(one.linguistic) // 2 for one in speech)]),
        )


def read_codes(path: Path) -> list[Speech]:
    """The codes that `write_codes` wrote; raises `SpeechError` where there are none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            two, three, starts = (file[name] for name in ("linguistic", "semantic", "starts"))
    except FileNotFoundError:
        raise SpeechError(f"there are no codes in {path}; run the stage {path.parent.name} first") from None
    except Exception as error:  # of the zip or its arrays
        raise SpeechError(
            f"{path} is damaged ({error}); remove it and the report.json beside it, if there is one, and run again"
        ) from None
    spans = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    return [Speech(tuple(two[2 * a : 2 * b].tolist()), tuple(three[3 * a : 3 * b].tolist())) for a, b in spans]
