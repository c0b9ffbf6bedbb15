"""The replay's clock: derived feed status, ticks, holes in an archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.backtest.replay import DerivedStatus, Replay, Rules
from pipeline.contracts.records import Article, Lang, SeriesPoint, TopicTag
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.stories.index import StorySettings

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def article(n: int, at: datetime, *, group: str = "g", revision: int = 0) -> Article:
    return Article(
        article_id=f"a{n}",
        feed_id=group,
        group=group,
        publisher=group,
        owner=group,
        title=f"Harbour report {n * 7919} from berth {n * 31}",
        summary="",
        link=None,
        authors=(),
        guid=None,
        published_at=at,
        seen_at=at,
        revision=revision,
    )


@dataclass
class HarbourTagger:
    rules_version: str = "words-1"

    def tag(self, title: str, summary: str, lang_hint: str | None = None) -> Any:
        return _Tagging(Lang.EN, (TopicTag("harbour", 1.0, 1, ("harbour",)),))


@dataclass(frozen=True)
class _Tagging:
    lang: Lang
    topics: tuple[TopicTag, ...]


def replay(*articles: Article) -> list[Any]:
    rules = Rules(HarbourTagger(), {"harbour": DetectorSettings()}, StorySettings())  # type: ignore[arg-type]
    return list(Replay(rules).run(articles, None))


def test_status_is_derived_by_group_and_five_minutes_and_edits_are_no_new_articles() -> None:
    derived, out = DerivedStatus(), []
    for n, (minute, group, revision) in enumerate(
        [(0, "g", 0), (1, "g", 0), (4, "h", 0), (4, "g", 1), (5, "h", 0)]
    ):
        at = START + minute * MINUTE
        out += derived.seen(at, article(n, at, group=group, revision=revision))
    out += derived.rest()
    assert [(s.bucket, s.group, s.articles, s.polled) for s in out] == [
        (START, "g", 2, 0),
        (START, "h", 1, 0),
        (START + 5 * MINUTE, "h", 1, 0),
    ]


def test_an_article_seen_earlier_than_the_one_before_counts_as_seen_with_it() -> None:
    late = START + 30 * MINUTE
    decided = replay(article(1, late), article(2, START), article(3, late + 10 * MINUTE))
    counted = sum(p.raw for p in final_points(decided).values())
    assert counted == 3


def test_a_hole_in_the_archive_is_not_drawn_as_calm() -> None:
    after = START + timedelta(days=40)
    points = final_points(
        replay(article(1, START), article(2, after), article(3, after + MINUTE * 9))
    )
    inside = [b for b in points if START + timedelta(days=3) < b < after - timedelta(hours=1)]
    assert not inside
    assert len(points) > 500


def final_points(decided: list[Any]) -> dict[datetime, SeriesPoint]:
    points = [d for d in decided if isinstance(d, SeriesPoint) and d.series.value == "volume"]
    return {p.bucket: p for p in points}
