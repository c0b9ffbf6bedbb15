"""The alert that the desk's tests tell, from the file that its golden messages are made of."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts import codec
from pipeline.contracts.records import Alert

GOLDEN = Path(__file__).parent
ALERT = codec.decode(Alert, (GOLDEN / "alert.json").read_bytes())
