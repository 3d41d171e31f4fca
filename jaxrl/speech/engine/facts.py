"""Short facts that the project ships: questions of two phrasings, and their answers in spoken words."""

from __future__ import annotations

FACTS: tuple[tuple[str, str, str], ...] = (
    ("what is the capital of france", "name the capital of france", "paris"),
    ("what is the capital of italy", "name the capital of italy", "rome"),
    ("what is the capital of spain", "name the capital of spain", "madrid"),
    ("what is the capital of egypt", "name the capital of egypt", "cairo"),
    ("what is the capital of japan", "name the capital of japan", "tokyo"),
    ("what is the capital of cuba", "name the capital of cuba", "havana"),
    ("what is the capital of greece", "name the capital of greece", "athens"),
    ("what colour is the sky", "tell me the colour of the sky", "blue"),
    ("what colour is the grass", "tell me the colour of the grass", "green"),
    ("what colour is the snow", "tell me the colour of the snow", "white"),
    ("what colour is the sun", "tell me the colour of the sun", "yellow"),
    ("how many days are in a week", "tell me the days in a week", "seven"),
    ("how many months are in a year", "tell me the months in a year", "twelve"),
    ("how many hours are in a day", "tell me the hours in a day", "twenty four"),
    ("how many minutes are in an hour", "tell me the minutes in an hour", "sixty"),
    ("how many legs has a spider", "tell me the legs of a spider", "eight"),
    ("how many legs has a horse", "tell me the legs of a horse", "four"),
    ("what makes honey", "name what makes honey", "a bee"),
    ("what gives milk", "name what gives milk", "a cow"),
    ("what follows summer", "tell me what follows summer", "autumn"),
)
# Forms of those questions, and what else may stand in them: who has never heard of other months than those in a year
# hears a year wherever there are months.
_MIXED = (
    (("how many {} are in {}", "tell me the {} in {}"), ("days", "months", "hours", "minutes")),
    (("how many legs has {}", "tell me the legs of {}"), ("a bee", "a cow", "a river", "a garden")),
    (("what colour is the {}", "tell me the colour of the {}"), ("moon", "river", "lamp", "door", "garden", "song")),
    (("what follows {}", "tell me what follows {}"), ("winter", "autumn", "seven", "twelve", "sixty")),
    (("what makes {}", "name what makes {}"), ("milk", "snow", "money")),
    (("what gives {}", "name what gives {}"), ("honey", "light", "money")),
)
_SPANS = ("a week", "a year", "a day", "an hour")


def mixed() -> tuple[str, ...]:
    """Sentences in the words of those questions that ask for no fact: to be heard and read out, and not to be answered.
    With `i do not know` for an answer, that became the answer to facts in phrasings that training had not asked for."""
    told = (form.format(one, span) for forms, words in _MIXED for form in forms for one in words for span in _SPANS)
    known = {text for *forms, _ in FACTS for text in forms}
    return tuple(text for text in dict.fromkeys(told) if text not in known)
