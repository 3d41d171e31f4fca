"""The project's own folders, `configs`, `notebooks`, `launch`: beside the package in a checkout, inside it in a wheel.

A config is named by its path, or in any folder by its name: `pong_cpu.yaml`, `pong_cpu`, `atari/pong_cpu`, and `pong`
for the recipe of this name that a laptop's CPU can do (`_cpu`). A file that is there goes before what is shipped.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from jaxrl.errors import ConfigError

PACKAGE = Path(__file__).parents[1]
OF_SWEEPS = ("sweeps", "reproduce")  # below configs/: other files than those of `jaxrl train`


def shipped(folder: str) -> Path:
    """Where one of the project's folders is; a wheel has it in `jaxrl/shipped` (setup.py).

    Raises:
        ConfigError: it is in neither place.
    """
    for place in (PACKAGE / "shipped" / folder, PACKAGE.parent / folder):
        if place.exists():
            return place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    raise ConfigError(f"this installation of jaxrl lacks {folder}; install the wheel, or work in a clone")


def configs(of_sweeps: bool = False) -> dict[str, Path]:
    """The shipped configs, or sweep files, by their names: `pong_cpu`, and those of studies `smoke/casa`.

    Of two with one name the deeper one keeps its folder: `gymnasium/cartpole`.
    """
    root, found = shipped("configs"), {}
    for file in sorted(root.rglob("*.yaml"), key=lambda file: (len(file.parts), file)):
        path = file.relative_to(root).with_suffix("")
        if (path.parts[0] in OF_SWEEPS) != of_sweeps:
            continue
        of_study = path.parts[0] == "reproduce"
        name = "/".join(path.parts[1:]) if of_study else path.name
        found[name if name not in found else str(path)] = file
    return found


def find_config(path: str | Path, of_sweeps: bool = False) -> Path:
    """The file that `path` names, as at the top; `path` itself where nothing fits."""
    path = Path(path)
    if path.is_file() or path.is_absolute():
        return path
    word = path.with_suffix("") if path.suffix in (".yaml", ".yml") else path
    by_name, root = configs(of_sweeps), shipped("configs")
    inside = word.relative_to("configs") if word.parts[:1] == ("configs",) else word
    named = [by_name.get(str(word)), (root / inside).with_suffix(".yaml"), by_name.get(f"{word}_cpu")]
    return next((file for file in named if file is not None and file.is_file()), path)


def missing(path: str | Path, of_sweeps: bool = False) -> ConfigError:
    """What is said where `find_config` found nothing."""
    root, files = shipped("configs"), configs(of_sweeps)
    names = {*files, *(f"configs/{file.relative_to(root)}" for file in files.values())}
    names |= {str(file) for ending in ("*.yaml", "*.yml") for file in Path(path).parent.glob(ending)}
    near = get_close_matches(str(path), sorted(names), 1)
    shipped_ones = f"`jaxrl list {'sweeps' if of_sweeps else 'configs'}` lists those that are shipped"
    return ConfigError(f"there is no file {path}; {f'the nearest is {near[0]}' if near else shipped_ones}")
