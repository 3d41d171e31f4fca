"""Questions are asked in batches of one length, and their answers come back in the order of the questions."""

from types import SimpleNamespace
from typing import Any

from jaxrl.speech import ids
from jaxrl.speech.chat import Turn
from jaxrl.speech.ids import Vocabulary, encode_text
from jaxrl.speech.policy.policy_report import BATCH, ask


def test_answers_keep_their_questions_and_long_ones_do_not_stand_among_short_ones():
    """A policy that answers with the length of its prompt."""
    seen: list[list[int]] = []

    def answer(prompts: list[list[int]], key: object, temperature: float) -> list[list[int]]:
        seen.append([len(one) for one in prompts])
        return [[*encode_text("a" * len(one)), ids.EOT] for one in prompts]

    policy: Any = SimpleNamespace(vocabulary=Vocabulary(4, 6), config=SimpleNamespace(context=320), answer=answer)
    words = ["b" * (1 + 7 * index % 50) for index in range(BATCH + 9)]
    said = ask(policy, [[Turn("human", (text,))] for text in words], 0.0)
    prompt = len(said[0].text) - len(words[0])
    assert [len(one.text) for one in said] == [prompt + len(text) for text in words] and all(one.ended for one in said)
    assert [len(batch) for batch in seen] == [BATCH] * 2 and max(seen[0]) <= min(seen[1])
