"""Puts the folders that stand beside the package in a clone into the wheel too: jaxrl/config/shipped.py finds them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = {
    "configs": "*.yaml",
    "notebooks": "*.ipynb",
    "launch": "*.sh",
    "docs/evidence/results": "pong.tar.gz",  # which the notebooks read
    "docs/evidence/results/locm": "*",
    "docs/evidence/speech": "tiny.tar.gz",
}


class BuildWithFolders(build_py):
    """`build_py`, and afterwards a copy of every shipped folder; an editable installation has them already."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "jaxrl", "shipped")
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for folder, pattern in SHIPPED.items():
            for path in sorted(Path(folder).rglob(pattern)):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path)


setup(cmdclass={"build_py": BuildWithFolders})
