"""Archives of run folders (.tar.gz), read as if they were folders; docs/reproduce.md has the command that makes one."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from jaxrl.analysis.curves import RunDataError
from jaxrl.record.rundir import write_error

SUFFIX = ".tar.gz"


def is_archive(name: str | os.PathLike[str]) -> bool:
    """Whether a path, or a pattern of run folders, leads into an archive."""
    return SUFFIX in os.fspath(name)


def opened(default: str, variable: str) -> Path:
    """A folder, or what an archive holds, from here or from the folder above: a notebook is run where it lies.

    Args:
        default: its path, unless
        variable: of the environment names another.

    Raises:
        RunDataError: there is neither, or the archive is broken.
        RunDirError: the cache cannot be written.
    """
    name = os.environ.get(variable) or default
    for path in (Path(name), Path("..", name)):
        if path.exists():
            return path if path.is_dir() else unpacked(path)
    raise RunDataError(f"there is no folder and no archive {name}; name one that there is in {variable}")


def unpacked(archive: Path) -> Path:
    """Folder with what an archive holds, in `$XDG_CACHE_HOME/jaxrl` or `~/.cache/jaxrl`, named by a hash of its bytes.

    Raises:
        RunDataError: there is no such archive, or it is broken, or a name in it leads out of the folder.
        RunDirError: the cache cannot be written.
    """
    try:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise RunDataError(f"cannot read the archive {archive}: {error.strerror}") from error
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxrl"
    folder = cache / digest
    if folder.is_dir():
        return folder
    try:
        with gzip.open(archive) as file:  # to its checksum: tarfile takes a damaged header for the end
            while file.read(1 << 20):
                pass
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".") as scratch:
            content = Path(scratch) / "content"
            content.mkdir()
            with tarfile.open(archive, "r:gz") as file:
                _extract(file, content.resolve())
            content.rename(folder)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise RunDataError(f"the archive {archive} is broken: {error}; fetch or make it again") from error
    except OSError as error:
        if folder.is_dir():  # another process was faster
            return folder
        raise write_error(folder, error, "another cache with XDG_CACHE_HOME") from error
    return folder


def _extract(file: tarfile.TarFile, folder: Path) -> None:
    """Write the files and folders, and refuse all that is something else or leads elsewhere.

    What `extractall(filter="data")` does is not in every Python 3.11.
    """
    for member in file:
        target = (folder / member.name).resolve()
        source = file.extractfile(member) if member.isfile() else None
        if not target.is_relative_to(folder) or not (source or member.isdir()):
            raise tarfile.ExtractError(f"{member.name} is no file or folder inside of it")
        (target if source is None else target.parent).mkdir(parents=True, exist_ok=True)
        if source is not None:
            with source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            os.utime(target, (member.mtime, member.mtime))
