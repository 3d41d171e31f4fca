"""The scales that are shipped can be read, and mistakes name the setting."""

from pathlib import Path

import pytest

from jaxrl.errors import ConfigError
from jaxrl.speech.scale import read_scale

CONFIGS = Path(__file__).parents[2] / "configs" / "speech"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scales_are_read(path):
    scale = read_scale(path)
    assert scale.engine.utterances >= 250 and scale.decoder.kind == "flow"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engin: {}", "no setting engin; the nearest is engine"),
        ("tokenizer: {widht: 3}", "no setting tokenizer.widht; the nearest is tokenizer.width"),
        ("tokenizer: {width: wide}", "tokenizer.width must be an integer, not 'wide'"),
        ("tokenizer: 3", "tokenizer is a section"),
        ("decoder: {steps: 0}", "decoder.steps must be above 0"),
        ("engine: {seed: -1}", "engine.seed must be 0 or more, and below"),
        ("engine: {seed: 9999999999}", "engine.seed must be 0 or more, and below"),
        ("policy: {learning_rate: .nan}", "policy.learning_rate must be above 0, and below"),
        ("policy: {learning_rate: .inf}", "policy.learning_rate must be above 0, and below"),
        ("policy: {width: 20, heads: 4}", "policy.width must be a multiple of twice policy.heads, 8, got 20"),
        ("5", "is no scale; it must have sections"),
        ("engine: {seed: !!bool x}", "cannot be read"),
        (f"engine: {'[' * 2000}", "cannot be read"),
        ("[engine]", "is no scale; it must have sections"),
        ("hello", "is no scale; it must have sections"),
        ("decoder: {kind: diffusion}", "decoder.kind must be one of"),
        ("policy: {throats: 7}", "policy.throats must be 0 to 6, got 7"),
        ("tokenizer: {throats: 7}", "tokenizer.throats must be 0 to 6, got 7"),
        ("rl: {group: 1}", "rl.group must be 2 or more"),
        ("rl: {prompts: 3, group: 3}", "rl.prompts x rl.group must divide into 2 minibatches, got 3 x 3"),
        ("a: [", "cannot be read"),
    ],
)
def test_mistakes_name_the_setting(tmp_path, text, said):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_scale(path)


def test_an_unknown_scale_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"huge.yaml; the scales are large, small, tiny"):
        read_scale(CONFIGS / "huge.yaml")
