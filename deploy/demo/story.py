"""What the demo tells a person at its end."""

from __future__ import annotations

from deploy.demo.run import DemoResult, percentiles
from deploy.ledger import LedgerView
from pipeline.contracts.records import Alert


def tell(result: DemoResult) -> str:
    """The alert as it came, the ledger, and how long it took: a dozen lines of plain text."""
    parts = [_alert(result.delivered[-1].alert)] if result.delivered else []
    parts.append(_ledger(result.ledger))
    took = percentiles([s for r in result.delivered if (s := r.latency_s) is not None])
    if took["p50"] is not None:
        parts.append(f"From first sight of the newest story to the webhook: {took['p50']} s")
    return "\n" + "\n".join(parts)


def _alert(alert: Alert) -> str:
    languages = ", ".join(f"{name} {count}" for name, count in alert.languages)
    observed = alert.observed
    evidence = "".join(f"  · [{e.lang}] {e.title} — {e.publisher}\n" for e in alert.evidence[:5])
    return (
        f"Alert {alert.topic}: {alert.state}, {alert.severity} (revision {alert.revision})\n"
        f"  {alert.reason}\n"
        f"  {observed.independent} independent stories ({observed.raw} articles) where "
        f"{alert.expected:.1f} are expected; {alert.publishers} publishers; {languages}\n"
        f"{evidence}"
    )


def _ledger(ledger: LedgerView) -> str:
    return (
        f"Ledger: {ledger.fetched} entries fetched = {ledger.rejected} rejected + "
        f"{ledger.duplicates} duplicates + {ledger.tagged} tagged + "
        f"{ledger.off_topic} off-topic + {ledger.dead_letters} dead letters; lost: {ledger.lost}"
    )
