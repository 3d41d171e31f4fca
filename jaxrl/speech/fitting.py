"""One loop for all that is trained here: it saves as it goes, and goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrl.record import store
from jaxrl.record.files import replace_text
from jaxrl.record.leaves import Leaf, flatten, unflatten
from jaxrl.speech.speech_error import SpeechError

State = TypeVar("State")
CURVE = "curve.jsonl"


def fit(
    folder: Path,
    state: State,
    update: Callable[[State, jax.Array], tuple[State, Mapping[str, jax.Array]]],
    steps: int,
    seed: int,
    advance: Callable[[int, int], None],
    every: int = 100,
    check: Callable[[State], Mapping[str, jax.Array]] = lambda state: {},
    lines_kept: int = 1,
) -> State:
    """The state after `steps` updates; the same, bit for bit, if it was interrupted.

    Args:
        folder: where `state/` and the curve go.
        state: the first one, any tree of arrays.
        update: a step with a key of its own, which also returns metrics.
        steps: number of updates.
        seed: of the keys.
        advance: told the number of updates done, and of all.
        every: updates between two lines of the curve.
        check: what else a line of the curve says of the state.
        lines_kept: lines of the curve between two savings.
    """
    done, lines = 0, []
    if _saved(folder / "state").exists():
        done, state = load(folder / "state", state)
        lines = curve_of(folder)[: done // every]
    for step, key in zip(range(done, steps), _keys(seed, done, steps), strict=True):
        advance(step, steps)
        state, metrics = update(state, jax.random.wrap_key_data(key))
        if (step + 1) % every == 0 or step + 1 == steps:
            told = {name: float(value) for name, value in {**metrics, **check(state)}.items()}
            lines.append({"step": step + 1} | told)
        if (step + 1) % (every * lines_kept) == 0 or step + 1 == steps:
            replace_text(folder / CURVE, "".join(json.dumps(line) + "\n" for line in lines))
            save(folder / "state", step + 1, state)
    advance(steps, steps)
    return state


def curve_of(folder: Path) -> list[dict[str, float]]:
    """The lines of a training's curve; raises `SpeechError` where they cannot be read."""
    path = folder / CURVE
    with _told(path):
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def curves_of(folder: Path, parts: Iterable[str], metrics: Sequence[str]) -> list[dict[str, float]]:
    """Lines with `PART: METRIC` of the curves in folders of one folder; a line lacks what its update did not have."""
    return [
        {"step": line["step"]} | {f"{part}: {metric}": line[metric] for metric in metrics if metric in line}
        for part in parts
        for line in curve_of(folder / part)
    ]


def _keys(seed: int, first: int, last: int) -> np.ndarray:
    """The data of the keys of steps, on the host beforehand: an accelerator makes one after all updates before it, and
    who draws a batch by it would wait for them."""
    own = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(first, last))
    return np.asarray(jax.random.key_data(own))


def generator(key: jax.Array) -> np.random.Generator:
    """NumPy's numbers of a step's own key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def schedule(config: Any) -> optax.Schedule:
    """Of a config with `learning_rate` and `steps`: a warm-up, and a cosine to 0."""
    return optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, min(50, config.steps // 4), config.steps)


def optimiser(config: Any) -> optax.GradientTransformation:
    """AdamW by `schedule`, gradients of norm 1 at most."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule(config), weight_decay=1e-3))


def save(folder: Path, step: int, tree: Any) -> None:
    """Replace `folder` by `tree`, with checksums; a reader finds the old or the new, whenever this is killed."""
    scratch, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    store.write(scratch, step, flatten(tree), {"step": step})
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    scratch.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    """Where `save` moves what is there, until the new one has its place."""
    return folder.with_name(f".{folder.name}.old")


def _saved(folder: Path) -> Path:
    """Where the tree of `folder` is: there, or where `save` was killed before the new one had its place."""
    return _old(folder) if _old(folder).exists() and not folder.exists() else folder


def load(folder: Path, like: State) -> tuple[int, State]:
    """Steps done, and the tree saved in `folder`, built like `like`.

    Raises:
        SpeechError: it is missing, damaged, or of other settings.
    """
    with _told(folder):
        counters, leaves = store.read(_saved(folder))
        return int(counters["step"]), unflatten(like, leaves)


def load_trained(folder: Path, like: Any) -> Any:
    """The state saved in `folder`, built like `like`, without its `optimiser`, which only training needs; raises like
    `load`."""
    return build_trained(folder, like, read_trained(folder))


def read_trained(folder: Path) -> list[Leaf]:
    """The leaves of the state saved in `folder` that are not its optimiser's; raises like `load`."""
    with _told(folder):
        return [leaf for leaf in store.read(_saved(folder))[1] if not leaf.path.startswith("optimiser/")]


def build_trained(folder: Path, like: Any, leaves: Sequence[Leaf]) -> Any:
    """The state of leaves that were read from `folder`; raises like `load`."""
    with _told(folder):
        return unflatten(like._replace(optimiser=()), leaves)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What is wrong with `path` in one sentence."""
    try:
        yield
    except (store.DamagedError, OSError, ValueError, KeyError) as error:
        raise SpeechError(f"{path} cannot be used ({error}); remove {path.parent} and train it again") from None
