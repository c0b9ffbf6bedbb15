"""Where the running service is: what `up` writes down when it is ready, and other commands read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FILE: Final = "ready.json"


def note_ready(run: Path, ready: dict[str, Any]) -> None:
    """Write down the ready event of the service whose ``run`` folder this is."""
    new = run / f"{FILE}.new"
    new.write_text(json.dumps(ready), encoding="utf-8")
    new.replace(run / FILE)


def forget_ready(run: Path) -> None:
    """The service has stopped."""
    (run / FILE).unlink(missing_ok=True)


def kafka_of(home: Path, configured: str | None, port: int) -> str:
    """``host:port`` of the broker to talk to.

    The configured one, else that of the service which runs on this home, else our own port.
    """
    if configured:
        return configured
    try:
        ready = json.loads((home / "run" / FILE).read_text(encoding="utf-8"))
        return str(ready["kafka"])
    except (OSError, ValueError, KeyError):
        return f"127.0.0.1:{port}"
