"""Files that commands write: whole or not at all."""

from __future__ import annotations

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
            target.replace(path)
    except OSError as e:
        raise Fault(f"{path}: {e.strerror or e}") from e
    finally:
        if not direct:
            with suppress(FileNotFoundError):
                target.unlink()
