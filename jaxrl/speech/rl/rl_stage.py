"""The stage of reinforcement learning: a listener, all learners from one supervised policy, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.record.files import replace_json
from jaxrl.speech import fitting
from jaxrl.speech.chat import Speech
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.engine.voices import VOICES
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy.assistant import Assistant
from jaxrl.speech.policy.at_hand import STUDENT, TEMPERATURE, TRAINING, Policy, load_policy, scale_of
from jaxrl.speech.policy.generate import grammar_of
from jaxrl.speech.policy.policy_stage import all_utterances
from jaxrl.speech.policy.supervised import init_policy
from jaxrl.speech.progress_bar import shown
from jaxrl.speech.rl.arms import ARMS
from jaxrl.speech.rl.asks import Ask, Asks
from jaxrl.speech.rl.listener import Listener, ListenerConfig, train_listener
from jaxrl.speech.rl.reinforce import averages, reinforce
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

RL, POLICY_OF_ARM = "rl", "policy"
KNOWN = 12  # utterances by which a voice is known
SHOWN = 3  # prompts on the page
SAMPLES = 3  # answers to an unseen prompt, of those that are sampled as in training
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
        return Scorer(self.listener, self.assistant.wave, self.timbres, tokens, weights)


def rl(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """All arms, each from the supervised policy, and unseen prompts before and after; goes on where it stopped."""
    config, own = scale.rl, folder / RL
    shop, heard = workshop(folder, scale, workers)
    policy = shop.assistant.policy
    network = TokenNetwork(policy.network, policy.params, config.tokens)
    before, readings = judged(policy, shop, config)
    found: dict[str, Any] = {"listener": heard, "supervised": before, "arms": {}}
    waves = {"supervised": readings}
    for name, arm in ARMS.items():
        with shown(f"rl, {name}") as advance:
            state = reinforce(
                own / name,
                arm,
                config,
                network,
                policy.params,
                grammar_of(policy.vocabulary),
                shop.train,
                shop.scorer(arm.weights),
                advance,
            )
        fitting.save(own / name / POLICY_OF_ARM, config.updates, state.params["policy"])
        after, waves[name] = judged(policy._replace(params=state.params["policy"]), shop, config)
        found["arms"][name] = {"does": arm.does, **course(own / name), **after, **compared(before, after)}
        replace_json(own / "progress.json", found)
    _write_page(own, found, shop.held, waves)
    return found


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


def judged(policy: Policy, shop: Workshop, config: RLConfig) -> tuple[dict[str, float], list[Score]]:
    """What a policy does with the unseen prompts.

    As it speaks, cooler than it learns: the score and its parts, and the recogniser, which is in no score. And, under
    names that begin with `sampled`, as it is sampled in training: several answers to each prompt, and the standard
    error of their score, so that "the score rises" is said of fixed prompts and not of those that an update drew.
    """
    room = config.tokens - max(len(ask.prompt) for ask in shop.held)
    prompts, key = [ask.prompt for ask in shop.held], jax.random.key(config.seed + 1)
    scorer = shop.scorer()
    scores = scorer.score(shop.held, policy.answer(prompts, key, TEMPERATURE, max_new=room))
    spoken = [(ask.text, score) for ask, score in zip(shop.held, scores, strict=True) if ask.text]
    pairs = [(text, shop.judge.hear(score.wave) if score.wave.size else "") for text, score in spoken]
    errors = {"recogniser_wer": error_rate(pairs), "recogniser_cer": error_rate(pairs, characters=True)}
    sampled: list[Score] = []
    for sample in range(SAMPLES):
        answers = policy.answer(prompts, jax.random.fold_in(key, sample), config.temperature, 1.0, room)
        sampled += scorer.score(shop.held, answers)
    spread = np.std([score.total for score in sampled]) / len(sampled) ** 0.5
    as_trained = {f"sampled_{name}": value for name, value in averages(sampled).items()}
    told = {**averages(scores), **errors, **as_trained, "sampled_error": float(spread), "prompts": len(scores)}
    return told, scores


def course(folder: Path) -> dict[str, float]:
    """The trained score, the divergence and the entropy in the first and in the last quarter of an arm's updates."""
    lines = curve_of(folder)
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


def curve_of(folder: Path) -> list[dict[str, float]]:
    """The lines of an arm's curve."""
    lines = (folder / fitting.CURVE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


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


def _write_page(own: Path, found: Mapping[str, Any], held: Sequence[Ask], waves: Mapping[str, list[Score]]) -> None:
    """Curves of all arms, and the same prompts before and after."""
    lines = [
        {"step": line["step"]} | {f"{name}: {metric}": line[metric] for metric in PANELS}
        for name in ARMS
        for line in curve_of(own / name)
    ]
    write_curve(own / "curves.png", lines, [[f"{name}: {metric}" for name in ARMS] for metric in PANELS])
    pictured = []
    for index, ask in enumerate(held[:SHOWN]):
        for name, scores in waves.items():
            if scores[index].wave.size:
                write_wave(own / "waves" / f"{index}-{name}.wav", scores[index].wave)
                title = f"{name}: {ask.title}, heard as {scores[index].heard!r}"
                pictured.append(Shown(title, scores[index].wave, pitch_track(scores[index].wave)))
    rows = [("supervised", json.dumps(found["supervised"]))]
    rows += [(name, json.dumps(told)) for name, told in found["arms"].items()]
    write_gallery(own / "page.html", "Unseen prompts before and after reinforcement learning", pictured, rows)
