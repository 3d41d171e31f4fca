"""Commands about trained agents: list those that come with the package, export one, watch one play."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from jaxrl.cli import sound
from jaxrl.cli.catalogue import table
from jaxrl.cli.parser import Parser, count, positive_float, positive_int

AGENT_HELP = "a run folder, `latest`, a file of `jaxrl export`, or zoo:NAME"


def zoo(arguments: Sequence[str]) -> int:
    parser = Parser("zoo", "The trained agents that come with the package; with a name, the card of one.")
    parser.add_argument("agent", metavar="NAME", nargs="?", help="of the list, or a file of `jaxrl export`")
    options = parser.parse_args(arguments)
    from jaxrl.run.zoo import card

    if options.agent is not None:
        path = card.exported_file(options.agent) or card.exported_file(f"zoo:{options.agent.removeprefix('zoo:')}")
        print(card.card_text(card.read_card(path or Path(options.agent))), end="")
        return 0
    cards = {name: card.read_card(path) for name, path in card.zoo().items()}
    head = ("name", "game", "score [95 %]", "mean of", "random", "episodes", "agent", "licence", "commit")
    rows = [
        (
            name,
            f"{each['game']}{' ' * bool(each['protocol'])}{each['protocol'] or ''}",
            card.score(each),
            card.measure(each),
            "" if each["random"] is None else card.number(each["random"]),
            str(each["episodes"] or ""),
            each["agent"],
            each["licence"],
            (each["commit"] or "")[:10],
        )
        for name, each in cards.items()
    ]
    print(table([head, *rows]))
    print(
        "\n`jaxrl watch zoo:NAME` shows one playing, `jaxrl evaluate zoo:NAME` scores it, `jaxrl zoo NAME` is its card"
    )
    return 0


def export(arguments: Sequence[str]) -> int:
    parser = Parser(
        "export",
        "Write a run's newest checkpoint to one file: weights, config and card without pickle, or the network as ONNX.",
    )
    add = parser.add_argument
    where = "a run folder, one of jaxrl speech, or `latest`; for FILE.onnx also an exported file or zoo:NAME"
    add("run", metavar="RUN", help=where)
    add("file", metavar="FILE", type=Path, help="pong.npz, which evaluate and watch take anywhere, or pong.onnx")
    add("--member", type=int, metavar="I", help="of a population, as a run of its own")
    add("--episodes", type=count, metavar="N", help="play N for the card's score, 0 for none; default: as `evaluate`")
    add("--licence", default="", metavar="TEXT", help="of the weights, such as Apache-2.0; for the card")
    add("--note", default="", metavar="TEXT", help="a sentence for the card")
    options = parser.parse_args(arguments)
    if options.file.suffix not in (".npz", ".onnx"):
        parser.error(f"FILE must end in .npz or .onnx, not {options.file.name!r}")
    folder = Path(options.run).expanduser()
    if (folder / "scale.json").is_file():  # of `jaxrl speech`
        given = [
            f"--{name}"
            for name in ("member", "episodes", "licence", "note")
            if getattr(options, name) not in (None, "")
        ]
        if given or options.file.suffix == ".onnx":
            what = given[0] if given else options.file.name
            parser.error(
                f"of a folder of `jaxrl speech` the teacher is written, to FILE.npz and without a card; not {what}"
            )
        return sound.export(folder, options.file)
    from jaxrl.run.export import export, export_onnx
    from jaxrl.run.zoo.card import card_text

    chosen = {name: getattr(options, name) for name in ("member", "episodes", "licence", "note")}
    compared = ""
    if options.file.suffix == ".onnx":
        card, difference = export_onnx(options.run, options.file, **chosen)
        compared = f"; onnxruntime and JAX differ by {difference:.1g} at most"
    else:
        card = export(options.run, options.file, **chosen)
    print(card_text(card))
    print(f"written to {options.file}, {options.file.stat().st_size / 1e6:.2f} MB{compared}")
    return 0


def watch(arguments: Sequence[str]) -> int:
    """`jaxrl watch`: a page about a run, or a game in the terminal or as a film."""
    parser = Parser(
        "watch",
        "See a training, as a page in the browser, or an agent play, in a window, in the terminal or as a film.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", help=f"{AGENT_HELP}; to see it play followed by settings such as --seed 3")
    add("--play", action="store_true", help="let the newest checkpoint of a run folder play, instead of the page")
    add("--video", type=Path, metavar="FILE", help="film the episode instead: .gif, .webp or .mp4")
    window = "in a window of the desktop instead of the terminal; default: where there is one"
    add("--window", action=argparse.BooleanOptionalAction, help=window)
    add("--episodes", type=positive_int, metavar="N", help="of a game that is not filmed; default: 1")
    add("--speed", type=positive_float, metavar="X", help="likewise: times the game's own pace; default: 1")
    add("--greedy", action=argparse.BooleanOptionalAction, help="the most probable action; default: the config's")
    add("--member", type=int, metavar="I", help="of a population; default: 0")
    add("--port", type=int, metavar="N", help="of the page; default: any that is free")
    options, settings = parser.parse_with_settings(arguments)
    from jaxrl.run.zoo.card import exported_file

    given = {name for name, value in vars(options).items() if name != "run" and value != parser.get_default(name)}
    plays = options.play or options.video is not None or exported_file(options.run) is not None
    unread = {"port"} if plays else {"episodes", "speed", "greedy", "member", "window"}
    unread |= {"episodes", "speed", "play", "window"} if options.video is not None else set()
    if wrong := [f"--{name}" for name in sorted(given & unread)] + ([] if plays else settings[:1]):
        what = "a film" if options.video is not None else "a game" if plays else "the page of a run"
        parser.error(f"{wrong[0]} says nothing about {what}{'' if plays else '; --play lets the agent play'}")
    if not plays:
        from jaxrl.analysis.live import watch_training
        from jaxrl.record.rundir import RunDir

        watch_training(RunDir.find(options.run), options.port or 0)
        return 0
    from jaxrl.run.spectate import spectate
    from jaxrl.run.zoo.terminal import Terminal
    from jaxrl.run.zoo.window import Window, WindowClosed, window_at_hand

    chosen = {"greedy": options.greedy, "member": options.member, "overrides": settings}
    if options.video is not None:
        returns = spectate(options.run, video=options.video, **chosen)
        print(f"{options.video}: one episode, return {returns[0]:g}")
        return 0
    in_window = window_at_hand() if options.window is None else options.window
    try:
        with Window(f"jaxrl: {options.run}") if in_window else Terminal() as place:
            playing = {"show": place.show, "episodes": options.episodes or 1, "speed": options.speed or 1.0}
            returns = spectate(options.run, **playing, **chosen)
    except WindowClosed:
        return 0
    print("return " + ", ".join(f"{value:g}" for value in returns))
    return 0
