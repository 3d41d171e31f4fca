"""What follows from the measured rates: the ideal, the numbers for the JSON file and the table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.table import Table

from jaxrl.bench.threads import Rate

LOOP = ("env", "inference", "learner", "train")  # the parts whose rate is in env steps per second
PARTS = (*LOOP, "matmul")
ONE_DEVICE = "learner_one_device"  # measured beside the others where the learner has several

Rounds = Sequence[Mapping[str, Rate]]  # of each round, the rate of each part
Resources = Mapping[str, str]  # what each of env, inference and learner occupies


class Sizes(NamedTuple):
    """What one update is made of."""

    samples: int  # T * B: rows, auto-reset ones included
    env_steps: int  # of the measured batch: rows without the auto-reset ones
    epochs: int
    flops: float  # of the network's products, forward and backward, over all epochs
    frame_skip: int


def resources(inference: Sequence[Any], learner: Sequence[Any]) -> dict[str, str]:
    """What each part runs on: environments always occupy the machine's cores, the others their jax devices."""

    def name(devices: Sequence[Any], own: str) -> str:
        return "cores" if devices[0].platform == "cpu" else own

    same = not set(inference).isdisjoint(learner)
    return {
        "env": "cores",
        "inference": name(inference, "accelerator"),
        "learner": name(learner, "accelerator" if same else "learner's accelerator"),
    }


def ideal(rates: Mapping[str, float], occupied: Resources) -> float:
    """The rate if nothing were lost: parts on one resource take turns on it, and resources work side by side.

    With environments, inference and learner all on the cores that is 1/(1/E + 1/A + 1/L); with inference and learner on
    one accelerator, min(E, 1/(1/A + 1/L)).
    """
    seconds: dict[str, float] = {}
    for part, resource in occupied.items():
        seconds[resource] = seconds.get(resource, 0.0) + 1 / rates[part]
    return 1 / max(seconds.values())


def ideal_formula(occupied: Resources) -> str:
    """`ideal` in words."""
    letters = {"env": "E", "inference": "A", "learner": "L"}
    groups: dict[str, list[str]] = {}
    for part, resource in occupied.items():
        groups.setdefault(resource, []).append(letters[part])
    terms = [
        names[0] if len(names) == 1 else f"1/({' + '.join(f'1/{name}' for name in names)})" for names in groups.values()
    ]
    return terms[0] if len(terms) == 1 else f"min({', '.join(terms)})"


def summarise(rounds: Rounds, sizes: Sizes, occupied: Resources) -> dict[str, Any]:
    """All that follows from the rounds: medians over them, and the spread."""
    rows = [{part: round_[part].per_s for part in PARTS} for round_ in rounds]
    for row in rows:
        row["utilisation"] = row["train"] / ideal(row, occupied)
    rates = {part: median(row[part] for row in rows) for part in PARTS}
    cores = {part: median(round_[part].cores for round_ in rounds) for part in PARTS}
    best = ideal(rates, occupied)
    cpu = {part: cores[part] / rates[part] for part in LOOP}  # seconds per env step
    updates_per_s = rates["learner"] / sizes.env_steps
    flops = updates_per_s * sizes.flops
    return {
        "env_steps_per_s": {**{part: rates[part] for part in LOOP}, "ideal": best},
        "ideal_formula": ideal_formula(occupied),
        "utilisation": rates["train"] / best,
        "cpu_cores": cores,
        "cpu_efficiency": sum(cpu[part] for part in occupied) / cpu["train"],
        "frames_per_s": {"train": rates["train"] * sizes.frame_skip},
        "samples_per_s": {
            "learner": updates_per_s * sizes.samples,
            "gradient": updates_per_s * sizes.samples * sizes.epochs,
        },
        "flops_per_s": {
            "learner": flops,
            "matmul": rates["matmul"],
            "ratio": flops / rates["matmul"],
            "counted": "analytically: the network's matrix products and convolutions, once forward and twice backward "
            "(the first one's input needs no gradient), for every row of every epoch",
        },
        "learner_scaling": _scaling(rounds),
        "spread": {name: _range(row[name] for row in rows) for name in (*PARTS, "utilisation")},
        "rounds": rows,
    }


def _scaling(rounds: Rounds) -> dict[str, Any]:
    """All learner devices against one of them, on the same batch; None where there is only one."""
    if ONE_DEVICE not in rounds[0]:
        return {"one_device_env_steps_per_s": None, "ratio": None, "range": None}
    one = median(round_[ONE_DEVICE].per_s for round_ in rounds)
    ratios = [round_["learner"].per_s / round_[ONE_DEVICE].per_s for round_ in rounds]
    return {"one_device_env_steps_per_s": one, "ratio": median(ratios), "range": _range(ratios)}


def table(result: Mapping[str, Any]) -> Table:
    """The numbers as people read them."""
    table = Table(title=f"{result['config']['name']} on {result['device']['learner']}, {result['cores']} cores")
    table.add_column("part")
    for name in ("value", "lowest", "highest", "CPUs"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    titles = ("environments (E)", "inference (A)", "learner (L)", "full training")
    spread, cores = result["spread"], {part: f"{value:.2f}" for part, value in result["cpu_cores"].items()}
    for part, title in zip(LOOP, titles, strict=True):
        table.add_row(title, *_numbers(result["env_steps_per_s"][part], *spread[part]), cores[part], "env steps/s")
    table.add_row("ideal", *_numbers(result["env_steps_per_s"]["ideal"]), "", "", "", result["ideal_formula"])
    share = [f"{value:.2f}" for value in (result["utilisation"], *spread["utilisation"])]
    table.add_row("utilisation", *share, "", "full training / ideal", style="bold")
    table.add_row("CPU efficiency", f"{result['cpu_efficiency']:.2f}", *[""] * 3, "(E + A + L) / training")
    table.add_section()
    table.add_row("learner", *_numbers(result["samples_per_s"]["learner"]), *[""] * 3, "samples/s")
    table.add_row("with all epochs", *_numbers(result["samples_per_s"]["gradient"]), *[""] * 3, "samples/s")
    flops = result["flops_per_s"]
    table.add_row("learner", f"{flops['learner'] / 1e9:,.1f}", *[""] * 3, "GFLOP/s")
    product = [f"{value / 1e9:,.1f}" for value in (flops["matmul"], *spread["matmul"])]
    table.add_row("matrix product", *product, cores["matmul"], "GFLOP/s")
    table.add_row("ratio", f"{flops['ratio']:.2f}", *[""] * 3, "learner / product", end_section=True)
    scaling = result["learner_scaling"]
    if scaling["ratio"] is not None:
        table.add_row("learner, one device", *_numbers(scaling["one_device_env_steps_per_s"]), *[""] * 3, "env steps/s")
        ratios = [f"{value:.2f}" for value in (scaling["ratio"], *scaling["range"])]
        table.add_row("ratio", *ratios, "", "all learner devices / one", end_section=True)
    nature = result["nature_torso_640"]
    if nature["ratio"] is not None:
        table.add_row("Nature CNN, plain", *_numbers(nature["plain_samples_per_s"]), *[""] * 3, "samples/s, batch 640")
        table.add_row("Nature CNN, ours", *_numbers(nature["ours_samples_per_s"]), *[""] * 3, "samples/s, batch 640")
        table.add_row("ratio", f"{nature['ratio']:.2f}", *[""] * 3, "ours / plain")
    if (peer := result["peer"])["ratio"] is not None:
        table.add_section()
        unit = f"updates/s, batch {peer['batch']}"
        table.add_row("update in PyTorch", f"{peer['torch_per_s']:,.1f}", *[""] * 3, unit)
        table.add_row("update here", f"{peer['ours_per_s']:,.1f}", *[""] * 3, unit)
        table.add_row("ratio", f"{peer['ratio']:.2f}", *[""] * 3, "ours / PyTorch")
    return table


def _range(values: Any) -> list[float]:
    values = list(values)
    return [min(values), max(values)]


def _numbers(*values: float) -> list[str]:
    return [f"{value:,.0f}" for value in values]
