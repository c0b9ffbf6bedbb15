"""Room on the disk: who ended for want of it is started when there is some."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LEAST_BYTES: Final = 20_000_000
"""With less a part that is started only fails again: Kafka's broker takes so much for its files."""


def free_bytes(folder: Path) -> int:
    """What we may still write to the disk of ``folder``.

    Of what is free a part is kept for root, on most disks.
    """
    disk = os.statvfs(folder)
    return disk.f_frsize * (disk.f_bfree if os.geteuid() == 0 else disk.f_bavail)


def is_full(folder: Path) -> bool:
    """Whether nothing can work on the disk of ``folder``; no, where nobody can tell."""
    try:
        return free_bytes(folder) < LEAST_BYTES
    except OSError:
        return False
