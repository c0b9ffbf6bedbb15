"""Records that state impossible times: they end as others do, and the rest is decided as ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.graph.conftest import START, Log, Out, article, status

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def told(out: Out) -> list[tuple[str, int]]:
    return [(a.state, a.revision) for a in out.alerts if a.topic == "harbour"]


@pytest.mark.parametrize("when", [FIRST, LAST])
def test_times_out_of_this_world_stop_no_alert(
    run: Callable[..., Out], episode: tuple[Log, Log], reference: Out, when: datetime
) -> None:
    articles, feeds = Log("articles", 2), Log("feeds")
    odd = article(88_888, START, "Ferry mast rope buoy")
    articles.append(replace(odd, published_at=when), START, partition=0)
    articles.append(replace(odd, article_id="1" * 32, seen_at=when), START, partition=1)
    feeds.append(replace(status(START, 1), bucket=when), START)
    for source, into in zip(episode, (articles, feeds), strict=True):
        for partition, records in source.records.items():
            offset = len(into.records[partition])
            into.records[partition] += [r._replace(offset=r.offset + offset) for r in records]

    out = run(articles.batches(), feeds.batches())

    assert out.dead == []
    assert len(out.tagged) == len(reference.tagged) + 2
    assert told(out) == told(reference) != []
