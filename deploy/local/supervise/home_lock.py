"""One service a home folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import Refused


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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            who = f" (process {holder})" if holder else ""
            raise Refused(
                f"a service runs on {run.parent} already{who}: stop it, or set STRAITWATCH_HOME "
                "to another folder"
            ) from e
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
