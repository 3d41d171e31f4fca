"""Configs are found by path and by name, from any folder; what is there goes before what is shipped."""

from pathlib import Path

import pytest

from jaxrl.config import shipped
from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from jaxrl.sweeps.sweep_file import read_sweep

ROOT = Path(__file__).parents[2]
PONG = ROOT / "configs" / "atari" / "pong_cpu.yaml"


@pytest.mark.parametrize("word", ["pong", "pong_cpu", "pong_cpu.yaml", "atari/pong_cpu", "configs/atari/pong_cpu.yaml"])
@pytest.mark.parametrize("folder", [ROOT, Path("with a space")], ids=["project", "elsewhere"])
def test_a_config_is_found_by_name_from_any_folder(word, folder, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / folder)
    assert shipped.find_config(word).resolve() == PONG
    assert read_config(word, ["--seed", "3"]).seed == 3


def test_a_file_that_is_there_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pong.yaml").write_text("name: mine\nagent: {name: casa}\n")
    Path("catch").mkdir()  # a folder is no config
    assert read_config("pong.yaml").name == "mine"
    assert read_config("catch").name == "catch-casa"


def test_sweeps_are_named_apart_from_configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("catch", "catch.yaml", "configs/sweeps/catch.yaml", "sweeps/catch.yaml"):
        assert read_sweep(word).path.resolve() == ROOT / "configs" / "sweeps" / "catch.yaml"
    assert read_sweep("smoke/casa").path.resolve() == ROOT / "configs" / "reproduce" / "smoke" / "casa.yaml"
    assert not set(shipped.configs(of_sweeps=True).values()) & set(shipped.configs().values())


def test_every_config_has_a_name_of_its_own():
    for of_sweeps in (False, True):
        files = shipped.configs(of_sweeps)
        assert all(shipped.find_config(name, of_sweeps).resolve() == file.resolve() for name, file in files.items())
    everything = {path.resolve() for path in (ROOT / "configs").rglob("*.yaml")}
    named = {path.resolve() for kind in (False, True) for path in shipped.configs(kind).values()}
    assert named == everything


def test_what_is_not_there_is_said_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no file pong_cup; the nearest is pong_cpu"):
        read_config("pong_cup")
    with pytest.raises(ConfigError, match="no file quake; `jaxrl list configs` lists those that are shipped"):
        read_config("quake")
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "broken" / "jaxrl")
    with pytest.raises(ConfigError, match="this installation of jaxrl lacks configs"):
        read_config("pong")
