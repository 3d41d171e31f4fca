"""Texts and YAML to the types of settings: the same text means the same value in a config, in a sweep file and on the
command line.

Numbers are decimal: 010 is 10, 1_000 is 1000 and 1e-4 a float, but 0x10 and 1:30 are texts, and so are yes, off and
dates, which YAML 1.1 takes for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import yaml

SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?\d+(_\d+)*",
    "float": r"[-+]?((\d+(_\d+)*)?\.\d+|\d+(_\d+)*\.?)([eE][-+]?\d+)?|[-+]?\.?(inf|Inf|INF)|\.?(nan|NaN|NAN)",
    "merge": r"<<",
}


# What is raised for a text that is no YAML, the last four by tags (`!!bool x`, `!!int []`) and endless nesting.
UNREADABLE = (ValueError, yaml.YAMLError, LookupError, AttributeError, TypeError, RecursionError)


class Loader(yaml.SafeLoader):
    """YAML with the scalars above, and no key twice."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node, seen = super().compose_mapping_node(anchor), set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is set twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node


class Dumper(yaml.SafeDumper):
    """Quotes what any reader of YAML could take for a number, and writes lists on one line."""


for _tag, _pattern in SCALARS.items():
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"({_pattern})\Z"), None)
Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
Loader.add_constructor(
    "tag:yaml.org,2002:float", lambda _, node: float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
)
for _list in (tuple, list):
    Dumper.add_representer(_list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))


def write_flow(value: Any) -> str:
    """One line of YAML, as it can stand on a command line."""
    text = yaml.dump(value, Dumper=Dumper, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def convert_text(text: str, hint: Any) -> Any:
    """What `text`, a word of the command line, means as a `hint`; raises `ValueError`."""
    if hint is str:
        return text
    try:
        return convert(yaml.load(text, Loader), hint)
    except UNREADABLE:
        return convert(text, hint)


def convert(value: Any, hint: Any) -> Any:
    """`value`, as YAML has it, as the type `hint`; raises `ValueError`."""
    kind, inside = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        return convert(value, inside[0])
    if kind in (Union, UnionType):
        for option in inside:
            try:
                return convert(value, option)
            except ValueError:
                continue
    elif kind is Any or (kind is NoneType and value is None):
        return value
    elif kind is Literal and str(value) in map(str, inside):
        return next(choice for choice in inside if str(choice) == str(value))
    elif kind in (tuple, list) and isinstance(value, list | tuple):
        return kind(convert(one, inside[0]) for one in value)
    elif kind is Mapping and isinstance(value, Mapping):
        return {convert(key, inside[0]): convert(one, inside[1]) for key, one in value.items()}
    elif kind is Mapping and isinstance(value, list):
        return convert(dict(map(_old_entry, value)), hint)
    elif kind in (bool, str) and isinstance(value, kind):
        return value
    elif kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # int(inf), and a float of 400 digits
            if kind(value) == value or kind is float:  # env_steps: 2e6 is an integer, and NaN a float
                return kind(value)
    raise ValueError


def _old_entry(text: Any) -> tuple[str, Any]:
    """An entry of population.vary as configs had it before it was a mapping: name=1,2 or name=low..high:count."""
    name, _, values = str(text).replace(" ", "").partition("=")
    numbers = [convert_text(number, float | str) for number in re.split(r"\.\.|[,:]", values)]
    return name, dict(zip(("low", "high", "count"), numbers, strict=False)) if ".." in values else numbers


def expected(hint: Any) -> str:
    """What a value of the type `hint` is, in words."""
    kind, inside = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        return expected(inside[0])
    if kind in (Union, UnionType):
        return " or ".join(map(expected, inside))
    if kind is Literal:
        return "one of " + ", ".join(map(str, inside))
    if kind in (tuple, list):
        example = {"an integer": "[64, 32]", "a number": "[0.5, 0.1]", "text": "[a, b]"}
        return f"a list such as {example.get(expected(inside[0]), '[...]')}"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "text", NoneType: "null"}
    return words.get(kind, "a mapping such as {learning_rate: [1e-4, 3e-4]}" if kind is Mapping else str(hint))


def choices(hint: Any) -> Iterable[str]:
    """The names that a type allows."""
    if get_origin(hint) is Literal:
        return map(str, get_args(hint))
    return (choice for inside in get_args(hint) for choice in choices(inside))
