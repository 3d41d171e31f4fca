"""Tools that the assistant may call from its stream: `<call> calc 17+25 </call>`, and the answer as a turn of `input`.

Errors are answers too: a tool never ends a dialogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from jaxrl.speech.chat import Call, Turn
from jaxrl.speech.ids import CHARACTERS

Tool = Callable[[str, int], str]

MEANINGS: Mapping[str, str] = {
    "lamp": "a thing that gives light",
    "oven": "a thing that bakes bread",
    "radio": "a thing that plays music",
    "garden": "a place for flowers",
    "kitchen": "a room for cooking",
    "winter": "the cold part of the year",
    "summer": "the warm part of the year",
    "doctor": "a person who heals",
    "teacher": "a person who teaches",
    "river": "water that runs to the sea",
    "window": "glass in a wall",
    "money": "what you pay with",
}


def calculate(words: str, clock: int) -> str:
    """`17+25`, `9-4` or `6*7` of whole numbers up to 999."""
    match = re.fullmatch(r"(\d{1,3})\s*([-+*])\s*(\d{1,3})", words)
    if match is None:
        raise ValueError(f"cannot calculate {words}")
    first, second = int(match.group(1)), int(match.group(3))
    return str({"+": first + second, "-": first - second, "*": first * second}[match.group(2)])


def tell_time(words: str, clock: int) -> str:
    """The time of the dialogue's own clock, as 16:05."""
    if words:
        raise ValueError("the clock takes no words")
    return f"{clock // 60:02d}:{clock % 60:02d}"


def look_up(words: str, clock: int) -> str:
    """What a word of the dictionary means."""
    if words not in MEANINGS:
        raise ValueError(f"no meaning of {words}")
    return MEANINGS[words]


TOOLS: Mapping[str, Tool] = {"calc": calculate, "clock": tell_time, "define": look_up}


def run_tool(call: Call, clock: int, tools: Mapping[str, Tool] = TOOLS) -> str:
    """What the called tool answers, or a text that begins with `error:`.

    Args:
        call: a name and its words, such as `calc 17+25`.
        clock: minutes since midnight in this dialogue, fixed by its seed.
        tools: by name.
    """
    name, _, words = call.text.strip().partition(" ")
    if name not in tools:
        return f"error: unknown tool {name}".strip()
    try:
        return _speakable(tools[name](words.strip(), clock))
    except Exception as error:  # whatever a tool raises is an answer
        return _speakable(f"error: {str(error) or type(error).__name__}")


def answer_turn(call: Call, clock: int, tools: Mapping[str, Tool] = TOOLS) -> Turn:
    """The turn that brings a tool's answer back into the stream."""
    return Turn("input", (run_tool(call, clock, tools),))


def _speakable(answer: str) -> str:
    """`answer` in characters that the stream has, at most 80 of them."""
    return "".join(one for one in answer.lower() if one in CHARACTERS)[:80]
