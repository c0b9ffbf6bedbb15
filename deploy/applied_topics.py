"""Topic files that `topics apply` has brought in: copies below the home folder, and which of them.

``topics/current.json`` names the folder in force. It is replaced in one step, and whoever runs the
pipeline looks at it: so it is the request as well, and outlives whatever is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_CURRENT: Final = "current.json"
_FOLDER: Final = "topics"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied last."""

    version: str
    """Of the rules (`TopicSet.version`)."""
    folder: str
    """Below ``topics`` in the home folder."""
    asked_at: float
    """Seconds since 1970: what topics that are new to the service tell begins then."""
    instead_of: str | None
    """Version of the files that ``STRAITWATCH_TOPICS`` named then; None: it was not set."""

    def path(self, home: Path) -> Path:
        """The folder with the files."""
        return home / _FOLDER / self.folder


def read_applied(home: Path) -> Applied | None:
    """What was applied last on this home; None: nothing was."""
    try:
        raw = json.loads((home / _FOLDER / _CURRENT).read_text(encoding="utf-8"))
        applied = Applied(**raw)
    except (OSError, ValueError, TypeError):
        return None
    return applied if applied.path(home).is_dir() else None


def install(
    home: Path, texts: Mapping[str, str], version: str, asked_at: float, instead_of: str | None
) -> Applied:
    """Copy the files below the home folder and put them in force, whole or not at all.

    Raises:
        OSError: the disk would not take them.
    """
    digest = hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()[:8]
    applied = Applied(version, f"{version}-{digest}", asked_at, instead_of)
    folder = applied.path(home)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8", newline="")
        part.replace(folder)
    current = folder.parent / _CURRENT
    new = current.with_name(f".{_CURRENT}.{os.getpid()}.part")
    new.write_text(json.dumps(asdict(applied), indent=1), encoding="utf-8")
    new.replace(current)
    return applied
