"""Commands about this machine: how fast it is, and whether everything works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxrl.cli import game, sound
from jaxrl.cli.parser import Parser, positive_float
from jaxrl.errors import ConfigError


def bench(arguments: Sequence[str]) -> int:
    """`jaxrl bench`, of training with a config, or of a game."""
    if arguments and game.is_meant(arguments[0]):
        return game.bench(arguments)
    parser = Parser("bench", "Measure environments, inference, learner and full training in one run on this machine.")
    add = parser.add_argument
    add(
        "config",
        metavar="CONFIG",
        help="followed by --KEY VALUE for settings, as in `jaxrl train`; a scale of speech; or a game, as in "
        "`jaxrl bench locm --help`",
    )
    add("--json", type=Path, metavar="FILE", help="also write the numbers there")
    add("--seconds", type=positive_float, default=10.0, metavar="S", help="per part; default: 10")
    add("--peer", choices=["torch"], help="also time the network's update in PyTorch, where that is installed")
    options, settings = parser.parse_with_settings(arguments)
    if scale := sound.scale_file(options.config):
        if settings or options.peer:
            raise ConfigError("a scale of speech is measured as it is; give CONFIG, --json and --seconds only")
        from jaxrl.speech.suite import speech_bench

        speech_bench.main(scale, options.json, options.seconds)
        return 0
    from jaxrl import bench
    from jaxrl.config.parsing import read_config

    bench.main(read_config(options.config, settings), options.json, options.seconds, options.peer)
    return 0


def doctor(arguments: Sequence[str]) -> int:
    parser = Parser("doctor", "Check this machine and the installation; exit status 1 where something fails.")
    parser.add_argument("--require", choices=["gpu", "tpu"], help="fail where JAX has no such device")
    options = parser.parse_args(arguments)
    from jaxrl.bench import doctor

    return doctor.main(options.require)
