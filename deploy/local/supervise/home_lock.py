"""One service a home folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.errors import Refused

_LOOKS: Final = 20
_LOOK_SECONDS: Final = 0.05
"""One who only asks whether a service runs (`is_running`) has the lock for a moment."""


@contextmanager
def home_lock(run: Path) -> Iterator[None]:
    """Hold the home folder; the system lets go of it with the process, however that ends.

    Args:
        run: the home's ``run`` folder.

    Raises:
        Refused: another service has it.
    """
    descriptor = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not any(_takes(descriptor) for _ in range(_LOOKS)):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            who = f" (process {holder})" if holder else ""
            raise Refused(
                f"a service runs on {run.parent} already{who}: stop it, or set STRAITWATCH_HOME "
                "to another folder"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_running(run: Path) -> bool:
    """Whether a service holds the home whose ``run`` folder this is."""
    try:
        descriptor = os.open(run / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared: two who ask at once do not take each other for a service.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _takes(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        time.sleep(_LOOK_SECONDS)
        return False
    return True
