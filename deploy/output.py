"""Files that are written whole or not at all, whatever is killed and whenever the power goes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from deploy.errors import Fault, WrongUse

_STREAMS: Final = {"/dev/stdout": 1, "/dev/fd/1": 1, "/dev/stderr": 2, "/dev/fd/2": 2}


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """A text file, UTF-8, that takes the place of ``path`` when the block ends well.

    What is no ordinary file is written to directly: pipes, terminals, and ``/dev/stdout``, which
    leads to an ordinary one when a shell has sent it there.

    Raises:
        WrongUse: it cannot stand there.
        Fault: the disk would not take it.
    """
    direct = str(path) in _STREAMS or (path.exists() and not path.is_file())
    target = path if direct else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # The stream itself, not its name opened anew: that would begin the shell's file again.
        place = os.dup(_STREAMS[str(path)]) if str(path) in _STREAMS else target
        file = open(place, "w", encoding="utf-8", errors="replace", newline="\n")  # noqa: PTH123, SIM115
    except OSError as e:
        raise WrongUse(f"{path}: cannot be written: {e.strerror or e}") from e
    try:
        with file:
            yield file
            if not direct:
                file.flush()
                os.fsync(file.fileno())
        if not direct:
            _put(target, path)
    except OSError as e:
        raise Fault(f"{path}: {e.strerror or e}") from e
    finally:
        if not direct:
            with suppress(FileNotFoundError):
                target.unlink()


def replace_file(path: Path, content: str | bytes) -> None:
    """Put ``content``, text in UTF-8, in the place of ``path``; its folder is there.

    Without the waits for the disk a power cut may leave the new name on a file without content.

    Raises:
        OSError: the disk would not take it; what stood there stands there still.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_through(part, content)
        _put(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def replace_folder(part: Path, path: Path) -> None:
    """Give a folder its name, once its files (`write_through`) are on the disk.

    Raises:
        OSError: the disk would not take it, or a folder with files stands there.
    """
    _sync_folder(part)
    _put(part, path)


def write_through(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8, as far as the disk.

    Raises:
        OSError: the disk would not take it.
    """
    with path.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def _put(part: Path, path: Path) -> None:
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk when its folder is.

    The file stands there already: a folder that may not be read, or a file system that does not
    know of this (a network's), takes nothing back.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
