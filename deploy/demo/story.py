"""What the demo tells a person at its end."""

from __future__ import annotations

from deploy.demo.run import DemoResult, percentiles


def tell(result: DemoResult) -> str:
    """The alert as it came, the ledger, and how long it took: a dozen lines of plain text."""
    lines = []
    if result.delivered:
        alert = result.delivered[-1].alert
        languages = ", ".join(f"{name} {count}" for name, count in alert.languages)
        lines += [
            "",
            f"Alert {alert.topic}: {alert.state}, {alert.severity} (revision {alert.revision})",
            f"  {alert.reason}",
            f"  {alert.observed.independent} independent stories ({alert.observed.raw} articles)"
            f" where {alert.expected:.1f} are expected; {alert.publishers} publishers; {languages}",
        ]
        lines += [f"  · [{e.lang}] {e.title} — {e.publisher}" for e in alert.evidence[:5]]
    ledger = result.ledger
    took = percentiles([s for r in result.delivered if (s := r.latency_s) is not None])
    lines += [
        "",
        f"Ledger: {ledger.fetched} entries fetched = {ledger.rejected} rejected"
        f" + {ledger.duplicates} duplicates + {ledger.tagged} tagged"
        f" + {ledger.off_topic} off-topic + {ledger.dead_letters} dead letters; lost: {ledger.lost}",
    ]
    if took["p50"] is not None:
        lines.append(f"From first sight of the newest story to the webhook: {took['p50']} s")
    return "\n".join(lines)
