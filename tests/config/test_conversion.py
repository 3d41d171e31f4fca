"""The same text is the same value in a config, in a sweep file and on the command line, and what is written is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from jaxrl.config.conversion import Dumper, Loader, convert, convert_text, expected, write_flow
from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep

CATCH = Path(__file__).parents[2] / "configs" / "catch.yaml"


def in_config(name: str, text: str, folder: Path) -> Any:
    path = folder / "config.yaml"
    path.write_text(CATCH.read_text().replace("env_steps: 200_000", "") + f"{name}: {text}\n")
    return read_config(path)


def on_command_line(name: str, text: str, folder: Path) -> Any:
    return read_config(CATCH, [f"--{name}", text])


def in_sweep(name: str, text: str, folder: Path) -> Any:
    path = folder / "sweep.yaml"
    command = f"command: [jaxrl, train, {CATCH}, '${{args}}']\nmethod: grid\n"
    path.write_text(f"{command}parameters: {{{name}: {{value: {text}}}}}\n")
    (run,) = expand([read_sweep(path)])
    return read_config(run.config, run.words)


@pytest.mark.parametrize("read", [in_config, on_command_line, in_sweep])
@pytest.mark.parametrize("text", ["1000", "1_000", "01000", "+1000", "1e3", "1.0E+3", "1000."])
def test_one_text_is_one_number(text: str, read: Callable[..., Any], tmp_path: Path) -> None:
    steps = read("env_steps", text, tmp_path).env_steps
    assert steps == 1000 and isinstance(steps, int)
    minutes = read("max_minutes", text, tmp_path).max_minutes
    assert minutes == 1000 and isinstance(minutes, float)


@pytest.mark.parametrize("read", [in_config, on_command_line, in_sweep])
@pytest.mark.parametrize(
    "text", ["0x10", "1:30", "0o7", "1__0", "_1", "1_", "2026-01-01", "off", "true", "null", "1e", "''"]
)
def test_what_is_no_number_anywhere(text: str, read: Callable[..., Any], tmp_path: Path) -> None:
    for name, kind in [("env_steps", "an integer"), ("max_minutes", "a number")]:
        with pytest.raises(ConfigError, match=f"{name} must be {kind}, not "):
            read(name, text, tmp_path)


@pytest.mark.parametrize("text", ["inf", ".inf", "+inf", "Inf"])
def test_infinity(text: str, tmp_path: Path) -> None:
    assert {read("max_minutes", text, tmp_path).max_minutes for read in (in_config, on_command_line, in_sweep)} == {
        math.inf
    }


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("3", str, "3"),
        ("null", str, "null"),
        ("null", str | None, None),
        ("3", str | None, "3"),
        ("# x", str, "# x"),
        ("off", Literal["on", "off"], "off"),
        ("2", Literal[1, 2], 2),
        ("True", bool, True),
        ("[1, 2e0]", tuple[int, ...], (1, 2)),
        ("[]", list[float], []),
        ("[[a], []]", tuple[tuple[str, ...], ...], (("a",), ())),
        ("{a: [1, 2], b: {low: 1e-3}}", Mapping[str, Any], {"a": [1, 2], "b": {"low": 1e-3}}),
        ("{a: 1}", Mapping[str, float], {"a": 1.0}),
    ],
)
def test_conversions(text: str, hint: Any, value: Any) -> None:
    converted = convert_text(text, hint)
    assert converted == value and type(converted) is type(value)
    assert convert(yaml.load(yaml.dump(value, Dumper=Dumper), Loader), hint) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("3", bool),
        ("yes", bool),
        ("1.5", int),
        ("1e400", int),
        ("nan", int),
        ("9" * 400, float),
        ("9" * 5000, int),
        ("[1, a]", tuple[int, ...]),
        ("{1: 2}", Mapping[str, int]),
        ("{a: 1, a: 2}", Mapping[str, int]),
        ("!!int x", int),
        ("!!bool x", bool),
        ("!!timestamp x", int),
    ],
)
def test_what_cannot_be_converted(text: str, hint: Any) -> None:
    with pytest.raises(ValueError):
        convert_text(text, hint)
    assert expected(hint)


@pytest.mark.parametrize(
    "value", ["1e3", "0x10", "off", "1:30", "null", "~", "", "010", "2026-01-01", "inf", "a, b", "{", "#"]
)
def test_what_is_written_on_one_line_is_read_again(value: Any) -> None:
    for tree in ([value, 1, 1e-5, math.inf, None, True], {value: [value]}):
        text = write_flow(tree)
        assert "\n" not in text and yaml.load(text, Loader) == tree
