"""The home folder: what lies where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import Fault


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one service; all below one home."""

    home: Path

    @property
    def kafka(self) -> Path:
        """Kafka's configuration and data."""
        return self.home / "kafka"

    @property
    def engine(self) -> Path:
        """The engine's configuration, artifacts and checkpoints."""
        return self.home / "engine"

    @property
    def logs(self) -> Path:
        """A log a part, rotated."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """What belongs to the running service: the lock, the list of its processes."""
        return self.home / "run"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            Fault: that is not possible; the message says where and why.
        """
        for folder in (self.home, self.kafka, self.engine, self.logs, self.run):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as e:
                raise Fault(
                    f"cannot make {folder} ({e.strerror}): mend it or set STRAITWATCH_HOME"
                ) from e
            if not os.access(folder, os.W_OK | os.X_OK):
                raise Fault(f"cannot write into {folder}: mend it or set STRAITWATCH_HOME")
