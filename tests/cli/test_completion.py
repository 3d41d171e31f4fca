"""Completion offers what the parsers would read, and bash takes it."""

import shlex
import shutil
import subprocess
import sys

import pytest

from jaxrl.cli.commands import COMMANDS, main
from jaxrl.cli.completion import offers


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("jaxrl tr", {"train"}),
        ("/a/b/jaxrl --v", {"--version"}),
        ("jaxrl train recal", {"recall"}),
        ("jaxrl sweep smoke/", {"smoke/casa", "smoke/impala"}),
        ("jaxrl sweep --on ", {"local", "slurm"}),
        ("jaxrl evaluate --gre", {"--greedy"}),
        ("jaxrl train --env_", {"--env_steps"}),
        ("jaxrl train catch --agent.hypers.learning", {"--agent.hypers.learning_rate"}),
        ("jaxrl play locm --gam", {"--games"}),
        ("jaxrl play lo", {"locm"}),
        ("jaxrl play locm lo", set()),
        ("jaxrl nonsense ", set()),
        ("jaxrl train 'open --env_", {"--env_steps"}),
    ],
)
def test_offers(line, offered):
    assert set(offers(line, COMMANDS)) == offered


def test_runs_are_offered(tmp_path, monkeypatch):
    (tmp_path / "runs" / "catch-20260101-120000-s0").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert set(offers("jaxrl evaluate r", COMMANDS)) == {"runs/catch-20260101-120000-s0"}
    assert "latest" in offers("jaxrl plot ", COMMANDS)


def test_every_command_tells_its_options():
    for name in COMMANDS:
        assert {"-h", "--help"} <= set(offers(f"jaxrl {name} -", COMMANDS)), name


def test_a_shell_or_words_are_needed(capsys):
    assert main(["completion"]) == 2
    assert "name a shell" in capsys.readouterr().err


def test_bash_completes(tmp_path):
    """The script in a real bash, with `jaxrl` a function that answers as the command does."""
    answer = f'jaxrl() {{ {shlex.quote(sys.executable)} -m jaxrl "$@"; }}; source <(jaxrl completion bash)'
    ask = 'COMP_LINE="jaxrl sweep --on sl"; COMP_POINT=${#COMP_LINE}; _jaxrl; echo "${COMPREPLY[@]}"; complete -p jaxrl'
    done = subprocess.run(["bash", "-c", f"{answer}; {ask}"], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0] == "slurm", done.stderr
    assert "-F _jaxrl" in done.stdout


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh on this machine")
def test_zsh_takes_the_script():
    script = subprocess.run([sys.executable, "-m", "jaxrl", "completion", "zsh"], capture_output=True, text=True).stdout
    ask = 'autoload -U compinit; compinit -u; eval "$(cat)"; print $_comps[jaxrl]'
    done = subprocess.run(["zsh", "-fc", ask], input=script, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "_jaxrl", done.stderr
