"""The stage of reinforcement learning: a listener, all learners from one supervised policy, and what became of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.record.files import replace_json
from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.vocoder import to_wave
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.engine.voices import VOICES
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy.assistant import Assistant
from jaxrl.speech.policy.at_hand import STUDENT, TRAINING, Policy, load_policy, scale_of
from jaxrl.speech.policy.generate import grammar_of
from jaxrl.speech.policy.policy_stage import all_utterances
from jaxrl.speech.policy.supervised import init_policy
from jaxrl.speech.progress_bar import shown
from jaxrl.speech.rl.arms import ARMS
from jaxrl.speech.rl.asks import Ask, Asks
from jaxrl.speech.rl.held import ANSWERS, answers, judged, over_seeds, read_answers, write_answers
from jaxrl.speech.rl.listener import Listener, ListenerConfig, train_listener
from jaxrl.speech.rl.reinforce import reinforce
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.rl.scoring import WEIGHTS, Score, Scorer
from jaxrl.speech.rl.timbre import Timbres
from jaxrl.speech.rl.token_network import TokenNetwork
from jaxrl.speech.scale import Scale
from jaxrl.speech.sound.gallery import Shown, write_curve, write_gallery
from jaxrl.speech.sound.judges import Recogniser, error_rate
from jaxrl.speech.sound.waves import write_wave
from jaxrl.speech.sound.world import pitch_track
from jaxrl.speech.speech_error import SpeechError

RL, POLICY_OF_ARM, SUPERVISED = "rl", "policy", "supervised"
KNOWN = 12  # utterances by which a voice is known
SHOWN = 3  # prompts on the page
PANELS = ("score", "content", "attribute", "spread", "kl", "entropy")


class Workshop(NamedTuple):
    """What all arms share."""

    assistant: Assistant
    listener: Listener
    timbres: Timbres
    train: Asks
    held: list[Ask]
    judge: Recogniser  # never in a reward

    def scorer(self, weights: Mapping[str, float] = WEIGHTS) -> Scorer:
        """The judge of answers, with these weights."""
        tokens = self.assistant.policy.vocabulary
        return Scorer(self.listener, self.assistant.channels, self.timbres, tokens, weights)


def rl(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """All arms, each from the supervised policy, and unseen prompts before and after; goes on where it stopped."""
    config, own = scale.rl, folder / RL
    shop, heard = workshop(folder, scale, workers)
    policy = shop.assistant.policy
    network = TokenNetwork(policy.network, policy.params, config.tokens)
    scorer = shop.scorer()
    before, readings = supervised(own, config, shop, scorer)
    said = {SUPERVISED: readings}
    found: dict[str, Any] = {"listener": heard, SUPERVISED: {**before[0], "other_seeds": before[1:]}, "arms": {}}
    for name, arm in ARMS.items():
        seeds = []
        for seed in range(config.seeds if arm.weights is WEIGHTS else 1):
            part = part_of(name, seed)
            learnt(own / part, name, dataclasses.replace(config, seed=config.seed + seed), shop, network)
            after, readings = judged(read_answers(own / part), shop.held, scorer, shop.judge)
            seeds.append({**course(own / part), **after, **compared(before[seed], after)})
            said.setdefault(name, readings)
        found["arms"][name] = {"does": arm.does, **seeds[0], **over_seeds(before, seeds), "other_seeds": seeds[1:]}
        replace_json(own / "progress.json", found)
    _write_page(own, found, shop.held, said)
    return found


def supervised(
    own: Path, config: RLConfig, shop: Workshop, scorer: Scorer
) -> tuple[list[dict[str, float]], list[Score]]:
    """What the supervised policy does with the unseen prompts, answered anew in each seed; the scores of the first."""
    found, said = [], list[list[Score]]()
    for seed in range(config.seeds):
        told = own / part_of(SUPERVISED, seed)
        if not (told / ANSWERS).exists():
            policy, of_seed = shop.assistant.policy, dataclasses.replace(config, seed=config.seed + seed)
            write_answers(told, answers(policy, shop.held, of_seed))
        one, scores = judged(read_answers(told), shop.held, scorer, shop.judge)
        found.append(one)
        said.append(scores)
    return found, said[0]


def learnt(folder: Path, name: str, config: RLConfig, shop: Workshop, network: TokenNetwork) -> None:
    """What an arm makes of the supervised policy in one seed, and its answers; nothing where those are there."""
    if (folder / ANSWERS).exists():
        return
    policy, arm = shop.assistant.policy, ARMS[name]
    grammar = grammar_of(policy.vocabulary)
    with shown(f"rl, {folder.name}") as advance:
        given = (network, policy.params, grammar, shop.train, shop.scorer(arm.weights))
        state = reinforce(folder, arm, config, *given, advance)
    fitting.save(folder / POLICY_OF_ARM, config.updates, state.params["policy"])
    write_answers(folder, answers(policy._replace(params=state.params["policy"]), shop.held, config))
    shutil.rmtree(folder / "state")  # the optimiser's; the policy is all that is used from here on


def part_of(name: str, seed: int) -> str:
    """The folder of an arm in a seed, of which the first has its name alone."""
    return f"{name}-{seed}" if seed else name


def workshop(folder: Path, scale: Scale, workers: int) -> tuple[Workshop, dict[str, float]]:
    """The judges and what is asked, and how well the listener hears; it is trained first, if it was not."""
    config = scale.rl
    items, speech = all_utterances(folder, scale, workers)
    sizes = (scale.tokenizer.linguistic, scale.tokenizer.semantic)
    told = {split: [i for i, item in enumerate(items) if item.split == split] for split in ("train", "valid")}
    settings = ListenerConfig(width=config.listener_width, steps=config.listener_steps, seed=config.seed)
    with shown("listener") as advance:
        state = train_listener(
            folder / RL / "listener",
            [speech[i] for i in told["train"]],
            [items[i].text for i in told["train"]],
            settings,
            sizes,
            advance,
        )
    listener, assistant = Listener(state, settings, sizes), Assistant(folder)
    heard = listener.hear([speech[i] for i in told["valid"]])
    pairs = [(items[i].text, one.text) for i, one in zip(told["valid"], heard, strict=True)]
    tokens = assistant.policy.vocabulary
    shop = Workshop(
        assistant,
        listener,
        Timbres(assistant.tokenizer, _known(items, speech)),
        Asks(items, "train", tokens, config.tokens),
        Asks(items, "test", tokens, config.tokens).fixed(config.held),
        domain_judge(),
    )
    return shop, {"cer": error_rate(pairs, characters=True), "wer": error_rate(pairs), "utterances": len(pairs)}


def course(folder: Path) -> dict[str, float]:
    """The trained score, the divergence and the entropy in the first and in the last quarter of an arm's updates."""
    lines = fitting.curve_of(folder)
    quarter = max(len(lines) // 4, 1)
    ends = {"first": lines[:quarter], "last": lines[-quarter:]}
    return {
        f"{end}_{name}": float(np.mean([line[name] for line in some]))
        for name in ("score", "kl", "entropy")
        for end, some in ends.items()
    }


def compared(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What must not fall: the spread of F0 and the voice, as shares of what they were."""
    return {
        f"{name}_kept": after.get(name, 0.0) / before[name] for name in ("spread", "voice") if before.get(name, 0) > 0
    }


def policy_of(run: Path, part: str) -> Policy:
    """The policy of a run folder by the name of its part: teacher, student, or an arm of reinforcement learning.

    Raises:
        SpeechError: there is no such part, or it was not trained.
    """
    if part in (TRAINING, STUDENT):
        return load_policy(run, part)
    if part not in ARMS:
        raise SpeechError(f"there is no policy {part!r}; the policies are {', '.join((TRAINING, STUDENT, *ARMS))}")
    if not (run / RL / part / POLICY_OF_ARM).exists():
        raise SpeechError(f"{run} has no policy {part}; make it with `jaxrl speech --until rl`")
    teacher, scale = load_policy(run), scale_of(run)
    like = jax.eval_shape(lambda: init_policy(scale.policy, teacher.vocabulary).params)
    return teacher._replace(params=fitting.load(run / RL / part / POLICY_OF_ARM, like)[1])


def _known(items: Sequence[Item], speech: Sequence[Speech]) -> dict[str, list[Speech]]:
    """Some plain readings of every voice of training."""
    found: dict[str, list[Speech]] = {name: [] for name, voice in VOICES.items() if voice.split == "train"}
    for item, codes in zip(items, speech, strict=True):
        if item.voice in found and item.split == "train" and not item.tags and len(found[item.voice]) < KNOWN:
            found[item.voice].append(codes)
    return found


def _write_page(own: Path, found: Mapping[str, Any], held: Sequence[Ask], said: Mapping[str, list[Score]]) -> None:
    """Curves of all arms, and the same prompts before and after."""
    lines = fitting.curves_of(own, ARMS, PANELS)
    write_curve(own / "curves.png", lines, [[f"{name}: {metric}" for name in ARMS] for metric in PANELS])
    pictured = []
    for index, ask in enumerate(held[:SHOWN]):
        for name, scores in said.items():
            if scores[index].channels.size:
                wave = to_wave(scores[index].channels)
                write_wave(own / "waves" / f"{index}-{name}.wav", wave)
                title = f"{name}: {ask.title}, heard as {scores[index].heard!r}"
                pictured.append(Shown(title, wave, pitch_track(wave)))
    rows = [(SUPERVISED, json.dumps(found[SUPERVISED]))]
    rows += [(name, json.dumps(told)) for name, told in found["arms"].items()]
    write_gallery(own / "page.html", "Unseen prompts before and after reinforcement learning", pictured, rows)
