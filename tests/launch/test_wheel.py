"""The wheel, installed in an environment of its own and used from a folder with a space in its name."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def jaxrl(tmp_path_factory):
    """A function that runs `jaxrl WORDS` of the installed wheel in a folder far from the clone."""
    base = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    copy = base / "source"
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    for name in files.stdout.decode().splitlines():  # a copy, since a build leaves folders behind
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(base), str(copy)]
    subprocess.run(build, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(base / "venv")], check=True)
    python = base / "venv" / "bin" / "python"
    (wheel,) = base.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)], check=True)
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    shared = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    Path(site.strip(), "shared.pth").write_text("\n".join(dict.fromkeys(shared)))
    folder = base / "an empty folder"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}

    def run(*words):
        command = [base / "venv" / "bin" / "jaxrl", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run.folder = folder
    run.site = Path(site.strip())
    return run


TINY = ("--env_steps", "2000", "--evaluation.episodes", "20", "--record.wandb", "off")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a dozen commands, each of which starts JAX
def test_everything_works_from_the_wheel(jaxrl):
    assert (jaxrl.site / "jaxrl" / "shipped" / "configs" / "catch.yaml").is_file(), "the clone answered, not the wheel"
    assert jaxrl("--version").startswith("jaxrl ")
    assert "pong_cpu" in jaxrl("list", "configs") and "pong" in jaxrl("zoo")
    assert "return 1" in jaxrl("watch", "zoo:catch", "--video", "a film.gif")
    assert "return" in jaxrl("train", "catch", *TINY)
    assert "return" in jaxrl("train", "configs/catch_impala.yaml", *TINY)
    assert "--agent.hypers.temperature" in jaxrl("train", "pong", "--help")
    assert "--agent.hypers.temperature" in jaxrl("train", "pong_cpu.yaml", "--help")
    assert jaxrl("sweep", "catch", "--list").count("waiting") == 8
    assert jaxrl("reproduce", "--scale", "smoke", "--list").count("waiting") == 8
    jaxrl("notebooks", "my notebooks")
    assert len(list((jaxrl.folder / "my notebooks").glob("*.ipynb"))) >= 4
    assert "mean_return" in jaxrl("evaluate", "latest", "--episodes", "20")


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_dockerfiles_copy_what_is_there_and_lock_the_versions(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert copied and all((ROOT / path).exists() for path in copied)
    assert "pip install --no-cache-dir --constraint /tmp/requirements.lock" in "\n".join(lines)
    ignored = set((ROOT / ".dockerignore").read_text(encoding="utf-8").split())
    assert not ignored & {"configs", "notebooks", "launch", "docs", "jaxrl", "setup.py", "pyproject.toml"}
