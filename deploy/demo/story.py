"""What the demo tells a person at its end."""

from __future__ import annotations

from typing import Final

from connectors.desk.message import as_text, compose
from deploy.demo.run import DemoResult, percentiles
from deploy.ledger import LedgerView
from pipeline.contracts.records import Alert

_LONGEST: Final = 4000


def tell(result: DemoResult) -> str:
    """The alert as an analyst gets it, then the ledger, and how long it took; plain text."""
    parts = [_alert(result.alert), ""] if result.alert is not None else []
    if result.whole_story_topics:
        topics = ", ".join(result.whole_story_topics)
        parts.append(f"The report that tells the whole story is tagged: {topics}")
    parts.append(_ledger(result.ledger))
    took = percentiles([s for r in result.delivered if (s := r.latency_s) is not None])
    if took["p50"] is not None:
        parts.append(f"From first sight of the newest story to the webhook: {took['p50']} s")
    return "\n" + "\n".join(parts)


def _alert(alert: Alert) -> str:
    message = compose(alert)
    return f"{message.title}\n{as_text(message, _LONGEST)}"


def _ledger(ledger: LedgerView) -> str:
    return (
        f"Ledger: {ledger.fetched} entries fetched = {ledger.rejected} rejected + "
        f"{ledger.duplicates} duplicates + {ledger.tagged} tagged + "
        f"{ledger.off_topic} off-topic + {ledger.dead_letters} dead letters; lost: {ledger.lost}"
    )
