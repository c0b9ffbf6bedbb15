"""What the running service says about its rules: the pipeline writes it, `topics apply` reads it.

A file below the home's ``run`` folder, replaced in one step.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_FILE: Final = "rules.json"

STARTING: Final = "starting"
CHANGING: Final = "changing"
REPLAYING: Final = "replaying"
LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class RulesStatus:
    """Which rules the service decides by, and whether they have caught up."""

    version: str
    state: str
    """``starting``, ``changing`` (the old rules tell what is theirs), ``replaying`` or ``live``."""
    setting: str | None
    """The folder that ``STRAITWATCH_TOPICS`` names for the service."""
    through: str | None = None
    """While replaying: until when it has got, ISO 8601."""
    young: tuple[str, ...] = ()
    """Once live after a replay: topics whose baseline is not warm yet."""
    fault: str | None = None
    """Why the pipeline could not go on at its last attempt; it tries again."""


def write_status(run: Path, status: RulesStatus) -> None:
    """Replace the status of the service whose ``run`` folder this is."""
    new = run / f"{_FILE}.new"
    new.write_text(json.dumps(asdict(status)), encoding="utf-8")
    new.replace(run / _FILE)


def read_status(run: Path) -> RulesStatus | None:
    """The newest status; None: there is none."""
    try:
        raw = json.loads((run / _FILE).read_text(encoding="utf-8"))
        return RulesStatus(**{**raw, "young": tuple(raw["young"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget_status(run: Path) -> None:
    """A new service begins: what a former one said is over."""
    (run / _FILE).unlink(missing_ok=True)
