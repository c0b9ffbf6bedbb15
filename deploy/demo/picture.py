"""The README's picture of an alert: ``python -m deploy.demo.picture > deploy/docs/alert.svg``.

Drawn from the demo's texts by the code that writes messages, so that it shows what analysts get.
"""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.text import Text

from connectors.desk.message import as_text, compose
from deploy.demo.scenario import TOPIC, Item, Scenario
from pipeline.contracts.ids import stable_id
from pipeline.contracts.records import (
    Alert,
    AlertState,
    Baseline,
    Evidence,
    Lang,
    Observed,
    Series,
    Severity,
)

_NOW: Final = datetime(2026, 11, 25, 9, 40, tzinfo=UTC)
_SHOWN: Final = 5


def sample_alert() -> Alert:
    """The alert that the demo's escalation makes on a warm baseline."""
    scenario = Scenario()
    publishers = {o.slug: (o.publisher, Lang(o.language)) for o in scenario.outlets}
    items = scenario.crisis(_NOW - timedelta(minutes=4))[:_SHOWN]
    return Alert(
        alert_id=stable_id(TOPIC, "picture"),
        revision=1,
        topic=TOPIC,
        series=Series.ESCALATION,
        state=AlertState.OPEN,
        severity=Severity.CRITICAL,
        reason="10 independent stories from 9 publishers within 20 minutes, where 0.6 would be "
        "usual; several report the use of force.",
        onset_at=_NOW - timedelta(minutes=17),
        raised_at=_NOW,
        revised_at=_NOW,
        window_minutes=20,
        observed=Observed(10, 13),
        expected=0.6,
        upper=3.0,
        score=6.2,
        escalation=3,
        publishers=9,
        languages=(("en", 4), ("ja", 3), ("zh-Hans", 2), ("zh-Hant", 1)),
        terms=("領海侵入", "sanctions", "export ban", "實彈"),
        baseline=Baseline(_NOW - timedelta(days=60), warm=True, blind=False),
        evidence=tuple(_evidence(item, *publishers[item.outlet]) for item in items),
        detector_version="1",
        rules_version="picture",
    )


def _evidence(item: Item, publisher: str, lang: Lang) -> Evidence:
    link = f"https://{item.outlet}.example/{item.number}"
    return Evidence(
        stable_id(str(item.number)), item.title, link, publisher, lang, item.published_at, 3, 0
    )


def picture() -> str:
    """The message as an SVG that asks no other host for anything."""
    console = Console(record=True, width=92, file=io.StringIO())
    message = compose(sample_alert())
    console.print(Text(message.title, style="bold bright_red"))
    console.print(Text(as_text(message, 4000)))
    svg = console.export_svg(title="straitwatch")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    # Set widths squeeze Chinese and Japanese where the font differs from the one that was measured.
    return re.sub(r' textLength="[^"]*"', "", svg)


if __name__ == "__main__":
    sys.stdout.write(picture())
