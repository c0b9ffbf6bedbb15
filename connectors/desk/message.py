"""An alert as a person reads it in ten seconds: what, how much against the usual, why, evidence.

One structure, three shapes: a line, plain text, HTML. The title has only words and numbers of ours,
so it is safe in services that never escape titles.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.desk.plain import clean, clean_link
from pipeline.contracts.records import Alert, AlertState, Counts, Evidence

_STATES: Final = {
    AlertState.OPEN: "new alert",
    AlertState.ESCALATED: "rising further",
    AlertState.DE_ESCALATED: "easing",
    AlertState.CLOSED: "over",
}
_LEVELS: Final = {0: "none", 1: "friction", 2: "coercion without force", 3: "force"}
_LANGUAGES: Final = {
    "en": "English",
    "ja": "Japanese",
    "zh-Hans": "Chinese (simplified)",
    "zh-Hant": "Chinese (traditional)",
    "other": "other languages",
}
_LONGEST_TITLE: Final = 160
_ALMOST_NONE: Final = 0.05
"""An expected count below it would be shown as 0.0."""
_LEFT_OUT: Final = 40
"""Characters kept for the line that says how many articles were left out."""

Change = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Item:
    """One article of the evidence, clean."""

    title: str
    lang: str
    """A BCP 47 tag for HTML; "und" when unknown."""
    publisher: str
    detail: str
    link: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told of one revision."""

    title: str
    summary: str
    """The count against the usual, in one sentence."""
    facts: tuple[tuple[str, str], ...]
    """Name and value, the most important first."""
    items: tuple[Item, ...]
    footer: str


def compose(alert: Alert) -> Message:
    """The message for one revision."""
    topic = clean(alert.topic, 60)
    update = f", update {alert.revision}" if alert.revision > 1 else ""
    return Message(
        title=f"{alert.severity.upper()}: {topic} – {_STATES[alert.state]}{update}",
        summary=_summary(alert),
        facts=tuple((name, value) for name, value in _facts(alert) if value),
        items=tuple(_item(e) for e in alert.evidence[:10]),
        footer=f"Alert {clean(alert.alert_id, 64)}, revision {alert.revision}. "
        f"Detector {clean(alert.detector_version, 40)}, rules {clean(alert.rules_version, 40)}. "
        "All times UTC.",
    )


def as_line(message: Message) -> str:
    """Everything that matters in one line."""
    first = message.items[0] if message.items else None
    quoted = f' | "{first.title}" ({first.publisher})' if first else ""
    return f"{message.title} | {message.summary}{quoted}"


def as_text(message: Message, longest: int, text: Change = str, link: Change = str) -> str:
    """Plain text without the title, at most ``longest`` characters.

    What does not fit goes in this order: evidence from its end, the footer, facts from their end.

    Args:
        message: what to tell.
        longest: what the channel takes.
        text: applied to whatever strangers wrote.
        link: applied to links.
    """
    out = "\n".join([message.summary, *(f"{name}: {text(value)}" for name, value in message.facts)])
    end = f"\n\n{message.footer}"
    room = longest - len(end) - _LEFT_OUT
    if len(out) > room:
        # A pager or a text message: no place for what only helps to look things up.
        return clip(out, longest)
    shown = 0
    for number, item in enumerate(message.items, 1):
        entry = f"\n\n{number}. {text(item.title)}\n{text(item.publisher)}, {item.detail}"
        if item.link:
            entry += f"\n{link(item.link)}"
        if len(out) + len(entry) > room:
            break
        out += entry
        shown = number
    if left := len(message.items) - shown:
        out += f"\n\n… and {left} more" if shown else f"\n\n{left} articles behind this"
    return out + end


def as_html(message: Message) -> str:
    """A complete page for a mail: no picture, no style sheet, no script, nothing to load."""
    esc = html.escape
    facts = "".join(
        f'<tr><th align="left" valign="top" style="padding:2px 12px 2px 0">{esc(name)}</th>'
        f'<td style="padding:2px 0">{esc(value)}</td></tr>'
        for name, value in message.facts
    )
    items = "".join(_html_item(item) for item in message.items)
    evidence = f"<ol>{items}</ol>" if items else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{esc(message.title)}</title></head>"
        '<body style="font-family:sans-serif;line-height:1.4;max-width:44em">'
        f'<h1 style="font-size:1.2em">{esc(message.title)}</h1>'
        f"<p><strong>{esc(message.summary)}</strong></p>"
        f'<table style="border-collapse:collapse">{facts}</table>{evidence}'
        f'<p style="color:#555;font-size:.85em">{esc(message.footer)}</p></body></html>'
    )


def clip(text: str, longest: int) -> str:
    """At most ``longest`` characters, with a sign where something is missing."""
    return text if len(text) <= longest else text[: max(0, longest - 1)] + "…"


def usual(alert: Alert) -> str:
    """The expected count in a word or a number."""
    return "almost none" if alert.expected < _ALMOST_NONE else f"{alert.expected:.1f}"


def _summary(alert: Alert) -> str:
    stories = _count(alert.observed.independent, "independent story", "independent stories")
    again = ""
    if alert.observed.raw > alert.observed.independent:
        again = f" ({alert.observed.raw} articles with reprints)"
    return (
        f"{stories} in {_span(alert.window_minutes)}{again}; "
        f"usual is {usual(alert)}, at most {round(alert.upper, 1):g}."
    )


def _facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    # An alert that is over has none of it: a row of noughts would say nothing.
    publishers = _count(alert.publishers, "publisher", "publishers") if alert.publishers else ""
    level = f"{alert.escalation} of 3 ({_LEVELS.get(alert.escalation, 'unknown')})"
    return (
        ("Why", clean(alert.reason, 400)),
        ("Sources", "; ".join(filter(None, (publishers, _languages(alert.languages))))),
        ("Level", f"{level}; score {alert.score:.1f}" if alert.escalation or alert.score else ""),
        ("Terms", clean(", ".join(alert.terms[:12]), 300)),
        ("Since", _times(alert)),
        ("Baseline", _baseline(alert)),
    )


def _baseline(alert: Alert) -> str:
    base = alert.baseline
    since = f"learning since {base.since:%d %b %Y}" if base.since else "learning"
    parts = [since if base.warm else f"still young, {since}: take the numbers with care"]
    if base.blind:
        parts.append("feeds are silent: the count may be too low")
    return "; ".join(parts)


def _times(alert: Alert) -> str:
    onset, raised, revised = alert.onset_at, alert.raised_at, alert.revised_at
    text = f"{_time(onset)}; raised {_time(raised, onset)}"
    return text if alert.revision == 1 else f"{text}; this update {_time(revised, raised)}"


def _time(value: datetime, after: datetime | None = None) -> str:
    """The day only when it is another than the one before."""
    same = after is not None and after.date() == value.date()
    return f"{value:%H:%M}" if same else f"{value:%d %b %H:%M}"


def _item(e: Evidence) -> Item:
    reprints = f", {_count(e.reprints, 'reprint', 'reprints')}" if e.reprints else ""
    lang = _LANGUAGES.get(e.lang, "")
    return Item(
        title=clean(e.title, _LONGEST_TITLE) or "(no title)",
        lang="und" if e.lang == "other" else str(e.lang),
        publisher=clean(e.publisher, 60) or "(unknown publisher)",
        detail=f"{lang}, {e.published_at:%d %b %H:%M}{reprints}",
        link=clean_link(e.link),
    )


def _html_item(item: Item) -> str:
    title = f'<span lang="{html.escape(item.lang)}">{html.escape(item.title)}</span>'
    if item.link:
        title = f'<a href="{html.escape(item.link)}" rel="noreferrer noopener">{title}</a>'
    source = html.escape(f"{item.publisher}, {item.detail}")
    return f'<li style="margin:6px 0">{title}<br><span style="color:#555">{source}</span></li>'


def _languages(counts: Counts) -> str:
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{_LANGUAGES.get(lang, clean(lang, 20))} {n}" for lang, n in ordered if n)


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _span(minutes: int) -> str:
    if minutes % 60:
        return f"{minutes} min"
    return f"{timedelta(minutes=minutes) // timedelta(hours=1)} h"
