"""The plot of one topic as inline SVG: what was counted, what was expected, and the alerts.

Static on purpose: a report must open anywhere, without network and without scripts. Stretches in
which the archive recorded nothing are left out of the axis, and marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from deploy.backtest.outputs import Bin, Bins
from pipeline.rules.alerts.points import upper_bound

WIDTH: Final = 1120
HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 26, 24
_HOLE: Final = timedelta(hours=48)
_GAP: Final = 22
"""Pixels between two stretches."""


@dataclass(frozen=True, slots=True)
class Marker:
    """An alert in a plot."""

    start: datetime
    """Its onset."""
    raised: datetime
    end: datetime
    severity: str
    label: str
    anchor: str
    """Id of its entry in the report."""
    told: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled episode in a plot."""

    start: datetime
    end: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: datetime
    end: datetime
    left: float
    width: float


class _Axis:
    """Time to pixels, with the holes left out."""

    def __init__(self, starts: Sequence[datetime], width: timedelta) -> None:
        spans: list[list[datetime]] = []
        for start in starts:
            if spans and start - spans[-1][1] <= _HOLE:
                spans[-1][1] = start + width
            else:
                spans.append([start, start + width])
        room = WIDTH - _LEFT - _RIGHT - _GAP * (len(spans) - 1)
        total = sum(((b - a) for a, b in spans), timedelta())
        left = float(_LEFT)
        self.stretches: list[_Stretch] = []
        for a, b in spans:
            part = room * ((b - a) / total)
            self.stretches.append(_Stretch(a, b, left, part))
            left += part + _GAP

    def x(self, at: datetime) -> float:
        """Pixels from the left; a time in a hole lies at its edge."""
        for s in self.stretches:
            if at <= s.end:
                return s.left + s.width * max(0.0, (at - s.start) / (s.end - s.start))
        last = self.stretches[-1]
        return last.left + last.width


def plot(
    title: str,
    bins: Bins,
    volume: Bins | None,
    markers: Iterable[Marker],
    labels: Iterable[Label] = (),
    other: Bins | None = None,
) -> Markup:
    """The plot; empty when nothing was counted.

    Args:
        title: read out by screen readers.
        bins: the escalation series.
        volume: all stories of the topic, drawn as context.
        markers: the alerts.
        labels: the truth, drawn as bars at the top.
        other: the escalation series of the backtest compared with.
    """
    starts = sorted(bins.by_start)
    if not starts:
        return Markup("")
    axis = _Axis(starts, bins.width)
    shown = [bins.by_start[s] for s in starts]
    uppers = [upper_bound(b.expected, b.variance) for b in shown]
    top = _nice(max(max((b.independent for b in shown), default=1), max(uppers, default=1), 3))
    y = _Scale(top)
    out = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *_grid(axis, y),
        *_blind(axis, starts, shown, bins.width),
        *_labels(axis, labels),
        *_band(axis, starts, shown, uppers, bins.width, y),
        *_bars(axis, starts, shown, uppers, bins.width, y),
    ]
    if volume is not None:
        out += _line(axis, volume, y, "volume", clip=True)
    if other is not None:
        out += _line(axis, other, y, "other")
    out += _markers(axis, markers)
    out.append("</svg>")
    return Markup("".join(out))  # noqa: S704 - every text in it is escaped


class _Scale:
    def __init__(self, top: float) -> None:
        self.top = top

    def __call__(self, value: float) -> float:
        share = min(max(value, 0.0), self.top) / self.top
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _grid(axis: _Axis, y: _Scale) -> Iterable[str]:
    step = _nice(y.top / 4) if y.top > 4 else 1
    value = 0.0
    while value <= y.top:
        yield _rule(_LEFT, WIDTH - _RIGHT, y(value), y(value))
        yield _tick(_LEFT - 6, y(value) + 4, f"{value:g}", "end")
        value += step
    for s in axis.stretches:
        every = _day_step((s.end - s.start) / timedelta(days=1), s.width)
        form = "%d %b" if every < 28 else "%d %b %Y"
        day = s.start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        while day <= s.end:
            if day.toordinal() % every == 0:
                x = axis.x(day)
                yield _rule(x, x, _TOP, HEIGHT - _BOTTOM)
                if x < s.left + s.width - 30:
                    yield _tick(x + 3, HEIGHT - 8, f"{day:{form}}", "start")
            day += timedelta(days=1)
    for before, after in zip(axis.stretches, axis.stretches[1:], strict=False):
        x = (before.left + before.width + after.left) / 2
        yield f'<line class="hole" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'


def _rule(x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _tick(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _blind(
    axis: _Axis, starts: Sequence[datetime], shown: Sequence[Bin], width: timedelta
) -> Iterable[str]:
    for start, b in zip(starts, shown, strict=True):
        kind = "blind" if 2 * b.blind > b.buckets else "cold" if 2 * b.cold > b.buckets else ""
        if kind:
            x, end = axis.x(start), axis.x(start + width)
            yield (
                f'<rect class="{kind}" x="{x:.1f}" y="{_TOP}" width="{end - x + 0.2:.1f}" '
                f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
            )


def _labels(axis: _Axis, labels: Iterable[Label]) -> Iterable[str]:
    for label in labels:
        x, end = axis.x(label.start), axis.x(label.end)
        yield (
            f'<rect class="label {escape(label.level)}" x="{x:.1f}" y="2" '
            f'width="{max(end - x, 2):.1f}" height="7"><title>{escape(label.text)}</title></rect>'
        )


def _band(
    axis: _Axis,
    starts: Sequence[datetime],
    shown: Sequence[Bin],
    uppers: Sequence[float],
    width: timedelta,
    y: _Scale,
) -> Iterable[str]:
    """The ordinary range as an area, the expected count as a line; broken at holes."""
    for s in axis.stretches:
        inside = [i for i, start in enumerate(starts) if s.start <= start < s.end]
        up, mid = [], []
        for i in inside:
            x, end = axis.x(starts[i]), axis.x(starts[i] + width)
            up.append(f"{x:.1f},{y(uppers[i]):.1f} {end:.1f},{y(uppers[i]):.1f}")
            mid.append(f"{x:.1f},{y(shown[i].expected):.1f} {end:.1f},{y(shown[i].expected):.1f}")
        floor = y(0)
        yield (
            f'<polygon class="band" points="{s.left:.1f},{floor:.1f} {" ".join(up)} '
            f'{s.left + s.width:.1f},{floor:.1f}"/>'
        )
        yield f'<polyline class="expected" points="{" ".join(mid)}"/>'


def _bars(
    axis: _Axis,
    starts: Sequence[datetime],
    shown: Sequence[Bin],
    uppers: Sequence[float],
    width: timedelta,
    y: _Scale,
) -> Iterable[str]:
    for start, b, upper in zip(starts, shown, uppers, strict=True):
        if not b.independent:
            continue
        x, end = axis.x(start), axis.x(start + width)
        kind = "bar high" if b.independent > upper else "bar"
        text = (
            f"{start:%Y-%m-%d %H:%M}, {_span(width)}: {b.independent} stories "
            f"({b.raw} articles), expected {b.expected:.1f}"
        )
        at = y(b.independent)
        yield (
            f'<rect class="{kind}" x="{x:.1f}" y="{at:.1f}" '
            f'width="{max(end - x - 0.3, 0.8):.1f}" height="{y(0) - at:.1f}">'
            f"<title>{text}</title></rect>"
        )


def _line(axis: _Axis, bins: Bins, y: _Scale, kind: str, *, clip: bool = False) -> Iterable[str]:
    for s in axis.stretches:
        points = []
        for start in sorted(bins.by_start):
            if s.start <= start < s.end and (b := bins.by_start[start]).buckets:
                value = b.independent
                if clip and value > y.top:
                    value = int(y.top)
                x, end, at = axis.x(start), axis.x(start + bins.width), y(value)
                points.append(f"{x:.1f},{at:.1f} {end:.1f},{at:.1f}")
        if points:
            yield f'<polyline class="{kind}" points="{" ".join(points)}"/>'


def _markers(axis: _Axis, markers: Iterable[Marker]) -> Iterable[str]:
    for m in markers:
        onset, raised, end = axis.x(m.start), axis.x(m.raised), axis.x(m.end)
        severity = escape(m.severity)
        yield f'<a href="#{escape(m.anchor)}"><g class="alert {severity}">'
        yield f"<title>{escape(m.label)}</title>"
        yield (
            f'<rect class="span" x="{onset:.1f}" y="{_TOP}" width="{max(end - onset, 1.5):.1f}" '
            f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
        )
        for at in m.told or (m.raised,):
            x = axis.x(at)
            yield f'<path d="M{x:.1f} {_TOP} l-5 -10 h10 z"/>'
        yield f'<line x1="{raised:.1f}" x2="{raised:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        yield "</g></a>"


def _nice(value: float) -> float:
    if value <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(value))
    return next(m * scale for m in (1, 2, 2.5, 3, 4, 5, 6, 8, 10) if m * scale >= value - 1e-9)


def _day_step(days: float, pixels: float) -> int:
    least = 58 * days / max(pixels, 1.0)
    return next((s for s in (1, 2, 7, 14, 28, 91, 182, 364) if s >= least), 728)


def _span(width: timedelta) -> str:
    hours = width / timedelta(hours=1)
    return f"{hours:g} h" if hours < 48 else f"{hours / 24:g} days"
