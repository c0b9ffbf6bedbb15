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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault
from deploy.output import replace_file, replace_folder, write_through

_CURRENT: Final = "current.json"
_FOLDER: Final = "topics"
_KEPT: Final = 5
"""Folders: the one in force and those before it, to compare with or to go back to."""


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
    """What was applied last on this home; None: nothing was, or its files were taken away.

    Raises:
        Fault: what was applied last cannot be told. Other rules must not come into force by that.
    """
    current = home / _FOLDER / _CURRENT
    try:
        applied = Applied(**json.loads(current.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is damaged"
        raise Fault(
            f"{current}: cannot be read ({why}): run `straitwatch topics apply DIR` with the "
            "topic files that are to hold"
        ) from e
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
            write_through(part / name, text)
        replace_folder(part, folder)
    folder.touch()  # that its time says when it was applied last
    replace_file(folder.parent / _CURRENT, json.dumps(asdict(applied), indent=1))
    with suppress(OSError):  # they are in force: what another apply removes meanwhile is gone
        _prune(folder)
    return applied


def _prune(current: Path) -> None:
    """Remove all but the newest folders; the current one stays whatever the clock said."""
    others = [
        (f.stat().st_mtime_ns, f)
        for f in current.parent.iterdir()
        if f.is_dir() and not f.name.startswith(".") and f != current
    ]
    for _, old in sorted(others, reverse=True)[_KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
