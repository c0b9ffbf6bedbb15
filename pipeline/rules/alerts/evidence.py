"""The articles and terms that an alert shows: few, from many publishers and languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.contracts.records import Evidence
from pipeline.rules.alerts.counts import Story
from pipeline.rules.times import moment

MAX_EVIDENCE: Final = 10
MAX_TERMS: Final = 8
MAX_TITLE: Final = 500
MAX_LINK: Final = 2_048
MAX_PUBLISHER: Final = 200
"""Characters. An alert must fit its Kafka topic whatever its articles hold."""


def select(stories: Sequence[Story]) -> tuple[Evidence, ...]:
    """Up to ten articles: each next one from the publisher and language shown least so far.

    Among equals the strongest, then the newest. Shown strongest first, then newest.
    """
    left = sorted(stories, key=_strongest_first)
    publishers: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    chosen: list[Story] = []
    while left and len(chosen) < MAX_EVIDENCE:
        best = min(left, key=lambda s: (publishers[s.publisher], languages[s.lang]))
        left.remove(best)
        chosen.append(best)
        publishers[best.publisher] += 1
        languages[best.lang] += 1
    return tuple(_evidence(s) for s in sorted(chosen, key=_strongest_first))


def terms(stories: Sequence[Story]) -> tuple[str, ...]:
    """The terms that matched in most stories, most frequent first."""
    count: Counter[str] = Counter()
    for story in stories:
        count.update(dict.fromkeys(story.terms, 1))
    ordered = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    return tuple(term for term, _ in ordered[:MAX_TERMS])


def _strongest_first(story: Story) -> tuple[int, int, str]:
    return -story.level, -story.at, story.article_id


def _evidence(story: Story) -> Evidence:
    link = story.link
    # Half a link leads nowhere.
    if link is not None and len(link) > MAX_LINK:
        link = None
    return Evidence(
        article_id=story.article_id,
        title=story.title[:MAX_TITLE],
        link=link,
        publisher=story.publisher[:MAX_PUBLISHER],
        lang=story.lang,
        published_at=moment(story.at),
        escalation=story.level,
        reprints=len(story.articles) - 1,
    )
