"""YAML files and the command line, read into the dataclasses of `jaxrl.config.sections` and of the parts they name.

Names are checked here, all dotted names at once, so that a message can say where the mistake is and what was probably
meant; values in `jaxrl.config.conversion`. No JAX is imported until a part is named.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin, get_type_hints

import yaml

from jaxrl.config import older, registry, shipped
from jaxrl.config.conditions import Names, marker, unread
from jaxrl.config.conversion import UNREADABLE, Dumper, Loader, choices, convert, convert_text, expected, write_flow
from jaxrl.config.ranges import FINITE, range_in
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError

COMMAND_LINE = "command line"
ARGUMENT = r"^ {4}(\w+): (.*(?:\n {5,}.*)*)"  # of a docstring's `Args`


@dataclass(frozen=True)
class Setting:
    """One value that the user wrote, and where."""

    name: str  # dotted, such as agent.hypers.learning_rate
    value: Any
    where: str  # "configs/x.yaml line 7" or COMMAND_LINE


@dataclass(frozen=True)
class Leaf:
    """One thing that can be set."""

    name: str
    hint: Any
    default: Any  # MISSING where there is none
    help: str
    title: str  # of its section


def read_config(
    path: str | Path, overrides: Sequence[str] = (), *, recorded: bool = False, text: str | None = None
) -> ExperimentConfig:
    """The experiment in a YAML file, with `--a.b value` or `--a.b=value` on top.

    Args:
        recorded: the file is that of a run: what nothing reads there is no mistake any more.
        text: the YAML, where `path` only says where it comes from.
    """
    in_file = {setting.name: setting for setting in _file_settings(Path(path), text)}
    settings = _on_top(in_file, overrides)
    chosen = {section: settings.pop(f"{section}.name", None) for section in registry.PARTS}
    parts = {section: _chosen_part(section, chosen[section], path) for section in registry.PARTS}
    leaves = {leaf.name: leaf for leaf in _leaves(ExperimentConfig)}
    for section, part in parts.items():
        leaves |= {leaf.name: leaf for leaf in _leaves(part.Config, prefix=f"{section}.")}
    origins = {name: [get_origin(part) for part in (leaf.hint, *get_args(leaf.hint))] for name, leaf in leaves.items()}
    mappings = tuple(f"{name}." for name, found in origins.items() if Mapping in found)
    values = {}
    for name, setting in settings.items():
        if name in leaves:
            values[name] = _checked(setting, leaves[name].hint)
        elif setting.where == COMMAND_LINE or not name.startswith(mappings):  # in a file, part of the mapping
            section = name.partition(".")[0]
            owner = _owner(section, parts[section], setting, chosen[section]) if section in parts else ""
            _check_section(setting, [*(f"{section}.name" for section in parts), *leaves], owner)
    for leaf in leaves.values():
        if leaf.default is MISSING and leaf.name not in values:
            raise ConfigError(f"{path}: {leaf.name} is missing; set --{leaf.name} or write it there")
    names = {f"{section}.name": part.name for section, part in parts.items()}
    _check_read(settings.values(), {} if recorded else in_file, leaves, names | values)
    built = {section: _build(part.Config, values, prefix=f"{section}.") for section, part in parts.items()}
    return _build(ExperimentConfig, values, **built)


def read_tree(path: str | Path, *, of_sweeps: bool = False) -> dict[str, Any]:
    """The mapping in a YAML file, a config or a sweep, as it stands there."""
    return {each.name: each.value for each in _file_settings(Path(path), of_sweeps=of_sweeps) if "." not in each.name}


def typed_settings(path: str | Path, overrides: Sequence[str]) -> dict[str, str]:
    """The texts that the command line sets, by the names that settings have now; the file says what older ones mean."""
    settings = _on_top({setting.name: setting for setting in _file_settings(Path(path))}, overrides)
    return {name: setting.value for name, setting in settings.items() if setting.where == COMMAND_LINE}


def write_config(config: ExperimentConfig) -> str:
    """YAML from which `read_config` makes an equal object."""
    tree = dataclasses.asdict(config)
    for section in registry.PARTS:
        tree[section] = {"name": registry.name_of(section, getattr(config, section)), **tree.pop(section)}
    return yaml.dump(tree, Dumper=Dumper, sort_keys=False, width=120)


def setting_names(config: ExperimentConfig | None = None) -> list[str]:
    """Dotted names of everything that can be set; with a config, also what its parts have."""
    parts = {} if config is None else {section: getattr(config, section) for section in registry.PARTS}
    own = [leaf for section, part in parts.items() for leaf in _leaves(type(part), part, f"{section}.")]
    return [
        *(f"{section}.name" for section in registry.PARTS),
        *(leaf.name for leaf in (*_leaves(ExperimentConfig), *own)),
    ]


def help_text(usage: str, description: str, config: ExperimentConfig | None = None) -> str:
    """Every setting with its type, range and default; with a config, its values and the sections of its parts.

    Without one the sections are those of the default parts, and an agent has no default.
    """
    leaves = list(_leaves(ExperimentConfig, config))
    for section, names in registry.PARTS.items():
        if config is None and section not in registry.DEFAULTS:
            continue
        part = registry.default(section) if config is None else getattr(config, section)
        own = list(_leaves(type(part), part, f"{section}."))
        title = own[0].title if own else section
        meaning = f"the {registry.KINDS[section]}: {', '.join(names)}, or module:Class of your own."
        leaves += [Leaf(f"{section}.name", str, registry.name_of(section, part), meaning, title), *own]
    parser = argparse.ArgumentParser(add_help=False, usage=usage, description=description)
    groups: dict[str, Any] = {}
    for leaf in leaves:
        if leaf.title not in groups:
            groups[leaf.title] = parser.add_argument_group(leaf.title)
        word = leaf.name.rpartition(".")[2].upper()
        groups[leaf.title].add_argument(f"--{leaf.name}", metavar=word, help=_describe(leaf).replace("%", "%%"))
    return parser.format_help()


def _describe(leaf: Leaf) -> str:
    """Its meaning, and in brackets type, range and default."""
    limits = range_in(leaf.hint)
    of = "" if limits in (None, FINITE) else f", {limits}"
    default = "" if leaf.default is MISSING else f"; default: {write_flow(leaf.default)}"
    return f"{leaf.help} ({expected(leaf.hint)}{of}{default})"


# Parts


def _chosen_part(section: str, chosen: Setting | None, path: str | Path) -> registry.Part:
    """The part that the section's `name` names; raises `ConfigError` that says where it was named."""
    if chosen is None and section not in registry.DEFAULTS:
        names = " or ".join(registry.PARTS[section])
        raise ConfigError(f"{path}: {section}.name is missing; it names the algorithm, {names}")
    try:
        return registry.load(section, registry.DEFAULTS[section] if chosen is None else str(chosen.value))
    except ConfigError as error:
        raise ConfigError(f"{chosen.where if chosen else path}: {section}.name: {error}") from error.__cause__


def _owner(section: str, part: registry.Part, setting: Setting, chosen: Setting | None) -> str:
    """Who lacks a setting, and who chose it, where that was not the same file."""
    apart = chosen is not None and chosen.where == COMMAND_LINE != setting.where
    return f"{registry.KINDS[section]} {part.name}{', which the command line names,' if apart else ''} has no setting"


# What the user wrote


def _file_settings(path: Path, text: str | None = None, of_sweeps: bool = False) -> list[Setting]:
    path = shipped.find_config(path, of_sweeps) if text is None else path
    try:
        loader = Loader(path.read_text(encoding="utf-8") if text is None else text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            return list(_node_settings(loader, node, "", path, {}))
    except FileNotFoundError:
        raise shipped.missing(path, of_sweeps) from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: this is not YAML: {error.problem or error.context}") from None
    except ConfigError:
        raise
    except (OSError, *UNREADABLE) as error:  # a folder, bytes that are no text, an impossible date
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    kind = "an empty file" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "one value"
    said = ("sweep", "method, command and parameters") if of_sweeps else ("config", "settings, such as `seed: 0`")
    raise ConfigError(f"{path}: a {said[0]} is a mapping of {said[1]}, not {kind}")


def _node_settings(
    loader: Loader, node: yaml.MappingNode, prefix: str, path: Path, seen: dict[str, str]
) -> Iterator[Setting]:
    """Settings of a mapping, sections and what is in them.

    Args:
        seen: the prefix under which each name stood before: `a: {b: 1}` and `a.b: 2` are the same name twice.
    """
    loader.flatten_mapping(node)  # resolves `<<: *anchor`
    for key, value in node.value:
        name, where = f"{prefix}{key.value}", f"{path} line {key.start_mark.line + 1}"
        if isinstance(value, yaml.MappingNode):
            yield from _node_settings(loader, value, f"{name}.", path, seen)
        elif seen.setdefault(name, prefix) != prefix:
            raise ConfigError(f"{where}: {name} is set twice, by its whole name and in a section; take one out")
        yield Setting(name, loader.construct_object(value, deep=True), where)  # a section, or a mapping as a value


def _on_top(in_file: Mapping[str, Setting], overrides: Sequence[str]) -> dict[str, Setting]:
    settings = {**in_file, **{setting.name: setting for setting in _override_settings(overrides)}}
    older.translate(settings)
    return settings


def _override_settings(overrides: Sequence[str]) -> Iterator[Setting]:
    words = iter(overrides)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise ConfigError(f"command line: {word!r} does not belong to a setting; write --name value")
        text = value if equals else next(words, "--")
        if not equals and text.startswith("--"):
            raise ConfigError(f"command line: --{name} needs a value")
        yield Setting(name, text, COMMAND_LINE)


# Names


def _leaves(cls: type, default: Any = None, prefix: str = "") -> Iterator[Leaf]:
    """All that can be set in a dataclass: its own fields, then those of its sections."""
    docs = [inspect.cleandoc(base.__dict__.get("__doc__") or "") for base in reversed(cls.__mro__)]
    described = [pair for doc in docs for pair in re.findall(ARGUMENT, doc.partition("Args:\n")[2], re.MULTILINE)]
    helps = {name: " ".join(text.split()) for name, text in described}  # a class's own words after those it inherits
    title = f"{prefix.rstrip('.')}: {docs[-1].splitlines()[0]}".removeprefix(": ").rstrip(".")
    fields = list(_fields(cls, default))
    for name, hint, value in fields:
        if hint is not Any and not _is_section(hint):  # Any: a part, whose class is chosen by name
            yield Leaf(f"{prefix}{name}", hint, value, helps.get(name, ""), title)
    for name, hint, value in fields:
        if _is_section(hint):
            yield from _leaves(hint, None if value is MISSING else value, f"{prefix}{name}.")


def _fields(cls: type, default: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and default of each field; an instance given as `default` goes before the class's own defaults."""
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if default is not None:
            value = getattr(default, field.name)
        else:
            value = field.default if field.default_factory is MISSING else field.default_factory()
        yield field.name, hints[field.name], value


def _build(cls: type, values: Mapping[str, Any], default: Any = None, prefix: str = "", **parts: Any) -> Any:
    for name, hint, value in _fields(cls, default):
        if _is_section(hint):
            base = None if value is MISSING else value
            parts[name] = _build(hint, values, base, f"{prefix}{name}.")
        elif hint is not Any:
            parts[name] = values.get(f"{prefix}{name}", value)
    return cls(**parts)


def _is_section(hint: Any) -> TypeGuard[type]:
    return dataclasses.is_dataclass(hint)


def _check_section(setting: Setting, names: Sequence[str], owner: str = "") -> None:
    """An unknown name is an error; so is a value for a section, unless it is empty as in `env:`."""
    name, where = setting.name, setting.where
    inside = [other for other in names if other.startswith(f"{name}.")]
    if inside and setting.value is not None and not isinstance(setting.value, Mapping):
        raise ConfigError(f"{where}: {name} is a section, not a value; set one of its parts, such as {inside[0]}")
    if not inside:
        advice = _elsewhere(name) or f"the nearest is {_nearest(name, names)}"
        raise ConfigError(f"{where}: {owner or 'there is no setting'} {name}; {advice}")


def _elsewhere(name: str) -> str:
    """Which other parts have a setting that the chosen one lacks; empty where none has."""
    section, having = name.partition(".")[0], []
    for part in registry.PARTS.get(section, ()):
        with suppress(ConfigError):  # a part whose packages are missing
            if any(leaf.name == name for leaf in _leaves(registry.load(section, part).Config, prefix=f"{section}.")):
                having.append(part)
    return f"it belongs to {section}.name {', '.join(having)}; choose that, or take it out" if having else ""


def _nearest(name: str, names: Sequence[str]) -> str:
    """By spelling; the last part counts twice, because what people forget is the section; the same section counts."""
    section, last = name.partition(".")[0], name.rpartition(".")[2]

    def likeness(other: str) -> float:
        whole = SequenceMatcher(None, name, other).ratio()
        same = 0.75 * (other.partition(".")[0] == section)
        return whole + same + SequenceMatcher(None, last, other.rpartition(".")[2]).ratio()

    return max(names, key=likeness)


# Values


def _check_read(
    settings: Iterable[Setting], in_file: Mapping[str, Setting], leaves: Mapping[str, Leaf], values: Mapping[str, Any]
) -> None:
    """Nothing is ignored in silence: raises `ConfigError` for a value that nothing reads beside the others.

    A value of `in_file` is a mistake only where it is not the default, so that a file may list everything, and where
    the file by itself does not read it either, so that the command line may choose another family than the file.
    """
    hints = {name: leaf.hint for name, leaf in leaves.items()}
    defaults = {name: leaf.default for name, leaf in leaves.items()}
    together = {**defaults, **values}
    alone = {**values, **defaults, **{name: setting.value for name, setting in in_file.items()}}
    for name, value, where in ((s.name, values[s.name], s.where) for s in settings if s.name in leaves):
        if where != COMMAND_LINE and name not in in_file:
            continue
        typed = where == COMMAND_LINE
        reason = unread(name, hints, together) if typed or value != defaults[name] else ""
        if reason and (typed or unread(name, hints, alone)):
            raise ConfigError(f"{where}: {name} {reason}")
        if named := marker(hints[name], Names):
            for one in value:
                if reason := unread(f"{named.section}.{one}", hints, together):
                    raise ConfigError(f"{where}: {name} names {one}, which {reason}")


def _checked(setting: Setting, hint: Any) -> Any:
    """The value as the type that its setting has."""
    try:
        return (convert_text if setting.where == COMMAND_LINE else convert)(setting.value, hint)
    except ValueError:
        near = "".join(f"; the nearest is {name}" for name in get_close_matches(str(setting.value), choices(hint), 1))
        given = "null" if setting.value is None else repr(setting.value)
        raise ConfigError(f"{setting.where}: {setting.name} must be {expected(hint)}, not {given}{near}") from None
