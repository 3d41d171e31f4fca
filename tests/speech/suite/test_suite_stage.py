"""What a policy says in an exam, whatever came before."""

from typing import Any

import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.chat import Call, Turn
from jaxrl.speech.ids import Vocabulary, encode_text
from jaxrl.speech.policy.at_hand import Policy
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.suite.suite_stage import answers


class SaysHi(Policy):
    """It never looks at the prompt."""

    def answer(self, prompts: Any, *_: Any, **__: Any) -> list[list[int]]:
        return [[*encode_text("hi"), ids.EOT] for _ in prompts]


def test_a_dialogue_that_the_policy_filled_itself_is_not_answered_and_the_others_are():
    policy: Any = SaysHi(np.nan, np.nan, Vocabulary(4, 6), PolicyConfig(context=32))  # type: ignore
    short = [Turn("human", ("hello",))]
    endless = [*short, Turn("assistant", (Call("9" * 40),)), Turn("input", ("error",))]
    said = answers(policy, [short, endless, short], 0)
    assert [(one.text, one.ended) for one in said] == [("hi", True), ("", False), ("hi", True)]
