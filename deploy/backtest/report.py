"""The report of a backtest: one HTML file that opens anywhere, without network and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from deploy.backtest.compare import Comparison, shift_minutes
from deploy.backtest.outputs import Episode
from deploy.backtest.plot import Label, Marker, plot
from deploy.backtest.run import REPORT, Result
from deploy.backtest.truth import Span
from deploy.output import written
from pipeline.contracts.records import Series

_OPEN_FOR = timedelta(hours=6)
"""How wide an alert is drawn that the archive did not see closed."""


def write_report(
    result: Result, titles: Mapping[str, str], out: Path, comparison: Comparison | None = None
) -> None:
    """Write ``report.html`` into ``out``. ``titles``: of the topics, as a person reads them."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    environment.filters["span"] = _span
    environment.filters["number"] = lambda n: f"{n:,}"
    environment.filters["share"] = lambda x: "–" if x is None else f"{100 * x:.0f} %"
    environment.filters["dash"] = lambda x: "–" if x is None else x
    environment.filters["safe_link"] = _safe_link
    environment.globals["shift"] = shift_minutes
    html = environment.get_template("report.html.j2").render(
        summary=result.summary,
        topics=[
            _topic(result, name, titles.get(name, name), comparison)
            for name in result.summary["topics"]
        ],
        comparison=comparison,
        has_truth=result.truth is not None,
        truth_total=result.summary.get("truth"),
    )
    with written(out / REPORT) as file:
        file.write(html)


def _topic(result: Result, name: str, title: str, comparison: Comparison | None) -> dict[str, Any]:
    episodes = [e for e in result.alerts.episodes.values() if e.first.topic == name]
    spans = [s for s in (result.truth.episodes if result.truth else ()) if s.topic == name]
    change = comparison.topics.get(name) if comparison else None
    return {
        "name": name,
        "title": title,
        "counts": result.summary["topics"][name],
        "plot": _plot(result, name, title, episodes, spans, comparison),
        "episodes": [(e, _verdict(e, spans, result)) for e in episodes],
        "missed": _missed(result, name, spans),
        "change": change,
    }


def _plot(
    result: Result,
    name: str,
    title: str,
    episodes: list[Episode],
    spans: list[Span],
    comparison: Comparison | None,
) -> Markup:
    bins = result.series.bins.get((name, Series.ESCALATION))
    if bins is None:
        return Markup("")
    # Drawn over equal counts it would only hide them.
    differs = comparison is not None and not comparison.same_rules
    other = comparison.bins.get(name) if comparison and differs else None
    return plot(
        f"Escalation stories of {title}: counted, expected, alerts",
        bins,
        result.series.bins.get((name, Series.VOLUME)),
        [_marker(e) for e in episodes],
        [Label(s.start, s.end, s.level, f"{s.level}: {s.name} {s.what}") for s in spans],
        other if other is not None and other.width == bins.width else None,
    )


def _marker(episode: Episode) -> Marker:
    first, last = episode.first, episode.last
    end = (
        last.revised_at if episode.is_closed else max(last.revised_at, first.raised_at + _OPEN_FOR)
    )
    return Marker(
        start=min(first.onset_at, first.raised_at),
        raised=first.raised_at,
        end=end,
        severity=episode.top.severity.value,
        label=f"{_time(first.raised_at)} {episode.top.severity.value}: {first.reason}",
        anchor=f"alert-{first.alert_id[:12]}",
        told=tuple(episode.told_at),
    )


def _verdict(episode: Episode, spans: list[Span], result: Result) -> str:
    """How the alert stands against the truth: a word for its row; empty when nothing is known."""
    truth = result.truth
    if truth is None:
        return ""
    topic = episode.first.topic
    told = [at for at in episode.told_at if truth.is_scored(at)]
    if not told:
        return "not scored"
    if any(s.holds(at) for s in spans if s.level != "may" for at in told):
        return "right"
    if any(s.holds(at) for s in spans for at in told):
        return "arguable"
    if truth.quiet is None or any(
        q.topic == topic and q.holds(at) for q in truth.quiet for at in told
    ):
        return "false"
    return "not judged"


def _missed(result: Result, name: str, spans: list[Span]) -> list[Span]:
    score = (result.scores or {}).get(name)
    missed = set(score.missed) if score else set()
    return [s for s in spans if s.level != "may" and (s.name or s.start.isoformat()) in missed]


def _time(value: Any) -> str:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return f"{value:%Y-%m-%d %H:%M}"


def _span(minutes: float) -> str:
    sign = "−" if minutes < 0 else ""
    minutes = abs(minutes)
    if minutes < 90:
        return f"{sign}{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{sign}{minutes / 60:.1f} h"
    return f"{sign}{minutes / 1440:.1f} d"


def _safe_link(link: str | None) -> str | None:
    """A feed's words are hostile: only http(s) is made a link."""
    return link if link and link.startswith(("http://", "https://")) else None
